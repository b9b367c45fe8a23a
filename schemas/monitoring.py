"""Home monitoring is a plan: enrolled, plan set, paused, resumed, ended. Adherence is judged by the plan only."""

from datetime import date
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from schemas.device import Kind
from schemas.envelope import Data


class Enrolled(Data):
    """The resident takes part in home monitoring."""

    reason: Literal["hypertension", "suspected-hypertension", "diabetes", "pregnancy", "other"] = "hypertension"


class PlanSet(Data):
    """What to measure and when.

    ``week``: a prescribed seven-day week, 2 readings morning and evening, day 1 dropped from its mean; ``daily``: every
    day; ``weekly``: one day a week, for stable residents.
    """

    kinds: list[Kind] = Field(["blood-pressure"], min_length=1)
    schedule: Literal["week", "daily", "weekly"]
    morning: int = Field(2, ge=0, le=5, description="readings each morning of a measuring day")
    evening: int = Field(2, ge=0, le=5, description="readings each evening of a measuring day")
    start: date
    end: date | None = None
    reason: str | None = Field(None, max_length=200)

    @field_validator("end")
    @classmethod
    def _order(cls, end: date | None, info: ValidationInfo) -> date | None:
        start = info.data.get("start")
        if end and start and end < start:
            raise ValueError(f"end {end} is before start {start}")
        return end


class Paused(Data):
    """No readings are expected (hospital stay, travel)."""

    reason: Literal["hospital", "travel", "other"]
    until: date | None = None


class Resumed(Data):
    """Readings are expected again."""


class Ended(Data):
    """The plan ended."""

    reason: Literal["completed", "withdrawn", "moved", "died", "other"]


EVENTS: dict[str, type[Data]] = {
    "mailiu.monitoring.enrolled.v1": Enrolled,
    "mailiu.monitoring.plan-set.v1": PlanSet,
    "mailiu.monitoring.paused.v1": Paused,
    "mailiu.monitoring.resumed.v1": Resumed,
    "mailiu.monitoring.ended.v1": Ended,
}
