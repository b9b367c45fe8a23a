"""The ward round over the contracted population: who is in need of a look and why, and what was decided of each.

A decision is no national visit and fills no form of one (clinical decision 31). A session is one doctor's round; it may
be left and gone on with, and its summary is kept when it is closed.
"""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator

from schemas.envelope import Code, Data

Decision = Literal["seen", "called", "reviewed", "deferred"]
Plan = Literal["no-change", "lifestyle", "drug-review", "visit", "test", "refer", "measure-at-home", "other"]
ReasonKind = Literal["alert", "task", "control", "review", "next-date"]
Level = Annotated[int, Field(ge=0, le=3)]
ListKey = Annotated[str, Field(pattern=r"^[a-z0-9/-]{1,100}$")]


class SeenReason(Data):
    """A reason that the doctor had before him: it brings the person back only if it comes anew."""

    key: ListKey
    code: Annotated[str, Code]


class Decided(Data):
    """What was decided of a resident on the round; the person leaves the list until ``next`` or until news comes."""

    decision: Decision
    session: UUID | None = Field(None, description="round session in which it was decided")
    plan: list[Plan] = Field([], max_length=8)
    note: str | None = Field(None, max_length=500, validate_default=True, description="deferred: why")
    next: date | None = Field(None, description="day on which to look again; else by the management level")
    level: Level | None = Field(None, description="management level that stood on the list")
    reasons: list[SeenReason] = Field([], max_length=100, description="what stood on the list")

    @field_validator("note")
    @classmethod
    def _why(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("decision") == "deferred" and not (value or "").strip():
            raise ValueError("who defers says why")
        return value


class Filters(Data):
    """Of whom a session is."""

    institution: Annotated[str, Code] | None = None
    team: Annotated[str, Code] | None = None
    doctor: Annotated[str, Code] | None = None
    level: list[Level] = Field([], max_length=4)
    condition: list[Annotated[str, Code]] = Field([], max_length=20, description="ICD-10 codes or their beginnings")
    label: list[Annotated[str, Code]] = Field([], max_length=20)


class RoundOpened(Data):
    """A doctor begins a round."""

    session: UUID
    filters: Filters


class Counts(Data):
    """What a round came to."""

    decided: int = Field(ge=0, description="residents")
    by_decision: dict[str, int]
    by_plan: dict[str, int]
    left: int = Field(ge=0, description="residents still on the list when it was closed")


class RoundClosed(Data):
    """The round is over; what it came to."""

    session: UUID
    summary: Counts
    note: str | None = Field(None, max_length=500)


class LevelReason(Data):
    """Why a person is on a management level."""

    code: Annotated[str, Code]
    level: Level
    points: int = Field(ge=0)


class LevelAssessed(Data):
    """Derived: the management level, 0 (no chronic disease known) to 3 (closest care): the highest of its reasons."""

    level: Level
    before: Level | None = None
    points: int = Field(ge=0, description="sum over the reasons: orders people of one level")
    reasons: list[LevelReason]
    judgement: bool = Field(description="rests on a limit that is a judgement and that no physician approved here")
    rule: str
    rule_version: int


class Reason(Data):
    """Why somebody is on the round, and where the evidence is."""

    key: ListKey = Field(description="the same as long as it is the same matter")
    kind: ReasonKind
    code: Annotated[str, Code] = Field(description="alert's rule, kind of task or prompt, area of control")
    grade: str = Field(description="severity, status or priority; empty where there is none")
    points: int = Field(ge=0)
    since: AwareDatetime | None = None
    of: str | None = Field(None, description="id of the alert or task")
    evidence: list[UUID] = Field([], description="events it rests on, the latest ones")
    new: bool = Field(description="was not there, or was gone, at the latest decision")


class NeedAssessed(Data):
    """Derived: a contracted resident's place on the round, whole."""

    contracted: bool
    open: bool = Field(description="on the list: there is a reason that no decision covers")
    points: int = Field(ge=0, description="weight of the reasons that no decision covers")
    level: Level
    level_before: Level | None = Field(None, description="at the latest decision")
    reasons: list[Reason] = Field(description="the weightiest first")
    gone: list[str] = Field(description="codes of what was there at the latest decision and no longer is")
    next: date | None = Field(None, description="day on which to look again")
    decided_time: AwareDatetime | None = None
    team: str | None = None
    doctor: str | None = None
    sex: Literal["male", "female", "unknown"] | None = None
    birth_date: date | None = None
    labels: list[str]
    conditions: list[str] = Field(description="ICD-10 codes of the conditions that hold")
    rule: str
    rule_version: int


EVENTS: dict[str, type[Data]] = {"mailiu.round.decided.v1": Decided}
#: What concerns an institution, not a resident.
BROADCAST: dict[str, type[Data]] = {
    "mailiu.organization.round-opened.v1": RoundOpened,
    "mailiu.organization.round-closed.v1": RoundClosed,
}
DERIVED: dict[str, type[Data]] = {
    "mailiu.resident.level-assessed.v1": LevelAssessed,
    "mailiu.round.need-assessed.v1": NeedAssessed,
}
EVENTS |= BROADCAST
