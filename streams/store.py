"""The state of one partition: a SQLite file that holds residents' states, facts, the due index and the next offset.

It is a cache of the log. One transaction moves all of it from one offset to a later one; losing the file costs a
refold, never a fact. Whoever opens a store takes it over: a former owner that still runs (a paused process, a lost
rebalance) is refused at its next write, so that two owners can never mix their states.

A state is kept compressed (zstd, with a checksum): an id that stands in the evidence and again in an alert that rests
on it is kept once, and what all states have in common not at all.
"""

import contextlib
import logging
import os
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from zstandard import DICT_TYPE_RAWCONTENT, ZstdCompressionDict, ZstdCompressor, ZstdDecompressor, ZstdError

#: Layout of the file; a store of another layout is refolded.
LAYOUT = 2
#: zstd's level: the third makes states 1 % smaller and takes a third longer.
LEVEL = 1
#: What states have in common: see `infra.simulate.examples`.
EXAMPLES = ZstdCompressionDict((files("streams") / "states.v1.txt").read_bytes(), dict_type=DICT_TYPE_RAWCONTENT)
EXAMPLES.precompute_compress(level=LEVEL)
#: Longest wait for a former owner that stopped in the middle of a write.
LOCK_SECONDS = 3.0

log = logging.getLogger("mailiu.store")

State = tuple[str, bytes, int | None]
"""Subject, its state as JSON, and the core time (ms) at which a tick must reach it."""


class Fenced(RuntimeError):
    """Another process has taken this store over."""


@dataclass(frozen=True)
class Mark:
    """How far a partition is folded: everything below ``next`` is in the store.

    ``seal`` is a checksum of the record at ``next - 1``, so that a store never goes on with another log. ``ticked``
    is the time (ms) of the newest tick.
    """

    next: int = 0
    seal: int = 0
    ticked: int = 0
    facts: bytes = b""


