"""Chronic disease: symptoms, conditions, medication, personal targets. Follow-up visits are in `schemas.follow_up`.

A diagnosis, its end, a prescription or its stop that was entered in error is taken back by `reading.retracted`.
"""

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.envelope import Code, Data

ICD10 = r"^[A-Z][0-9]{2}(\.[0-9A-Z]{1,4})?$"
#: ICD-10 with the extension of the Chinese clinical edition: I10.x00x002, E11.900x001; of the WHO; daggers and stars.
NATIONAL = r"^[A-Z][0-9]{2}(\.[0-9A-Zx]{1,4}(x[0-9]{3})?)?[+*]?$"
ATC = r"^[A-Z][0-9]{2}[A-Z]{2}[0-9]{2}$"
Symptom = Literal[
    "chest-pain", "one-sided-weakness", "speech-trouble", "fainting", "breathlessness-at-rest", "sudden-visual-loss",
    "confusion", "headache", "visual-change", "upper-abdominal-pain", "dizziness", "fall", "palpitations", "nausea",
    "vomiting", "drowsiness", "deep-breathing", "sweating", "dizziness-on-standing", "ketones", "none",
]  # fmt: skip


class SymptomReported(Data):
    """Coded symptoms, by any channel. ``none`` says that the resident was asked and has none.

    ``ketones`` is a positive test of blood or urine, or acetone on the breath.
    """

    symptoms: list[Symptom] = Field(min_length=1)
    channel: Literal["app", "device", "phone", "visit", "other"] = "other"


class ConditionDiagnosedV1(Data):
    """A diagnosis by ICD-10: I10 primary hypertension, E11 type 2 diabetes …"""

    code: str = Field(pattern=ICD10)
    certainty: Literal["confirmed", "suspected"] = "confirmed"
    onset: date | None = None


class ConditionResolvedV1(Data):
    """The diagnosis no longer holds."""

    code: str = Field(pattern=ICD10)


class ConditionDiagnosed(Data):
    """A diagnosis by ICD-10, as it was coded: I10 or I10.x00x002 primary hypertension, E11 type 2 diabetes …

    Words of certainty and category are FHIR's; only what is confirmed counts.
    """

    code: str = Field(pattern=NATIONAL, description="ICD-10, of the WHO or with the national extension")
    certainty: Literal["confirmed", "provisional", "differential", "unconfirmed"] = "confirmed"
    category: Literal["problem-list-item", "encounter-diagnosis"] | None = None
    diagnoser: Annotated[str, Code] | None = Field(None, description="who made the diagnosis")
    onset: date | None = None


class ConditionResolved(Data):
    """The diagnosis no longer holds, or was refuted. It ends every diagnosis of its WHO code."""

    code: str = Field(pattern=NATIONAL, description="ICD-10, of the WHO or with the national extension")
    reason: Literal["resolved", "inactive", "remission", "refuted"] = "resolved"
    diagnoser: Annotated[str, Code] | None = Field(None, description="who says so")


def who_code(code: str) -> str:
    """The WHO's category of an ICD-10 ``code``, of three or four characters: I10 of I10.x00x002, E11.9 of E11.900."""
    return re.match(r"[A-Z][0-9]{2}(?:\.[0-9])?", code)[0]  # type: ignore[index]  # the gate lets no other code in


def _diagnosed_v2(data: dict[str, Any]) -> dict[str, Any]:
    """Version 1 knew confirmed and suspected."""
    certainty = "confirmed" if data.get("certainty", "confirmed") == "confirmed" else "provisional"
    return {name: value for name, value in data.items() if value is not None} | {"certainty": certainty}


def _resolved_v2(data: dict[str, Any]) -> dict[str, Any]:
    """Version 1 said only which."""
    return data


class MedicationPrescribed(Data):
    """A drug by ATC code with dose and frequency."""

    code: str = Field(pattern=ATC)
    name: str | None = Field(None, max_length=100)
    dose: str | None = Field(None, max_length=60)
    frequency: str | None = Field(None, max_length=60)
    start: date | None = None


class MedicationStopped(Data):
    """The drug was stopped."""

    code: str = Field(pattern=ATC)
    reason: Literal["adverse-reaction", "ineffective", "completed", "patient-choice", "other"] = "other"


class TargetSet(Data):
    """A clinician's own target for the resident: author (the event's actor), reason and review date."""

    systolic: int = Field(ge=90, le=200, description="mm[Hg], home mean below this is at target")
    diastolic: int = Field(ge=50, le=120, description="mm[Hg]")
    reason: str = Field(min_length=1, max_length=300)
    review: date
    doctor: Annotated[str, Code] | None = None


DIAGNOSED, RESOLVED = "mailiu.chronic.condition-diagnosed.v2", "mailiu.chronic.condition-resolved.v2"
EVENTS: dict[str, type[Data]] = {
    "mailiu.chronic.symptom-reported.v1": SymptomReported,
    "mailiu.chronic.condition-diagnosed.v1": ConditionDiagnosedV1,
    "mailiu.chronic.condition-resolved.v1": ConditionResolvedV1,
    DIAGNOSED: ConditionDiagnosed,
    RESOLVED: ConditionResolved,
    "mailiu.chronic.medication-prescribed.v1": MedicationPrescribed,
    "mailiu.chronic.medication-stopped.v1": MedicationStopped,
    "mailiu.chronic.target-set.v1": TargetSet,
}
UPCASTERS = {
    "mailiu.chronic.condition-diagnosed.v1": (DIAGNOSED, _diagnosed_v2),
    "mailiu.chronic.condition-resolved.v1": (RESOLVED, _resolved_v2),
}
