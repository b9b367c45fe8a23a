"""The alert feed: the topic `derived`, read once a process and fanned out to everybody who follows.

A follower's position is the next offset of every partition. It is served from its own position up to where the shared
reader stood when it joined (by a short-lived reader of its own), and from there on live; every record has one offset,
so that nothing is lost or repeated at the seam. A follower that is too slow loses its buffer, not its place: it goes
back to reading for itself. A worker that was killed may send an output again: the copy at the lowest offset counts,
later ones are passed over. ClickHouse is not needed here.
"""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from operator import lt
from typing import Any, NamedTuple

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from api import metrics
from api.alert_item import from_event
from api.problem import Problem
from infra.clients import consumer
from infra.clock import clock
from schemas.topics import DERIVED, DEVICES, EVENTS, REJECTED, TOPICS

BUFFER = 1000  # changes a follower may be behind before it reads for itself
RECENT = 20_000  # alerts kept in memory, for those not projected yet
FIRST = 100_000  # alert events whose first offset is kept in memory, to know a copy
WARM = 1000  # records of each partition read at start
HEARTBEAT_SECONDS = 15.0
READERS = 4  # followers that may read for themselves at once
CHUNK = 2000  # changes read so before they are sent; nothing of Kafka is held while a client takes its time
LIKE_EVENTS = {topic.name: topic.like_events for topic in TOPICS}

log = logging.getLogger("mailiu.api.feed")


class Change(NamedTuple):
    """One alert event: where it lies, what changed, and the whole alert as it now is."""

    partition: int
    offset: int
    what: str
    alert: dict[str, Any]


class Step(NamedTuple):
    """What a follower gets: a change, or none (a heartbeat), and the position after it."""

    change: Change | None
    position: tuple[int, ...]


class Follower:
    """The bounded buffer between the shared reader and one client."""

    def __init__(self) -> None:
        self.buffer: deque[Step] = deque()
        self.overflowed = False
        self.filled = asyncio.Event()

    def put(self, step: Step) -> None:
        """Add a change; past the bound the buffer is dropped and the follower must read for itself."""
        if self.overflowed:
            return
        if len(self.buffer) >= BUFFER:
            self.buffer.clear()
            self.overflowed = True
        else:
            self.buffer.append(step)
        self.filled.set()

    def restart(self) -> None:
        """Forget what was buffered and take changes again."""
        self.buffer.clear()
        self.overflowed = False
        self.filled.clear()

    async def wait(self, seconds: float) -> None:
        """Until something is there, at most ``seconds``."""
        self.filled.clear()
        if not self.buffer and not self.overflowed:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.filled.wait(), seconds)


