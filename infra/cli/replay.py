"""`mailiu replay`: events from files."""

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.errors import Refusal


def replay(
    files: Annotated[list[Path], typer.Argument(help="CSV, NDJSON of events, FHIR R4 bundles or NDJSON of resources.")],
    institution: Annotated[str | None, typer.Option(help="Institution of rows that name none.")] = None,
    resident: Annotated[str | None, typer.Option(help="Resident of all rows.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Zone of times without an offset; default: settings.")] = None,
    mapping: Annotated[Path | None, typer.Option(help="Your own CSV mapping (TOML).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and count only; needs no server.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a file.")] = False,
) -> None:
    """Append the events of files to the log. A run that was cut short goes on where it was when run again.

    Every row is accounted for: accepted, duplicate, rejected (with the reason; kept on the topic `rejected`), or
    unmapped (with the reason). Nothing that is imported on a real clock sounds an alarm by itself.
    """
    import asyncio
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from rich.console import Console

    from infra.replay.command import Unreachable, replay_files, show
    from infra.replay.mapping import Target, UnknownFormat
    from infra.settings import settings

    try:
        zone = ZoneInfo(timezone) if timezone else settings().zone
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Refusal(f"no time zone {timezone!r}; one is Asia/Shanghai") from error
    target = Target(zone=zone, institution=institution, resident=resident)
    try:
        accounts = asyncio.run(replay_files(files, target, mapping, dry_run, Console(stderr=True)))
    except (UnknownFormat, Unreachable) as error:
        raise Refusal(str(error)) from error
    except OSError as error:
        raise Refusal(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error
    show(accounts, json, dry_run)
