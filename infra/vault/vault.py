"""The vault's file: `MAILIU_HOME/vault/vault.db`. Wrapped keys cannot be made anew; the rest follows from the log.

What is sealed lies in the log and, for the resident's latest, here too, so that opening needs no other part. ID number
and phone are found by HMAC. Several processes of one home may use it at once.
"""

import contextlib
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from infra.settings import write_once
from infra.vault import seal
from infra.vault.seal import Master, WrongKey
from schemas.identity import Identity

WAIT = 10.0  # s that one process waits for another's transaction
Lookup = Literal["id-number", "health-card", "passport", "phone"]
LONGEST = 8  # steps from a record to the one that stands for it, as the tables count them
TABLES = """
CREATE TABLE IF NOT EXISTS vault (generation INTEGER NOT NULL, index_key BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS resident (
    resident TEXT PRIMARY KEY, key BLOB, sealed TEXT, offset INTEGER NOT NULL DEFAULT -1) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lookup (
    kind TEXT, digest BLOB, resident TEXT, PRIMARY KEY (kind, digest, resident)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lookup_resident ON lookup (resident);
CREATE TABLE IF NOT EXISTS merged (resident TEXT PRIMARY KEY, survivor TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS merged_survivor ON merged (survivor);
CREATE TABLE IF NOT EXISTS revoked (
    kind TEXT, name TEXT, before REAL, PRIMARY KEY (kind, name)) WITHOUT ROWID;
"""


#: Of a record, the one that stands for it, then every record that gave way to that one, by steps and then by name.
RECORDS = f"""
WITH RECURSIVE
    up (resident, steps) AS (
        SELECT ?, 0 UNION SELECT m.survivor, steps + 1 FROM merged m JOIN up USING (resident) WHERE steps < {LONGEST}),
    down (resident, steps) AS (
        SELECT * FROM (SELECT resident, 0 FROM up ORDER BY steps DESC LIMIT 1)
        UNION SELECT m.resident, steps + 1 FROM merged m JOIN down ON m.survivor = down.resident
        WHERE steps < {LONGEST})
SELECT resident FROM down ORDER BY steps, resident
"""
#: Pairs of records that share a number or a phone; together with what they share.
PAIRS = """
SELECT a.resident, b.resident, group_concat(a.kind)
FROM lookup a JOIN lookup b USING (kind, digest)
WHERE a.resident < b.resident AND (a.resident, b.resident) > (?, ?)
GROUP BY a.resident, b.resident ORDER BY a.resident, b.resident LIMIT ?
"""


class Unknown(LookupError):
    """Nobody recorded who this resident is."""


class Erased(LookupError):
    """The resident's key is destroyed."""


