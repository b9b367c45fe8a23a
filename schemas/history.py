"""What a person tells: habits, what runs in the family, how drugs are taken and what they did to them."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from schemas.chronic import ATC
from schemas.envelope import Code, Data

FIRST = ("father", "mother", "brother", "sister", "son", "daughter")
Relative = Literal["father", "mother", "brother", "sister", "son", "daughter", "grandparent", "uncle-or-aunt", "other"]
Condition = Literal[
    "hypertension", "diabetes", "coronary-heart-disease", "stroke", "copd", "cancer", "severe-mental-illness",
    "tuberculosis", "hepatitis", "congenital-anomaly", "chronic-kidney-disease", "other",
]  # fmt: skip


class Lifestyle(Data):
    """Habits, as form 3 of the national catalogue asks for them; what is absent was not asked."""

    smoking: Literal["never", "former", "current"] | None = None
    smoking_per_day: float | None = Field(None, ge=0, le=200, description="cigarettes")
    smoking_start_age: int | None = Field(None, ge=3, le=120)
    smoking_quit_age: int | None = Field(None, ge=3, le=120)
    alcohol: Literal["never", "occasional", "often", "daily"] | None = None
    alcohol_per_day: float | None = Field(None, ge=0, le=60, description="liang (50 g) of spirits")
    alcohol_stopped: bool | None = None
    alcohol_start_age: int | None = Field(None, ge=3, le=120)
    alcohol_quit_age: int | None = Field(None, ge=3, le=120)
    drunk_past_year: bool | None = None
    drinks: list[Literal["spirits", "beer", "red-wine", "rice-wine", "other"]] = Field([], max_length=5)
    exercise: Literal["daily", "more-than-once-a-week", "occasionally", "none"] | None = None
    exercise_minutes: float | None = Field(None, ge=0, le=600, description="each time")
    exercise_years: float | None = Field(None, ge=0, le=100)
    exercise_mode: str | None = Field(None, max_length=100)
    diet: list[Literal["balanced", "mainly-meat", "mainly-vegetable", "salty", "oily", "sugary"]] = Field(
        [], max_length=6
    )
    salt: Literal["light", "medium", "heavy"] | None = None
    staple_food_g: float | None = Field(None, ge=0, le=3000, description="g a day")
    sleep_hours: float | None = Field(None, ge=0, le=24, description="a night")
    psychology: Literal["good", "fair", "poor"] | None = None


class IllRelative(Data):
    """A relative and what they have or had."""

    condition: Condition
    relative: Relative
    onset_age: int | None = Field(None, ge=0, le=130, description="years")


class FamilyHistory(Data):
    """The whole family history as it is known now; an empty list says that nothing runs in the family."""

    relatives: list[IllRelative] = Field(max_length=60)


class AdherenceReported(Data):
    """How a drug, or all of them, is taken."""

    adherence: Literal["regular", "intermittent", "none"]
    code: str | None = Field(None, pattern=ATC, description="the drug; none: all")
    reason: Literal["forgot", "felt-well", "side-effects", "cost", "supply", "other"] | None = None


class AdverseReaction(Data):
    """What a drug did to the person."""

    reaction: str = Field(min_length=1, max_length=300)
    code: str | None = Field(None, pattern=ATC)
    drug: str | None = Field(None, max_length=100)
    severity: Literal["mild", "moderate", "severe"] | None = None
    action: Literal["continued", "dose-changed", "stopped", "replaced"] | None = None
    onset: date | None = None
    doctor: Annotated[str, Code] | None = None


LIFESTYLE, FAMILY = "mailiu.chronic.lifestyle-recorded.v1", "mailiu.chronic.family-history-recorded.v1"
EVENTS: dict[str, type[Data]] = {
    LIFESTYLE: Lifestyle,
    FAMILY: FamilyHistory,
    "mailiu.chronic.adherence-reported.v1": AdherenceReported,
    "mailiu.chronic.adverse-reaction-reported.v1": AdverseReaction,
}
