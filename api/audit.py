"""The audit trail: every view of a person goes to the topic `audit` (who, what, whom, when) before it is shown."""

import uuid

import orjson

from api.auth import Caller
from infra.clock import clock
from infra.log import Log
from schemas.envelope import rfc3339
from schemas.topics import AUDIT


async def viewed(log: Log, who: Caller, what: str, resident: str) -> None:
    """Record that ``who`` is about to see ``what`` of ``resident``; returns once Kafka holds the record."""
    assert log.producer is not None
    now = clock().now()
    record = {
        "id": str(uuid.uuid4()),
        "actor": who.actor,
        "role": who.role,
        "action": "viewed",
        "what": what,
        "resident": resident,
        "time": rfc3339(now),
    }
    stamp = round(now.timestamp() * 1000)
    await log.producer.send_and_wait(AUDIT, orjson.dumps(record), who.actor.encode(), timestamp_ms=stamp)
