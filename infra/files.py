"""Files that events name by their content (traces of electrocardiograms): encrypted, each under its resident's own key.

`MAILIU_HOME/files/{resident}/{sha256}`. A file is the same whenever it is sent; destroying the resident's key makes it
unreadable for ever. A file may come before or after the event that names it.
"""

import hashlib
import os
import secrets
from pathlib import Path

from infra.settings import settings
from infra.vault import vault


def path(resident: str, sha256: str) -> Path:
    """Where the file lies."""
    return settings().home / "files" / resident / sha256


def keep(resident: str, content: bytes) -> str:
    """Keep ``content``; its SHA-256. On disk when this returns. Raises `infra.vault.Erased`, ``OSError``."""
    sha256 = hashlib.sha256(content).hexdigest()
    sealed = vault().encrypt(resident, content, f"file {sha256}")
    place = path(resident, sha256)
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = place.with_name(f".{sha256}.{secrets.token_hex(4)}")
        try:
            with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(sealed)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(place)
        finally:
            temporary.unlink(missing_ok=True)
        _sync(place.parent)
    return sha256


def read(resident: str, sha256: str) -> bytes:
    """The file's content. Raises ``FileNotFoundError``, `infra.vault.Erased`, `infra.vault.seal.WrongKey`."""
    return vault().decrypt(resident, path(resident, sha256).read_bytes(), f"file {sha256}")


def _sync(folder: Path) -> None:
    """Make a new name in ``folder`` survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
