"""Cursor paging: a page says where the next begins, in a text that means nothing to the client.

A cursor holds the sort key of the page's last row, so that rows added meanwhile neither shift nor repeat a page.
"""

import base64
import binascii
from datetime import datetime
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import Query

from api.problem import invalid_field
from schemas.envelope import rfc3339

Limit = Annotated[int, Query(ge=1, le=500, description="Rows a page. 每页行数。")]
Cursor = Annotated[
    str | None,
    Query(max_length=300, description="`next` of the page before. 上一页返回的 `next`。"),
]


def encode(time: datetime, id: UUID | str) -> str:
    """The cursor of a row sorted by instant and id."""
    return base64.urlsafe_b64encode(orjson.dumps([rfc3339(time), str(id)])).decode().rstrip("=")


def decode(cursor: str) -> tuple[datetime, str]:
    """Instant and id that `encode` put into ``cursor``; a 422 problem for any other text."""
    try:
        time, id = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
        instant = datetime.fromisoformat(time)
        if instant.tzinfo is None:
            raise ValueError("an instant needs an offset")
        return instant, str(UUID(id))
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise invalid_field("cursor", cursor, "not a cursor of ours") from error
