"""Alerts: what people do with them (events in) and what the fold says of them (derived).

Status is two fields: *condition* (active, cleared, withdrawn) is what the data say, *handling* (new, acknowledged,
in-follow-up, closed) is what people did. Every derived alert event carries the whole alert as it then was, so that the
one with the highest ``revision`` is the alert.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator

from schemas.envelope import Code, Data

Severity = Literal["red", "orange", "yellow", "technical"]
Condition = Literal["active", "cleared", "withdrawn"]
Handling = Literal["new", "acknowledged", "in-follow-up", "closed"]
Outcome = Literal[
    "drug-changed", "advice", "visit-booked", "referred", "called-120", "measurement-error", "not-reached", "no-action",
    "improved",
]  # fmt: skip


class Acknowledged(Data):
    """Somebody has seen the alert and takes it."""

    alert: UUID


class Assigned(Data):
    """The alert is somebody's to follow up."""

    alert: UUID
    assignee: Annotated[str, Code]


class Snoozed(Data):
    """No escalation before ``until``; at most 30 minutes for a red alert."""

    alert: UUID
    until: AwareDatetime


class Commented(Data):
    """A remark, kept with the alert's history."""

    alert: UUID
    text: str = Field(min_length=1, max_length=1000)


class Closed(Data):
    """Handled, with the outcome and, for `no-action`, the reason why."""

    alert: UUID
    outcome: Outcome
    reason: str | None = Field(None, max_length=500, validate_default=True)

    @field_validator("reason")
    @classmethod
    def _why(cls, reason: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("outcome") == "no-action" and not (reason or "").strip():
            raise ValueError("the outcome no-action needs a reason")
        return reason


class ContactAttempted(Data):
    """Somebody tried to reach the resident or the emergency contact; it counts for all of the resident's open alerts.

    `called`: the call was begun and nothing is known of it yet.
    """

    to: Literal["resident", "contact"] = "resident"
    result: Literal["called", "reached", "not-reached"]
    channel: Literal["phone", "video", "visit"] = "phone"
    note: str | None = Field(None, max_length=500)


class HandoverOffered(Data):
    """All of the resident's open alerts are offered to another member of staff (leave, end of a shift)."""

    to: Annotated[str, Code]
    reason: Literal["leave", "shift", "other"] = "shift"


class HandoverAccepted(Data):
    """The one to whom they were offered, and nobody else, takes them."""

    offer: UUID = Field(description="identity of the offer")


class Alert(Data):
    """A whole alert, as each derived alert event carries it."""

    alert: UUID = Field(description="UUIDv5 of (rule, subject, identity of the event that opened it)")
    rule: str
    rule_version: int
    severity: Severity
    condition: Condition
    handling: Handling
    revision: int = Field(ge=1, description="counts the alert's derived events")
    raised_time: AwareDatetime = Field(description="core time at which it was raised")
    onset: AwareDatetime = Field(description="time of the first evidence")
    latest: AwareDatetime = Field(description="time of the latest evidence")
    evidence: list[UUID] = Field(description="identities of the events it rests on, oldest first, the latest 20")
    level: int = Field(0, ge=0, description="escalation level reached")
    role: str = Field(description="role whose turn it is")
    judgement: bool = Field(False, description="rests on a limit marked (M) that no physician approved here")
    detail: dict[str, Any] = Field(description="the figures the rule used, with their limits")
    assignee: str | None = None
    snoozed_until: AwareDatetime | None = None
    acknowledged_time: AwareDatetime | None = None
    acknowledged_by: str | None = None
    closed_time: AwareDatetime | None = None
    outcome: Outcome | None = None
    comment: str | None = None
    reason: str | None = None
    unreached: bool = Field(False, description="no clinician could be reached: every role's time passed")
    calls: int = Field(0, ge=0, description="calls to the resident that nobody answered since it became red")
    step: Literal["call-contact", "home-visit"] | None = Field(None, description="what follows unanswered calls")


class Raised(Alert):
    """A rule's condition became true for a resident."""


class SeverityChanged(Alert):
    """The same episode became worse or milder."""


class Escalated(Alert):
    """Not delivered or not acknowledged in time: the next role's turn; after the last one, `unreached`."""


class Extended(Alert):
    """New or late evidence of the same episode."""


class ConditionCleared(Alert):
    """The data no longer show the condition."""


class Withdrawn(Alert):
    """The alert lost its last evidence (retracted, entered in error)."""


class HandlingChanged(Alert):
    """Somebody acknowledged, assigned, snoozed, commented, closed, called or took it over."""


EVENTS: dict[str, type[Data]] = {
    "mailiu.alert.acknowledged.v1": Acknowledged,
    "mailiu.alert.assigned.v1": Assigned,
    "mailiu.alert.snoozed.v1": Snoozed,
    "mailiu.alert.commented.v1": Commented,
    "mailiu.alert.closed.v1": Closed,
    "mailiu.alert.contact-attempted.v1": ContactAttempted,
    "mailiu.alert.handover-offered.v1": HandoverOffered,
    "mailiu.alert.handover-accepted.v1": HandoverAccepted,
}
DERIVED: dict[str, type[Data]] = {
    "mailiu.alert.raised.v1": Raised,
    "mailiu.alert.severity-changed.v1": SeverityChanged,
    "mailiu.alert.escalated.v1": Escalated,
    "mailiu.alert.extended.v1": Extended,
    "mailiu.alert.condition-cleared.v1": ConditionCleared,
    "mailiu.alert.withdrawn.v1": Withdrawn,
    "mailiu.alert.handling-changed.v1": HandlingChanged,
}
