"""Tasks: what is to be done for a resident, by when and why. The fold opens, changes and ends them; people act on them.

Every derived event carries the whole task as it then was: the one with the highest ``revision`` is the task. Its status
is planned (not yet to be done), due, overdue, done or cancelled; the clock is the log's.
"""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator

from schemas.envelope import Code, Data

Kind = Literal["follow-up", "annual-check", "referral", "home-visit", "confirm-status", "ordered"]
Programme = Literal["hypertension", "diabetes"]
Status = Literal["planned", "due", "overdue", "done", "cancelled"]
Priority = Literal["routine", "high", "urgent"]
DropReason = Literal["refused", "moved", "dead", "not-needed", "duplicate", "entered-in-error"]
#: Who refuses says why, and so does who thinks a task is not needed (clinical decision 31).
NEED_WHY = frozenset({"refused", "not-needed"})


class Of(Data):
    """Which task. Kind and what it is of are said again, so that the act is understood without the task's history."""

    task: UUID
    kind: Kind | None = None
    programme: Programme | None = None
    order: UUID | None = Field(None, description="ordered tasks: identity of the order")


class Assigned(Of):
    """The task is somebody's."""

    assignee: Annotated[str, Code]


class Rescheduled(Of):
    """An appointment for the task. What the national spec asks for stays due when it was due."""

    day: date
    reason: Literal["resident", "capacity", "holiday", "other"] = "other"


class Contacted(Of):
    """A call or visit about the task, and what came of it.

    A refusal ends the task until the next turn, a report that the resident moved or died ends all tasks until somebody
    confirmed it; three calls in vain ask for a home visit.
    """

    result: Literal["reached", "not-reached", "appointment", "refused", "moved", "dead", "wrong-number"]
    channel: Literal["phone", "video", "visit", "message"] = "phone"
    day: date | None = Field(None, description="of the appointment", validate_default=True)
    reason: str | None = Field(None, max_length=300, description="why it was refused", validate_default=True)

    @field_validator("day")
    @classmethod
    def _when(cls, value: date | None, info: ValidationInfo) -> date | None:
        if info.data.get("result") == "appointment" and value is None:
            raise ValueError("an appointment needs its day")
        return value

    @field_validator("reason")
    @classmethod
    def _why(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("result") == "refused" and not (value or "").strip():
            raise ValueError("a refusal needs a reason")
        return value


class Completed(Of):
    """Done by hand. A follow-up visit and an annual check are done by their own events, never by this."""

    note: str | None = Field(None, max_length=500)


class Dropped(Of):
    """The task shall not be done this time."""

    why: DropReason
    reason: str | None = Field(None, max_length=300, validate_default=True)

    @field_validator("reason")
    @classmethod
    def _why(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("why") in NEED_WHY and not (value or "").strip():
            raise ValueError(f"{info.data['why']} needs a reason")
        return value


class Ordered(Data):
    """Somebody orders a task of their own: a call, a visit, a test, the next step of a plan."""

    title: str = Field(min_length=1, max_length=100)
    due: date
    priority: Priority = "routine"
    assignee: Annotated[str, Code] | None = None


class Task(Data):
    """A whole task, as each derived task event carries it."""

    task: UUID
    kind: Kind
    programme: Programme | None = None
    reason: str = Field(description="why it is due: first-visit, quarterly, revisit-uncontrolled, after-referral …")
    status: Status
    priority: Priority
    due: date = Field(description="last local day on which it is in time")
    opens: date = Field(description="local day from which it is to be done")
    revision: int = Field(ge=1, description="counts the task's derived events")
    opened_time: AwareDatetime = Field(description="core time at which it was opened")
    cause: UUID | None = Field(None, description="event from which it counts: visit, diagnosis, check, alert, order")
    rule: str
    rule_version: int
    detail: dict[str, Any] = Field(description="the figures that it rests on, with their limits")
    merged_into: UUID | None = Field(None, description="the task in whose appointment this one is done")
    assignee: str | None = None
    planned: date | None = Field(None, description="day of the appointment")
    calls: int = Field(0, ge=0, description="calls in vain since somebody was reached")
    result: str | None = Field(None, description="what came of the latest call or visit")
    step: Literal["home-visit", "check-number"] | None = Field(None, description="what follows calls in vain")
    order: UUID | None = Field(None, description="ordered: identity of the order")
    title: str | None = Field(None, description="ordered: what is to be done, in the words of who ordered it")
    closed_time: AwareDatetime | None = None
    done_by: UUID | None = Field(None, description="done: the event that did it")
    ended: str | None = Field(None, description="cancelled: why")


class Opened(Task):
    """Something is to be done."""


class Changed(Task):
    """Another due date, reason, appointment, assignee, institution, or a call about it."""


class FellDue(Task):
    """The day came from which it is to be done."""


class Overdue(Task):
    """Its last day passed."""


class Done(Task):
    """Somebody did it."""


class Cancelled(Task):
    """It is not to be done any more, and why."""


class Merged(Task):
    """It is done in another task's appointment (clinical decision 31)."""


EVENTS: dict[str, type[Data]] = {
    "mailiu.task.assigned.v1": Assigned,
    "mailiu.task.rescheduled.v1": Rescheduled,
    "mailiu.task.contacted.v1": Contacted,
    "mailiu.task.completed.v1": Completed,
    "mailiu.task.dropped.v1": Dropped,
    "mailiu.task.ordered.v1": Ordered,
}
DERIVED: dict[str, type[Data]] = {
    "mailiu.task.opened.v1": Opened,
    "mailiu.task.changed.v1": Changed,
    "mailiu.task.fell-due.v1": FellDue,
    "mailiu.task.overdue.v1": Overdue,
    "mailiu.task.done.v1": Done,
    "mailiu.task.cancelled.v1": Cancelled,
    "mailiu.task.merged.v1": Merged,
}
