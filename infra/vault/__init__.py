"""The identity vault: residents' keys, outside the log. `open` says who a resident is, for whoever may know."""

from functools import cache
from pathlib import Path

from infra.settings import settings
from infra.vault.vault import Erased, Unknown, Vault
from schemas.identity import Identity

__all__ = ["Erased", "Unknown", "Vault", "open", "vault"]


@cache
def _of_home(home: Path) -> Vault:
    return Vault(home)


def vault() -> Vault:
    """The vault of this home."""
    return _of_home(settings().home)


def open(resident: str) -> Identity:
    """Who ``resident`` is. Raises `Unknown` when nobody recorded it, `Erased` when the key is destroyed."""
    return vault().open(resident)
