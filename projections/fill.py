"""Fill tables from `log`: all of it when a projection is built, what was just flushed for what comes after a flush."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from clickhouse_connect.driver import Client

from projections.compare import Pins, below
from projections.schema import FROM_LOG, LATER_VERSION, Projection, Statement, declared

CHUNK = 500_000
#: Duplicates within one insert are told apart when they are read (FINAL): half the cost of an insert.
SETTINGS = {"optimize_on_insert": 0, "max_insert_threads": 2}
#: Topic and partition -> first offset and the offset after the last.
Ranges = Mapping[tuple[str, int], tuple[int, int]]
Progress = Callable[[int, int], None]


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
    feeds = [f for f in projection.feeds + projection.afterwards if FROM_LOG.search(f.select)]
    columns = _columns(client, f"^({'|'.join(projection.bases)})_v{version}$")
    texts = [_insert(columns, projection, version, feed, log) for feed in feeds]
    chunks = list(_chunks(client, feeds, log, pins))
    total, read = sum(c.rows for c in chunks), 0
    for chunk in chunks:
        for text in texts:
            client.command(text.replace(WHERE, chunk.where), settings=SETTINGS)
        read += chunk.rows
        if progress:
            progress(read, total)
    return read


def follow(client: Client, flushed: Ranges) -> None:
    """Compute what is due after a flush, over the rows that it wrote, in every version that there is."""
    topics: dict[str, list[str]] = {}
    for (topic, partition), (first, end) in sorted(flushed.items()):
        topics.setdefault(topic, []).append(_range(partition, first, end))
    where = " OR ".join(f"({Chunk(topic, ranges, 0).where})" for topic, ranges in topics.items())
    feeds = [(p, feed) for p in declared() for feed in p.afterwards if any(_reads(feed, topic) for topic in topics)]
    bases = "|".join(feed.target.removesuffix("_v1") for _, feed in feeds)
    columns = _columns(client, f"^({bases}){LATER_VERSION}$")
    for projection, feed in feeds:
        pattern = re.compile(f"^{feed.target.removesuffix('_v1')}{LATER_VERSION}$")
        for version in sorted(int(found[1]) for name in columns if (found := pattern.match(name))):
            client.command(_insert(columns, projection, version, feed, "log").replace(WHERE, where))


#: Stands for the rows to read, in a statement made by `_insert`.
WHERE = "{rows}"


def _columns(client: Client, pattern: str) -> dict[str, list[str]]:
    """The columns that can be written, of each table whose name matches."""
    found: dict[str, list[str]] = {}
    for table, name in client.query(
        "SELECT table, name FROM system.columns WHERE database = currentDatabase() AND match(table, {p:String})"
        " AND default_kind != 'MATERIALIZED' ORDER BY table, position",
        {"p": pattern},
    ).result_rows:
        found.setdefault(table, []).append(name)
    return found


def _insert(columns: Mapping[str, list[str]], projection: Projection, version: int, feed: Statement, log: str) -> str:
    """The statement that fills the target of ``feed``, in ``version``, from the rows of ``log`` that `WHERE` says."""
    source = FROM_LOG.sub(f"FROM (SELECT * FROM {log} WHERE {WHERE}) AS log", feed.select)
    target = projection.at(version, feed.target)
    names = ", ".join(columns[target])
    return f"INSERT INTO {target} ({names}) SELECT {names} FROM ({projection.at(version, source)})"


def _range(partition: int, first: int, end: int) -> str:
    return f"partition = {partition} AND offset >= {first} AND offset < {end}"


@dataclass(frozen=True)
class Chunk:
    """Runs of `log` rows of one topic, and about how many rows they hold."""

    topic: str
    ranges: list[str]
    rows: int

    @property
    def where(self) -> str:
        """The condition that takes these rows."""
        return f"topic = '{self.topic}' AND (({') OR ('.join(self.ranges)}))"


def _chunks(client: Client, feeds: list[Statement], log: str, pins: Pins | None) -> Iterator[Chunk]:
    """The log in runs of about `CHUNK` rows of one topic, only of topics that a view mentions.

    A run takes in several partitions while these are short, so that many partitions cost no more than one.
    """
    topic, ranges, rows = "", list[str](), 0
    for each, partition, first, end in client.query(
        f"SELECT topic, partition, min(offset), max(offset) + 1 FROM {log} WHERE {below(pins) if pins else 1}"
        " GROUP BY topic, partition ORDER BY topic, partition"
    ).result_rows:
        if not any(_reads(feed, each) for feed in feeds):
            continue
        if ranges and each != topic:
            yield Chunk(topic, ranges, rows)
            ranges, rows = [], 0
        topic = each
        for start in range(first, end, CHUNK):
            stop = min(start + CHUNK, end)
            ranges.append(_range(partition, start, stop))
            rows += stop - start
            if rows >= CHUNK:
                yield Chunk(topic, ranges, rows)
                ranges, rows = [], 0
    if ranges:
        yield Chunk(topic, ranges, rows)


def _reads(feed: Statement, topic: str) -> bool:
    """Whether a view takes rows of ``topic``: it names it, or restricts itself to none."""
    return f"'{topic}'" in feed.select or not re.search(r"\btopic (=|IN) ", feed.select)
