"""Check Kafka against what was made of it: `log` holds the same bytes, and a straight fold derives the same events."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from clickhouse_connect.driver import Client

from projections.compare import SHOWN, Difference, Pins
from projections.mirror import COLUMNS, Batch
from schemas.topics import DERIVED, DEVICES, EVENTS
from streams import fold
from streams.event import Output
from streams.partition import PROGRESSED, Partition
from streams.store import Store

Seen = Callable[[int], None]
#: Compaction and retention take records from the other topics that `log` goes on holding.
WHOLE = (EVENTS, DERIVED)
MIRRORED = [name for name in COLUMNS if name not in ("topic", "partition", "offset")]


class Tally:
    """Counts rows compared and rows equal, and keeps the first keys of the others."""

    def __init__(self, table: str) -> None:
        self.result = Difference(table, 0, 0)

    def add(self, equal: bool, key: Callable[[], str]) -> None:
        """One more row."""
        self.result.rows += 1
        self.result.equal += equal
        if not equal and len(self.result.keys) < SHOWN:
            self.result.keys.append(key())


async def records(consumer: AIOKafkaConsumer, at: TopicPartition, end: int) -> AsyncIterator[list[Any]]:
    """What Kafka holds of one partition below ``end``, in runs."""
    consumer.assign([at])
    await consumer.seek_to_beginning(at)
    while await consumer.position(at) < end:
        for run in (await consumer.getmany(timeout_ms=500, max_records=20_000)).values():
            if kept := [record for record in run if record.offset < end]:
                yield kept


def held(client: Client, topic: str, partition: int, first: int, end: int) -> dict[int, tuple[Any, ...]]:
    """Rows of `log` by offset, as `contents` has them."""
    columns = ", ".join(map(_plain, _columns(topic)))
    rows = client.query(
        f"SELECT offset, {columns} FROM log FINAL WHERE topic = {{t:String}}"
        " AND partition = {p:UInt32} AND offset >= {a:UInt64} AND offset < {b:UInt64}",
        {"t": topic, "p": partition, "a": first, "b": end},
        query_formats={"String": "bytes", "UUID": "string"},
    ).result_rows
    return {row[0]: tuple(row[1:]) for row in rows}


def contents(batch: Batch, topic: str) -> dict[int, tuple[Any, ...]]:
    """What the writer would put into `log`, by offset: the columns that every mirror of the same records agrees in."""
    columns = batch.columns | {"type": [type.encode() for type in batch.columns["type"]]}
    return dict(zip(columns["offset"], zip(*(columns[name] for name in _columns(topic)), strict=True), strict=True))


def _columns(topic: str) -> list[str]:
    return MIRRORED if topic in WHOLE else ["key", "value"]


def _plain(column: str) -> str:
    return f"toUnixTimestamp64Milli({column})" if column.endswith("time") else column


class Mirror:
    """Compares runs of one topic's records with the rows of `log`."""

    def __init__(self, client: Client, topic: str) -> None:
        self.client, self.topic, self.tally = client, topic, Tally(f"log {topic}")
        self.known: dict[int, int] = {}

    def take(self, run: Sequence[Any]) -> None:
        """Compare the next run of a partition."""
        partition, batch = run[0].partition, Batch()
        self.known[partition] = batch.add(run, self.known.get(partition, 0))
        expected = contents(batch, self.topic)
        here = held(self.client, self.topic, partition, run[0].offset, run[-1].offset + 1)
        offsets = expected.keys() | here.keys() if self.topic in WHOLE else expected.keys()
        for offset in offsets:
            equal = expected.get(offset) == here.get(offset)
            self.tally.add(equal, lambda offset=offset: f"{partition}:{offset}")  # type: ignore[misc]


