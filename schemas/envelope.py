"""The event envelope: CloudEvents 1.0, structured JSON, with Mailiu's extensions.

An event's identity is the UUIDv5 of its ``(source, id)``; what arrives twice is one event, and the copy at the lowest
offset wins.
"""

from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID, uuid5

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_serializer

NAMESPACE = UUID("6f0d7a52-2f0b-5c63-9d38-6d61696c6975")
SUBJECT = r"^(device:)?[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
Code = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")


class InvalidEvent(ValueError):
    """An event that breaks its schema. ``field``, ``value`` and ``reason`` say where, what and why.

    ``code`` is the reason in one word: `invalid`, `out-of-limits` (a number outside the plausible), `unreadable`.
    """

    def __init__(self, field: str, value: object, reason: str, code: str = "invalid") -> None:
        super().__init__(f"{field}: {reason} (got {value!r})")
        self.field, self.value, self.reason, self.code = field, value, reason, code


class Data(BaseModel):
    """Base of every event's ``data``: unknown fields are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Event(BaseModel):
    """One immutable event. ``data`` is checked against ``type`` by `schemas.registry.parse`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(min_length=1, max_length=200, description="unique within `source`")
    source: str = Field(  # without line breaks, so that (source, id) has one text
        pattern=r"^[^\x00-\x1f]{1,200}$", description="who says so: mqtt/I01/D01, rest/his-1, clock/3"
    )
    type: str = Field(pattern=r"^mailiu\.[a-z]+\.[a-z-]+\.v[1-9][0-9]*$")
    subject: str = Field(pattern=SUBJECT, description="resident id; `device:ID` for a device nobody wears")
    time: AwareDatetime = Field(description="when it happened (corrected device time)")
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str | None = Field(None, max_length=200)
    data: dict[str, Any]
    recordedtime: AwareDatetime | None = Field(None, description="when a gateway accepted it; set by the gateway")
    institution: str | None = Field(None, pattern=SUBJECT)
    actor: str | None = Field(None, max_length=100, description="staff, resident or part that acted")
    causationid: str | None = Field(None, max_length=64, description="identity of the event that caused this one")
    correlationid: str | None = Field(None, max_length=100)
    origin: Literal["live", "import"] = "live"
    causepartition: int | None = Field(None, ge=0, description="derived events: partition of the cause in `events`")
    causeoffset: int | None = Field(None, ge=0, description="derived events: offset of the cause in `events`")

    @field_serializer("time", "recordedtime")
    def _instant(self, value: datetime | None) -> str | None:
        return None if value is None else rfc3339(value)

    @property
    def identity(self) -> UUID:
        """UUIDv5 of (source, id)."""
        return identity(self.source, self.id)

    def dumps(self) -> bytes:
        """The event as structured CloudEvents JSON, absent attributes left out."""
        return orjson.dumps(self.model_dump(exclude_none=True))


def identity(source: str, id: str) -> UUID:
    """The identity of an event: UUIDv5 of (source, id)."""
    return uuid5(NAMESPACE, f"{source}\n{id}")


def rfc3339(instant: datetime) -> str:
    """``instant`` in UTC with milliseconds, as every event carries it: ``2026-03-01T08:00:00.000Z``."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 text with an offset."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def from_milliseconds(instant: int) -> str:
    """The RFC 3339 text of milliseconds since 1970."""
    return rfc3339(datetime.fromtimestamp(instant / 1000, UTC))


def invalid(error: ValidationError, prefix: str = "") -> InvalidEvent:
    """The first complaint of a pydantic error as an `InvalidEvent` that names field and value."""
    first = error.errors(include_url=False)[0]
    field = ".".join([prefix, *map(str, first["loc"])] if prefix else map(str, first["loc"])) or "event"
    code = "out-of-limits" if first["type"] in ("greater_than_equal", "less_than_equal") else "invalid"
    return InvalidEvent(field, None if first["type"] == "missing" else first["input"], first["msg"], code)
