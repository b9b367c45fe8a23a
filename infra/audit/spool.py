"""Records of the audit trail that wait for Kafka: what analysts and operators may do without it.

ClickHouse's process writes each statement to a file, on disk, before it runs it, and a command what it is about to do;
the API's processes append them to the trail and then forget them. Killed in between, the same record is appended again,
with the same id. Nothing is lost.
"""

import contextlib
import re
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from infra.clock import clock
from schemas.envelope import rfc3339
from schemas.private import scrubbed

WORDS = re.compile(r"[^\x00-\x7f]+")
LONGEST = 20_000  # characters of a statement that are kept
WAIT = 5.0  # s that one process waits for another


def told(sql: str) -> str:
    """``sql`` as the trail keeps it: personal numbers and words beyond ASCII (a name, perhaps) are masked."""
    return scrubbed(WORDS.sub("***", sql))[:LONGEST]


class Spool:
    """The waiting records of ``home``; for one process and several threads."""

    def __init__(self, home: Path) -> None:
        self._file = home / "audit" / "waiting.db"
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None

    def put(self, actor: str, action: str, what: str, **more: Any) -> None:
        """Keep a record until the trail has it; it is on disk when this returns. Raises ``sqlite3.Error``."""
        record = {
            "id": str(uuid.uuid4()), "time": rfc3339(clock().now()), "actor": actor, "action": action, "what": what,
            **more,
        }  # fmt: skip
        with self._open() as db:
            db.execute("INSERT INTO waiting (record) VALUES (?)", (orjson.dumps(record),))

    def first(self, limit: int = 200) -> list[tuple[int, dict[str, Any]]]:
        """The oldest waiting records, with their numbers."""
        if self._db is None and not self._file.exists():
            return []
        with self._open() as db:
            rows = db.execute("SELECT number, record FROM waiting ORDER BY number LIMIT ?", (limit,)).fetchall()
        return [(number, orjson.loads(record)) for number, record in rows]

    def forget(self, number: int) -> None:
        """The trail has record ``number``."""
        with self._open() as db:
            db.execute("DELETE FROM waiting WHERE number = ?", (number,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._db is None:
                self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                db = sqlite3.connect(self._file, timeout=WAIT, isolation_level=None, check_same_thread=False)
                for pragma in ("journal_mode=wal", "synchronous=full", "secure_delete=on"):
                    db.execute(f"PRAGMA {pragma}")
                db.execute("CREATE TABLE IF NOT EXISTS waiting (number INTEGER PRIMARY KEY AUTOINCREMENT, record BLOB)")
                self._db = db
            yield self._db
