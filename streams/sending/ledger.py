"""What the sender remembers beside the log: duty events read so far, and which notices are settled. A cache in SQLite.

Losing it costs reading partition 0 again and, of what was under way, messages sent a second time under the same id.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS duty(offset INTEGER PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS position(one INTEGER PRIMARY KEY CHECK (one = 1), next INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS settled(notice TEXT PRIMARY KEY, deadline INTEGER NOT NULL) WITHOUT ROWID;
"""


class Ledger:
    """The file ``path``, or memory."""

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.db = sqlite3.connect(path or ":memory:", isolation_level=None)
        self.db.executescript("PRAGMA journal_mode = WAL;" + SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    # ---- duty events

    @property
    def next(self) -> int:
        """Offset in partition 0 of `events` from which to read on."""
        row = self.db.execute("SELECT next FROM position").fetchone()
        return int(row[0]) if row else 0

    def duty(self) -> Iterator[bytes]:
        """The duty events in order."""
        for (value,) in self.db.execute("SELECT value FROM duty ORDER BY offset"):
            yield value

    def learn(self, events: list[tuple[int, bytes]], next: int) -> None:
        """Keep ``events`` (offset, bytes) and the offset that follows them, in one transaction."""
        self.db.execute("BEGIN")
        self.db.executemany("INSERT OR IGNORE INTO duty VALUES (?, ?)", events)
        self.db.execute("INSERT OR REPLACE INTO position VALUES (1, ?)", (next,))
        self.db.execute("COMMIT")

    def forget_duty(self) -> None:
        """Begin anew: the log is another one."""
        self.db.execute("DELETE FROM duty")
        self.db.execute("DELETE FROM position")

    # ---- notices

    def settled(self, notice: str) -> bool:
        """Whether nothing remains to be done for ``notice``."""
        return self.db.execute("SELECT 1 FROM settled WHERE notice = ?", (notice,)).fetchone() is not None

    def settle(self, notice: str, deadline: int, now: int) -> None:
        """Nothing remains to be done for ``notice``; those long past their deadline (ms) are forgotten."""
        self.db.execute("INSERT OR IGNORE INTO settled VALUES (?, ?)", (notice, deadline))
        self.db.execute("DELETE FROM settled WHERE deadline < ?", (now - KEPT,))


KEPT = 60 * 24 * 3_600_000  #: ms
