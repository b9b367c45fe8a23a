"""Instants as every answer gives them: UTC, milliseconds, `2026-03-01T08:00:00.000Z`."""

from datetime import datetime
from typing import Annotated

from pydantic import PlainSerializer, WithJsonSchema

from schemas.envelope import rfc3339

Instant = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
