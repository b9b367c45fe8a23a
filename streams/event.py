"""What the pure core reads and writes: a flat, upcast `Input` and, for each consequence, an `Output`.

No pydantic here: the gateways checked every event before it entered the log, and the fold reads tens of thousands a
second.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha1
from typing import Any, NamedTuple

import orjson

from schemas.envelope import NAMESPACE
from schemas.registry import UPCASTERS, upcast

TICK = "mailiu.clock.ticked.v1"
DERIVED = "derived"
DEVICES = "devices"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PREFIX = NAMESPACE.bytes


class Input:
    """One event of the log in the newest version of its type. Instants are milliseconds since 1970."""

    __slots__ = (
        "actor", "data", "identity", "institution", "offset", "origin", "partition", "recorded", "subject", "time",
        "type",
    )  # fmt: skip

    def __init__(
        self,
        partition: int,
        offset: int,
        identity: str,
        type: str,
        subject: str,
        time: int,
        recorded: int,
        data: dict[str, Any],
        institution: str | None = None,
        actor: str | None = None,
        origin: str = "live",
    ) -> None:
        self.partition, self.offset, self.identity = partition, offset, identity
        self.type, self.subject, self.time, self.recorded = type, subject, time, recorded
        self.data, self.institution, self.actor, self.origin = data, institution, actor, origin

    def to(self, subject: str) -> "Input":
        """The same event addressed to ``subject``: how a tick reaches a resident."""
        return Input(
            self.partition, self.offset, self.identity, self.type, subject, self.time, self.recorded, self.data,
            self.institution, self.actor, self.origin,
        )  # fmt: skip


class Output(NamedTuple):
    """A consequence of an event, to be sent to ``topic`` under ``key``; ``time`` is the record's timestamp in ms."""

    topic: str
    key: str
    identity: str
    type: str
    time: int
    value: dict[str, Any]


def read(partition: int, offset: int, value: bytes, identity: str | None = None) -> Input:
    """The event in the bytes of a record of `events`; ``identity`` from its header, if it has one.

    Raises ``KeyError``, ``ValueError`` or ``TypeError`` for bytes that are no event: only our gateways write the log.
    """
    event = orjson.loads(value)
    type, data = event["type"], event["data"]
    if type in UPCASTERS:
        type, data = upcast(type, data)
    time = instant(event["time"])
    recorded = event.get("recordedtime")
    return Input(
        partition, offset, identity or uuid5(f"{event['source']}\n{event['id']}"), type, event["subject"], time,
        time if recorded is None else instant(recorded), data, event.get("institution"), event.get("actor"),
        event.get("origin", "live"),
    )  # fmt: skip


def uuid5(name: str) -> str:
    """Text of the UUIDv5 of ``name`` in Mailiu's namespace: `uuid.uuid5`, a few times faster."""
    digest = bytearray(sha1(_PREFIX + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def instant(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 text."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@lru_cache(4096)
def rfc3339(instant: int) -> str:
    """The RFC 3339 text of milliseconds since 1970, in UTC: ``2026-03-01T08:00:00.000Z``."""
    return (EPOCH + timedelta(seconds=instant // 1000)).isoformat()[:19] + f".{instant % 1000:03d}Z"


def derived(cause: Input, type: str, id: str, institution: str | None, data: dict[str, Any]) -> Output:
    """A derived event about the cause's subject; ``id`` must name (what, kind, cause) so that a refold repeats it."""
    identity = uuid5(f"fold\n{id}")
    recorded = rfc3339(cause.recorded)
    value: dict[str, Any] = {
        "specversion": "1.0",
        "id": id,
        "source": "fold",
        "type": type,
        "subject": cause.subject,
        "time": rfc3339(cause.time),
        "datacontenttype": "application/json",
        "data": data,
        "recordedtime": recorded,
        "causationid": cause.identity,
        "origin": cause.origin,
        "causepartition": cause.partition,
        "causeoffset": cause.offset,
    }
    if institution is not None:
        value["institution"] = institution
    return Output(DERIVED, cause.subject, identity, type, cause.recorded, value)
