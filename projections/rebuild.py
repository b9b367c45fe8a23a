"""Build a projection anew beside the one in service, and swap it in.

New tables, then their materialized views, then a backfill from `log` in bounded chunks: what the views already caught
arrives twice, which changes nothing. Then old and new are compared, the served names move, and the old views and tables
go. Never EXCHANGE TABLES: a materialized view writes by name and would go on filling the wrong table.
"""

import re
import time
from dataclasses import dataclass, field
from typing import Any

from clickhouse_connect.driver import Client

from projections.compare import Difference, Pins, compare, newest
from projections.fill import Progress, backfill
from projections.schema import LATER_VERSION, Projection
from projections.serve import served


@dataclass
class Rebuilt:
    """What a rebuild did: the version now in service, rows of `log` read, seconds, and how the new tables compare."""

    version: int
    read: int = 0
    seconds: float = 0.0
    tables: list[Difference] = field(default_factory=list)


def live(client: Client, projection: Projection) -> int | None:
    """The version that the served names show, or, without any, that exists; ``None`` for a projection never built.

    Served names move only after the new version is whole, so the highest version that one of them shows is whole.
    """
    shown = _rows(
        client,
        "SELECT comment FROM system.tables WHERE database = currentDatabase() AND name IN {n:Array(String)}",
        n=[view.name for view in projection.served],
    )
    versions = [int(found[1]) for row in shown if (found := re.search(r" version ([0-9]+)$", row[0]))]
    return max(versions, default=None)


def versions(client: Client, projection: Projection) -> set[int]:
    """Every version of which a table or view exists."""
    pattern = rf"^({'|'.join(projection.bases)}){LATER_VERSION}(_mv)?$"
    names = _rows(
        client,
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND match(name, {p:String})",
        p=pattern,
    )
    return {int(re.search(pattern, name)[2]) for (name,) in names}  # type: ignore[index]


def definition(client: Client, projection: Projection, version: int) -> str | None:
    """The definition from which ``version`` was built."""
    name = projection.at(version, projection.tables[0].name)
    found = _rows(
        client, "SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = {n:String}", n=name
    )
    return found[0][0].removeprefix("definition ") if found else None


def rebuild(client: Client, projection: Projection, progress: Progress | None = None) -> Rebuilt:
    """Build ``projection`` anew, swap it in and drop what it replaces. Writes go on meanwhile.

    An interrupted rebuild leaves the served names as they were; the next one removes its remains.
    """
    before = live(client, projection)
    for version in versions(client, projection) - {before}:
        drop(client, projection, version)
    done, started = Rebuilt((before or 0) + 1), time.monotonic()
    create(client, projection, done.version)
    _outwait_inserts(client)
    done.read = backfill(client, projection, done.version, progress=progress)
    done.seconds = time.monotonic() - started
    if before and definition(client, projection, before) == projection.definition:
        pins = newest(client)
        done.tables = [
            _compared(client, base, f"{base}_v{before}", f"{base}_v{done.version}", pins) for base in projection.bases
        ]
    for view in projection.served:
        served(client, projection, view, done.version)
    if before:
        drop(client, projection, before)
    return done


def _compared(client: Client, base: str, old: str, new: str, pins: Pins, patience: float = 5) -> Difference:
    """How a table compares. What is in `log` already and not yet in a table that follows it does not differ."""
    began = time.monotonic()
    while (found := compare(client, base, old, new, pins)).differing and time.monotonic() - began < patience:
        time.sleep(0.2)
    return found


def _outwait_inserts(client: Client, patience: float = 60) -> None:
    """Wait for inserts that began before the new views were there: these do not feed them, and are not yet in `log`."""
    began = time.monotonic()
    while client.query(
        "SELECT 1 FROM system.processes WHERE query_kind = 'Insert' AND elapsed > {e:Float64}",
        {"e": time.monotonic() - began},
    ).result_rows:
        if time.monotonic() - began > patience:
            raise TimeoutError("an insert into ClickHouse has been running for a minute; try again later")
        time.sleep(0.05)


def create(client: Client, projection: Projection, version: int) -> None:
    """Empty tables of ``version`` and the views that fill them from now on."""
    for statement in projection.tables:
        client.command(f"{projection.at(version, statement.text)}\nCOMMENT 'definition {projection.definition}'")
    for statement in projection.feeds:
        client.command(projection.at(version, statement.text))


def drop(client: Client, projection: Projection, version: int) -> None:
    """Drop the views of ``version``, then its tables."""
    for statement in projection.feeds:
        client.command(f"DROP VIEW IF EXISTS {projection.at(version, statement.name)} SYNC")
    for statement in projection.tables:
        client.command(f"DROP TABLE IF EXISTS {projection.at(version, statement.name)} SYNC")


def _rows(client: Client, query: str, **parameters: object) -> list[Any]:
    return list(client.query(query, parameters=parameters).result_rows)
