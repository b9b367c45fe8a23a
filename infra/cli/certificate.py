"""`mailiu certificate`: TLS certificates of the local authority, for devices, gateways and the MQTT broker."""

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.errors import Refusal

certificate = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Issue, list, renew and revoke TLS certificates."
)

Institution = Annotated[str | None, typer.Option(help="Whose it is; only needed the first time.")]
Out = Annotated[Path | None, typer.Option(help="Folder for key, certificate and ca.crt; by default ./NAME.")]
Days = Annotated[float, typer.Option(help="Days for which it is valid.")]


@certificate.command("device")
def device(name: str, institution: Institution = None, out: Out = None, days: Days = 730) -> None:
    """Give a device a key and a certificate; with them it publishes as itself. A new one does not end the old one."""
    _hand_out(name, institution, out, days, gateway=False)


@certificate.command("gateway")
def gateway(name: str, institution: Institution = None, out: Out = None, days: Days = 730) -> None:
    """Give a gateway a key and a certificate; with them it publishes for every device of its institution."""
    _hand_out(name, institution, out, days, gateway=True)


@certificate.command("server")
def server() -> None:
    """Renew the MQTT broker's own certificate now; it goes on serving. At its start it renews what ends in 30 days."""
    from infra.settings import settings
    from infra.stack import mosquitto
    from infra.tls.authority import Authority

    until = Authority(settings().tls).server(_names(), renew=True)
    running = mosquitto.reload()
    print(f"the broker's certificate is valid until {until:%Y-%m-%d}" + ("" if running else "; no broker of ours runs"))


@certificate.command("revoke")
def revoke(name: str) -> None:
    """Revoke every certificate of a device or gateway; it is refused from its next connection on."""
    from infra.settings import settings
    from infra.stack import mosquitto
    from infra.tls.authority import Authority, NotIssued

    try:
        count = Authority(settings().tls).revoke(name)
    except NotIssued as error:
        raise Refusal(str(error)) from error
    mosquitto.reload()
    print(f"{count} revoked")


@certificate.command("list")
def list_(json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False) -> None:
    """List the certificates that devices and gateways hold, the first to end first."""
    from infra.settings import settings
    from infra.tls.authority import Authority, common_name

    rows = [
        {
            "name": common_name(one),
            "valid_until": f"{one.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
            "serial": f"{one.serial_number:x}",
        }
        for one in Authority(settings().tls).issued()
    ]
    if json:
        import orjson

        print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "valid until", "serial", box=None)
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)


def _names() -> list[str]:
    from infra.settings import settings

    return [name.strip() for name in settings().mqtt_tls_names.split(",")]


def _hand_out(name: str, institution: str | None, out: Path | None, days: float, gateway: bool) -> None:
    from datetime import timedelta

    from infra.settings import settings
    from infra.stack import accounts, mosquitto
    from infra.tls.authority import Authority, NotIssued, hand_out

    try:
        account = accounts.add(name, institution, gateway)
        authority = Authority(settings().tls)
        files = hand_out(authority, name, out or Path(name), timedelta(days=days))
    except (accounts.Unacceptable, NotIssued) as error:
        raise Refusal(str(error)) from error
    mosquitto.reload()
    for file in files:
        print(file)
    whose = f"every device of {account.institution}" if account.gateway else f"{account.institution}/{name}"
    host, _, port = settings().mqtt_tls.rpartition(":")
    print(f"with them it publishes as {whose} at {host}:{port}")
