"""Clinical scores of a resident, kept by the fold: recomputed when one of their inputs changes."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from schemas.envelope import Code, Data


class ScoreInput(Data):
    """What the score was given, and the event that said so; none for what nobody recorded, such as no diagnosis."""

    value: float | bool | str
    event: UUID | None = None
    time: AwareDatetime | None = None


class WithoutValue(Data):
    """Why the score has no value, in Chinese and English."""

    code: Literal["missing", "invalid", "out-of-range", "not-applicable"]
    field: str
    zh: str
    en: str


class Computed(Data):
    """A score as it stands now. It is about the person, never a diagnosis; `missing` says what it still needs."""

    model: Annotated[str, Code]
    version: int = Field(ge=1, description="version of the model")
    status: Literal["computed", "missing", "not-applicable"]
    value: float | None = Field(None, description="in `unit`; none for classes without a number")
    unit: str | None = Field(None, description="UCUM")
    class_: str | None = Field(None, alias="class", description="code of the class; the model's file has its words")
    values: dict[str, Any] = Field({}, description="further values: end points, points of the parts, findings")
    inputs: dict[str, ScoreInput] = {}
    missing: list[str] = []
    reason: WithoutValue | None = None
    warnings: list[str] = Field([], description="codes: not-calibrated-for-china, high-without-scoring …")


EVENTS: dict[str, type[Data]] = {}
DERIVED: dict[str, type[Data]] = {"mailiu.score.computed.v1": Computed}
