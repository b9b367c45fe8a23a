"""The door to the log: every gateway appends events to Kafka through this one function.

A record's key is the subject, its timestamp is `recordedtime`, its headers repeat type and identity, so that readers
need no JSON to know them. What concerns many residents, and ticks, go to every partition.

A gateway whose clock is more than a second off the broker's does not start: its `recordedtime` would be wrong. One
whose clock is set while it runs compares again, and accepts nothing until the two agree.
"""

import asyncio
import logging
import time
from datetime import datetime
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

from infra.clients import producer
from infra.clock import clock
from infra.observe.metrics import APPENDED
from infra.vault.prose import betrayed
from schemas.clock import EVENTS as CLOCK
from schemas.envelope import Event
from schemas.private import found
from schemas.registry import BROADCAST
from schemas.topics import EVENTS, TIME, partition_of

logger = logging.getLogger("mailiu.log")
MOST_OFF = 1.0  #: seconds that the clocks of gateway and broker may differ


class Position(NamedTuple):
    """Where in `events` a record lies."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


def headers(type: str, identity: str) -> list[tuple[str, bytes]]:
    """The headers of a record on `events` and `derived`."""
    return [("ce_type", type.encode()), ("ce_id", identity.encode())]


class ClockOff(RuntimeError):
    """This machine's clock and the broker's differ by more than a second."""


class Reference:
    """This machine's clock held against Kafka's: at the start, and again whenever it was set since.

    What sets a clock shows in the difference between wall time and steady time; NTP's gentle corrections do not.
    """

    def __init__(self) -> None:
        self._agreed: float | None = None

    async def agree(self, producer: AIOKafkaProducer) -> None:
        """Raises `ClockOff` when the broker's time does not lie around our asking, a second allowed on either side."""
        difference = time.time() - time.monotonic()
        if self._agreed is not None:
            if abs(difference - self._agreed) <= MOST_OFF:
                return
            logger.warning("this clock was set by %+.1f s; held against Kafka's again", difference - self._agreed)
        await producer.partitions_for(TIME)
        before = time.time()
        stamp = (await producer.send_and_wait(TIME, b"")).timestamp / 1000
        if not before - MOST_OFF <= stamp <= time.time() + MOST_OFF:
            off = before - stamp
            raise ClockOff(f"this clock is {off:+.1f} s off Kafka's; set it by NTP before events are accepted")
        self._agreed = difference


class Log:
    """Appends events; ``async with Log() as log: await log.append(event)``."""

    def __init__(self) -> None:
        self.producer: AIOKafkaProducer | None = None
        self.partitions = 0
        self.reference = Reference()

    async def __aenter__(self) -> "Log":
        self.producer = producer()
        await self.producer.start()
        self.partitions = len(await self.producer.partitions_for(EVENTS))
        try:
            await self.reference.agree(self.producer)
        except ClockOff:
            await self.producer.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.producer:
            await self.producer.stop()

    async def append(self, event: Event, recorded: datetime | None = None) -> list[Position]:
        """Append ``event``, stamped with the time it was accepted; its positions once Kafka holds it (acks=all)."""
        return await (await self.send(event, recorded))

    async def send(self, event: Event, recorded: datetime | None = None) -> "asyncio.Future[list[Position]]":
        """Hand ``event`` to the producer, in order; the future is done once Kafka holds it."""
        return asyncio.ensure_future(_positions(await self.hand_over(event, recorded)))

    async def hand_over(self, event: Event, recorded: datetime | None = None) -> "list[asyncio.Future[object]]":
        """As `send`, for who needs no positions: one future a partition, which is half the work for a single event."""
        assert self.producer is not None, "use `async with Log()`"
        await self.reference.agree(self.producer)
        if event.data.get("note"):
            event = without_personal_note(event)
        event = event.model_copy(update={"recordedtime": recorded or clock().now()})
        assert event.recordedtime is not None
        value, key = event.dumps(), event.subject.encode()
        everywhere = event.type in BROADCAST or event.type in CLOCK
        targets = range(self.partitions) if everywhere else [partition_of(key, self.partitions)]
        stamp = round(event.recordedtime.timestamp() * 1000)
        APPENDED.labels(event.type).inc()
        about = headers(event.type, str(event.identity))
        return [
            await self.producer.send(EVENTS, value, key, partition=p, timestamp_ms=stamp, headers=about)
            for p in targets
        ]


def without_personal_note(event: Event) -> Event:
    """``event``, without its note where that holds a phone or ID number, or a name that the vault knows to be its own.

    What was measured is taken all the same: a device's reading is not lost for the words beside it.
    """
    if found(str(event.data["note"])) is None and betrayed(event) != "data.note":
        return event
    logger.warning("the note of event %s names a person: it is left out", event.identity)
    data = {name: value for name, value in event.data.items() if name != "note"}
    return event.model_copy(update={"data": data})


async def _positions(futures: list["asyncio.Future[object]"]) -> list[Position]:
    records = await asyncio.gather(*futures)
    return [Position(record.partition, record.offset) for record in records]  # type: ignore[attr-defined]
