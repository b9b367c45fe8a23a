"""Examinations: laboratory, body, target organs, and the annual health examination.

A value may come in any unit of ``measures.toml``. The gate brings it to the canonical one and keeps what was sent as
``given``; what is impossible is refused with the limit. A wrong examination is taken back by `reading.retracted`.
"""

import tomllib
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from pydantic import Field, JsonValue, ValidationInfo, field_validator, model_validator

from schemas.envelope import Code, Data
from schemas.follow_up import OfficeBloodPressure, TakenDrug
from schemas.history import Lifestyle
from schemas.measure import canonical, describe, measures

Words = Annotated[str, Field(min_length=1, max_length=500)]
Fields = dict[str, Any]


class Given(Data):
    """What was sent, before it was brought to the canonical unit."""

    value: float
    unit: str = Field(max_length=30)


class Result(Data):
    """A number with its unit, or a finding in one of the measure's words."""

    name: str = Field(json_schema_extra={"enum": describe()["names"]})
    unit: str | None = Field(None, json_schema_extra={"enum": [None, *describe()["units"]]}, description="UCUM")
    value: float | None = None
    finding: str | None = Field(None, max_length=40)
    text: Words | None = None
    given: Given | None = Field(None, description="set by the gate where it converted")

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in measures():
            raise ValueError("no measure of this name")
        return name

    @field_validator("value")
    @classmethod
    def _possible(cls, value: float | None, info: ValidationInfo) -> float | None:
        name, unit = info.data.get("name"), info.data.get("unit")
        if value is not None and name is not None and measures()[name].unit:
            if unit is None:
                raise ValueError(f"{name} needs its unit: {' or '.join(measures()[name].units)}")
            canonical(name, value, unit)
        return value

    @model_validator(mode="after")
    def _whole(self) -> "Result":
        measure = measures()[self.name]
        if measure.words:
            if self.finding not in measure.words or self.value is not None or self.unit is not None:
                raise ValueError(f"{self.name} needs a finding alone: {', '.join(measure.words)}")
        elif self.value is None or self.finding is not None:
            raise ValueError(f"{self.name} needs a value in {measure.unit}")
        if self.given is not None and self.value is not None and (
            self.unit != measure.unit or canonical(self.name, self.given.value, self.given.unit) != self.value
        ):  # fmt: skip
            raise ValueError(f"given {self.given.value:g} {self.given.unit} is not {self.value:g} {self.unit}")
        return self


EXAMPLES: list[JsonValue] = [
    {"name": "total_cholesterol", "value": 5.2, "unit": "mmol/L"},
    {"name": "hba1c_percent", "value": 7.1, "unit": "%"},
    {"name": "creatinine", "value": 74, "unit": "umol/L"},
    {"name": "fasting_glucose", "value": 6.4, "unit": "mmol/L"},
    {"name": "weight", "value": 71, "unit": "kg"},
    {"name": "height", "value": 168, "unit": "cm"},
    {"name": "carotid_plaque", "finding": "present"},
]


class Recorded(Data):
    """Results of one examination, at the time at which the sample was taken or the person examined."""

    results: list[Result] = Field(min_length=1, max_length=80, json_schema_extra={"examples": [EXAMPLES]})
    panel: Annotated[str, Code] | None = Field(None, description="what was asked for, such as lipids")
    laboratory: str | None = Field(None, max_length=100, description="who examined, where it is another institution")
    order: Annotated[str, Code] | None = Field(None, description="the laboratory's own number")

    @field_validator("results")
    @classmethod
    def _once(cls, results: list[Result]) -> list[Result]:
        names = [result.name for result in results]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"{twice} stands there twice")
        return results


class Stay(Data):
    """A stay in hospital, or a bed at home, in the past year."""

    start: date
    end: date | None = None
    reason: Words | None = None
    facility: str | None = Field(None, max_length=100)
    record: Annotated[str, Code] | None = None


class Vaccination(Data):
    """A vaccination outside the national programme."""

    vaccine: str = Field(min_length=1, max_length=100)
    day: date | None = None
    facility: str | None = Field(None, max_length=100)


class ExaminedDrug(TakenDrug):
    """A drug of the past year, and how it was taken."""

    duration: str | None = Field(None, max_length=60)
    adherence: str | None = Field(None, pattern="^(regular|intermittent|none)$")


