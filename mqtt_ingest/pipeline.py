"""The way from MQTT to Kafka: nothing that a device was told is accepted can be lost.

For each message, in the order of arrival: through the gate, to Kafka (`events` or `rejected`), Kafka's acknowledgement
awaited, then the receipts to the device, then the acknowledgement to the broker. Many messages are under way at once;
receipts and acknowledgements keep the order. What Kafka does not take stays with the broker, which stops sending after
`session.IN_FLIGHT` messages.
"""

import asyncio
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

import orjson

from infra.clock import clock
from infra.log import Log
from infra.observe import metrics
from mqtt_ingest.address import Address, address
from mqtt_ingest.gate import Answer, Gate, Refusal
from mqtt_ingest.receipts import receipt
from mqtt_ingest.rejected import WAITING, Rejected, records, resolution
from mqtt_ingest.session import Message, Session
from mqtt_ingest.texts import explain
from mqtt_ingest.waiting import Waiting
from schemas.envelope import Event, rfc3339
from schemas.topics import REJECTED

#: Identities that the bridge remembers, to answer a resent reading without appending it again. One that comes later is
#: appended again, which changes nothing.
REMEMBERED = 20_000
#: Messages handled in a row before receipts and acknowledgements get their turn.
TURN = 50


class Publisher(Protocol):
    """Where receipts go."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish with quality of service 1."""

    async def room(self) -> None:
        """Wait until more may be published."""


class Placed:
    """An event handed to Kafka: its futures, and its position once they are done."""

    __slots__ = ("content", "futures", "position")

    def __init__(self, content: bytes, futures: "list[asyncio.Future[Any]]") -> None:
        self.content, self.futures = content, futures
        self.position: str | None = None

    async def settled(self) -> str:
        """The position, once Kafka holds the event. Raises ``KafkaError``."""
        if self.position is None:
            found = [await future for future in self.futures]
            self.position = ",".join(f"{record.partition}:{record.offset}" for record in found)
            self.futures = []
        return self.position


@dataclass(slots=True)
class UnderWay:
    """A message whose outcome is on its way to Kafka."""

    message: Message
    at: Address
    answers: list[tuple[Answer, Placed | None]] = field(default_factory=list)
    writes: "list[asyncio.Future[Any]]" = field(default_factory=list)
    waiting: list[tuple[Rejected, int]] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)


