"""The sender: what the fold asks for leaves the house from here, and from nowhere else.

It reads `derived` as a consumer of its own, so that replay, rebuild, refold and verify send nothing. Commands go to
devices one after the other, each notice is tried on its own until its deadline. Kafka's offset of a partition is
committed up to the first record that is not settled: after a crash everything from there is read again, what the ledger
knows is settled is passed over, and what is sent a second time has the same id.
"""

import asyncio
import logging
import signal
import sys
import time
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from infra.clients import consumer
from infra.clock import clock
from infra.log import Log
from infra.part import ready
from infra.settings import settings
from schemas.topics import DERIVED, EVENTS
from streams.event import read
from streams.sending import notice
from streams.sending.channels import Adapter, Outbox, SignedWebhook, outbox_file
from streams.sending.command import REQUESTED, Broker, Command, Commands
from streams.sending.duty import TYPES, Duty
from streams.sending.ledger import Ledger
from streams.sending.notice import QUEUED, RECALLED, Delivery, Notice

__all__ = ["REQUESTED", "run"]

GROUP = "mailiu-sender"
MOST = 2000  #: under way at once; then reading waits
DUTY_SECONDS = 5.0  #: between two looks at the duty events

log = logging.getLogger("mailiu.sender")


class DutyReader:
    """Keeps `Duty` up with partition 0 of `events`, where every organization event lies."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.duty = ledger, Duty(settings().zone.key)
        self.partition = TopicPartition(EVENTS, 0)
        self.reader: AIOKafkaConsumer = consumer()

    async def start(self) -> None:
        """Begin where the ledger ends."""
        await self.reader.start()
        self.reader.assign([self.partition])
        end = (await self.reader.end_offsets([self.partition]))[self.partition]
        if self.ledger.next > end:
            self.ledger.forget_duty()
        for value in self.ledger.duty():
            self.duty.learn(read(0, 0, value))
        self.reader.seek(self.partition, self.ledger.next)
        await self.refresh()

    async def refresh(self) -> Duty:
        """Read up to the end of the partition as it is now; what was appended before a notice's cause is known then."""
        end = (await self.reader.end_offsets([self.partition]))[self.partition]
        while (at := await self.reader.position(self.partition)) < end:
            records = (await self.reader.getmany(timeout_ms=1000)).get(self.partition, [])
            found = [(r.offset, r.value) for r in records if _type(r) in TYPES]
            for _, value in found:
                self.duty.learn(read(0, 0, value))
            if records:
                self.ledger.learn(found, records[-1].offset + 1)
            log.debug("duty read from %d", at)
        return self.duty


