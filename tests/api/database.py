"""A database of a test's own in the running engine, with every projection, fed from events without Kafka."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import uuid4

from clickhouse_connect.driver import Client

from infra.clients import clickhouse
from projections.schema import declared
from schemas.envelope import Event
from schemas.registry import parse, upcast

COLUMNS = ("topic", "partition", "offset", "key", "type", "identity", "recordedtime", "knowntime", "value", "upcast")


@contextmanager
def scratch_database() -> Iterator[Client]:
    """A client of a fresh database with all tables; dropped at the end."""
    name = f"test_{uuid4().hex[:12]}"
    with clickhouse(database="default") as admin:
        admin.command(f"CREATE DATABASE {name}")
        try:
            with clickhouse(database=name) as client:
                for projection in declared():
                    for statement in projection.statements:
                        client.command(statement.text)
                yield client
        finally:
            admin.command(f"DROP DATABASE {name}")


def event(
    type: str, subject: str, time: str, data: dict[str, Any], institution: str = "I01", recorded: str | None = None
) -> Event:
    """An event that happened at ``time`` and was accepted at ``recorded`` (default: at once)."""
    return parse(
        {
            "specversion": "1.0", "id": str(uuid4()), "source": "rest/test", "type": type, "subject": subject,
            "time": time, "data": data, "institution": institution, "recordedtime": recorded or time,
        }
    )  # fmt: skip


def mirror(client: Client, events: Iterable[Event], topic: str = "events") -> None:
    """Put ``events`` into the log in the order of acceptance, as the writer would."""
    rows = []
    first = client.query("SELECT count() FROM log").result_rows[0][0]
    ordered = sorted(events, key=lambda e: e.recordedtime or datetime.max)
    for offset, each in enumerate(ordered, first):
        assert each.recordedtime is not None
        newest, data = upcast(each.type, each.data)
        lifted = each.model_copy(update={"type": newest, "data": data}) if newest != each.type else None
        rows.append(
            (
                topic, 0, offset, each.subject, each.type, each.identity, each.recordedtime, each.recordedtime,
                each.dumps(), lifted.dumps() if lifted else None,
            )
        )  # fmt: skip
    client.insert("log", rows, COLUMNS)
