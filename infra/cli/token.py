"""`mailiu token`: a bearer token for the API."""

from typing import Annotated

import typer

from infra.cli.errors import Refusal


def token(
    role: Annotated[str, typer.Option(help="clinician, nurse, manager, analyst, integrator or admin.")],
    institution: Annotated[list[str], typer.Option(help="Institution it covers; repeat for several, `*` for all.")],
    hours: Annotated[float, typer.Option(help="Hours until it expires.")] = 12,
    actor: Annotated[
        str | None, typer.Option(help="Whom events and audit trail name; default: role@institution.")
    ] = None,
) -> None:
    """Print a bearer token that this home's API accepts."""
    from api.auth import issue

    try:
        print(issue(role, institution, hours, actor))  # type: ignore[arg-type]
    except ValueError as error:
        raise Refusal(str(error)) from error