class Pipeline:
    """The way of messages from a session at the MQTT broker to the log, for as long as Kafka takes what it sends."""

    def __init__(self, publisher: Publisher, log: Log, gate: Gate, waiting: Waiting) -> None:
        self.publisher, self.log, self.gate, self.waiting = publisher, log, gate, waiting
        self.under_way: deque[UnderWay] = deque()
        self.seen: OrderedDict[tuple[str, str], Placed] = OrderedDict()
        self._handed_over = asyncio.Event()

    async def pump(self, session: Session) -> None:
        """Take the session's messages through the gate and hand the outcome to Kafka, for ever."""
        while True:
            await session.arrived.wait()
            session.arrived.clear()
            turn = 0
            while session.messages:
                self.under_way.append(await self._handle(session.messages.popleft()))
                self._handed_over.set()
                turn += 1
                if turn % TURN == 0:
                    metrics.UNDER_WAY.set(len(self.under_way))
                    await asyncio.sleep(0)

    async def settle(self, session: Session) -> None:
        """Once Kafka holds a message's outcome, send its receipts and acknowledge it; in order, for ever.

        Raises ``KafkaError`` where Kafka did not take one.
        """
        while True:
            await self._handed_over.wait()
            self._handed_over.clear()
            while self.under_way:
                entry = self.under_way[0]
                for future in entry.writes:
                    await future
                for answer, placed in entry.answers:
                    await self._receipt(entry.at, answer, None if placed is None else await placed.settled())
                for refused, changes in entry.waiting:
                    self.waiting.add(refused, changes)
                session.acknowledge(entry.message)
                self.under_way.popleft()
                metrics.BRIDGE_DELAY.observe(time.monotonic() - entry.began)
            metrics.UNDER_WAY.set(0)

    async def again(self) -> None:
        """Send what waits for a device through the gate again when its bindings change, for ever.

        Raises ``KafkaError``.
        """
        while True:
            device = await self.waiting.next()
            for refused in self.waiting.of(device):
                await self.retry(refused)

    async def retry(self, refused: Rejected) -> str | None:
        """Judge a refusal again as of when it came; where it lies in `events` if all of it is accepted now.

        Raises ``KafkaError``.
        """
        at = refused.at
        assert at is not None
        now, positions = clock().now(), []
        answers = self.gate.take(at.topic, refused.raw(), refused.received, refused.verdict)
        for answer in answers:
            if answer.event is None:
                continue
            if len(answers) == 1 and answer.event.id == answer.id:  # keeps the id that it had when it came
                id = str(refused.value.get("reading") or answer.id)
                answer = replace(answer, id=id, event=answer.event.model_copy(update={"id": id}))
            assert answer.event is not None
            positions.append(await (await self._place(answer.event, answer.content, now)).settled())
            await self._receipt(at, answer, positions[-1])
        if len(positions) < len(answers):
            return None
        position = ",".join(positions)
        await (await self._reject(str(refused.value["source"]), resolution(refused, position, now)))
        self.waiting.done(refused)
        return position

    async def drained(self, seconds: float) -> None:
        """Wait until nothing is under way, at most ``seconds``."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self.under_way and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)

    async def _handle(self, message: Message) -> UnderWay:
        """The outcome of one message, on its way to Kafka."""
        at, now = address(message.topic), clock().now()
        entry = UnderWay(message, at)
        if at.kind == "hello":  # the device asks what time it is
            self.publisher.publish(_down(at, "time"), orjson.dumps({"time": rfc3339(now)}))
            return entry
        changes = self.waiting.changes
        for answer in self.gate.take(message.topic, message.payload, now):
            placed = None
            if answer.event is not None:
                placed = await self._place(answer.event, answer.content, now)
                if placed.content != answer.content:
                    answer, placed = conflict(answer), None
            if answer.refusal is not None:
                metrics.REJECTED.labels(answer.refusal.reason).inc()
                for value in records(answer, now):
                    entry.writes.append(await self._reject(answer.at.source, value))
                    if answer.refusal.reason in WAITING:
                        entry.waiting.append((Rejected(orjson.loads(value)), changes))
            for event in answer.also:
                entry.writes += (await self._place(event, answer.content, now)).futures
            entry.answers.append((answer, placed))
        return entry

    async def _place(self, event: Event, content: bytes, now: datetime) -> Placed:
        """Hand ``event`` to Kafka, unless it was before; then what was handed over then."""
        key = event.source, event.id
        placed = self.seen.get(key)
        if placed is None:
            placed = self.seen[key] = Placed(content, await self.log.hand_over(event, now))
            if len(self.seen) > REMEMBERED:
                self.seen.popitem(last=False)
        return placed

    async def _reject(self, source: str, value: bytes) -> "asyncio.Future[Any]":
        assert self.log.producer is not None
        future: asyncio.Future[Any] = await self.log.producer.send(REJECTED, value, source.encode())
        return future

    async def _receipt(self, at: Address, answer: Answer, position: str | None) -> None:
        if at.vendor:
            return  # its cloud had its receipts in the answer to its call
        await self.publisher.room()
        self.publisher.publish(_down(at, "receipt"), receipt(answer, position))
        metrics.RECEIPTS.labels("accepted" if answer.refusal is None else "rejected").inc()


def _down(at: Address, what: str) -> str:
    return f"mailiu/{at.institution}/{at.device}/down/{what}"


def conflict(answer: Answer) -> Answer:
    """The refusal of a reading whose id came before with other content."""
    message = explain("conflict", "id", answer.id)
    return replace(answer, event=None, refusal=Refusal("conflict", "id", answer.id, message))