class Feed:
    """Reads `derived` for this process; ``async with Feed(partitions) as feed``."""

    def __init__(self, partitions: int, topic: str = DERIVED) -> None:
        self.next = [0] * partitions
        self._topic = topic
        self.followers: set[Follower] = set()
        self._recent: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._first: OrderedDict[bytes, int] = OrderedDict()
        self._consumer: AIOKafkaConsumer | None = None
        self._asker: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None
        self._readers = asyncio.Semaphore(READERS)
        self._released = False

    async def __aenter__(self) -> "Feed":
        metrics.FOLLOWERS.set(0)
        self._consumer = reader = consumer()
        await reader.start()
        self._asker = asker = await self._open_asker()
        partitions = self._partitions(self._topic)
        reader.assign(partitions)
        ends = await asker.end_offsets(partitions)
        begins = await asker.beginning_offsets(partitions)
        self.next = [max(begins[p], ends[p] - WARM) for p in partitions]
        for partition, offset in zip(partitions, self.next, strict=True):
            reader.seek(partition, offset)
        self._task = asyncio.create_task(self._read())
        async with asyncio.timeout(30):
            while any(self.next[p.partition] < ends[p] for p in partitions):
                await asyncio.sleep(0.02)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        for each in (self._consumer, self._asker):
            if each:
                await each.stop()

    def release(self) -> None:
        """Let every follower end, since the process does; clients go on elsewhere from where they are."""
        self._released = True
        for follower in self.followers:
            follower.filled.set()

    @property
    def alive(self) -> bool:
        """Whether the shared reader runs."""
        return self._task is not None and not self._task.done()

    def recent(self, alert: str) -> dict[str, Any] | None:
        """The alert as last seen here, which may be ahead of the tables."""
        return self._recent.get(alert)

    async def ends(self, topic: str) -> dict[int, int]:
        """Next offset to be written of every partition of ``topic`` (any but `audit`)."""
        assert self._asker is not None
        found = await self._asker.end_offsets(self._partitions(topic))
        return {partition.partition: found[partition] for partition in sorted(found)}

    async def position(self, text: str) -> list[int]:
        """The position in a ``Last-Event-ID``; a 400 problem when it is none of this log."""
        parts = text.split("-")
        if len(parts) != len(self.next) or not all(part.isascii() and part.isdigit() for part in parts):
            raise Problem(400, "Last-Event-ID is not a position of this stream")
        position = [int(part) for part in parts]
        if any(mine > here for mine, here in zip(position, self.next, strict=True)):
            ends = await self.ends(self._topic)
            if any(offset > ends[partition] for partition, offset in enumerate(position)):
                raise Problem(400, "Last-Event-ID lies past the end of the log")
        return position

    async def follow(self, position: Sequence[int] | None = None) -> AsyncGenerator[Step, None]:
        """Every change from ``position`` on (default: from now), for ever, with heartbeats; each exactly once."""
        follower = Follower()
        mine = list(self.next if position is None else position)
        self.followers.add(follower)
        metrics.FOLLOWERS.set(len(self.followers))
        try:
            while not self._released:
                follower.restart()
                target, sent = tuple(self.next), set[bytes]()
                while any(map(lt, mine, target)):
                    steps, mine = await self._back(mine, target, sent)
                    for step in steps:
                        yield step
                while not follower.overflowed and not self._released:
                    if follower.buffer:
                        change, reached = follower.buffer.popleft()
                        assert change is not None
                        behind = change.offset < mine[change.partition]
                        mine = list(map(max, mine, reached))
                        if not behind:
                            yield Step(change, tuple(mine))
                        continue
                    await follower.wait(HEARTBEAT_SECONDS)
                    if not follower.buffer and not follower.overflowed:
                        mine = list(map(max, mine, self.next))
                        yield Step(None, tuple(mine))
        finally:
            self.followers.discard(follower)
            metrics.FOLLOWERS.set(len(self.followers))

    async def _back(
        self, start: Sequence[int], target: Sequence[int], sent: set[bytes]
    ) -> tuple[list[Step], list[int]]:
        """Some changes from ``start`` up to ``target``, read apart from the shared reader; how far this has come.

        ``sent`` holds the identities already given out, and is added to.
        """
        reached = list(start)
        steps: list[Step] = []
        behind = [each for each in self._partitions(self._topic) if start[each.partition] < target[each.partition]]
        async with self._readers, _reading(behind, start) as reader:
            while behind and len(steps) < CHUNK:
                for partition, records in (await reader.getmany(*behind, timeout_ms=1000, max_records=500)).items():
                    number = partition.partition
                    for record in records:
                        if record.offset >= target[number]:
                            break
                        reached[number] = record.offset + 1
                        id = _header(record, "ce_id")
                        if id in sent or self._first.get(id, record.offset) < record.offset:
                            continue
                        if change := _change(record):
                            sent.add(id)
                            steps.append(Step(change, tuple(reached)))
                    if reached[number] >= target[number]:
                        behind.remove(partition)
                        reader.pause(partition)
        return steps, reached

    async def _open_asker(self) -> AIOKafkaConsumer:
        """A consumer that only asks where topics end: on the reader's connection every question waits for a fetch."""
        asker = consumer()
        await asker.start()
        topics = {self._topic, EVENTS, DERIVED, REJECTED, DEVICES}
        every = [partition for topic in sorted(topics) for partition in self._partitions(topic)]
        asker.assign(every)
        asker.pause(*every)
        return asker

    def _partitions(self, topic: str) -> list[TopicPartition]:
        return [
            TopicPartition(topic, number) for number in range(len(self.next) if LIKE_EVENTS.get(topic, True) else 1)
        ]

    async def _read(self) -> None:
        assert self._consumer is not None
        while True:
            try:
                batches = await self._consumer.getmany(timeout_ms=1000, max_records=500)
            except KafkaError:
                log.exception("reading `derived`; trying again")
                await asyncio.sleep(1)
                continue
            for records in batches.values():
                for record in records:
                    self.next[record.partition] = record.offset + 1
                    if change := _change(record):
                        self._dispatch(change, record)

    def _dispatch(self, change: Change, record: ConsumerRecord) -> None:
        first = self._first.setdefault(_header(record, "ce_id"), record.offset)
        if first < record.offset:
            return
        if len(self._first) > FIRST:
            self._first.popitem(last=False)
        metrics.ALERT_DELAY.observe(max(clock().now().timestamp() - record.timestamp / 1000, 0) / clock().speed)
        id = change.alert["id"]
        self._recent[id] = change.alert
        self._recent.move_to_end(id)
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        step = Step(change, tuple(self.next))
        for follower in self.followers:
            follower.put(step)


@asynccontextmanager
async def _reading(partitions: list[TopicPartition], start: Sequence[int]) -> AsyncIterator[AIOKafkaConsumer]:
    """A reader of ``partitions`` from ``start`` on."""
    reader = consumer()
    await reader.start()
    try:
        reader.assign(partitions)
        for partition in partitions:
            reader.seek(partition, start[partition.partition])
        yield reader
    finally:
        await reader.stop()


def text(position: Sequence[int]) -> str:
    """A position as a ``Last-Event-ID``: the next offset of every partition, in order."""
    return "-".join(map(str, position))


def _change(record: ConsumerRecord) -> Change | None:
    type = _header(record, "ce_type")
    if not type.startswith(b"mailiu.alert."):
        return None
    try:
        what = type.decode().split(".")[2]
        return Change(record.partition, record.offset, what, from_event(orjson.loads(record.value)))
    except (ValueError, LookupError, TypeError):
        log.exception("derived %s:%s is no alert", record.partition, record.offset)
        return None


def _header(record: ConsumerRecord, name: str) -> bytes:
    return next((value for each, value in record.headers if each == name), b"")
