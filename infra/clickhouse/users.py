"""Who asks: the two users of our database, by Basic authentication, by ClickHouse's headers or by parameters."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from infra.clickhouse.errors import Refused


class Users:
    """Names and passwords; the passwords are kept as digests, and compared in constant time."""

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self._digests = {name: _digest(password) for name, password in passwords.items()}

    def authenticate(self, headers: Mapping[str, str], parameters: Mapping[str, str]) -> str:
        """The user's name; raises `Refused` (516) without saying whether name or password was wrong."""
        name, password = _credentials(headers, parameters)
        known = self._digests.get(name, _digest("nobody has this password"))
        if not hmac.compare_digest(known, _digest(password)) or name not in self._digests:
            raise Refused(
                516,
                "AUTHENTICATION_FAILED",
                f"{name[:64]}: Authentication failed: password is incorrect, or there is no user with such name",
            )
        return name


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode()).digest()


def _credentials(headers: Mapping[str, str], parameters: Mapping[str, str]) -> tuple[str, str]:
    """User and password, from exactly one of the three places; without any, ClickHouse's user `default`."""
    given = []
    if authorization := headers.get("authorization"):
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "basic":
            raise Refused(516, "AUTHENTICATION_FAILED", "Only Basic authentication is supported")
        try:
            user, _, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise Refused(516, "AUTHENTICATION_FAILED", "Invalid Basic authentication") from None
        given.append((user, password))
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        given.append((headers.get("x-clickhouse-user", "default"), headers.get("x-clickhouse-key", "")))
    if "user" in parameters or "password" in parameters:
        given.append((parameters.get("user", "default"), parameters.get("password", "")))
    if len(given) > 1:
        raise Refused(
            516, "AUTHENTICATION_FAILED", "It is not allowed to use several ways of authentication simultaneously"
        )
    return given[0] if given else ("default", "")
