"""What is concluded of one person's treatment and said to them: goals, control, review prompts, signed guidance."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator

from schemas.envelope import Code, Data

Goal = Literal[
    "fasting-glucose", "hba1c", "ldl-cholesterol", "weight", "salt", "smoking", "alcohol", "exercise", "staple-food",
    "monitoring",
]  # fmt: skip
#: What a goal's value is counted in (UCUM): at most, but for exercise and monitoring, which are at least.
UNITS: dict[str, str] = {
    "fasting-glucose": "mmol/L", "hba1c": "%", "ldl-cholesterol": "mmol/L", "weight": "kg", "salt": "g/d",
    "smoking": "{cigarettes}/d", "alcohol": "g/d", "exercise": "min/wk", "staple-food": "g/d", "monitoring": "/wk",
}  # fmt: skip
Area = Literal["blood-pressure", "glucose", "lipids", "weight"]
Status = Literal["controlled", "uncontrolled", "not-enough-data", "undiagnosed", "not-applicable"]
Prompt = Literal["treatment-inertia", "interacting-conditions", "suspected-resistant", "labs-missing"]


class GoalSet(Data):
    """An intervention agreed with the resident: what shall be reached, from when, and when it is looked at again.

    A goal for glucose, HbA1c, LDL cholesterol or weight is the resident's own target and stands above the default.
    """

    goal: Goal
    value: float | None = Field(
        None, gt=0, le=1000, description="in the goal's unit: mmol/L, %, kg, g/d, {cigarettes}/d, min/wk, /wk"
    )
    intervention: str | None = Field(
        None, max_length=300, validate_default=True, description="what is done for it, in plain words"
    )
    start: date
    review: date
    doctor: Annotated[str, Code] | None = None

    @field_validator("intervention")
    @classmethod
    def _something(cls, intervention: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("value") is None and not (intervention or "").strip():
            raise ValueError("a goal has a value or says what is done")
        return intervention

    @field_validator("review")
    @classmethod
    def _order(cls, review: date, info: ValidationInfo) -> date:
        start = info.data.get("start")
        if start and review < start:
            raise ValueError(f"review {review} is before start {start}")
        return review


class GoalEnded(Data):
    """The goal is no longer pursued."""

    goal: Goal
    reason: Literal["reached", "changed", "given-up", "other"] = "other"


class ReviewAnswered(Data):
    """What a clinician decided on a medication review prompt; it is prompted again only for something new."""

    kind: Prompt
    decision: Literal["drug-changed", "tests-ordered", "referred", "no-change"]
    reason: str | None = Field(None, max_length=500, validate_default=True)

    @field_validator("reason")
    @classmethod
    def _why(cls, reason: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("decision") == "no-change" and not (reason or "").strip():
            raise ValueError("the decision no-change needs a reason")
        return reason


class Text(Data):
    """One sentence in both languages."""

    zh: str = Field(min_length=1, max_length=1000)
    en: str = Field(min_length=1, max_length=1000)


class Sentence(Data):
    """One sentence of a guidance as it was signed."""

    template: str = Field(max_length=64)
    version: int = Field(ge=1)
    text: Text


class GuidanceSigned(Data):
    """A physician read the guidance and stands for it: what was signed, word for word."""

    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the sentences, as the draft showed it")
    sentences: list[Sentence] = Field(min_length=1, max_length=60)
    note: Text | None = Field(None, description="the physician's own words, after the sentences")


class Target(Data):
    """A limit that was compared with: the value shall be below it (above, for ``low`` limits)."""

    measure: str
    value: float
    unit: str
    basis: Literal["default", "age", "condition", "risk", "personal"]


class Measured(Data):
    """A value that was compared."""

    measure: str
    value: float
    unit: str
    time: AwareDatetime
    n: int | None = Field(None, ge=1, description="readings in a mean")


class ControlAssessed(Data):
    """How one area is controlled now, and why; told again when anything but the values changes."""

    area: Area
    status: Status
    before: Status | None = Field(None, description="status told last")
    reasons: list[str] = Field(description="codes: office-high, home-high, hba1c-high, no-recent-ldl …")
    patterns: list[
        Literal[
            "white-coat", "white-coat-uncontrolled", "masked", "masked-uncontrolled", "sustained", "morning"
        ]
    ] = Field([], description="blood pressure: what office and home show together")  # fmt: skip
    targets: list[Target]
    values: list[Measured]
    evidence: list[UUID] = Field(description="identities of the events it rests on, the latest 20")
    judgement: bool = Field(False, description="rests on a limit marked (M) that no physician approved here")
    rule: Literal["control"] = "control"
    rule_version: int = Field(ge=1)


class ReviewPrompted(Data):
    """The medication should be looked at by a clinician. Never says which drug to start, stop or change."""

    kind: Prompt
    status: Literal["open", "settled"]
    findings: list[str] = Field(description="codes of what was found: beta-blocker-asthma, potassium-missing …")
    drugs: list[str] = Field([], description="ATC codes concerned")
    conditions: list[str] = Field([], description="ICD-10 codes concerned")
    values: list[Measured] = []
    evidence: list[UUID] = Field(description="identities of the events it rests on")
    text: Text
    judgement: bool = False
    rule: Literal["review"] = "review"
    rule_version: int = Field(ge=1)


EVENTS: dict[str, type[Data]] = {
    "mailiu.chronic.goal-set.v1": GoalSet,
    "mailiu.chronic.goal-ended.v1": GoalEnded,
    "mailiu.chronic.review-answered.v1": ReviewAnswered,
    "mailiu.chronic.guidance-signed.v1": GuidanceSigned,
}
DERIVED: dict[str, type[Data]] = {
    "mailiu.chronic.control-assessed.v1": ControlAssessed,
    "mailiu.chronic.review-prompted.v1": ReviewPrompted,
}
