"""Notices: whom the fold wants told what until when (derived), and what became of it (events in).

Notified means delivered, not sent (clinical decision 1). The fold names a role, the sender finds the person on duty and
says whom it told. No event carries a phone number or a name.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from schemas.envelope import Code, Data

Actor = Field(min_length=1, max_length=100)  # as in the envelope: staff may be known by an account's name
Purpose = Literal[
    "alert",  # staff: an alert is yours to look at
    "repeat",  # resident: measure again
    "advice",  # resident: approved plain advice, a question about a reading
    "call-120",  # resident, contact: call the ambulance now
    "call-contact",  # staff: the resident does not answer, ring the emergency contact
    "look-after",  # contact: the resident does not answer, please look
    "home-visit",  # staff: nobody answers, go there
    "handover",  # staff: a card is offered to you
]
Reason = Literal[
    "nobody-on-duty", "no-channel", "refused", "not-delivered", "deadline", "number-unknown", "blocked", "other"
]  # fmt: skip
RecallReason = Literal["handled", "over", "died", "consent-withdrawn", "superseded"]


class Recipient(Data):
    """``ref``: the role, the staff id, or the resident (whose contact it is)."""

    kind: Literal["resident", "contact", "role", "staff"]
    ref: Annotated[str, Actor]


class Queued(Data):
    """Derived: somebody is to be told, never after ``deadline``."""

    notice: UUID = Field(description="UUIDv5 of (recipient, purpose, what it is about, cause)")
    to: Recipient
    purpose: Purpose
    alert: UUID | None = None
    level: int = Field(0, ge=0, description="escalation level of the alert that it is for")
    deadline: AwareDatetime
    text: dict[Literal["zh", "en"], str]


class Recalled(Data):
    """Derived: what has not been sent yet must not be sent any more."""

    notice: UUID
    reason: RecallReason


class Sent(Data):
    """The channel took it; that it was delivered is another event."""

    notice: UUID
    channel: Annotated[str, Code] = Field(description="outbox, or app, sms, wechat, phone …")
    person: Annotated[str, Actor] | None = Field(None, description="who of the role it is")


class Delivered(Sent):
    """It has reached the person's device."""


class Read(Sent):
    """The person has opened it."""


class Failed(Data):
    """It will not arrive: nobody is on duty, no channel, refused."""

    notice: UUID
    reason: Reason
    channel: Annotated[str, Code] | None = None
    person: Annotated[str, Actor] | None = None


class Expired(Failed):
    """Its deadline passed before it was delivered."""

    reason: Reason = "deadline"


EVENTS: dict[str, type[Data]] = {
    "mailiu.notice.sent.v1": Sent,
    "mailiu.notice.delivered.v1": Delivered,
    "mailiu.notice.failed.v1": Failed,
    "mailiu.notice.read.v1": Read,
    "mailiu.notice.expired.v1": Expired,
}
DERIVED: dict[str, type[Data]] = {
    "mailiu.notice.queued.v1": Queued,
    "mailiu.notice.recalled.v1": Recalled,
}