class Refold:
    """Folds partitions anew and compares what comes out with what is on `derived` and `devices`."""

    def __init__(self) -> None:
        self.derived, self.devices = Tally("fold derived"), Tally("fold devices")
        self.made: dict[str, tuple[bytes, int]] = {}  #: identity -> value and offset of the cause
        self.folded = 0  #: the partition is folded below this offset
        self.earlier = 0  #: and below this one by an earlier version of the fold, whose outputs stay as they are
        self.kept = 0  #: derived events of earlier versions
        self.facts: set[tuple[bytes, bytes]] = set()  #: key and value of each record on `devices`
        self.outputs: list[Output] = []

    def start(self, number: int) -> None:
        """The next partition of `events`; first comes what it derived."""
        self.made, self.folded, self.earlier, self.outputs = {}, 0, 0, []
        self.partition = Partition(number, Store(None, fold.VERSION))

    def note(self, run: Sequence[Any]) -> None:
        """Derived events as Kafka holds them; the lowest offset of an identity counts.

        What lacks a field that the fold writes was written by somebody else, and differs.
        """
        for record in run:
            try:
                self._note(record.value, dict(record.headers))
            except (KeyError, ValueError, TypeError) as error:
                where, why = f"{record.partition}:{record.offset}", f"no fold wrote this ({error!r})"
                self.derived.add(False, lambda where=where, why=why: f"{where} {why}")  # type: ignore[misc]

    def _note(self, value: bytes, headers: dict[str, bytes]) -> None:
        event = orjson.loads(value)
        if event["type"] == PROGRESSED:
            data = event["data"]
            self.folded = max(self.folded, data["next_offset"])
            if data.get("fold", 1) != fold.VERSION:
                self.earlier = max(self.earlier, data["next_offset"])
        else:
            self.made.setdefault(headers["ce_id"].decode(), (value, int(event["causeoffset"])))

    def take(self, run: Sequence[Any]) -> None:
        """Fold the next run of events, as far as the live fold has come."""
        below = [record for record in run if record.offset < self.folded]
        if before := [record for record in below if record.offset < self.earlier]:
            self.partition.apply(before)  # for the states only
        if since := below[len(before) :]:
            self.outputs += self.partition.apply(since)

    def finish(self) -> None:
        """Compare the partition."""
        expected: dict[str, Output] = {}
        devices: dict[str, Output] = {}  # compaction may have taken all but the latest of a key
        for output in self.outputs:
            if output.topic == DERIVED and output.type != PROGRESSED:
                expected.setdefault(output.identity, output)
            elif output.topic == DEVICES:
                devices[output.key] = output
        for key, output in devices.items():
            self.devices.add((key.encode(), orjson.dumps(output.value)) in self.facts, lambda key=key: key)  # type: ignore[misc]
        made = {id: value for id, (value, cause) in self.made.items() if self.earlier <= cause < self.folded}
        self.kept += sum(cause < self.earlier for _, cause in self.made.values())
        for identity in expected.keys() | made.keys():
            wanted, got = expected.get(identity), made.get(identity)
            equal = wanted is not None and got is not None and same(orjson.dumps(wanted.value), got)
            self.derived.add(equal, lambda identity=identity: identity)  # type: ignore[misc]


def same(one: bytes, other: bytes) -> bool:
    """Whether two events have the same content, whatever the order of their fields."""
    return one == other or orjson.loads(one) == orjson.loads(other)


async def check(consumer: AIOKafkaConsumer, client: Client, pins: Pins, seen: Seen) -> list[Difference]:
    """Read every topic once, up to ``pins``: the log mirrors it, and the fold of `events` gives `derived`.

    ``seen`` is told how many more records were read.
    """
    mirrors = {topic: Mirror(client, topic) for topic in dict.fromkeys(topic for topic, _ in pins)}
    refold = Refold()

    async def read(topic: str, partition: int, *also: Callable[[Sequence[Any]], None]) -> None:
        async for run in records(consumer, TopicPartition(topic, partition), pins.get((topic, partition), 0)):
            for take in (mirrors[topic].take, *also):
                take(run)
            seen(len(run))

    def remember(run: Sequence[Any]) -> None:
        refold.facts |= {(record.key or b"", record.value or b"") for record in run}

    for topic, partition in pins:
        if topic not in (EVENTS, DERIVED):
            await read(topic, partition, *([remember] if topic == DEVICES else []))
    for partition in sorted(partition for topic, partition in pins if topic == EVENTS):
        refold.start(partition)
        await read(DERIVED, partition, refold.note)
        await read(EVENTS, partition, refold.take)
        refold.finish()
    results = [*(mirror.tally.result for mirror in mirrors.values()), refold.derived.result, refold.devices.result]
    if refold.kept:
        results.append(Difference(f"{refold.kept:,} derived by earlier versions of the fold, not compared", 0, 0))
    return results
