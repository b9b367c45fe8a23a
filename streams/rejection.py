"""What the fold could not take, as it lies in `rejected`: whole, encrypted, with the reason and its position."""

from base64 import urlsafe_b64encode
from functools import cache
from hashlib import sha256

import orjson
from cryptography.fernet import Fernet

from infra.clock import clock
from infra.settings import settings
from schemas.envelope import rfc3339
from streams.event import uuid5
from streams.partition import Unfoldable

UNFOLDABLE = "unfoldable"
MESSAGE = {
    "zh": "事件无法处理，已原样保存；修复后可重新提交。",
    "en": "The fold cannot take this event. It is kept whole and can be sent again after a fix.",
}


@cache
def _fernet() -> Fernet:
    return Fernet(urlsafe_b64encode(sha256(settings().secret("rejected").encode()).digest()))


def rejection(partition: int, found: Unfoldable) -> tuple[bytes, bytes]:
    """Key and value of the record for `rejected`."""
    source, position = f"fold/{partition}", f"{partition}:{found.offset}"
    value = {
        "id": uuid5(f"{source}\n{position}/{found.subject or ''}"),
        "source": source,
        "received": rfc3339(clock().now()),
        "reason": UNFOLDABLE,
        "field": "event" if found.subject is None else "tick",
        "value": found.error[:200],
        "message": MESSAGE,
        "device": None,
        "institution": None,
        "kind": None,
        "mqtt_topic": None,
        "raw": _fernet().encrypt(found.raw).decode(),
        "position": position,
    }
    return source.encode(), orjson.dumps(value)
