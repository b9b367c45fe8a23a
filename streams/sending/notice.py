"""One notice on its way: to whom, by which channels, tried until it is taken or its deadline passes.

Staff are told by the first channel that takes the message, of the first person on duty who has one; resident and
contact by every channel they have. What became of it are events whose identities follow from the notice.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from tenacity import AsyncRetrying, RetryCallState, RetryError, retry_if_exception_type, wait_random_exponential

from infra import vault
from infra.clock import clock
from infra.log import Log
from schemas.envelope import Event
from streams.event import uuid5
from streams.sending.channels import Adapter, Message, NotNow, Refused
from streams.sending.duty import Channel, Duty, Person

QUEUED = "mailiu.notice.queued.v1"
RECALLED = "mailiu.notice.recalled.v1"
#: Seconds between two attempts.
BACKOFF = wait_random_exponential(multiplier=0.5, max=60)
LAST_MOMENT = 1.0  #: seconds before the deadline after which no attempt begins

log = logging.getLogger("mailiu.sender")


@dataclass(frozen=True)
class Notice:
    """A notice as the fold queued it."""

    id: str
    cause: str
    subject: str
    institution: str
    data: dict[str, Any]
    deadline: datetime

    @classmethod
    def read(cls, value: bytes, identity: str) -> "Notice":
        """The notice in a record of `derived`. Raises ``KeyError``, ``ValueError`` or ``TypeError`` for none."""
        event = orjson.loads(value)
        data = event["data"]
        return cls(
            data["notice"], identity, event["subject"], event["institution"], data,
            datetime.fromisoformat(data["deadline"]),
        )  # fmt: skip

    def left(self) -> float:
        """Seconds of the machine until the deadline."""
        return (self.deadline - clock().now()).total_seconds() / clock().speed

    def outcome(self, what: str, **data: Any) -> Event:
        """The event that says what became of it."""
        told = {"notice": self.id, **{name: value for name, value in data.items() if value is not None}}
        return Event(
            id=f"{self.id}/{what}", source="sender", subject=self.subject, institution=self.institution,
            type=f"mailiu.notice.{what}.v1", time=clock().now(), actor="sender", causationid=self.cause, data=told,
        )  # fmt: skip


class Delivery:
    """Delivers one notice."""

    def __init__(self, notice: Notice, people: list[Person], adapter: Adapter, journal: Log) -> None:
        self.notice, self.people, self.adapter, self.journal = notice, people, adapter, journal
        self.everywhere = notice.data["to"]["kind"] in ("resident", "contact")
        self.todo = [(person, channel) for person in people for channel in person.channels]
        self.taken = False

    async def run(self) -> None:
        """Try until taken, refused everywhere, or past the deadline; append what became of it."""
        notice = self.notice
        if notice.left() <= 0:
            await self.journal.append(notice.outcome("expired"))
            return
        if not self.todo:
            role = notice.data["to"]["kind"] == "role" and not self.people
            await self.journal.append(notice.outcome("failed", reason="nobody-on-duty" if role else "no-channel"))
            return
        last = self.todo[0]
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(NotNow), stop=lambda _: notice.left() <= LAST_MOMENT, wait=self._pause,
            ):  # fmt: skip
                with attempt:
                    await self._round()
        except RetryError:
            if not self.taken:
                person, channel = last
                await self.journal.append(notice.outcome("expired", channel=channel.channel, person=person.id))
            return
        if not self.taken:
            person, channel = last
            outcome = notice.outcome("failed", reason="refused", channel=channel.channel, person=person.id)
            await self.journal.append(outcome)

    def _pause(self, state: RetryCallState) -> float:
        """Seconds until the next attempt: longer each time, and one attempt is kept for the last moment."""
        return min(BACKOFF(state), max(self.notice.left() - 2 * LAST_MOMENT, LAST_MOMENT / 2))

    async def _round(self) -> None:
        """One attempt on each channel that is left. Raises `NotNow` while one may still take it."""
        for person, channel in list(self.todo):
            try:
                what = await self.adapter.send(message(self.notice, person, channel))
            except NotNow as error:
                log.warning("notice %s by %s not taken: %s", self.notice.id, channel.channel, error)
                continue
            except Refused as error:
                log.warning("notice %s by %s refused: %s", self.notice.id, channel.channel, error)
                self.todo.remove((person, channel))
                continue
            self.todo.remove((person, channel))
            await self._took(person, channel, what)
            if not self.everywhere:
                self.todo.clear()
        if self.todo:
            raise NotNow

    async def _took(self, person: Person, channel: Channel, what: str) -> None:
        """The first channel that takes it says so in the log; that it is delivered may come from a later one."""
        told = {"channel": self.adapter.name or channel.channel, "person": person.id}
        if not self.taken:
            await self.journal.append(self.notice.outcome("sent", **told))
        self.taken = True
        if what == "delivered":
            await self.journal.append(self.notice.outcome("delivered", **told))
        log.info("notice %s %s by %s", self.notice.id, what, told["channel"])


def message(notice: Notice, person: Person, channel: Channel) -> Message:
    """What goes over one channel; its id is the same whenever it is made."""
    id = uuid5(f"message\n{notice.id}\n{person.id}\n{channel.channel}\n{channel.reference}")
    names = ("notice", "to", "purpose", "alert", "level", "deadline", "text")
    body = {name: notice.data[name] for name in names if name in notice.data}
    body |= {"person": person.id, "resident": notice.subject, "institution": notice.institution}
    return Message(id, channel.channel, body, channel.reference, channel.address)


async def people(notice: Notice, duty: Duty) -> list[Person]:
    """Whom the notice is for, now."""
    kind, ref = notice.data["to"]["kind"], notice.data["to"]["ref"]
    if kind == "role":
        return duty.on_duty(notice.institution, ref, round(clock().now().timestamp() * 1000))
    if kind == "staff":
        return [duty.person(ref)]
    return await asyncio.to_thread(_private, kind, ref)


def _private(kind: str, resident: str) -> list[Person]:
    """The resident, or their contacts in order; nobody once the person is erased."""
    try:
        identity = vault.open(resident)
    except vault.Erased:
        return []
    except vault.Unknown:  # the resident's app knows them by the pseudonym
        return [Person(None, (Channel("app", resident),))] if kind == "resident" else []
    if kind == "resident":
        channels = (*_addresses(identity.channels, identity.phone), Channel("app", resident))
        return [Person(None, _distinct(channels))]
    return [Person(c.id, _addresses(c.channels, c.phone)) for c in identity.contacts]


def _addresses(known: Iterable[Any], phone: str | None) -> tuple[Channel, ...]:
    """Channels as the vault names them, and a text message where there is a phone."""
    by_phone = ("sms", "phone")
    channels = [Channel(c.channel, c.reference, phone if c.channel in by_phone else None) for c in known]
    if phone is not None and not any(c.channel in by_phone for c in channels):
        channels.append(Channel("sms", "phone", phone))
    return tuple(channels)


def _distinct(channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
    """One of each kind, the first one."""
    return tuple({channel.channel: channel for channel in reversed(channels)}.values())[::-1]
