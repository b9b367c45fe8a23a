"""From Kafka records to rows of `log`, their bytes untouched.

Type and identity come from the record's headers, `recordedtime` from its timestamp: no JSON is read here, except where
an old version must be lifted, a refusal must lose its raw bytes, or a foreign writer left the headers out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Protocol
from uuid import UUID

import orjson

from schemas.envelope import identity
from schemas.registry import UPCASTERS, upcast
from schemas.topics import DERIVED, EVENTS, REJECTED

#: Columns of `log` that the mirror fills, with their types; `time` is read from the JSON by the engine.
COLUMNS = {
    "topic": "LowCardinality(String)",
    "partition": "UInt32",
    "offset": "UInt64",
    "key": "String",
    "type": "LowCardinality(String)",
    "identity": "UUID",
    "recordedtime": "DateTime64(3, 'UTC')",
    "knowntime": "DateTime64(3, 'UTC')",
    "value": "String",
    "upcast": "Nullable(String)",
}
NIL = str(UUID(int=0))
NOTHING = b"{}"


class Record(Protocol):
    """A record as aiokafka gives it; ``timestamp`` in ms since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass
class Batch:
    """Rows in the making, column by column, and of each partition the first offset and the one after the last."""

    columns: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in COLUMNS})
    ranges: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    size: int = 0  #: bytes of the values

    def __len__(self) -> int:
        return len(self.columns["offset"])

    def add(self, records: Sequence[Any], known: int) -> int:
        """Take ``records`` of one partition, in order of offset; ``known`` is the knowntime (ms) before the first.

        The knowntime after the last.
        """
        first, count, columns = records[0], len(records), self.columns
        columns["topic"] += [first.topic] * count
        columns["partition"] += [first.partition] * count
        columns["offset"] += [r.offset for r in records]
        columns["key"] += [r.key or b"" for r in records]
        times = [r.timestamp for r in records]
        columns["recordedtime"] += times
        columns["knowntime"] += (knowntimes := list(accumulate(times, max, initial=known))[1:])
        rows = [_row(r) for r in records]
        for number, name in enumerate(("type", "identity", "value", "upcast")):
            columns[name] += [row[number] for row in rows]
        self.size += sum(len(row[2]) for row in rows)
        at = (first.topic, first.partition)
        self.ranges[at] = (self.ranges.get(at, (first.offset,))[0], records[-1].offset + 1)
        return knowntimes[-1]


def _row(record: Record) -> tuple[str, str, bytes, bytes | None]:
    """Type, identity, value and upcast of a record."""
    value = record.value or b""
    if record.topic in (EVENTS, DERIVED):
        headers = dict(record.headers)
        try:
            type, id = headers["ce_type"].decode(), headers["ce_id"].decode()
            if len(id) != 36:
                raise ValueError(id)
        except (KeyError, ValueError):
            type, id = told(value)
        return type, id, value, lifted(type, value) if type in UPCASTERS else None
    if record.topic == REJECTED:
        return record.topic, *_refusal(value), None
    return record.topic, NIL, value, None


def told(value: bytes) -> tuple[str, str]:
    """Type and identity as the event in ``value`` tells them; empty and nil where it does not."""
    try:
        event = orjson.loads(value)
        return str(event["type"]), str(identity(event["source"], event["id"]))
    except (ValueError, TypeError, KeyError):
        return "", NIL


def lifted(type: str, value: bytes) -> bytes | None:
    """The event in its newest version; ``None`` where it cannot be lifted (the views then find its fields missing)."""
    try:
        event = orjson.loads(value)
        event["type"], event["data"] = upcast(type, event["data"])
        return orjson.dumps(event)
    except Exception:  # whatever an upcaster trips over must not stop the writer
        return None


def _refusal(value: bytes) -> tuple[str, bytes]:
    """Identity and JSON of a refusal without its raw bytes, which stay in Kafka, encrypted."""
    try:
        refusal = orjson.loads(value)
        refusal.pop("raw", None)
        return str(UUID(str(refusal.get("id")))), orjson.dumps(refusal)
    except (ValueError, AttributeError, TypeError):
        return NIL, NOTHING if value else b""
