"""Build a projection anew beside the one in service, and swap it in.

New tables, then their materialized views, then a backfill from `log` in bounded chunks: what the views already caught
arrives twice, which changes nothing. Then old and new are compared, the served names move, and the old views and tables
go. Never EXCHANGE TABLES: a materialized view writes by name and would go on filling the wrong table.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from clickhouse_connect.driver import Client

from projections.compare import Difference, Pins, below, compare, newest
from projections.schema import FROM_LOG, LATER_VERSION, Projection, Statement

CHUNK = 500_000
#: Duplicates within one insert are told apart when they are read (FINAL): half the cost of an insert.
SETTINGS = {"optimize_on_insert": 0, "max_insert_threads": 2}
Progress = Callable[[int, int], None]


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
    from projections.migrate import served

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
            compare(client, base, f"{base}_v{before}", f"{base}_v{done.version}", pins) for base in projection.bases
        ]
    for view in projection.served:
        served(client, projection, view, done.version)
    if before:
        drop(client, projection, before)
    return done


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


def backfill(
    client: Client,
    projection: Projection,
    version: int,
    log: str = "log",
    pins: Pins | None = None,
    progress: Progress | None = None,
) -> int:
    """Fill ``version`` from what ``log`` holds (below ``pins``), a chunk of offsets at a time; rows of `log` read.

    Views that read another target of the same projection are filled by themselves, as that target is.
    """
    feeds = [f for f in projection.feeds if FROM_LOG.search(f.select)]
    takes = {f.name: ", ".join(columns(client, projection, version, f)) for f in feeds}
    chunks = list(_chunks(client, feeds, log, pins))
    total, read = sum(c.rows for c in chunks), 0
    for chunk in chunks:
        for feed in feeds:
            source = f"FROM (SELECT * FROM {log} WHERE {chunk.where}) AS log"
            query = projection.at(version, FROM_LOG.sub(source, feed.select))
            into = projection.at(version, feed.target)
            client.command(
                f"INSERT INTO {into} ({takes[feed.name]}) SELECT {takes[feed.name]} FROM ({query})", settings=SETTINGS
            )
        read += chunk.rows
        if progress:
            progress(read, total)
    return read


def columns(client: Client, projection: Projection, version: int, feed: Statement) -> list[str]:
    """Columns that the target of ``feed`` takes."""
    return [row[0] for row in _rows(
        client, "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {t:String}"
        " AND default_kind != 'MATERIALIZED' ORDER BY position", t=projection.at(version, feed.target))]  # fmt: skip


@dataclass(frozen=True)
class Chunk:
    """A run of `log` rows: a condition, and about how many rows it takes."""

    where: str
    rows: int


def _chunks(client: Client, feeds: list[Statement], log: str, pins: Pins | None) -> Iterator[Chunk]:
    """The log in runs of at most `CHUNK` offsets of one partition, only of topics that a view mentions."""
    text = " ".join(feed.select for feed in feeds)
    for topic, partition, first, end in _rows(
        client,
        f"SELECT topic, partition, min(offset), max(offset) + 1 FROM {log} WHERE {below(pins) if pins else 1}"
        " GROUP BY topic, partition ORDER BY topic, partition",
    ):
        if f"'{topic}'" in text or "topic =" not in text:
            for start in range(first, end, CHUNK):
                stop = min(start + CHUNK, end)
                where = f"topic = '{topic}' AND partition = {partition} AND offset >= {start} AND offset < {stop}"
                yield Chunk(where, stop - start)


def _rows(client: Client, query: str, **parameters: object) -> list[Any]:
    return list(client.query(query, parameters=parameters).result_rows)
