"""Revoked tokens: a list in the vault, which every process of the home follows within a second.

Asking costs a comparison of clocks and two look-ups in memory; the file is looked at once a second at most.
"""

import time
from functools import cache
from pathlib import Path

from infra.settings import settings
from infra.vault import Vault

FRESH = 1.0  # s that the list in memory is good for


class Revocations:
    """Tokens revoked one by one (by their `jti`), and actors whose tokens issued until then are revoked."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._checked, self._version = -FRESH, -1
        self._tokens: frozenset[str] = frozenset()
        self._actors: dict[str, float] = {}

    def covers(self, token: str | None, actor: str, issued: float) -> bool:
        """Whether the token with this id, of ``actor``, issued at ``issued`` (s since 1970) is revoked."""
        if time.monotonic() - self._checked >= FRESH:
            self._read()
        return token in self._tokens or issued <= self._actors.get(actor, float("-inf"))

    def revoke(self, token: str | None = None, actor: str | None = None) -> None:
        """Revoke one token, or all that ``actor`` was issued until now."""
        given = [(kind, name) for kind, name in (("token", token), ("actor", actor)) if name]
        with self._vault.transaction() as db:
            rows = [(kind, name, time.time()) for kind, name in given]
            db.executemany("INSERT OR REPLACE INTO revoked VALUES (?, ?, ?)", rows)
        self._read(always=True)

    def _read(self, always: bool = False) -> None:
        with self._vault.reading() as db:
            self._checked = time.monotonic()
            (version,) = db.execute("PRAGMA data_version").fetchone()
            if version == self._version and not always:
                return
            self._version = version
            rows = db.execute("SELECT kind, name, before FROM revoked").fetchall()
        self._tokens = frozenset(name for kind, name, _ in rows if kind == "token")
        self._actors = {name: before for kind, name, before in rows if kind == "actor"}


@cache
def _of_home(home: Path) -> Revocations:
    return Revocations(Vault(home))  # a connection of its own: asking never waits for a key that is being made


def revocations() -> Revocations:
    """The revoked tokens of this home."""
    return _of_home(settings().home)
