"""The files of the home that nothing can make anew: secrets, vault, certificates, the devices' clocks.

What the log or a broker's start makes again stays out. SQLite files are copied by SQLite itself, so that one that is
being written is whole in the copy. Under a passphrase every file is sealed (Fernet, its key by scrypt); without one
whoever reads the backup can open everything, and its files are readable by their owner only.
"""

import base64
import contextlib
import os
import secrets
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import zstandard
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from infra.backup.manifest import File, HomeFile, Unusable
from streams.sending.ledger import Ledger

#: Folders of the home that are made anew: by Kafka's restore, from the log, or at each start. A replay that is called
#: again appends again, under the same identities; its ledger might promise more than the restored log holds.
MADE_ANEW = frozenset({"kafka", "clickhouse", "store", "faust", "logs", "run", "metrics", "replay"})
#: The broker's queues: what has no receipt is sent again by its device.
QUEUES = "mosquitto.db"
#: Says that a restore into this home has begun, and of which backup.
MARKER = "restoring"
SQLITE = b"SQLite format 3\0"


def cipher(passphrase: str | None, salt: str | None) -> Fernet | None:
    """The cipher of ``passphrase``; None without a salt: the files are not sealed. Raises `Unusable`."""
    if salt is None:
        return None
    if not passphrase:
        raise Unusable("the backup's secrets are sealed: give its passphrase in MAILIU_BACKUP_PASSPHRASE")
    key = Scrypt(salt=bytes.fromhex(salt), length=32, n=2**16, r=8, p=1).derive(passphrase.encode())
    return Fernet(base64.urlsafe_b64encode(key))


def new_salt(passphrase: str | None) -> str | None:
    """A salt where there is a passphrase."""
    return secrets.token_hex(16) if passphrase else None


def keep(home: Path, backup: Path, folder: str, seal: Fernet | None) -> list[HomeFile]:
    """Copy what must be kept of ``home`` to ``folder`` of the backup."""
    kept = []
    for path in _kept(home):
        target = backup / folder / f"{path.relative_to(home).as_posix()}.zst"
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = zstandard.compress(_content(path))
        target.touch(mode=0o600)
        target.write_bytes(seal.encrypt(content) if seal else content)
        file = File.of(backup, target).model_dump()
        kept.append(HomeFile(**file, path=path.relative_to(home).as_posix(), mode=path.stat().st_mode & 0o777))
    return kept


def bring_back(home: Path, backup: Path, files: tuple[HomeFile, ...], seal: Fernet | None) -> None:
    """Put the kept files into ``home``. Raises `Unusable` under a wrong passphrase."""
    for file in files:
        content = (backup / file.name).read_bytes()
        try:
            content = seal.decrypt(content) if seal else content
        except InvalidToken as error:
            raise Unusable("the passphrase in MAILIU_BACKUP_PASSPHRASE is not that of the backup") from error
        target = home / file.path
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        target.unlink(missing_ok=True)
        target.touch(mode=0o600)
        target.write_bytes(zstandard.decompress(content))
        target.chmod(file.mode)
    for path in home.glob("sender/*.db"):  # it may have read events that the restored log does not hold
        with contextlib.closing(Ledger(path)) as ledger:
            ledger.forget_duty()


def _kept(home: Path) -> Iterator[Path]:
    """Files to keep. What is made anew is not even walked through: its files come and go under a running stack."""
    for top in sorted(path for path in home.iterdir() if path.name not in MADE_ANEW):
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.name.startswith((QUEUES, ".")) or path.name == MARKER:
                continue
            if path.is_file() and not path.name.endswith(("-wal", "-shm", "-journal")):
                yield path


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        if file.read(len(SQLITE)) != SQLITE:
            file.seek(0)
            return file.read()
    handle, name = tempfile.mkstemp(prefix="mailiu-backup-")
    os.close(handle)
    try:
        with contextlib.closing(sqlite3.connect(path)) as one, contextlib.closing(sqlite3.connect(name)) as copy:
            one.backup(copy)
        return Path(name).read_bytes()
    finally:
        Path(name).unlink()
