"""A database with every projection, into which a test plays records without Kafka."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import orjson
from aiokafka import TopicPartition
from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver import Client

from infra.clients import clickhouse
from infra.log import headers
from infra.settings import settings
from projections import migrate
from projections.fill import follow
from projections.mirror import COLUMNS, Batch
from projections.writer import SETTINGS, knowntime
from schemas.envelope import identity, milliseconds
from schemas.topics import EVENTS

START = milliseconds("2026-03-02T00:00:00+00:00")


class Record(NamedTuple):
    """A record as aiokafka gives it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def event(type: str, subject: str, time: str, id: str | None = None, **data: Any) -> dict[str, Any]:
    """An event of ``institution`` I01 (or another, as an underscored argument) in its envelope."""
    envelope = {k.removeprefix("_"): data.pop(k) for k in [k for k in data if k.startswith("_")]}
    return {
        "specversion": "1.0", "id": id or f"{type}/{subject}/{time}", "source": "test", "type": f"mailiu.{type}",
        "subject": subject, "time": time, "institution": "I01", "data": data,
    } | envelope  # fmt: skip


def pressure(subject: str, time: str, systolic: float, diastolic: float, id: str | None = None, **more: Any) -> dict:
    """A blood-pressure reading."""
    type = "reading.blood-pressure-measured.v1"
    return event(type, subject, time, id, systolic=systolic, diastolic=diastolic, **more)


TABLES = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"


@contextmanager
def _pointed(name: str) -> Iterator[None]:
    """Within, the settings name this database."""
    variable = "MAILIU_CLICKHOUSE_DATABASE"
    before, os.environ[variable] = os.environ.get(variable), name
    settings.cache_clear()
    try:
        yield
    finally:
        del os.environ[variable]
        os.environ |= {variable: before} if before else {}
        settings.cache_clear()


class Database:
    """Plays records in order of offset; ``rows`` reads a served name."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.next: dict[tuple[str, int], int] = defaultdict(int)

    @classmethod
    @contextmanager
    def new(cls, name: str) -> Iterator["Database"]:
        """A database that is dropped afterwards; settings point at it meanwhile."""
        name = "t_" + re.sub(r"\W+", "_", name.lower())[:50]
        with _pointed(name):
            try:
                migrate.apply()
                with clickhouse() as client:
                    yield cls(client)
            finally:
                with clickhouse(database="default") as client:
                    client.command(f"DROP DATABASE IF EXISTS {name} SYNC")

    @classmethod
    @contextmanager
    def emptied(cls) -> Iterator["Database"]:
        """The database that tests hand on, without a row; for tests that leave its tables and views as they are."""
        with _pointed("t_handed_on"):
            with clickhouse(database="default") as client:
                made = client.query("SELECT name FROM system.databases WHERE name = 't_handed_on'").result_rows
            if not made:
                migrate.apply()
            with clickhouse() as client:
                for (table,) in client.query(TABLES).result_rows:
                    client.command(f"TRUNCATE TABLE `{table}` SYNC")
                yield cls(client)

    def play(self, *events: dict[str, Any], topic: str = EVENTS, partition: int = 0) -> list[Record]:
        """Append events a second apart and insert them as one batch; the records."""
        records = []
        for each in events:
            offset = self.next[topic, partition]
            stamp = milliseconds(each["recordedtime"]) if "recordedtime" in each else START + offset * 1000
            id = str(identity(each["source"], each["id"]))
            records.append(
                Record(
                    topic, partition, offset, stamp, each["subject"].encode(), orjson.dumps(each),
                    tuple(headers(each["type"], id)),
                )
            )  # fmt: skip
            self.next[topic, partition] += 1
        self.insert(records)
        return records

    def raw(self, value: bytes, topic: str = EVENTS, key: bytes = b"", partition: int = 0) -> Record:
        """Append a record without headers."""
        offset = self.next[topic, partition]
        record = Record(topic, partition, offset, START + offset * 1000, key, value)
        self.next[topic, partition] += 1
        self.insert([record])
        return record

    def insert(self, records: list[Record]) -> None:
        """Insert records of one partition as the writer does."""
        batch, first = Batch(), records[0]
        batch.add(records, knowntime(self.client, TopicPartition(first.topic, first.partition), first.offset))
        self.client.insert(
            "log", list(batch.columns.values()), column_names=list(COLUMNS), column_oriented=True, settings=SETTINGS,
            column_types=[get_from_name(type) for type in COLUMNS.values()],
        )  # fmt: skip
        follow(self.client, batch.ranges)

    def rows(self, query: str) -> list[dict[str, Any]]:
        """The result of ``query``; instants as RFC 3339 text."""
        result = self.client.query(query, query_tz="UTC")
        return [
            {name: _text(value) for name, value in zip(result.column_names, row, strict=True)}
            for row in result.result_rows
        ]

    def content(self) -> dict[str, list[Any]]:
        """Every row of every served name, sorted: to compare two databases."""
        from projections.schema import declared

        names = [view.name for projection in declared() for view in projection.served]
        return {name: sorted(map(repr, self.client.query(f"SELECT * FROM {name}").result_rows)) for name in names}


def _text(value: Any) -> Any:
    from datetime import date, datetime
    from uuid import UUID

    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "") + "Z"
    return str(value) if isinstance(value, date | UUID) else value
