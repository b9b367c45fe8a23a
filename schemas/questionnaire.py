"""What a resident tells by way of an app or a form: answered questionnaires and answers to alerts."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator

from schemas.envelope import Data
from schemas.questionnaires import released


class QuestionnaireAnswered(Data):
    """Every item of a questionnaire with the code of its answer."""

    questionnaire: str = Field(description="phq-9, gad-7, adl-elderly")
    version: int = Field(ge=1)
    answers: dict[Annotated[str, Field(max_length=20)], Annotated[str, Field(max_length=40)]] = Field(
        description="item id: answer code; all items"
    )
    channel: Literal["app", "device", "phone", "visit", "other"] = "other"

    @field_validator("version")
    @classmethod
    def _known(cls, version: int, info: ValidationInfo) -> int:
        name = info.data.get("questionnaire", "")
        if version not in released().get(name, {}):
            raise ValueError(f"there is no questionnaire {name!r} in version {version}")
        return version

    @field_validator("answers")
    @classmethod
    def _complete(cls, answers: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        one = released().get(info.data.get("questionnaire", ""), {}).get(info.data.get("version", 0))
        fault = one.fault(answers) if one is not None else None
        if fault is not None:
            item, value, reason = fault
            raise ValueError(f"item {item}: {reason} (got {value!r})")
        return answers


class AlertAnswered(Data):
    """What the resident says to an alert: how it is, and what was done."""

    alert: UUID
    answer: Literal["feel-well", "feel-unwell", "will-measure", "took-sugar", "called-120", "please-call"]


class QuestionnaireScored(Data):
    """The total of an answered questionnaire and what it means."""

    questionnaire: str
    version: int = Field(ge=1)
    answered: UUID = Field(description="identity of the answers")
    total: int = Field(ge=0)
    band: str = Field(description="code of the band: minimal, mild, moderate …")
    flags: list[Literal["self-harm-thoughts"]] = []


EVENTS: dict[str, type[Data]] = {
    "mailiu.engagement.questionnaire-answered.v1": QuestionnaireAnswered,
    "mailiu.engagement.alert-answered.v1": AlertAnswered,
}
DERIVED: dict[str, type[Data]] = {"mailiu.engagement.questionnaire-scored.v1": QuestionnaireScored}
