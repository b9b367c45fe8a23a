"""`mailiu token`: a bearer token for the API, and `mailiu token revoke`."""

from typing import Annotated

import typer

from infra.cli.errors import Refusal
from infra.cli.noted import note

token = typer.Typer(invoke_without_command=True, add_completion=False, help="Print a bearer token, or revoke some.")


@token.callback()
def issue(
    context: typer.Context,
    role: Annotated[
        str, typer.Option(help="clinician, nurse, manager, analyst, integrator, admin, resident or guardian.")
    ] = "",
    institution: Annotated[
        list[str] | None,
        typer.Option(help="Institution it covers; several, `*` for all; not for resident, guardian."),
    ] = None,
    hours: Annotated[float, typer.Option(help="Hours until it expires.")] = 12,
    actor: Annotated[
        str | None,
        typer.Option(
            help="Whom events and audit trail name; default: role@institution. The resident or guardian itself."
        ),
    ] = None,
) -> None:
    """Print a bearer token that this home's API accepts."""
    if context.invoked_subcommand is not None:
        return
    import jwt

    from api.auth import issue

    try:
        made = issue(role, institution or (), hours, actor)  # type: ignore[arg-type]
    except ValueError as error:
        raise Refusal(str(error)) from error
    claims = jwt.decode(made, options={"verify_signature": False})
    told = {name: claims[name] for name in ("jti", "sub", "role", "institutions", "exp")}
    note("issued", "token", granted=told)
    print(made)


@token.command("revoke")
def revoke(
    which: Annotated[str | None, typer.Argument(metavar="TOKEN", help="A token, or its id (jti).")] = None,
    actor: Annotated[str | None, typer.Option(help="Every token that this actor was issued until now.")] = None,
) -> None:
    """Revoke a token, or all that an actor holds; every process of this home refuses them within a second."""
    import jwt

    from infra.vault.revocation import revocations

    if (which is None) == (actor is None):
        raise Refusal("name a token (or its id), or --actor")
    if which is not None and which.count(".") == 2:
        try:
            which = jwt.decode(which, options={"verify_signature": False})["jti"]
        except (jwt.PyJWTError, KeyError) as error:
            raise Refusal("that is no token with an id; revoke by --actor") from error
    note("revoked", "token", revoked={"jti": which, "sub": actor})
    revocations().revoke(which, actor)
    print(f"revoked: {f'token {which}' if which else f'what {actor} was issued until now'}")
