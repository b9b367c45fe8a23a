"""The one writer: mirrors Kafka's topics into `log`, from which every projection is filled by ClickHouse itself.

It commits to Kafka only after ClickHouse has answered 200, and resumes from that commit, or from an earlier offset
where `log` holds less. So a batch may arrive twice, and gives the same rows both times. A record that comes alone is
written at once; under load there are four flushes a second, or one whenever 50,000 rows are together.
"""

import asyncio
import logging
import signal
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import tenacity
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalGenerationError, KafkaError, UnknownMemberIdError
from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import Error as ClickHouseError
from urllib3.exceptions import HTTPError

from infra.clients import clickhouse, consumer
from infra.observe import metrics
from infra.part import log_to_stderr, ready, remark
from projections import migrate
from projections.fill import follow
from projections.mirror import COLUMNS, Batch
from projections.single import OneMember
from schemas.topics import DERIVED, DEVICES, EVENTS, REJECTED

GROUP = "mailiu-writer"
TOPICS = (EVENTS, DERIVED, REJECTED, DEVICES)
ROWS = 50_000
BYTES = 64 << 20
INTERVAL = 0.25
UNREACHABLE = (ClickHouseError, HTTPError, OSError)
#: Rows of one insert are told apart when they are read (FINAL), not when they are written: half the cost of an insert.
SETTINGS = {"optimize_on_insert": 0, "async_insert": 0}

logger = logging.getLogger("mailiu.writer")


class OtherLog(RuntimeError):
    """ClickHouse mirrors another Kafka, or this Kafka lost records that it had acknowledged."""


class Gap(RuntimeError):
    """Kafka gave a record that does not follow the last one: nothing may be skipped on `events` and `derived`."""


class Place(NamedTuple):
    """Where the mirror of a partition is: the offset of the next record, the knowntime (ms) before it."""

    next: int
    knowntime: int


