"""What becomes of a row that is refused: a record on the topic `rejected`, the row encrypted, nothing lost."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from cryptography.fernet import Fernet

from infra.clock import clock
from infra.log import Log
from infra.replay.formats import Row
from infra.settings import settings
from mqtt_ingest.decoded import shown
from mqtt_ingest.texts import explain
from schemas.envelope import InvalidEvent, identity, rfc3339
from schemas.topics import REJECTED

LONGEST = 1 << 20  #: bytes of a row that are kept; an unreadable file of any size is still there as a file


@dataclass(frozen=True)
class Rejection:
    """A refused row; ``id`` is the same however often the row is replayed."""

    file: str
    number: int
    row: Row
    refusal: InvalidEvent

    async def send(self, log: Log) -> Any:
        """Hand the record to the producer; the future is done once Kafka holds it."""
        assert log.producer is not None
        value = orjson.dumps(self.record())
        return await log.producer.send(REJECTED, value, self.source.encode())

    @property
    def source(self) -> str:
        """Where the row came from."""
        return f"replay/{self.file.rsplit('/', 1)[-1]}"[:200]

    def record(self) -> dict[str, Any]:
        """The value of the record, as all gateways write it."""
        refusal = self.refusal
        return {
            "id": str(identity(self.source, f"{self.number}\n{hashlib.sha256(self.row.raw).hexdigest()}")),
            "source": self.source,
            "received": rfc3339(clock().now()),
            "reason": refusal.code,
            "field": refusal.field,
            "value": shown(refusal.value),
            "message": explain(refusal.code, refusal.field, shown(refusal.value), refusal.reason),
            "device": None,
            "institution": None,
            "kind": self.row.kind,
            "mqtt_topic": None,
            "raw": _fernet().encrypt(self.row.raw[:LONGEST]).decode(),
            "position": None,
        }


@cache
def _fernet() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(settings().secret("rejected").encode()).digest()))
