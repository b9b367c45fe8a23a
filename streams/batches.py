"""Faust, fed with batches: an agent gets a list of records of one partition as one message.

Faust's cost is per message (65 µs, most of it task switching), and a list of a thousand records is one message. Where
to read from is not Kafka's committed offset but each partition's own store, so the consumer seeks there after every
rebalance. Kafka's offset is only written for those who watch the lag.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import faust
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from yarl import URL

from infra.settings import settings
from schemas.topics import EVENTS

#: Records in one message at most: 0.1 s of folding, in which nothing else in the process moves.
BATCH = 2000
SESSION_SECONDS = 6.0
GROUP = "mailiu-worker"

log = logging.getLogger("mailiu.worker")


class Owner(Protocol):
    """Who folds the partitions of `events`."""

    def offsets(self) -> dict[int, int]:
        """The offset from which to read each partition that is open."""

    async def acquire(self, numbers: set[int]) -> None:
        """Open these partitions and close all others."""

    async def release(self, numbers: set[int]) -> None:
        """Close these partitions."""

    async def put(self, number: int, records: list[Any]) -> None:
        """Take records of one partition, in order."""


class Batch:
    """Stands for the list of ``records`` where Faust expects one record; its offset is the last one's."""

    key = headers = checksum = None
    serialized_key_size = serialized_value_size = 0

    def __init__(self, records: list[Any]) -> None:
        last = records[-1]
        self.topic, self.partition, self.offset = last.topic, last.partition, last.offset
        self.timestamp, self.timestamp_type, self.value = last.timestamp, last.timestamp_type, records


class BatchScheduler:
    """Hands what was fetched on in batches, partition by partition in turn."""

    def iterate(self, fetched: Mapping[Any, list[Any]]) -> Iterator[tuple[Any, Batch]]:
        """Faust's hook: pairs of partition and what to give to the agent."""
        left = [(partition, records, 0) for partition, records in fetched.items() if records]
        while left:
            for partition, records, at in left:
                yield partition, Batch(records[at : at + BATCH])
            left = [(p, records, at + BATCH) for p, records, at in left if at + BATCH < len(records)]


class BatchSchema(faust.Schema):
    """Passes batches through undecoded."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> None:
        """Batches have no key."""

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        """The list of records."""
        return message.value


class Consumer(driver.Consumer):
    """Reads on from where each partition's store is."""

    async def perform_seek(self) -> None:
        """Seek to the stores' offsets. Opens nothing.

        Faust calls this after a rebalance, and also from its fetch loop in the midst of one, when the partitions have
        been given up and `assignment` still names them. A store opened then would be kept from its new owner until
        the next rebalance.
        """
        app: Any = self.app
        opened: dict[int, int] = app.owner.offsets()
        seeks = {tp: opened[tp.partition] for tp in self.assignment() if tp.partition in opened}
        if seeks:
            await self.seek_wait(seeks)

    async def note(self, offsets: dict[int, int]) -> None:
        """Write offsets to Kafka, for those who watch the lag. Nothing depends on it: a failure is only logged."""
        mine = {TopicPartition(*tp): offsets[tp.partition] for tp in self.assignment() if tp.partition in offsets}
        commit = self._thread._ensure_consumer().commit
        try:
            async with asyncio.timeout(5):
                await self._thread.call_thread(commit, mine)
        except (KafkaError, TimeoutError) as error:
            log.info("offsets not noted: %r", error)


class Transport(driver.Transport):
    """aiokafka with our consumer."""

    Consumer = Consumer


class App(faust.App):
    """A Faust app that knows who folds."""

    owner: Owner


def make_app(owner: Owner) -> App:
    """A Faust app whose one agent hands the records of `events` to ``owner``."""
    config = settings()
    folder = config.home / "faust" / config.worker
    folder.mkdir(parents=True, exist_ok=True)
    app = App(
        GROUP,
        broker=[URL(f"kafka://{address}") for address in config.kafka.split(",")],
        ConsumerScheduler=BatchScheduler,
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=SESSION_SECONDS / 4,
        broker_rebalance_timeout=SESSION_SECONDS * 2,
        broker_request_timeout=30.0,
        consumer_group_instance_id=config.worker,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4 << 20,
        stream_buffer_maxsize=24,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        stream_processing_timeout=60.0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        store="memory://",
        datadir=folder,
        worker_redirect_stdouts=False,
    )
    app.owner = owner
    app.transport = Transport(app.conf.broker_consumer, app, None)

    async def fold_events(stream: Any) -> None:
        async for records in stream:
            await owner.put(records[0].partition, records)

    # Not acknowledged to Faust: the store remembers what is folded, in one transaction with the state.
    app.agent(app.topic(EVENTS, schema=BatchSchema(), acks=False), name="fold")(fold_events)

    async def assigned(*_: Any, **__: Any) -> None:
        await owner.acquire({tp.partition for tp in app.consumer.assignment() if tp.topic == EVENTS})

    async def revoked(*about: Any, **_: Any) -> None:  # the app, and the partitions
        await owner.release({tp.partition for tp in about[-1] if tp.topic == EVENTS})

    app.on_rebalance_complete.connect(assigned, weak=False)
    app.on_partitions_revoked.connect(revoked, weak=False)
    return app
