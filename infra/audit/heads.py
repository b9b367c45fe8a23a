"""Where each writer notes, outside Kafka, how far its chain goes: `MAILIU_HOME/audit/heads/`, one small file a writer.

A writer holds a lock on its file while it lives. What a dead one left is named in the next chain's first record, and
then needs no file any more.
"""

import fcntl
import os
from pathlib import Path

import orjson

from infra.audit.chain import Head

WIDTH = 128  # bytes of a head's text, so that it is written in place


def folder(home: Path) -> Path:
    """Where the heads lie."""
    return home / "audit" / "heads"


class HeadFile:
    """One writer's own file."""

    def __init__(self, home: Path, writer: str) -> None:
        self.path = folder(home) / writer.replace("/", "~")
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def note(self, head: Head) -> None:
        """The log has the chain up to ``head``."""
        os.pwrite(self._file, orjson.dumps(head).ljust(WIDTH), 0)

    def close(self) -> None:
        """Let the file be; it keeps the head."""
        os.close(self._file)


def read(home: Path) -> dict[str, Head]:
    """Every head that is noted in ``home``, by writer."""
    heads = {}
    for path in sorted(folder(home).glob("*")):
        try:
            number, hash = orjson.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            continue  # just removed, or nothing confirmed yet
        heads[path.name.replace("~", "/")] = int(number), str(hash)
    return heads


def forget(home: Path, anchored: dict[str, Head]) -> None:
    """Remove the files of dead writers whose heads are ``anchored`` in a chain that the log has."""
    for writer, head in anchored.items():
        path = folder(home) / writer.replace("/", "~")
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if tuple(orjson.loads(os.pread(file, WIDTH, 0) or b"null") or ()) == head:
                path.unlink(missing_ok=True)
        except BlockingIOError:
            pass  # it lives
        finally:
            os.close(file)
