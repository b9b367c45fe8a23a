"""What becomes of a row that is refused: a record on the topic `rejected`, the row encrypted, nothing lost."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from infra.log import Log
from infra.rejected import record
from infra.replay.formats import Row
from mqtt_ingest.decoded import shown
from mqtt_ingest.texts import explain
from schemas.envelope import InvalidEvent, identity
from schemas.topics import REJECTED

LONGEST = 1 << 20  #: bytes of a row that are kept; an unreadable file of any size is still there as a file


@dataclass(frozen=True)
class Rejection:
    """A refused row of a file. Its id is the same however often the row is replayed."""

    file: str
    number: int  #: of the row in the file
    place: int  #: of the refused event among those of the row
    row: Row
    refusal: InvalidEvent

    @property
    def source(self) -> str:
        """Where the row came from; the record's key."""
        return f"replay/{Path(self.file).name}"

    def record(self) -> dict[str, Any]:
        """The value of the record."""
        refusal, value = self.refusal, shown(self.refusal.value)
        content = hashlib.sha256(self.row.raw).hexdigest()
        id = identity(self.source, f"{self.number}.{self.place}/{content}")
        message = explain(refusal.code, refusal.field, value, refusal.reason)
        raw = self.row.raw[:LONGEST]
        return record(id, self.source, refusal.code, refusal.field, value, message, raw, kind=self.row.kind)

    async def send(self, log: Log) -> Any:
        """Hand the record to the producer; the future is done once Kafka holds it."""
        assert log.producer is not None
        return await log.producer.send(REJECTED, orjson.dumps(self.record()), self.source.encode())
