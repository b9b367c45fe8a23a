"""Kafka's records as Parquet files, zstd inside: any analyst's tool reads them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from infra.backup.manifest import File, Segment

SCHEMA: dict[str, Any] = {
    "offset": pl.UInt64,
    "timestamp": pl.Int64,  # ms since 1970
    "key": pl.Binary,
    "value": pl.Binary,
    "headers": pl.List(pl.Struct({"name": pl.String, "value": pl.Binary})),
}
#: A file ends with so many records or bytes of values: what is held in memory at once.
RECORDS, BYTES = 50_000, 32 << 20


class Record(NamedTuple):
    """A record of one partition; ``timestamp`` in ms since 1970."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()

    @classmethod
    def of(cls, record: Any) -> "Record":
        """The same record as aiokafka gives it."""
        return cls(record.offset, record.timestamp, record.key, record.value, tuple(record.headers))


class Writer:
    """Collects the records of one partition into files in ``folder`` of a backup."""

    def __init__(self, backup: Path, topic: str, partition: int) -> None:
        self.backup, self.folder = backup, backup / "log" / topic / str(partition)
        self.done: list[Segment] = []
        self._rows: list[Record] = []
        self._size = 0

    def add(self, records: Iterable[Record]) -> None:
        """Take records, in order of offset."""
        for record in records:
            self._rows.append(record)
            self._size += len(record.value or b"")
            if len(self._rows) >= RECORDS or self._size >= BYTES:
                self.flush()

    def flush(self) -> None:
        """Write what is collected."""
        if not self._rows:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        first, last = self._rows[0].offset, self._rows[-1].offset
        path = self.folder / f"{first:012}.parquet"
        frame(self._rows).write_parquet(path, compression="zstd", compression_level=3)
        file = File.of(self.backup, path).model_dump()
        self.done.append(Segment(**file, first=first, next=last + 1, records=len(self._rows)))
        self._rows, self._size = [], 0


def frame(records: Sequence[Record]) -> pl.DataFrame:
    """A table of ``records``."""
    columns = {name: [getattr(record, name) for record in records] for name in ("offset", "timestamp", "key", "value")}
    headers = [[{"name": name, "value": value} for name, value in record.headers] for record in records]
    return pl.DataFrame(columns | {"headers": headers}, schema=SCHEMA)


def read(path: Path, start: int = 0) -> Iterator[Record]:
    """The records of a file from offset ``start`` on."""
    for offset, timestamp, key, value, headers in pl.read_parquet(path).iter_rows():
        if offset >= start:
            yield Record(offset, timestamp, key, value, tuple((each["name"], each["value"]) for each in headers))