class Vault:
    """The vault in ``home``."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / "vault"
        self.file = self.folder / "vault.db"
        self._lock = threading.Lock()
        self._masters: dict[int, Master] = {}
        self._db: sqlite3.Connection | None = None

    def seal(self, resident: str, identity: Identity) -> str:
        """``identity`` sealed under the resident's key, which is made, durably, on first use. Raises `Erased`."""
        return seal.seal(self._own_key(resident), resident, identity)

    def encrypt(self, resident: str, content: bytes, name: str) -> bytes:
        """``content`` under the resident's key, which is made on first use; ``name`` must be told again to decrypt it.

        Raises `Erased`.
        """
        return seal.encrypt(self._own_key(resident), resident, name, content)

    def decrypt(self, resident: str, sealed: bytes, name: str) -> bytes:
        """What `encrypt` made ``sealed`` of. Raises `Unknown`, `Erased`, `WrongKey`."""
        with self.reading() as db:
            row = db.execute("SELECT key FROM resident WHERE resident = ?", (resident,)).fetchone()
            if row is None:
                raise Unknown(resident)
            key = self._unwrap(db, resident, row[0])
        return seal.decrypt(key, resident, name, sealed)

    def keep(self, resident: str, sealed: str, offset: int) -> None:
        """Let ``sealed``, which lies in `events` at ``offset``, be the resident's identity, unless a later one is.

        Raises `Unknown` when the vault has no key for it (a vault that was lost), `Erased` when it is destroyed.
        """
        with self.transaction() as db:
            row = db.execute("SELECT key, offset FROM resident WHERE resident = ?", (resident,)).fetchone()
            if row is None:
                raise Unknown(resident)
            identity = seal.unseal(self._unwrap(db, resident, row[0]), resident, sealed)
            if offset <= row[1]:
                return
            db.execute("UPDATE resident SET sealed = ?, offset = ? WHERE resident = ?", (sealed, offset, resident))
            db.execute("DELETE FROM lookup WHERE resident = ?", (resident,))
            found = [
                ("id-number", identity.id_number), ("health-card", identity.health_card),
                ("passport", identity.passport), ("phone", identity.phone),
            ]  # fmt: skip
            rows = [(kind, self._digest(db, kind, value), resident) for kind, value in found if value]
            db.executemany("INSERT INTO lookup VALUES (?, ?, ?)", rows)

    def forget(self) -> None:
        """Forget every sealed identity, what finds it, and merges; the log has them. Keys, and who is erased, stay."""
        with self.transaction() as db:
            db.execute("UPDATE resident SET sealed = NULL, offset = -1")
            db.execute("DELETE FROM lookup")
            db.execute("DELETE FROM merged")

    def merge(self, resident: str, survivor: str) -> None:
        """``resident`` gave way to ``survivor``: `open` answers with one person for both. Nothing sealed moves."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO merged VALUES (?, ?)", (resident, survivor))

    def unmerge(self, resident: str) -> None:
        """``resident`` is its own again."""
        with self.transaction() as db:
            db.execute("DELETE FROM merged WHERE resident = ?", (resident,))

    def open(self, resident: str) -> Identity:
        """Who ``resident`` is; of merged records, as the survivor has it, else as the first that has it.

        Raises `Unknown` when nobody recorded it, `Erased` when the key is destroyed.
        """
        with self.reading() as db:
            for (record,) in db.execute(RECORDS, (resident,)).fetchall():
                row = db.execute("SELECT key, sealed FROM resident WHERE resident = ?", (record,)).fetchone()
                if row is not None and (row[0] is None or row[1] is not None):
                    return seal.unseal(self._unwrap(db, record, row[0]), record, row[1])
        raise Unknown(resident)

    def lookup(self, kind: Lookup, value: str) -> list[str]:
        """The residents with this number or phone (normalised, see `schemas.identity`), in order."""
        with self.reading() as db:
            found = db.execute(
                "SELECT resident FROM lookup WHERE kind = ? AND digest = ? ORDER BY resident",
                (kind, self._digest(db, kind, value)),
            )
            return [resident for (resident,) in found]

    def pairs(self, after: tuple[str, str], limit: int) -> list[tuple[str, str, set[str]]]:
        """Pairs of records that share a number or a phone, and which of them, in order, those behind ``after``."""
        with self.reading() as db:
            return [(one, two, set(kinds.split(","))) for one, two, kinds in db.execute(PAIRS, (*after, limit))]

    def erased(self, resident: str) -> bool:
        """Whether the resident's key is destroyed."""
        with self.reading() as db:
            found = db.execute("SELECT 1 FROM resident WHERE resident = ? AND key IS NULL", (resident,)).fetchone()
            return found is not None

    def erase(self, resident: str) -> bool:
        """Destroy the resident's key, for ever, here and in the file's free pages. Whether there was one."""
        with self.transaction() as db:
            row = db.execute("SELECT key FROM resident WHERE resident = ?", (resident,)).fetchone()
            db.execute("DELETE FROM lookup WHERE resident = ?", (resident,))
            db.execute("INSERT OR REPLACE INTO resident (resident) VALUES (?)", (resident,))
        with self.reading() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return row is not None and row[0] is not None

    def rotate(self) -> int:
        """Wrap every key under a new master secret, and destroy the old secret. How many keys."""
        with self.transaction() as db:
            generation, index_key = db.execute("SELECT generation, index_key FROM vault").fetchone()
            old, new = self._master(db), self._new_master(generation + 1)
            rows = db.execute("SELECT resident, key FROM resident WHERE key IS NOT NULL").fetchall()
            db.executemany(
                "UPDATE resident SET key = ? WHERE resident = ?",
                [(new.wrap(old.unwrap(key)), resident) for resident, key in rows],
            )
            db.execute(
                "UPDATE vault SET generation = ?, index_key = ?", (generation + 1, new.wrap(old.unwrap(index_key)))
            )
        with self.reading() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._secret_file(generation).unlink(missing_ok=True)
        return len(rows)

    def backup(self, to: Path) -> None:
        """Copy the vault's file, whole, to ``to`` while it is in use. Its master secret is not in it."""
        with self.reading() as db, contextlib.closing(sqlite3.connect(to)) as copy:
            os.chmod(to, 0o600)
            db.backup(copy)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    # ---- keys

    def _own_key(self, resident: str) -> bytes:
        """The resident's key, made, durably, on first use. Raises `Erased`."""
        with self.transaction() as db:
            row = db.execute("SELECT key FROM resident WHERE resident = ?", (resident,)).fetchone()
            if row is not None:
                return self._unwrap(db, resident, row[0])
            key = seal.new_key()
            db.execute("INSERT INTO resident (resident, key) VALUES (?, ?)", (resident, self._master(db).wrap(key)))
            return key

    def _secret_file(self, generation: int) -> Path:
        return self.home / "secrets" / f"vault-{generation}"

    def _new_master(self, generation: int) -> Master:
        return Master(write_once(self._secret_file(generation), secrets.token_urlsafe(32)))

    def _master(self, db: sqlite3.Connection) -> Master:
        """The master that wraps now; another process may have rotated it. Raises `WrongKey` when its secret is gone."""
        (generation,) = db.execute("SELECT generation FROM vault").fetchone()
        if generation not in self._masters:
            file = self._secret_file(generation)
            if not file.exists():
                raise WrongKey(f"{file} is missing: without it the vault's keys cannot be unwrapped; restore it")
            self._masters = {generation: Master(file.read_text().strip())}
        return self._masters[generation]

    def _unwrap(self, db: sqlite3.Connection, resident: str, wrapped: bytes | None) -> bytes:
        if wrapped is None:
            raise Erased(resident)
        return self._master(db).unwrap(wrapped)

    def _digest(self, db: sqlite3.Connection, kind: str, value: str) -> bytes:
        (index_key,) = db.execute("SELECT index_key FROM vault").fetchone()
        return seal.digest(self._master(db).unwrap(index_key), kind, value)

    # ---- file

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The file, for one thread at a time."""
        with self._lock:
            if self._db is None:
                self._db = self._opened()
            yield self._db

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is on disk when it ends."""
        with self.reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise

    def _opened(self) -> sqlite3.Connection:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.file.touch(mode=0o600)
        db = sqlite3.connect(self.file, timeout=WAIT, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=wal", "synchronous=full", "secure_delete=on"):
            db.execute(f"PRAGMA {pragma}")
        db.executescript(TABLES)
        db.execute("BEGIN IMMEDIATE")
        if db.execute("SELECT 1 FROM vault").fetchone() is None:
            db.execute("INSERT INTO vault VALUES (1, ?)", (self._new_master(1).wrap(seal.new_key()[:32]),))
        db.execute("COMMIT")
        return db