class Sender:
    """Takes records of `derived` and settles each in a task of its own."""

    def __init__(self, journal: Log, adapter: Adapter, reader: DutyReader, ledger: Ledger, broker: Broker) -> None:
        self.journal, self.adapter, self.reader, self.ledger = journal, adapter, reader, ledger
        self.commands = Commands(journal, broker)
        self.tasks: dict[tuple[TopicPartition, int], asyncio.Task[None]] = {}
        self.deliveries: dict[str, asyncio.Task[None]] = {}
        self.ends: dict[TopicPartition, int] = {}

    async def take(self, partition: TopicPartition, records: list[Any]) -> None:
        """Begin with ``records`` of one partition."""
        refreshed = False
        for record in records:
            self.ends[partition] = record.offset + 1
            kind, id = _type(record), dict(record.headers).get("ce_id", b"").decode()
            try:
                if kind == REQUESTED:
                    self._begin(partition, record.offset, self.commands.send(Command.read(record.value, id)))
                elif kind == QUEUED:
                    queued = Notice.read(record.value, id)
                    if not refreshed:
                        await self.reader.refresh()
                        refreshed = True
                    if queued.id not in self.deliveries and not self.ledger.settled(queued.id):
                        self.deliveries[queued.id] = self._begin(partition, record.offset, self._deliver(queued))
                elif kind == RECALLED:
                    self._recall(orjson.loads(record.value)["data"]["notice"])
            except (KeyError, ValueError, TypeError) as error:
                log.error("%s %d:%d says nothing: %r", DERIVED, record.partition, record.offset, error)

    def _begin(self, partition: TopicPartition, offset: int, work: Any) -> "asyncio.Task[None]":
        task = self.tasks[partition, offset] = asyncio.create_task(work)
        return task

    async def _deliver(self, queued: Notice) -> None:
        whom = await notice.people(queued, self.reader.duty)
        await Delivery(queued, whom, self.adapter, self.journal).run()
        self._settle(queued.id, queued.deadline.timestamp())

    def _recall(self, id: str) -> None:
        """Stop a notice that is still tried."""
        if task := self.deliveries.get(id):
            task.cancel()
        self._settle(id, clock().now().timestamp())

    def _settle(self, id: str, deadline: float) -> None:
        self.ledger.settle(id, round(deadline * 1000), round(clock().now().timestamp() * 1000))

    def settled(self) -> dict[TopicPartition, int]:
        """The offset to commit of each partition. Raises what a task could not cope with."""
        for at, task in list(self.tasks.items()):
            if task.done():
                del self.tasks[at]
                if not task.cancelled():
                    task.result()
        self.deliveries = {id: task for id, task in self.deliveries.items() if not task.done()}
        first: dict[TopicPartition, int] = {}
        for partition, offset in self.tasks:
            first[partition] = min(offset, first.get(partition, offset))
        return self.ends | first

    async def stop(self) -> None:
        """End what is under way; it is begun again from the committed offsets."""
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


def adapter() -> Adapter:
    """The message service of the settings; without one, or on a clock that is not the real one, the outbox."""
    url = settings().notice_webhook
    return SignedWebhook(url) if url and clock().real else Outbox(outbox_file())


def _type(record: Any) -> str:
    return next((value.decode() for name, value in record.headers if name == "ce_type"), "")


async def _serve(stopping: asyncio.Event) -> None:
    broker, ledger, carrier = Broker(), Ledger(settings().home / "sender" / f"{settings().worker}.db"), adapter()
    # A lasting member, so that a restart need not wait for the session to end.
    reader = consumer(
        DERIVED, group=GROUP, group_instance_id=f"sender-{settings().worker}", session_timeout_ms=6000,
        max_poll_interval_ms=24 * 3_600_000,
    )  # fmt: skip
    duty = DutyReader(ledger)
    await reader.start()
    try:
        await duty.start()
        async with Log() as journal:
            sender = Sender(journal, carrier, duty, ledger, broker)
            ready("sender")
            try:
                await _loop(reader, sender, stopping)
            finally:
                await sender.stop()
    finally:
        broker.close()
        await carrier.close()
        await duty.reader.stop()
        await reader.stop()
        ledger.close()


async def _loop(reader: AIOKafkaConsumer, sender: Sender, stopping: asyncio.Event) -> None:
    committed: dict[TopicPartition, int] = {}
    read_on = 0.0
    while not stopping.is_set():
        if time.monotonic() > read_on:  # so that a notice after a quiet time need not wait for much to be read
            await sender.reader.refresh()
            read_on = time.monotonic() + DUTY_SECONDS
        if len(sender.tasks) < MOST:
            for partition, records in (await reader.getmany(timeout_ms=200, max_records=MOST)).items():
                await sender.take(partition, records)
        else:
            await asyncio.sleep(0.2)
        await asyncio.sleep(0)
        ends = sender.settled()
        if ends != committed:
            await _commit(reader, ends)
            committed = ends


async def _commit(reader: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> None:
    mine = reader.assignment()
    try:
        await reader.commit({partition: end for partition, end in ends.items() if partition in mine})
    except (CommitFailedError, IllegalStateError) as error:
        log.info("commit: %s; whoever has the partition now sends again", error)


async def _main() -> None:
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, stopping.set)
    await _serve(stopping)


def run() -> None:
    """Run the sender until SIGTERM."""
    try:
        asyncio.run(_main())
    except Exception as error:
        log.critical("the sender ends: %r", error, exc_info=error)
        sys.exit(1)