class HealthExamined(Data):
    """The annual health examination, form 3 of the national catalogue (2017). What is absent was not examined.

    Numbers are ``results`` (also laboratory), coded findings ``findings`` by the form's field, words ``notes`` by it.
    """

    results: list[Result] = Field([], max_length=80, json_schema_extra={"examples": [EXAMPLES]})
    blood_pressure_left: OfficeBloodPressure | None = None
    blood_pressure_right: OfficeBloodPressure | None = None
    symptoms: list[Annotated[str, Code]] = Field([], max_length=30, description="none: asked, and there are none")
    symptom_text: Words | None = None
    findings: dict[str, str | list[str]] = Field(
        {}, json_schema_extra={"examples": [{"lips": "ruddy", "dentition": ["missing"], "leg_oedema": "none"}]}
    )
    notes: dict[str, Words] = Field({}, json_schema_extra={"examples": [{"fundus_desc": "A:V 1:2"}]})
    lifestyle: Lifestyle | None = None
    occupational_years: float | None = Field(None, ge=0, le=80)
    admissions: list[Stay] = Field([], max_length=20)
    home_beds: list[Stay] = Field([], max_length=20)
    medications: list[ExaminedDrug] = Field([], max_length=30)
    vaccinations: list[Vaccination] = Field([], max_length=20)
    evaluation: str | None = Field(None, pattern="^(no-abnormality|abnormal)$")
    abnormalities: list[Words] = Field([], max_length=20)
    guidance: list[str] = Field([], json_schema_extra={"examples": [["re-check-advised"]]})
    risk_control: list[str] = Field([], json_schema_extra={"examples": [["diet", "exercise"]]})
    target_weight: float | None = Field(None, ge=20, le=400, description="kg")
    advised_vaccine: str | None = Field(None, max_length=100)
    risk_control_text: Words | None = None
    doctor: Annotated[str, Code] | None = None

    _once = field_validator("results")(Recorded._once.__func__)  # type: ignore[attr-defined]

    @field_validator("findings")
    @classmethod
    def _words(cls, findings: dict[str, str | list[str]]) -> dict[str, str | list[str]]:
        one, several = form()["one"], form()["several"]
        for name, said in findings.items():
            words = one.get(name) or several.get(name)
            if words is None:
                raise ValueError(f"the form has no finding {name}")
            alone = isinstance(said, str)
            if alone != (name in one) or not {*([said] if alone else said)} <= {*words}:
                raise ValueError(f"{name} is {'one' if name in one else 'a list'} of {', '.join(words)}")
        return findings

    @field_validator("notes")
    @classmethod
    def _fields(cls, notes: dict[str, str]) -> dict[str, str]:
        if unknown := notes.keys() - set(form()["text"]["names"]):
            raise ValueError(f"the form has no text {min(unknown)}")
        return notes

    @field_validator("guidance", "risk_control")
    @classmethod
    def _advice(cls, said: list[str], info: ValidationInfo) -> list[str]:
        words = form()["advice"][info.field_name]
        if not set(said) <= set(words):
            raise ValueError(f"it is a list of {', '.join(words)}")
        return said


@cache
def form() -> dict[str, Any]:
    """Words and texts of form 3, by field."""
    return tomllib.loads((files("schemas") / "health_examination.toml").read_text(encoding="utf-8"))


def brought_to_canonical(data: Fields) -> Fields:
    """``data`` with every result in its canonical unit; what was sent in another one stays as ``given``."""
    return {**data, "results": [_canonical(result) for result in data["results"]]} if data.get("results") else data


def _canonical(result: Fields) -> Fields:
    value, unit, name = result.get("value"), result.get("unit"), result["name"]
    if value is None or unit is None or unit == measures()[name].unit:
        return result
    own = {"value": canonical(name, value, unit), "unit": measures()[name].unit}
    return {**result, **own, "given": {"value": value, "unit": unit}}


RECORDED, HEALTH = "mailiu.examination.recorded.v1", "mailiu.examination.health-examined.v1"
EVENTS: dict[str, type[Data]] = {RECORDED: Recorded, HEALTH: HealthExamined}
CANONICAL = dict.fromkeys(EVENTS, brought_to_canonical)
