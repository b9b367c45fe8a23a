"""What was replayed: how far each file came, and the identity of every event appended, with a hash of its content.

One SQLite file a Kafka cluster, in ``MAILIU_HOME/replay``. A batch's identities, the file's position and its counts are
written together, after Kafka has the batch: a replay that was killed goes on there, and repeats at most one batch under
the same identities.
"""

import hashlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from uuid import UUID

import orjson

SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (identity BLOB PRIMARY KEY, content BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file (key TEXT PRIMARY KEY, name TEXT, position INTEGER, done INTEGER, account BLOB);
"""


def content(event: Mapping[str, object]) -> bytes:
    """A short hash of what an event says: two events of one identity that differ in it are in conflict."""
    told = {name: value for name, value in event.items() if name not in ("origin", "recordedtime")}
    return hashlib.blake2b(orjson.dumps(told, option=orjson.OPT_SORT_KEYS), digest_size=8).digest()


class Ledger:
    """``with Ledger(path) as ledger``; one process at a time writes to it."""

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self.db = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=30)
        self.db.execute("PRAGMA journal_mode = wal")
        self.db.execute("PRAGMA synchronous = full")
        self.db.executescript(SCHEMA)

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.db.close()

    def seen(self, identity: UUID) -> bytes | None:
        """What `content` said of the event of this identity, where a replay appended it before."""
        found = self.db.execute("SELECT content FROM seen WHERE identity = ?", (identity.bytes,)).fetchone()
        return found[0] if found else None

    def unfinished(self, key: str) -> tuple[int, dict[str, object]]:
        """Rows of file ``key`` that are done, and their account, where an earlier replay of it was cut short."""
        row = self.db.execute("SELECT position, account FROM file WHERE key = ? AND NOT done", (key,)).fetchone()
        return (row[0], orjson.loads(row[1])) if row else (0, {})

    def commit(
        self, key: str, name: str, position: int, done: bool, account: dict[str, object], events: Mapping[UUID, bytes]
    ) -> None:
        """Note that every row of the file up to ``position`` is in the log."""
        self.db.execute("BEGIN IMMEDIATE")
        rows = ((identity.bytes, content) for identity, content in events.items())
        self.db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", rows)
        self.db.execute(
            "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?)", (key, name, position, done, orjson.dumps(account))
        )
        self.db.execute("COMMIT")
