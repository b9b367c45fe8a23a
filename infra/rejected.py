"""The form of a record on the topic `rejected`: what was refused, whole and encrypted, where it came from and why."""

import base64
import hashlib
import secrets
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.fernet import Fernet

from infra.clock import clock
from infra.settings import settings, write_once
from schemas.envelope import rfc3339
from schemas.private import FIELD, found, harmless, scrubbed


@cache
def _of_home(home: Path) -> Fernet:
    secret = write_once(home / "secrets" / "rejected", secrets.token_urlsafe(32))
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()))


def fernet() -> Fernet:
    """The cipher of refused bytes in this home."""
    return _of_home(settings().home)


WITHHELD = "…"


def quiet(field: str, value: str, message: dict[str, str]) -> tuple[str, str, dict[str, str]]:
    """Field, value and message without what may be a person's name or number; the encrypted bytes still have it."""
    if not FIELD.fullmatch(field) or found(field):
        field, message = "event", {language: text.replace(field, "event") for language, text in message.items()}
    if not harmless(field, value):
        if value:
            message = {language: text.replace(value, WITHHELD) for language, text in message.items()}
        value = WITHHELD
    return field, value, {language: scrubbed(text) for language, text in message.items()}


def record(
    id: UUID, source: str, reason: str, field: str, value: str, message: dict[str, str], raw: bytes, **where: Any
) -> dict[str, Any]:
    """A record for `rejected`; ``where`` says what is known of device, institution, kind, mqtt_topic and position.

    ``value`` is the refused value as text, told only where it is a number, an instant or a code; ``raw`` is kept whole,
    encrypted.
    """
    field, value, message = quiet(field, value, message)
    nowhere = dict.fromkeys(("device", "institution", "kind", "mqtt_topic", "position"))
    if unknown := where.keys() - nowhere.keys():
        raise TypeError(f"a rejected record has no {sorted(unknown)[0]!r}")
    return {
        "id": str(id), "source": source, "received": rfc3339(clock().now()), "reason": reason, "field": field,
        "value": value[:200], "message": message, **nowhere, **where, "raw": fernet().encrypt(raw).decode(),
    }  # fmt: skip


def raw(record: dict[str, Any]) -> bytes:
    """The refused bytes of a record. Raises ``cryptography.fernet.InvalidToken`` under another home's secret."""
    return fernet().decrypt(record["raw"].encode())
