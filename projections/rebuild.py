"""Build a projection anew beside the one in service, and swap it in.

New tables, then their materialized views, then a backfill from `log` in bounded chunks: what the views already caught
arrives twice, which changes nothing. Then old and new are compared, the served names move, and the old views and tables
go. Never EXCHANGE TABLES: a materialized view writes by name and would go on filling the wrong table.
"""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic

from clickhouse_connect.driver import Client

from projections.schema import FROM_LOG, LATER_VERSION, Projection, Statement

logger = logging.getLogger("mailiu.projections")
CHUNK = 500_000
Progress = Callable[[int, int], None]


@dataclass
class Rebuilt:
    """What a rebuild did: the version now in service, rows of `log` read, seconds, rows by table that differ."""

    version: int
    read: int = 0
    seconds: float = 0.0
    tables: dict[str, tuple[int, int]] = field(default_factory=dict)


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

    before, started = live(client, projection), monotonic()
    for version in versions(client, projection) - {before}:
        drop(client, projection, version)
    done = Rebuilt((before or 0) + 1)
    create(client, projection, done.version)
    done.read = backfill(client, projection, done.version, progress)
    done.seconds = monotonic() - started
    for base in projection.bases if before else ():
        counts = (f"SELECT count() FROM {base}_v{v} FINAL" for v in (before, done.version))
        done.tables[base] = tuple(client.query(c).first_row[0] for c in counts)  # type: ignore[assignment]
    for view in projection.served:
        served(client, projection, view, done.version)
    if before:
        drop(client, projection, before)
    return done


def create(client: Client, projection: Projection, version: int, suffix: str = "") -> None:
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


def backfill(client: Client, projection: Projection, version: int, progress: Progress | None = None) -> int:
    """Fill ``version`` from what `log` holds now, a chunk of offsets at a time; rows of `log` read.

    Views that read another target of the same projection are filled by themselves, as that target is.
    """
    feeds = [f for f in projection.feeds if FROM_LOG.search(f.select)]
    chunks = list(_chunks(client, feeds))
    total, read = sum(c.rows for c in chunks), 0
    for chunk in chunks:
        for feed in feeds:
            query = projection.at(
                version, FROM_LOG.sub(f"FROM (SELECT * FROM log WHERE {chunk.where}) AS log", feed.select)
            )
            client.command(
                f"INSERT INTO {projection.at(version, feed.target)} ({', '.join(columns(client, projection, version, feed))})"
                f" SELECT {', '.join(columns(client, projection, version, feed))} FROM ({query})"
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


def _chunks(client: Client, feeds: list[Statement]) -> Iterator[Chunk]:
    """The log in runs of at most `CHUNK` offsets of one partition, only of topics that a view mentions."""
    text = " ".join(feed.select for feed in feeds)
    for topic, partition, first, end in _rows(
        client,
        "SELECT topic, partition, min(offset), max(offset) + 1 FROM log GROUP BY topic, partition ORDER BY topic, partition",
    ):
        if f"'{topic}'" in text or "topic =" not in text:
            for start in range(first, end, CHUNK):
                stop = min(start + CHUNK, end)
                yield Chunk(
                    f"topic = '{topic}' AND partition = {partition} AND offset >= {start} AND offset < {stop}",
                    stop - start,
                )


def _rows(client: Client, query: str, **parameters: object) -> list[tuple]:
    return list(client.query(query, parameters=parameters).result_rows)
