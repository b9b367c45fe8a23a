"""`mailiu rejected`: what was refused, and sending it through the gate again after a fix."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.errors import Refusal
from infra.cli.noted import note

if TYPE_CHECKING:
    from mqtt_ingest.rejected import Rejected

rejected = typer.Typer(
    no_args_is_help=True, add_completion=False, help="List what was refused, or send it through the gate again."
)

FEW = 1000  #: ids of refusals that a record of the audit trail names; their number is always there

Reasons = Annotated[list[str] | None, typer.Option("--reason", help="Only this reason; repeat for several.")]
Devices = Annotated[list[str] | None, typer.Option("--device", help="Only this device; repeat for several.")]
Since = Annotated[str | None, typer.Option("--since", help="Only since: 30m, 12h, 7d or an RFC 3339 instant.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON array.")]


@rejected.command("list")
def list_(
    reason: Reasons = None,
    device: Devices = None,
    since: Since = None,
    every: Annotated[bool, typer.Option("--all", help="Also what has been accepted since.")] = False,
    json: Json = False,
) -> None:
    """List refusals: when, from where, why, which field and value, and whether it has been accepted since."""
    import orjson
    from rich.console import Console
    from rich.table import Table

    found = [one for one in _select(reason, device, since) if every or one.resolved is None]
    rows = [_row(one) for one in found]
    note("viewed", "rejected", records=[row["id"] for row in rows[:FEW]], count=len(rows))
    if json:
        print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    table = Table("received", "source", "reason", "field", "value", "accepted since", "id", box=None)
    for row in rows:
        cells = (row[name] for name in ("received", "source", "reason", "field", "value", "position", "id"))
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
    console = Console()
    console.width = console.width if console.is_terminal else max(console.width, 180)
    console.print(table)
    console.print(f"{len(rows):,} refused", highlight=False)


@rejected.command("replay")
def replay(
    reason: Reasons = None,
    device: Devices = None,
    since: Since = None,
    json: Json = False,
) -> None:
    """Send refusals through the gate again, each as of when it came; what is accepted now becomes an event.

    Needs a fix first: a device bound, a decoder mended. What is refused again stays listed. A refusal for want of
    rights, or for a conflict of ids, was a decision and is left alone.
    """
    import asyncio

    from aiokafka.errors import KafkaError
    from rich.console import Console
    from rich.progress import Progress

    chosen = [one for one in _select(reason, device, since) if one.resolved is None]
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sending again", total=len(chosen))
        try:
            counts = asyncio.run(_again(chosen, lambda: bar.advance(task)))
        except KafkaError as error:
            raise Refusal(f"Kafka does not answer: run `mailiu up` ({error})") from error
    names = {
        "accepted": "accepted",
        "rejected": "refused again",
        "decided": "left alone (a decision, not a fault)",
        "unreadable": "not decrypted (another home's key)",
    }
    if json:
        import orjson

        print(orjson.dumps({name: counts.get(name, 0) for name in names}).decode())
        return
    for name, text in names.items():
        if name in ("accepted", "rejected") or counts.get(name):
            print(f"{counts.get(name, 0):,} {text}")


async def _again(chosen: "Iterable[Rejected]", progress: Any) -> "dict[str, int]":
    from infra.log import Log
    from infra.settings import settings
    from mqtt_ingest import histories
    from mqtt_ingest.bindings import Bindings
    from mqtt_ingest.bridge import clocks_file, make_gate
    from mqtt_ingest.receipts import Publishing
    from mqtt_ingest.rejected import everything
    from mqtt_ingest.replay import Again
    from schemas.topics import DEVICES

    bindings = Bindings()
    async for record in everything(DEVICES):
        bindings.apply((record.key or b"").decode(errors="replace"), record.value)
    gate = make_gate(bindings)
    gate.clocks = histories.load(clocks_file(settings()))
    async with Log() as log:
        with Publishing() as publisher:
            return dict(await Again(log, gate, publisher).all(chosen, progress))


def _select(reasons: list[str] | None, devices: list[str] | None, since: str | None) -> "list[Rejected]":
    """The refusals that match, oldest first."""
    import asyncio

    from aiokafka.errors import KafkaError

    from mqtt_ingest.rejected import Register, everything
    from schemas.topics import REJECTED

    after = None if since is None else _instant(since)

    async def read() -> Register:
        register = Register()
        async for record in everything(REJECTED):
            register.apply(record.value)
        return register

    try:
        register = asyncio.run(read())
    except (KafkaError, LookupError) as error:
        raise Refusal(f"Kafka does not answer: run `mailiu up` ({error})") from error
    return [
        one
        for one in register.by_id.values()
        if (not reasons or one.value.get("reason") in reasons)
        and (not devices or one.value.get("device") in devices)
        and (after is None or one.received >= after)
    ]


def _instant(text: str) -> datetime:
    from infra.clock import clock

    units = {"m": "minutes", "h": "hours", "d": "days"}
    try:
        if text[-1:] in units and text[:-1].isdigit():
            return clock().now() - timedelta(**{units[text[-1]]: int(text[:-1])})
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not None:
            return instant
    except (ValueError, OverflowError):
        pass
    raise Refusal(f"--since {text!r}: use 30m, 12h, 7d or an instant with an offset such as 2026-03-01T08:00:00+08:00")


def _row(one: "Rejected") -> dict[str, Any]:
    kept = ("id", "received", "source", "reason", "field", "value", "message", "device", "institution", "kind")
    row = {name: one.value.get(name) for name in (*kept, "mqtt_topic")}
    return row | {"resolved": one.resolved, "position": one.resolved_position}