class Store:
    """One partition's store in ``path``, or in memory when there is no path.

    Opening takes the store over from any other process. A file that is damaged, or that another ``version`` of the
    fold wrote, starts empty. Raises `sqlite3.OperationalError` when the disk cannot be written.
    """

    def __init__(self, path: Path | None, version: int, lock_seconds: float = LOCK_SECONDS) -> None:
        self.path = path
        self.wait = lock_seconds
        self.stamp = f"{LAYOUT}.{version}.{zlib.crc32(EXAMPLES.as_bytes()):08x}"
        self.mark = Mark()
        self.pack = ZstdCompressor(LEVEL, dict_data=EXAMPLES, write_checksum=True).compress
        self.unpack = ZstdDecompressor(EXAMPLES).decompress
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            self._copy_away()
            self._open()
        except sqlite3.DatabaseError as error:
            log.warning("store %s is unreadable (%s): it is refolded from the log", path, error)
            self.discard()
            self._open()

    def _open(self) -> None:
        self.db = sqlite3.connect(self.path or ":memory:", timeout=self.wait, isolation_level=None)
        try:
            for pragma in ("journal_mode=wal", "synchronous=normal", "cache_size=-8000", "wal_autocheckpoint=4000"):
                self.db.execute(f"PRAGMA {pragma}")
            self.db.execute("BEGIN IMMEDIATE")
            self._take_over()
            self.db.execute("COMMIT")
        except BaseException:
            self.db.close()
            raise

    def _take_over(self) -> None:
        run = self.db.execute
        run("CREATE TABLE IF NOT EXISTS mark (stamp TEXT, owner INTEGER, next INTEGER, seal INTEGER, ticked INTEGER,"
            " facts BLOB)")  # fmt: skip
        row = run("SELECT stamp, owner, next, seal, ticked, facts FROM mark").fetchone()
        self.owner = (row[1] if row else 0) + 1
        if row and row[0] == self.stamp:
            self.mark = Mark(*row[2:])
        else:
            if row:
                log.info(
                    "store %s is of version %s, not %s: it is refolded from the log", self.path, row[0], self.stamp
                )
            run("DROP TABLE IF EXISTS states")
            run("CREATE TABLE states (subject TEXT PRIMARY KEY, state BLOB NOT NULL, due INTEGER)")
            run("CREATE INDEX states_due ON states (due, subject) WHERE due IS NOT NULL")
            self.mark = Mark()
        run("DELETE FROM mark")
        run("INSERT INTO mark VALUES (?, ?, ?, ?, ?, ?)",
            (self.stamp, self.owner, self.mark.next, self.mark.seal, self.mark.ticked, self.mark.facts))  # fmt: skip

    def _copy_away(self) -> None:
        """Go on with a copy of what was last committed: the owner stopped while it held the file's lock.

        It keeps the old file, which has no name any more, and learns from Kafka that it lost the partition.
        """
        assert self.path is not None
        log.warning("store %s: its owner does not release it: going on with a copy", self.path)
        copy = self.path.with_suffix(f".{os.getpid()}.copy")
        copy.unlink(missing_ok=True)
        old, new = sqlite3.connect(self.path, timeout=self.wait), sqlite3.connect(copy)
        with contextlib.closing(old), contextlib.closing(new):
            old.backup(new)
        self.discard()
        copy.replace(self.path)

    def load(self, subject: str) -> bytes | None:
        """The state of ``subject`` as JSON."""
        row = self.db.execute("SELECT state FROM states WHERE subject = ?", (subject,)).fetchone()
        return self._unpacked(subject, row[0]) if row else None

    def soonest(self) -> int | None:
        """The earliest core time (ms) at which somebody is due."""
        row: tuple[int | None] = self.db.execute("SELECT min(due) FROM states WHERE due IS NOT NULL").fetchone()
        return row[0]

    def due(self, until: int, limit: int) -> list[tuple[str, bytes]]:
        """The first ``limit`` subjects that are due at ``until`` (ms), in order (due, subject), with their states."""
        found = self.db.execute(
            "SELECT subject, state FROM states WHERE due <= ? ORDER BY due, subject LIMIT ?", (until, limit)
        )
        return [(subject, self._unpacked(subject, packed)) for subject, packed in found.fetchall()]

    def states(self) -> Iterator[State]:
        """Every subject with its state and due time, in order of subject."""
        for subject, packed, due in self.db.execute("SELECT subject, state, due FROM states ORDER BY subject"):
            yield subject, self._unpacked(subject, packed), due

    def sizes(self) -> dict[str, int]:
        """How many bytes each subject's state takes in the file."""
        return dict(self.db.execute("SELECT subject, length(state) FROM states"))

    def _unpacked(self, subject: str, packed: bytes) -> bytes:
        try:
            return self.unpack(packed)
        except ZstdError as error:
            raise sqlite3.DatabaseError(f"store {self.path}: the state of {subject} is damaged: {error}") from error

    def write(self, states: list[State], mark: Mark) -> None:
        """Write states and mark in one transaction. Raises `Fenced` when the store has a new owner."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            changed = self.db.execute(
                "UPDATE mark SET next = ?, seal = ?, ticked = ?, facts = ? WHERE owner = ?",
                (mark.next, mark.seal, mark.ticked, mark.facts, self.owner),
            )
            if not changed.rowcount:
                raise Fenced(f"store {self.path} was taken over by another worker")
            self.db.executemany(
                "INSERT INTO states VALUES (?, ?, ?)"
                " ON CONFLICT (subject) DO UPDATE SET state = excluded.state, due = excluded.due",
                ((subject, self.pack(state), due) for subject, state, due in states),
            )
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")
        self.mark = mark

    def close(self) -> None:
        """Close the file; nothing is pending."""
        self.db.close()

    def discard(self) -> None:
        """Remove the file, so that the next one to open it refolds from the log."""
        if self.path:
            for suffix in ("", "-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
