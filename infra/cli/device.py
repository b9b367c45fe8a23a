"""`mailiu device`: accounts of devices and gateways at the local MQTT broker."""

from typing import Annotated

import typer

from infra.cli.errors import Refusal

device = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Accounts of devices and gateways at the MQTT broker."
)


@device.command("password")
def password(
    name: str,
    institution: Annotated[str | None, typer.Option(help="Whose it is; only needed the first time.")] = None,
    gateway: Annotated[bool, typer.Option(help="A gateway: it publishes for every device of its institution.")] = False,
) -> None:
    """Give a device a new password and print it, this once; only its hash is kept. Others stay connected."""
    import secrets

    from infra.stack import accounts, mosquitto

    try:
        accounts.add(name, institution, gateway)
    except accounts.Unacceptable as error:
        raise Refusal(str(error)) from error
    word = secrets.token_urlsafe(24)
    accounts.set_password(name, word)
    mosquitto.reload()
    print(word)


@device.command("block")
def block(name: str) -> None:
    """Take a lost device's account away: its password, its rights, its certificates. What it sent stays."""
    import contextlib

    from infra.settings import settings
    from infra.stack import accounts, mosquitto
    from infra.tls.authority import Authority, NotIssued

    try:
        accounts.remove(name)
    except accounts.Unacceptable as error:
        raise Refusal(str(error)) from error
    with contextlib.suppress(NotIssued):
        Authority(settings().tls).revoke(name)
    mosquitto.reload()
    print(f"{name} may no longer connect")


@device.command("list")
def list_(json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False) -> None:
    """List who has an account: device or gateway, institution, password, until when its certificate is valid."""
    from infra.settings import settings
    from infra.stack import accounts
    from infra.tls.authority import Authority, common_name

    ends = {common_name(one): f"{one.not_valid_after_utc:%Y-%m-%d}" for one in Authority(settings().tls).issued()}
    rows = [
        {
            "name": account.name,
            "kind": "gateway" if account.gateway else "device",
            "institution": account.institution,
            "password": accounts.has_password(account.name),
            "certificate_until": ends.get(account.name),
        }
        for account in accounts.accounts().values()
    ]
    if json:
        import orjson

        print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "kind", "institution", "password", "certificate until", box=None)
    for row in rows:
        table.add_row(*("" if cell is None else "yes" if cell is True else str(cell or "no") for cell in row.values()))
    Console().print(table)
