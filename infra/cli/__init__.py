"""The command `mailiu`. One file a command: the function in ``infra/cli/NAME.py`` that bears the file's name.

A command's file is only imported when it is called (or its help asked for), so that `mailiu decode` starts fast.
"""

import importlib
import sys

import typer
from rich.console import Console

from infra.cli.errors import Refusal

#: Every command, in the order of `mailiu --help`: name -> one line of help.
COMMANDS = {
    "up": "Start what is not already running (or only the parts named).",
    "down": "Stop what `mailiu up` started.",
    "status": "Each part: state, since when, address, lag, memory.",
    "run": "Start everything and a small district of cuffs; stop it all on Ctrl-C.",
    "token": "Print a bearer token for the API.",
    "device": "Give a device or gateway a password at the MQTT broker, list who has one, block one.",
    "certificate": "Issue, list, renew and revoke TLS certificates of devices, gateways and the broker.",
    "replay": "Append events from files: CSV, NDJSON, FHIR bundles.",
    "simulate": "Simulate a district: to a file, or live; score the rules against its truth.",
    "decode": "Decode device payloads; needs no server.",
    "score": "Compute clinical scores of a file; needs no server.",
    "rejected": "List what was refused, or send it through the gate again.",
    "outbox": "Read the notices that were sent to residents, contacts and staff here.",
    "schemas": "Print or write the JSON Schema of every event.",
    "asyncapi": "Print every MQTT and Kafka channel with its messages as AsyncAPI 3.0.",
    "backtest": "What a rule's other version would have done over the log, and about whom.",
    "rebuild": "Rebuild projections from the log while writes go on.",
    "verify": "Rebuild and refold everything, and compare with what is served.",
    "backup": "Back up the log and the secrets that open it, while everything runs.",
    "restore": "Restore a backup into an empty home.",
    "audit": "List who saw whom, or verify that the audit trail is whole.",
    "erase": "Destroy a resident's key: nobody can read who it was any more.",
    "vault": "Rotate the vault's master secret, or let the vault follow the log.",
    "bench": "Measure against named references.",
    "settings": "Print every setting with its value, default and meaning.",
    "supervise": "",
    "part": "",
}
HIDDEN = ("supervise", "part")


class Lazy(typer.core.TyperGroup):
    """Loads a command's file when the command is used."""

    def list_commands(self, ctx: object) -> list[str]:
        return [name for name in COMMANDS if name not in HIDDEN]

    def get_command(self, ctx: object, name: str) -> object:  # type: ignore[override]
        if name not in COMMANDS:
            return None
        found = getattr(importlib.import_module(f"infra.cli.{name}"), name)
        if isinstance(found, typer.Typer):
            return typer.main.get_command(found)
        app = typer.Typer(add_completion=False)
        app.command(name)(found)
        return typer.main.get_command(app)

    def format_commands(self, ctx: object, formatter: object) -> None:
        """List the commands without importing any of them."""
        with formatter.section("Commands"):  # type: ignore[attr-defined]
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])  # type: ignore[attr-defined]


app = typer.Typer(
    cls=Lazy, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)


@app.callback()
def _mailiu() -> None:
    """Mailiu 脉流: event-sourced streaming analytics for community health."""


def main() -> None:
    """Run the command line; an error is one clear line on standard error and exit code 1."""
    try:
        app()
    except Refusal as refusal:
        Console(stderr=True).print(f"mailiu: {refusal}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
