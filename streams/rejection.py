"""What the fold could not take, as it lies in `rejected`: whole, with the reason and its position."""

from uuid import UUID

import orjson

from infra.rejected import record
from streams.event import uuid5
from streams.partition import Unfoldable

UNFOLDABLE = "unfoldable"
MESSAGE = {
    "zh": "事件无法处理，已原样保存；修复后可重新提交。",
    "en": "The fold cannot take this event. It is kept whole and can be sent again after a fix.",
}


def rejection(partition: int, found: Unfoldable) -> tuple[bytes, bytes]:
    """Key and value of the record for `rejected`; its identity is that of position and resident."""
    source, position = f"fold/{partition}", f"{partition}:{found.offset}"
    id = UUID(uuid5(f"{source}\n{position}/{found.subject or ''}"))
    field = "event" if found.subject is None else "tick"
    value = record(id, source, UNFOLDABLE, field, found.error, MESSAGE, found.raw, position=position)
    return source.encode(), orjson.dumps(value)
