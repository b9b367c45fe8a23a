"""Who may speak to the local MQTT broker, and about what: devices and gateways with a certificate or a password.

The broker takes a device for the user that its certificate names (common name) or that it logs in as; an account says
of which institution it is. A device speaks and listens only as itself; a gateway for every device of its institution.
``home/mosquitto/accounts.json`` is the truth; the broker's file of rights is written from it, and read anew on SIGHUP
without ending a session.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from infra.settings import settings
from mqtt_ingest.topics import CODE

#: Users of ours: the parts of Mailiu, and the gateway that demonstration and tests use on the loopback interface.
OURS = """user mailiu
topic readwrite mailiu/#
topic read $SYS/#

user gateway
topic write mailiu/+/+/up/+
topic read mailiu/+/+/down/+
"""
RESERVED = frozenset({"mailiu", "gateway"})


class Unacceptable(ValueError):
    """An account that cannot be; the text names the field and the value."""


@dataclass(frozen=True)
class Account:
    """One device (or gateway) of an institution."""

    name: str
    institution: str
    gateway: bool = False

    def rights(self) -> str:
        """What it may publish and read, in the broker's words."""
        whose = f"mailiu/{self.institution}/{'+' if self.gateway else self.name}"
        return f"user {self.name}\ntopic write {whose}/up/+\ntopic read {whose}/down/#\n"


def folder() -> Path:
    """The broker's folder."""
    return settings().home.absolute() / "mosquitto"


def accounts() -> dict[str, Account]:
    """Every account, by name."""
    try:
        return {name: Account(name, **about) for name, about in orjson.loads(_file().read_bytes()).items()}
    except FileNotFoundError:
        return {}


def add(name: str, institution: str | None = None, gateway: bool = False) -> Account:
    """The account ``name``, made or changed; without ``institution`` the one that it has.

    Raises `Unacceptable` for a name that cannot be a device's, and for a new account without an institution.
    """
    for field, code in (("device", name), ("institution", institution)):
        if code is not None and not CODE.fullmatch(code):
            raise Unacceptable(f"{field} is {code!r}: use A-Z, a-z, 0-9, ., _ and -, at most 64")
    if name in RESERVED or name.startswith("mailiu-"):
        raise Unacceptable(f"device is {name!r}: that is a user of Mailiu itself")
    with _changing():
        known = accounts()
        if institution is None and name not in known:
            raise Unacceptable(f"{name!r} has no account yet: say whose it is (--institution)")
        if institution is None:
            return known[name]
        account = known[name] = Account(name, institution, gateway)
        _save(known)
        return account


def set_password(name: str, password: str) -> None:
    """Give the user ``name`` a (new) password; only its salted hash is kept, and no other process sees it."""
    with _changing():
        fresh = _passwords().with_suffix(".fresh")
        _replace(fresh, f"{name}:{password}\n".encode())
        tool = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
        subprocess.run([tool, "-U", str(fresh)], check=True, capture_output=True)
        hashed = fresh.read_text()
        fresh.unlink()
        _replace(_passwords(), (_without(name) + hashed).encode())


def remove(name: str) -> None:
    """Take account, rights and password of ``name`` away. Raises `Unacceptable` where there is none."""
    with _changing():
        known = accounts()
        if known.pop(name, None) is None:
            raise Unacceptable(f"device is {name!r}: it has no account")
        _save(known)
        if has_password(name):
            _replace(_passwords(), _without(name).encode())


def has_password(name: str) -> bool:
    """Whether ``name`` may log in by a password."""
    return any(line.startswith(f"{name}:") for line in _lines())


def write_rights() -> Path:
    """Write the broker's file of rights; its path."""
    file = folder() / "rights"
    text = OURS + "".join("\n" + account.rights() for account in accounts().values())
    _replace(file, text.encode())
    return file


def _file() -> Path:
    return folder() / "accounts.json"


def _save(known: dict[str, Account]) -> None:
    about = {name: {k: v for k, v in asdict(account).items() if k != "name"} for name, account in known.items()}
    _replace(_file(), orjson.dumps(about, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))


def _replace(file: Path, content: bytes) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_bytes(content)
    temporary.replace(file)


def _passwords() -> Path:
    return folder() / "passwords"


def _lines() -> list[str]:
    return _passwords().read_text().splitlines(keepends=True) if _passwords().exists() else []


def _without(name: str) -> str:
    return "".join(line for line in _lines() if not line.startswith(f"{name}:"))


@contextmanager
def _changing() -> Iterator[None]:
    """One change at a time, of all processes."""
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / ".changing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
