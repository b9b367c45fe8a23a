"""The topic `rejected`: what was refused, whole and encrypted, with where from and why; and that it was taken later.

A refusal that was sent through the gate again with success gets a second record with the same id, `resolved` and the
position in `events`. Bytes beyond `CHUNK` follow in records of their own with `part`.
"""

import contextlib
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from infra.clients import consumer
from infra.rejected import fernet, quiet
from mqtt_ingest.address import VENDOR, Address, address
from mqtt_ingest.clock_trust import Verdict
from mqtt_ingest.gate import Answer
from schemas.envelope import from_milliseconds, identity, milliseconds, rfc3339
from schemas.private import scrubbed

CHUNK = 384 * 1024  #: raw bytes a record; encrypted they stay below Kafka's megabyte
#: Refusals that wait for the device to be registered, bound, or tied to its gateway.
WAITING = frozenset({"unbound-device", "unknown-device", "not-authorized"})


def records(answer: Answer, received: datetime) -> Iterator[bytes]:
    """The value of the record (or records, where the bytes are many) for one refusal."""
    refusal, at = answer.refusal, answer.at
    assert refusal is not None
    id = str(identity(at.source, f"rejected/{answer.id}/{answer.content.hex()}"))
    chunks = [answer.raw[start : start + CHUNK] for start in range(0, len(answer.raw), CHUNK)] or [b""]
    value: dict[str, Any] = {
        "id": id,
        "source": at.source,
        "received": rfc3339(received),
        "reason": refusal.reason,
        **dict(zip(("field", "value", "message"), quiet(refusal.field, refusal.value, refusal.message), strict=True)),
        "device": at.device or None,
        "institution": at.institution or None,
        "kind": at.kind if at.vendor else refusal.kind or at.kind,
        "reading": scrubbed(answer.id),
        "mqtt_topic": None if at.vendor else at.topic,
        "raw": fernet().encrypt(chunks[0]).decode(),
        "parts": len(chunks),
        "position": None,
    }
    if refusal.verdict:
        value |= {"time": from_milliseconds(refusal.verdict.time), "clock": refusal.verdict.clock}
        value["backlog"] = refusal.verdict.backlog
    yield orjson.dumps(value)
    for number, chunk in enumerate(chunks[1:], 1):
        yield orjson.dumps({"id": id, "part": number, "raw": fernet().encrypt(chunk).decode()})


@dataclass
class Rejected:
    """One refusal, read back."""

    value: dict[str, Any]
    more: dict[int, str] = field(default_factory=dict)
    resolved: str | None = None
    resolved_position: str | None = None

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.value["id"])

    @property
    def waiting(self) -> bool:
        """Whether it waits for its device to be bound."""
        return self.resolved is None and self.value.get("reason") in WAITING

    @property
    def received(self) -> datetime:
        """When it came."""
        return datetime.fromisoformat(self.value["received"])

    @property
    def verdict(self) -> Verdict | None:
        """When it was taken, as found when it came."""
        if "clock" not in self.value:
            return None
        return Verdict(milliseconds(self.value["time"]), self.value["clock"], bool(self.value.get("backlog")))

    @property
    def at(self) -> Address | None:
        """The address that it came from, for what came over MQTT or from a vendor's cloud."""
        topic = self.value.get("mqtt_topic")
        if topic is None and str(self.value.get("kind")).startswith(VENDOR):
            topic = self.value["kind"]
        return None if topic is None else address(topic)

    @property
    def device(self) -> str | None:
        """The device whose it is."""
        return self.value.get("device")

    def raw(self) -> bytes:
        """The bytes that were refused; raises ``cryptography.fernet.InvalidToken`` without the right key."""
        tokens = [self.value["raw"], *(self.more[number] for number in sorted(self.more))]
        return b"".join(fernet().decrypt(token) for token in tokens)


def resolution(refused: Rejected, position: str, now: datetime) -> bytes:
    """The value of the record that says: this refusal has been taken since."""
    kept = {name: refused.value.get(name) for name in ("id", "source", "received", "device", "institution", "kind")}
    return orjson.dumps(kept | {"reason": "replayed", "resolved": rfc3339(now), "position": position})


class Register:
    """All refusals, fed record by record in order; or only those that wait for a device to be bound."""

    def __init__(self, only_waiting: bool = False) -> None:
        self.by_id: dict[str, Rejected] = {}
        self.only_waiting = only_waiting

    def apply(self, value: bytes | None) -> Rejected | None:
        """Take over one record; the refusal it is about, or None for a record that is none."""
        try:
            fact = orjson.loads(value or b"")
            id = str(fact["id"])
        except (ValueError, KeyError, TypeError):
            return None
        known = self.by_id.get(id)
        if "part" in fact:
            if known:
                known.more[int(fact["part"])] = fact["raw"]
        elif "resolved" in fact:
            if known:
                known.resolved, known.resolved_position = fact["resolved"], fact.get("position")
                if self.only_waiting:
                    del self.by_id[id]
        elif (known is None or known.resolved is not None) and (not self.only_waiting or fact.get("reason") in WAITING):
            known = self.by_id[id] = Rejected(fact)
        return known


async def follow(topic: str) -> AsyncGenerator[list[ConsumerRecord] | None, None]:
    """Every record of ``topic`` from its beginning, for ever; None once, where its end at the start is reached."""
    reader: AIOKafkaConsumer = consumer(topic)
    await reader.start()
    try:
        places = sorted(reader.assignment())
        if not places:
            raise LookupError(f"Kafka has no topic {topic}; `mailiu up kafka` makes it")
        ends = await reader.end_offsets(places)
        reading = True
        while True:
            if reading and all([await reader.position(place) >= end for place, end in ends.items()]):
                reading = False
                yield None
            batches = await reader.getmany(timeout_ms=500)
            for batch in batches.values():
                yield batch
    finally:
        await reader.stop()


async def everything(topic: str) -> AsyncGenerator[ConsumerRecord, None]:
    """Every record of ``topic`` up to its end at the start."""
    async with contextlib.aclosing(follow(topic)) as batches:
        async for batch in batches:
            if batch is None:
                return
            for record in batch:
                yield record
