"""Follow-up visits of the national chronic disease programmes, as forms 4.3 and 4.4 ask for them, in three versions."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from schemas.chronic import ATC, Symptom
from schemas.envelope import Code, Data
from schemas.reading import below_systolic

#: What forms 4.3 and 4.4 name beside the symptoms that anybody reports.
FormSymptom = Literal[
    "headache-dizziness", "nausea-vomiting", "blurred-vision-tinnitus", "dyspnoea", "palpitation-chest-tightness",
    "nosebleed", "numb-limbs", "leg-oedema", "polydipsia", "polyphagia", "polyuria", "blurred-vision", "infection",
    "numb-hands-feet", "weight-loss", "other",
]  # fmt: skip
Programme = Literal["hypertension", "diabetes", "both"]
Mode = Literal["clinic", "home-visit", "phone", "video"]
Grade = Literal["good", "fair", "poor"]
Salt = Literal["light", "medium", "heavy"]
Words = Annotated[str, Field(min_length=1, max_length=300)]


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


class FollowUpCompletedV2(Data):
    """A follow-up visit with its office blood pressure and fasting glucose."""

    programme: Programme = "hypertension"
    mode: Mode = "clinic"
    blood_pressure: OfficeBloodPressure | None = None
    fasting_glucose: float | None = Field(None, ge=0.3, le=60, description="mmol/L")
    adverse_reaction: bool = False


class Habits(Data):
    """Habits that can be counted: how they are, or how they ought to be at the next visit."""

    smoking_per_day: float | None = Field(None, ge=0, le=200, description="cigarettes")
    alcohol_per_day: float | None = Field(None, ge=0, le=60, description="liang (50 g) of spirits, as the form asks")
    exercise_per_week: float | None = Field(None, ge=0, le=70, description="times")
    exercise_minutes: float | None = Field(None, ge=0, le=600, description="minutes each time")
    salt: Salt | None = None
    staple_food_g: float | None = Field(None, ge=0, le=3000, description="g a day")


class Lifestyle(Habits):
    """How the person lives, as told at the visit."""

    psychological: Grade | None = None
    compliance: Grade | None = None


class Goals(Habits):
    """What was agreed on for the next visit."""

    weight: float | None = Field(None, ge=20, le=400, description="kg")
    bmi: float | None = Field(None, ge=10, le=60, description="kg/m2")


class TakenDrug(Data):
    """A drug that the person takes, as the form has it; ``code`` where it is known."""

    code: str | None = Field(None, pattern=ATC)
    name: str = Field(min_length=1, max_length=100)
    dose: str | None = Field(None, max_length=60, description='each time, such as "5 mg"')
    frequency: str | None = Field(None, max_length=60, description="such as qd, bid, tid")


class Insulin(Data):
    """Kind of insulin, and how much of it when."""

    name: str = Field(min_length=1, max_length=100)
    usage: str | None = Field(None, max_length=100)


class Referral(Data):
    """Where the person was sent, and why."""

    reason: Words
    institution: str | None = Field(None, max_length=100)
    department: str | None = Field(None, max_length=60)


class FollowUpCompleted(Data):
    """A follow-up visit, as forms 4.3 (hypertension) and 4.4 (type 2 diabetes) have it; what is absent was not asked.

    Source: National basic public health service specification, third edition (2017), forms of hypertension and type 2
    diabetes follow-up. ``classification`` is the clinician's; the fold makes its own from the figures.
    """

    programme: Programme
    mode: Mode
    blood_pressure: OfficeBloodPressure | None = None
    heart_rate: float | None = Field(None, ge=20, le=300, description="/min")
    weight: float | None = Field(None, ge=20, le=400, description="kg")
    height: float | None = Field(None, ge=50, le=250, description="cm")
    waist: float | None = Field(None, ge=30, le=250, description="cm")
    fasting_glucose: float | None = Field(None, ge=0.3, le=60, description="mmol/L")
    glucose_2h: float | None = Field(None, ge=0.3, le=60, description="mmol/L, two hours after a meal")
    hba1c: float | None = Field(None, ge=2, le=25, description="%")
    symptoms: list[Literal[Symptom, FormSymptom]] = Field([], max_length=37, description="none: there are none")
    symptom_text: Words | None = None
    sign_text: Words | None = Field(None, description="other signs")
    lifestyle: Lifestyle | None = None
    goals: Goals | None = None
    examination_text: Words | None = Field(None, description="other examinations and what they found")
    examination_date: date | None = Field(None, description="day of HbA1c or other examinations")
    adherence: Literal["regular", "intermittent", "none"] | None = None
    adverse_reaction: bool | None = None
    adverse_reaction_text: Words | None = None
    complication: Literal["none", "existing", "new", "worse"] | None = None
    hypoglycaemia: Literal["none", "occasional", "frequent"] | None = None
    dorsalis_pedis: Literal["normal", "weak", "absent"] | None = None
    dorsalis_pedis_side: Literal["both", "left", "right"] | None = None
    classification: Literal["satisfactory", "unsatisfactory", "adverse-reaction", "complication"] | None = None
    medications: list[TakenDrug] = Field([], max_length=30)
    insulin: Insulin | None = None
    referral: Referral | None = None
    next_visit: date | None = None
    doctor: Annotated[str, Code] | None = None


def v1_v2(data: dict[str, Any]) -> dict[str, Any]:
    """Version 1 said only whether the visit was face to face; without one it was a call."""
    new: dict[str, Any] = {"mode": "clinic" if data.get("face_to_face", True) else "phone"}
    if data.get("systolic") is not None and data.get("diastolic") is not None:
        new["blood_pressure"] = {"systolic": data["systolic"], "diastolic": data["diastolic"]}
    if data.get("fasting_glucose") is not None:
        new["fasting_glucose"] = data["fasting_glucose"]
    return new


def v2_v3(data: dict[str, Any]) -> dict[str, Any]:
    """Version 2 took a visit for hypertension's, in the clinic, without adverse reaction, unless it said otherwise."""
    said = {name: value for name, value in data.items() if value is not None}
    return {"programme": "hypertension", "mode": "clinic", "adverse_reaction": False} | said


TYPE = "mailiu.chronic.follow-up-completed"
EVENTS: dict[str, type[Data]] = {
    f"{TYPE}.v1": FollowUpCompletedV1,
    f"{TYPE}.v2": FollowUpCompletedV2,
    f"{TYPE}.v3": FollowUpCompleted,
}
UPCASTERS = {f"{TYPE}.v1": (f"{TYPE}.v2", v1_v2), f"{TYPE}.v2": (f"{TYPE}.v3", v2_v3)}
