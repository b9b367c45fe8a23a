"""Chronic disease: symptoms, conditions, medication, follow-up visits with office blood pressure, personal targets."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from schemas.envelope import Code, Data
from schemas.reading import below_systolic

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


class OfficeBloodPressure(Data):
    """Office blood pressure in mm[Hg]."""

    systolic: float = Field(ge=50, le=300)
    diastolic: float = Field(ge=20, le=200)

    @field_validator("diastolic")
    @classmethod
    def _pair(cls, diastolic: float, info: ValidationInfo) -> float:
        return below_systolic(diastolic, info)


class FollowUpCompletedV1(Data):
    """A follow-up visit, first version: the pressure lay flat and the mode had no name for a home visit."""

    systolic: float | None = None
    diastolic: float | None = None
    fasting_glucose: float | None = Field(None, ge=0.3, le=60, description="mmol/L")
    face_to_face: bool = True


class FollowUpCompleted(Data):
    """A follow-up visit with its office blood pressure and fasting glucose."""

    programme: Literal["hypertension", "diabetes", "both"] = "hypertension"
    mode: Literal["clinic", "home-visit", "phone", "video"] = "clinic"
    blood_pressure: OfficeBloodPressure | None = None
    fasting_glucose: float | None = Field(None, ge=0.3, le=60, description="mmol/L")
    adverse_reaction: bool = False


def follow_up_v1_v2(data: dict[str, Any]) -> dict[str, Any]:
    """Version 1 said only whether the visit was face to face; without one it was a call."""
    new: dict[str, Any] = {"mode": "clinic" if data.get("face_to_face", True) else "phone"}
    if data.get("systolic") is not None and data.get("diastolic") is not None:
        new["blood_pressure"] = {"systolic": data["systolic"], "diastolic": data["diastolic"]}
    if data.get("fasting_glucose") is not None:
        new["fasting_glucose"] = data["fasting_glucose"]
    return new


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
    "mailiu.chronic.follow-up-completed.v1": FollowUpCompletedV1,
    "mailiu.chronic.follow-up-completed.v2": FollowUpCompleted,
    "mailiu.chronic.target-set.v1": TargetSet,
}
UPCASTERS = {"mailiu.chronic.follow-up-completed.v1": ("mailiu.chronic.follow-up-completed.v2", follow_up_v1_v2)}