class Writer:
    """Consumer, the batch in the making, and at most one insert on its way."""

    def __init__(self, group: str = GROUP) -> None:
        self.consumer = consumer(
            group=group,
            partition_assignment_strategy=(OneMember,),
            max_poll_records=None,
            session_timeout_ms=6_000,
            heartbeat_interval_ms=1_500,
        )
        self.stopping = threading.Event()
        self.client: Client | None = None
        self.batch = Batch()
        self.places: dict[tuple[str, int], Place] = {}  #: of the partitions that are ours
        self.uncommitted: dict[tuple[str, int], int] = {}
        self.flushing: asyncio.Task[None] | None = None
        self.flushed = 0.0
        self.failure: BaseException | None = None

    async def run(self) -> None:
        """Mirror until `stop`."""
        try:
            await asyncio.to_thread(self.insist, migrate.apply)
            self.consumer.subscribe(TOPICS, listener=Assignment(self))
            await self.consumer.start()
            ready("writer")
            while not self.stopping.is_set():
                await self.step()
                if self.failure:
                    raise self.failure
            await self.settle()
            if len(self.batch):
                await self.flush(self.take())
        finally:
            await self.consumer.stop()

    def stop(self) -> None:
        """End `run` after what is on its way."""
        self.stopping.set()

    async def step(self) -> None:
        """Take what Kafka has, and start a flush if one is due."""
        full = len(self.batch) >= ROWS or self.batch.size >= BYTES
        if full and self.flushing:
            await asyncio.wait({self.flushing}, timeout=1)
        elif not full:
            patience = INTERVAL
            if len(self.batch):
                patience = max(self.flushed + INTERVAL - time.monotonic(), 0.05 if self.flushing else 0.001)
            self.add(
                await self.consumer.getmany(
                    timeout_ms=int(patience * 1000), max_records=min(10_000, ROWS - len(self.batch))
                )
            )
        if self.flushing and self.flushing.done():
            self.flushing.result()
            self.flushing = None
        if not self.flushing:
            full = len(self.batch) >= ROWS or self.batch.size >= BYTES
            if len(self.batch) and (full or time.monotonic() - self.flushed >= INTERVAL):
                self.flushed = time.monotonic()
                self.flushing = asyncio.create_task(self.flush(self.take()))
            elif self.uncommitted and time.monotonic() - self.flushed >= INTERVAL:
                await self.commit()

    def add(self, fetched: dict[TopicPartition, list[Any]]) -> None:
        """Put fetched records into the batch; those of a partition that is no longer ours are left out."""
        for at, records in fetched.items():
            place = self.places.get(tuple(at))
            if not records or place is None:
                continue
            if records[0].offset != place.next and at.topic in (EVENTS, DERIVED):
                raise Gap(f"{at.topic}/{at.partition}: expected offset {place.next}, got {records[0].offset}")
            known = self.batch.add(records, place.knowntime)
            self.places[tuple(at)] = Place(records[-1].offset + 1, known)

    def take(self) -> Batch:
        """The batch in the making, and a new one in its place."""
        batch, self.batch = self.batch, Batch()
        return batch

    async def flush(self, batch: Batch) -> None:
        """Insert ``batch``, however long ClickHouse refuses it, and commit its offsets."""
        with metrics.FLUSH.time():
            inserted = await asyncio.to_thread(self.insist, self.insert, batch)
        if inserted:
            metrics.WRITTEN.inc(len(batch))
            if not await asyncio.to_thread(self.insist, self.follow, batch):
                return
            self.uncommitted |= {at: end for at, (_, end) in batch.ranges.items()}
            await self.commit()

    def connect(self) -> Client:
        """A client without compression, which costs more than it saves; one that waits no longer than a minute."""
        return clickhouse(compress=False, send_receive_timeout=60)

    def insert(self, batch: Batch) -> bool:
        """One insert for all partitions."""
        self.client = self.client or self.connect()
        self.client.insert(
            "log",
            list(batch.columns.values()),
            column_names=list(COLUMNS),
            column_types=[get_from_name(type) for type in COLUMNS.values()],
            column_oriented=True,
            settings=SETTINGS,
        )
        return True

    def follow(self, batch: Batch) -> bool:
        """What is due after an insert."""
        self.client = self.client or self.connect()
        follow(self.client, batch.ranges)
        return True

    def insist(self, what: Any, *arguments: Any) -> Any:
        """Call ``what`` again and again while ClickHouse refuses, until it succeeds; ``None`` if we stop before."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(UNREACHABLE),
            wait=tenacity.wait_exponential(multiplier=0.1, max=5),
            stop=tenacity.stop_when_event_set(self.stopping),
            sleep=tenacity.sleep_using_event(self.stopping),
            before_sleep=self.complain,
            retry_error_callback=lambda _: None,
        )
        answer = retrying(what, *arguments)
        remark("writer", None)
        return answer

    def complain(self, state: tenacity.RetryCallState) -> None:
        """Say that ClickHouse refused, and why; the next attempt opens a new connection."""
        self.client = None
        metrics.TABLES_REFUSED.inc()
        error = state.outcome.exception() if state.outcome else None
        logger.warning("ClickHouse refused (attempt %d, kept and tried again): %s", state.attempt_number, error)
        remark("writer", f"ClickHouse refuses, tried {state.attempt_number} times: {str(error)[:200]}")

    async def commit(self) -> None:
        """Commit what is inserted. A commit that fails costs a repeated batch, never a record."""
        ends = {at: end for at, end in self.uncommitted.items() if at in self.places}
        self.uncommitted = {}
        try:
            if ends:
                await self.consumer.commit({TopicPartition(*at): end for at, end in ends.items()})
        except (CommitFailedError, IllegalGenerationError, UnknownMemberIdError) as error:
            logger.warning("the group moved on, the next owner writes these rows again: %s", error)
        except KafkaError as error:
            logger.warning("Kafka did not take the commit, it is tried again: %s", error)
            self.uncommitted = ends | self.uncommitted

    async def settle(self) -> None:
        """Wait for the insert on its way."""
        if self.flushing:
            await asyncio.wait({self.flushing}, timeout=20)

    async def lose(self) -> None:
        """The partitions go to another writer: end the insert on its way, drop what is not yet inserted."""
        await self.settle()
        self.batch, self.places, self.uncommitted = Batch(), {}, {}

    async def gain(self, assigned: Iterable[TopicPartition]) -> None:
        """These partitions are ours: find out where to go on and which knowntime holds there."""
        partitions = sorted(assigned)
        if not partitions:
            logger.info("another writer is at work; this one waits")
            return
        here = await asyncio.to_thread(self.insist, self.held)
        first, end = await self.consumer.beginning_offsets(partitions), await self.consumer.end_offsets(partitions)
        places: dict[TopicPartition, Place] = {}
        for at in partitions:
            held = (here or {}).get(tuple(at), 0)
            if held > end[at]:
                raise OtherLog(
                    f"ClickHouse holds {at.topic}/{at.partition} up to offset {held}, Kafka only up to {end[at]}: it"
                    " mirrors another Kafka, or Kafka lost records. Give this Kafka a database of its own"
                    " (MAILIU_CLICKHOUSE_DATABASE), or restore Kafka."
                )
            start = max(first[at], min(await self.consumer.committed(at) or 0, held))
            places[at] = Place(start, await asyncio.to_thread(self.insist, self.before, at, start) or 0)
        # No await from here on: a record fetched between seek and the new places would be left out for good.
        for at, place in places.items():
            self.consumer.seek(at, place.next)
        self.places = {tuple(at): place for at, place in places.items()}
        logger.info("writing %s", ", ".join(f"{topic}/{partition}" for topic, partition in self.places))

    def held(self) -> dict[tuple[str, int], int]:
        """The offset after the last row of each partition in `log`."""
        self.client = self.client or self.connect()
        query = "SELECT topic, partition, max(offset) + 1 FROM log GROUP BY topic, partition"
        return {(topic, partition): end for topic, partition, end in self.client.query(query).result_rows}

    def before(self, partition: TopicPartition, offset: int) -> int:
        """The knowntime (ms) before ``offset``."""
        self.client = self.client or self.connect()
        return knowntime(self.client, partition, offset)


def knowntime(client: Client, partition: TopicPartition, offset: int) -> int:
    """The knowntime (ms since 1970) that `log` holds before ``offset``; 0 at the beginning."""
    found = client.query(
        "SELECT toUnixTimestamp64Milli(knowntime) FROM log WHERE topic = {t:String} AND partition = {p:UInt32}"
        " AND offset < {o:UInt64} ORDER BY offset DESC LIMIT 1",
        {"t": partition.topic, "p": partition.partition, "o": offset},
    ).result_rows
    return int(found[0][0]) if found else 0


class Assignment(ConsumerRebalanceListener):
    """Tells the writer which partitions it loses and gains. An error here ends the writer, it is not swallowed."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Called before the group moves on."""
        await self.writer.lose()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Called after it has."""
        try:
            await self.writer.gain(assigned)
        except Exception as error:
            self.writer.failure = error


def run() -> None:
    """The part `writer`: blocks until SIGTERM; a fatal error is one line on standard error and exit 1."""
    log_to_stderr()

    async def serve() -> None:
        writer = Writer()
        for each in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(each, writer.stop)
        await writer.run()

    try:
        asyncio.run(serve())
    except (OtherLog, Gap, KafkaError) as error:
        print(f"writer: {error}", file=sys.stderr)
        sys.exit(1)
