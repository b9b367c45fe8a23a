"""How a message leaves: into the local outbox, or as a signed webhook to the message service.

The message service (app push, SMS, WeChat, a phone list) plugs in behind the webhook: it gets the channel, the person's
reference there, the text, and verifies signature, time stamp and id by the Standard Webhooks specification. It answers
202 where delivery takes longer and then calls back; any other 2xx says that the message is delivered.
"""

import base64
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import httpx
import orjson
from standardwebhooks import Webhook

from infra.clock import clock
from infra.settings import settings, write_once
from schemas.envelope import rfc3339

SECONDS = 10.0  #: for one call
REFUSED = frozenset({400, 410, 413, 422})  #: this message will never be taken; anything else may be taken later


@dataclass(frozen=True)
class Message:
    """One notice for one person on one channel. ``id`` is the same at every attempt."""

    id: str
    channel: str
    body: dict[str, Any]  #: what may be shown and kept
    reference: str
    address: str | None = None  #: a phone number: goes to the message service only


class NotNow(Exception):
    """The channel did not take it; try again."""


class Refused(Exception):
    """The channel will never take this message."""


class Adapter(Protocol):
    """What carries messages away. ``name``: what outcomes call it, where not by the message's channel."""

    name: str

    async def send(self, message: Message) -> str:
        """Hand ``message`` over; "sent", or "delivered" where that is known. Raises `NotNow` or `Refused`."""

    async def close(self) -> None:
        """End in good order."""


class Outbox:
    """Appends each message once to a file that people read with `mailiu outbox`."""

    name = "outbox"

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.held = {line["message"] for line in read(path)}
        self.file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o600)
        size = os.fstat(self.file).st_size
        if size and os.pread(self.file, 1, size - 1) != b"\n":  # a crash cut the last line short
            os.write(self.file, b"\n")

    async def send(self, message: Message) -> str:
        """Append ``message`` unless the file holds it."""
        if message.id not in self.held:
            about = {"message": message.id, "time": rfc3339(clock().now()), "channel": message.channel}
            line = about | message.body
            os.write(self.file, orjson.dumps(line) + b"\n")
            os.fsync(self.file)
            self.held.add(message.id)
        return "delivered"

    async def close(self) -> None:
        """Close the file."""
        os.close(self.file)


def read(path: Path) -> list[dict[str, Any]]:
    """The whole lines of an outbox file; a line that a crash cut short is none."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    return [orjson.loads(line) for line in text.splitlines() if line.endswith(b"}") and line.startswith(b"{")]


class SignedWebhook:
    """Posts each message, signed, to the message service at ``url``."""

    name = ""

    def __init__(self, url: str) -> None:
        self.url = url
        self.signer = Webhook(secret())
        self.client = httpx.AsyncClient(timeout=SECONDS, follow_redirects=False)

    async def send(self, message: Message) -> str:
        """One attempt, with a time stamp of its own under the message's id."""
        now = datetime.now(UTC)  # the receiver compares it with its own clock
        data = {**message.body, "message": message.id, "channel": message.channel, "reference": message.reference}
        if message.address is not None:
            data["address"] = message.address
        body = orjson.dumps({"type": "mailiu.notice", "timestamp": now.isoformat(), "data": data}).decode()
        headers = {
            "content-type": "application/json", "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self.signer.sign(message.id, now, body),
        }  # fmt: skip
        try:
            answer = await self.client.post(self.url, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise NotNow(type(error).__name__) from error
        if answer.is_success:
            return "sent" if answer.status_code == 202 else "delivered"
        if answer.status_code in REFUSED:
            raise Refused(f"status {answer.status_code}")
        raise NotNow(f"status {answer.status_code}")

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()


def secret() -> str:
    """The secret shared with the message service, as it is given to one: ``whsec_…``."""
    made = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    return write_once(settings().home / "secrets" / "notice-webhook", made)


def outbox_file() -> Path:
    """Where the outbox lies."""
    return settings().home / "outbox.ndjson"
