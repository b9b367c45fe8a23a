"""The ciphers of the vault, all of the library `cryptography`.

A resident's key is wrapped by AES key wrap (RFC 3394) under a key derived from the vault's master secret. Identities
are sealed by AES-SIV (RFC 5297): deterministic, so that the same identity sent again is the same event.
"""

import base64
import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from schemas.identity import Identity

KEY_BYTES = 64  # of a resident's key, AES-256-SIV


class WrongKey(RuntimeError):
    """What is to be opened was not sealed (or wrapped) under this key, or somebody changed it."""


class Master:
    """The key that wraps all others, derived from a secret text."""

    def __init__(self, secret: str) -> None:
        self._key = HKDF(hashes.SHA256(), 32, None, b"mailiu vault: key wrap").derive(secret.encode())

    def wrap(self, key: bytes) -> bytes:
        """``key`` wrapped."""
        return aes_key_wrap(self._key, key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """The key in ``wrapped``; raises `WrongKey` when another master wrapped it."""
        try:
            return aes_key_unwrap(self._key, wrapped)
        except InvalidUnwrap as error:
            raise WrongKey("the vault's master secret is not the one that wrapped its keys") from error


def new_key() -> bytes:
    """A fresh key."""
    return secrets.token_bytes(KEY_BYTES)


def seal(key: bytes, resident: str, identity: Identity) -> str:
    """``identity`` sealed for ``resident``: base64url text that opens for nobody else."""
    clear = identity.model_dump_json(exclude_none=True).encode()
    return base64.urlsafe_b64encode(AESSIV(key).encrypt(clear, [resident.encode()])).decode().rstrip("=")


def unseal(key: bytes, resident: str, sealed: str) -> Identity:
    """The identity in ``sealed``; raises `WrongKey` when it was sealed under another key or for somebody else."""
    data = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    try:
        return Identity.model_validate_json(AESSIV(key).decrypt(data, [resident.encode()]))
    except InvalidTag as error:
        raise WrongKey(f"what is sealed for {resident} does not open") from error


def encrypt(key: bytes, resident: str, name: str, content: bytes) -> bytes:
    """``content`` of a file sealed for ``resident`` under ``name``."""
    return AESSIV(key).encrypt(content, [resident.encode(), name.encode()])


def decrypt(key: bytes, resident: str, name: str, sealed: bytes) -> bytes:
    """The content in ``sealed``; raises `WrongKey` when it was sealed otherwise."""
    try:
        return AESSIV(key).decrypt(sealed, [resident.encode(), name.encode()])
    except InvalidTag as error:
        raise WrongKey(f"{name} of {resident} does not open") from error


def digest(key: bytes, kind: str, value: str) -> bytes:
    """The HMAC-SHA256 under which ``value`` (normalised) of ``kind`` is found again."""
    return hmac.digest(key, f"{kind}\n{value}".encode(), hashlib.sha256)
