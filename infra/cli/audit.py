"""`mailiu audit`: who saw whom, and whether the trail is whole."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import typer

from infra.cli.errors import Refusal

audit = typer.Typer(no_args_is_help=True, add_completion=False, help="Who saw whom, and whether the trail is whole.")
Json = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


@audit.command("verify")
def verify(json: Json = False) -> None:
    """Read the whole trail and name every record that was changed, removed, moved, repeated or cut off; exit 1 then."""
    import orjson
    from rich.console import Console
    from rich.table import Table

    from infra.audit import heads
    from infra.audit.chain import Check
    from infra.settings import settings

    reading = Check()
    known = heads.read(settings().home)  # before the records: what is noted is in the log already
    _read(reading.take)
    faults = reading.faults(known)
    rows = [asdict(fault) for fault in faults]
    if json:
        counts = {"records": reading.records, "chains": len(reading.chains), "unchained": reading.unchained}
        print(orjson.dumps({"clean": not rows, **counts, "faults": rows}, option=orjson.OPT_INDENT_2).decode())
    else:
        if rows:
            table = Table("fault", "chain", "record", "offset", "", box=None)
            for row in rows:
                table.add_row(*("" if cell is None else str(cell) for cell in row.values()))
            Console(width=160).print(table)
        colour, word = ("red", f"{len(rows)} faults") if rows else ("green", "clean")
        Console().print(f"[{colour}]{word}[/]: {reading.records:,} records in {len(reading.chains):,} chains")
        if reading.unchained:
            Console().print(f"{reading.unchained:,} records from before there were chains are not covered")
    if rows:
        raise typer.Exit(1)


@audit.command("list")
def list_(
    resident: Annotated[str | None, typer.Option(help="Only what concerns this resident.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only what this person or part did.")] = None,
    json: Json = False,
) -> None:
    """List who did what with whom, in the order of the trail."""
    import orjson
    from rich.console import Console
    from rich.table import Table

    found: dict[object, dict[str, Any]] = {}  # by id: what was in the spool may be in the trail twice

    def take(_: int, value: bytes) -> None:
        try:
            record = orjson.loads(value)
        except ValueError:
            return
        whom = record.get("residents") or [record.get("resident")]
        about = resident is None or resident in whom or resident in (record.get("query") or "")
        if about and actor in (None, record.get("actor")):
            found.setdefault(record.get("id"), record)

    _read(take)
    if json:
        print(orjson.dumps(list(found.values()), option=orjson.OPT_INDENT_2).decode())
        return
    table = Table("time", "actor", "role", "action", "what", "residents", "purpose", box=None)
    for record in found.values():
        whom = record.get("residents") or [record.get("resident") or ""]
        few = ", ".join(whom[:3]) + (f" and {len(whom) - 3} more" if len(whom) > 3 else "")
        cells = [str(record.get(name) or "") for name in ("time", "actor", "role", "action", "what")]
        table.add_row(*cells, few, record.get("purpose") or "")
    console = Console()
    console.width = console.width if console.is_terminal else max(console.width, 180)
    console.print(table)


def _read(take: Callable[[int, bytes], None]) -> None:
    import asyncio

    from aiokafka.errors import KafkaError

    from infra.audit.reading import records

    async def all() -> None:
        async for offset, value in records():
            take(offset, value)

    try:
        asyncio.run(all())
    except KafkaError as error:
        raise Refusal(f"Kafka does not answer: run `mailiu up` ({error})") from error
