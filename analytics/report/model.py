"""What a report says: plain data, the same for JSON and for the page. Texts are in the report's language."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field


class Figure(BaseModel):
    """A value with where it comes from. Without a value it is a gap."""

    name: str
    label: str
    text: str = Field(description="as printed; empty: not known")
    value: float | None = None
    unit: str = ""
    time: datetime | None = None
    sources: list[UUID] = Field([], description="identities of the events that it rests on")


class Condition(BaseModel):
    """A diagnosis, and its course."""

    code: str = Field(description="ICD-10")
    label: str
    certainty: str
    onset: date | None
    diagnosed: date
    resolved: date | None
    sources: list[UUID]


class Drug(BaseModel):
    """A drug that is taken."""

    code: str | None = Field(description="ATC")
    label: str
    dose: str | None
    frequency: str | None
    since: date
    sources: list[UUID]


class Change(BaseModel):
    """A drug that was started, changed or stopped."""

    day: date
    label: str
    what: Literal["started", "changed", "stopped"]
    sources: list[UUID]


class Area(BaseModel):
    """How one area is controlled, and why."""

    area: str
    label: str
    status: str
    status_label: str
    reasons: list[str]
    patterns: list[str]
    targets: list[str]
    judgement: bool
    sources: list[UUID]


class Point(BaseModel):
    """A problem, an alert, a prompt or a sentence of guidance, with its reason."""

    text: str
    reason: str = ""
    time: datetime | None = None
    signed: bool = Field(False, description="guidance: a physician signed it")
    sources: list[UUID] = []


class Score(BaseModel):
    """A score, with what it means or why there is none."""

    model: str
    label: str
    text: str = Field(description="value and class; empty where there is none")
    meaning: str
    note: str = Field(description="why there is none, what it lacks, what to know of it")
    time: datetime | None
    sources: list[UUID]


class Todo(BaseModel):
    """A task that is open."""

    text: str
    reason: str
    due: date
    status: str
    status_label: str
    sources: list[UUID]


class Picture(BaseModel):
    """A chart: what it shows, of how many values, of which events."""

    name: str
    caption: str
    n: int
    sources: list[UUID]


class Report(BaseModel):
    """The comprehensive report of one person. 慢病综合评估报告。"""

    resident: str
    name: str | None = Field(description="only with a purpose, for who may see it")
    sex: str | None
    age: int | None
    institution: str | None
    team: str | None
    doctor: str | None
    died: date | None
    known: datetime = Field(description="the report knows what was accepted until then")
    day: date = Field(description="local day of that")
    draft: Literal[True] = Field(True, description="not confirmed by a physician: a signature on paper confirms it")
    conditions: list[Condition]
    control: list[Area]
    problems: list[Point] = Field(description="the three to see to first")
    drugs: list[Drug]
    changes: list[Change] = Field(description="drugs started, changed and stopped, oldest first")
    pressure: list[Figure]
    glucose: list[Figure]
    organs: list[Figure] = Field(description="target organs and laboratory")
    habits: list[Figure]
    scores: list[Score]
    alerts: list[Point] = Field(description="of the last year, newest first")
    reviews: list[Point]
    guidance: list[Point]
    next_visit: date | None
    tasks: list[Todo]
    gaps: list[Point] = Field(description="what ought to be known and is not")
    pictures: list[Picture]
