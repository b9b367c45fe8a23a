"""Chronic disease: symptoms, conditions, medication, personal targets. Follow-up visits are in `schemas.follow_up`."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from schemas.envelope import Code, Data

ICD10 = r"^[A-Z][0-9]{2}(\.[0-9A-Z]{1,4})?$"
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


class ConditionDiagnosed(Data):
    """A diagnosis by ICD-10: I10 primary hypertension, E11 type 2 diabetes …"""

    code: str = Field(pattern=ICD10)
    certainty: Literal["confirmed", "suspected"] = "confirmed"
    onset: date | None = None


class ConditionResolved(Data):
    """The diagnosis no longer holds."""

    code: str = Field(pattern=ICD10)


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


EVENTS: dict[str, type[Data]] = {
    "mailiu.chronic.symptom-reported.v1": SymptomReported,
    "mailiu.chronic.condition-diagnosed.v1": ConditionDiagnosed,
    "mailiu.chronic.condition-resolved.v1": ConditionResolved,
    "mailiu.chronic.medication-prescribed.v1": MedicationPrescribed,
    "mailiu.chronic.medication-stopped.v1": MedicationStopped,
    "mailiu.chronic.target-set.v1": TargetSet,
}
