"""The partitions that this worker owns: each with its store and a task of its own.

A batch is folded, its outputs are sent, every acknowledgement is awaited, `fold.progressed` is sent last, and then the
store moves in one transaction. The process may die between any two of these: what was sent is sent again under the same
identities, or, if `fold.progressed` arrived, not at all.
"""

import asyncio
import logging
import os
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

import orjson
from aiokafka import AIOKafkaProducer

from infra.log import headers
from infra.observe.metrics import DERIVED as MADE
from infra.observe.metrics import FOLDED
from infra.observe.metrics import REJECTED as REFUSED
from schemas.topics import DERIVED, REJECTED
from streams import fold
from streams.event import Output
from streams.partition import OtherLog, Partition, Step
from streams.progress import newest_progress
from streams.rejection import rejection
from streams.store import Store

#: Batches that wait for one partition before reading stops.
WAITING = 2
#: Longest time in which the partitions of a rebalance must be open.
ACQUIRE_SECONDS = 30.0

log = logging.getLogger("mailiu.worker")


def fatal(message: str, error: BaseException | None = None) -> NoReturn:
    """End the process at once; the supervisor starts it again from what the stores hold."""
    log.critical("%s", message, exc_info=error)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(1)


class Shard:
    """One open partition."""

    def __init__(self, partition: Partition, producer: AIOKafkaProducer) -> None:
        self.partition, self.producer = partition, producer
        self.queue: asyncio.Queue[list[Any]] = asyncio.Queue(WAITING)
        self.moved = time.monotonic()  #: when it last made progress
        self.task = asyncio.create_task(self._run())

    @property
    def number(self) -> int:
        """The partition's number."""
        return self.partition.number

    async def close(self) -> None:
        """Stop where it stands (every point is a safe one) and close the store."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        while not self.queue.empty():  # lets go whoever waits to put a batch
            self.queue.get_nowait()
        self.partition.store.close()

    async def _run(self) -> None:
        try:
            while True:
                records = await self.queue.get()
                for step in self.partition.steps(records):
                    await self._send(step)
                    before = self.partition.next
                    self.partition.commit(step)
                    FOLDED.inc(self.partition.next - before)
                    self.moved = time.monotonic()
        except (OtherLog, sqlite3.DatabaseError) as error:
            if isinstance(error, OtherLog) or type(error) is sqlite3.DatabaseError:  # another log, or a damaged file
                self.partition.store.discard()
            fatal(f"partition {self.number}: {error}", error)
        except Exception as error:
            fatal(f"partition {self.number}: {error}", error)

    async def _send(self, step: Step) -> None:
        sent = [await self._put(output, value) for output, value in zip(step.outputs, step.encoded, strict=True)]
        for found in step.unfoldable:
            log.error("partition %d offset %d is unfoldable: %s", self.number, found.offset, found.error)
            key, value = rejection(self.number, found)
            sent.append(await self.producer.send(REJECTED, value, key))
            REFUSED.labels("unfoldable").inc()
        if sent:
            await asyncio.gather(*sent)
        for output in step.outputs:
            MADE.labels(output.type).inc()
        if step.progressed:
            await (await self._put(step.progressed, orjson.dumps(step.progressed.value)))

    async def _put(self, output: Output, value: bytes) -> Awaitable[Any]:
        derived = output.topic == DERIVED
        return await self.producer.send(
            output.topic,
            value,
            output.key.encode(),
            partition=self.number if derived else None,
            timestamp_ms=output.time,
            headers=headers(output.type, output.identity) if derived else None,
        )


class Shards:
    """All open partitions. Stores lie in ``folder``, one file a partition, shared by the workers of a machine."""

    def __init__(
        self, folder: Path, make_producer: Callable[[], AIOKafkaProducer], opened: Callable[[], None] = lambda: None
    ) -> None:
        self.folder, self.make_producer, self.opened = folder, make_producer, opened
        self.producer: AIOKafkaProducer | None = None
        self.open: dict[int, Shard] = {}
        self.turn = 0  #: counts rebalances
        self.lock = asyncio.Lock()

    def offsets(self) -> dict[int, int]:
        """The offset from which to read each open partition."""
        return {number: shard.partition.resume for number, shard in self.open.items()}

    async def acquire(self, numbers: set[int]) -> None:
        """Open these partitions and close all others; give up when the next rebalance begins meanwhile."""
        self.turn += 1
        turn = self.turn
        try:
            async with asyncio.timeout(ACQUIRE_SECONDS), self.lock:
                await self._close(set(self.open) - numbers)
                if self.producer is None:
                    self.producer = self.make_producer()
                    await self.producer.start()
                progress = await newest_progress(numbers - set(self.open))
                for number, silent_below in sorted(progress.items()):
                    if turn != self.turn:
                        return
                    self.open[number] = self._open(number, silent_below)
                    await asyncio.sleep(0)
        except Exception as error:
            fatal(f"partitions {sorted(numbers)} could not be opened: {error!r}", error)
        self.opened()
        log.info("folding partitions %s", {n: s.partition.next for n, s in sorted(self.open.items())})

    def _open(self, number: int, silent_below: int) -> Shard:
        assert self.producer is not None
        partition = Partition(number, Store(self.folder / f"{number}.sqlite", fold.VERSION), silent_below)
        if partition.next < silent_below:
            log.info("partition %d: folding silently from %d to %d", number, partition.next, silent_below)
        return Shard(partition, self.producer)

    async def release(self, numbers: set[int]) -> None:
        """Close these partitions."""
        self.turn += 1
        async with self.lock:
            await self._close(numbers & set(self.open))

    async def _close(self, numbers: set[int]) -> None:
        for number in numbers:
            await self.open.pop(number).close()

    async def put(self, number: int, records: list[Any]) -> None:
        """Hand records of a partition to its task; records of one that is not open are somebody else's."""
        if shard := self.open.get(number):
            await shard.queue.put(records)

    async def close(self) -> None:
        """Close everything."""
        await self.release(set(self.open))
        if self.producer:
            await self.producer.stop()
