"""Readings: blood pressure, glucose, heart rate, weight, oxygen, temperature, electrocardiogram and activity.

Limits are those of plausibility: what lies outside is refused at the gate with the limit named, never clipped.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator

from schemas.envelope import Code, Data

Place = Literal["home", "office", "ambulatory"]
Flag = Literal[
    "body-movement", "cuff-loose", "irregular-pulse", "pulse-high", "pulse-low", "improper-position", "unknown-user",
    "backlog", "meter-high", "meter-low", "shared-device", "poor-signal",
]  # fmt: skip
ReadingKind = Literal["blood-pressure", "glucose", "heart-rate", "weight", "oxygen", "temperature", "ecg", "activity"]
Trust = Literal["trusted", "corrected", "receipt", "untrusted"]


class Reading(Data):
    """What every reading carries beside its values."""

    place: Place = "home"
    source: Literal["measured", "self-reported"] = "measured"
    device: Annotated[str, Code] | None = None
    model: Annotated[str, Code] | None = Field(None, description="model of the device, where the gateway knows it")
    user_slot: int | None = Field(None, ge=0, le=255, description="user of a shared device")
    flags: list[Flag] = []
    device_time: AwareDatetime | None = Field(None, description="the device's own clock, uncorrected")
    clock: Trust = Field(
        "trusted", description="trusted, corrected by the device's offset, taken at receipt, untrusted"
    )
    note: str | None = Field(None, max_length=500)


def below_systolic(diastolic: float, info: ValidationInfo) -> float:
    """``diastolic`` itself; raises ``ValueError`` unless it is below the systolic pressure of the same model."""
    systolic = info.data.get("systolic")
    if systolic is not None and diastolic >= systolic:
        raise ValueError(f"diastolic {diastolic:g} is not below systolic {systolic:g}")
    return diastolic


class BloodPressureMeasured(Reading):
    """Systolic, diastolic and mean pressure in mm[Hg], pulse in /min. LOINC panel 85354-9."""

    systolic: float = Field(ge=50, le=300, description="mm[Hg], LOINC 8480-6")
    diastolic: float = Field(ge=20, le=200, description="mm[Hg], LOINC 8462-4; from 20 (M)")
    mean: float | None = Field(None, ge=20, le=260, description="mm[Hg], LOINC 8478-0")
    pulse: float | None = Field(None, ge=20, le=300, description="/min, LOINC 8867-4")
    unit: Literal["mm[Hg]"] = "mm[Hg]"
    position: Literal["sitting", "standing", "lying", "unknown"] = "unknown"
    arm: Literal["left", "right", "unknown"] = "unknown"

    @field_validator("diastolic")
    @classmethod
    def _pair(cls, diastolic: float, info: ValidationInfo) -> float:
        return below_systolic(diastolic, info)


class GlucoseMeasured(Reading):
    """Glucose in mmol/L with its context. LOINC 15074-8."""

    value: float = Field(ge=0.3, le=60, description="mmol/L")
    unit: Literal["mmol/L"] = "mmol/L"
    context: Literal["fasting", "before-meal", "after-meal-2h", "bedtime", "random"] = "random"
    specimen: Literal["capillary", "plasma", "interstitial", "unknown"] = "unknown"


class HeartRateMeasured(Reading):
    """Heart rate in /min. LOINC 8867-4."""

    value: float = Field(ge=20, le=300, description="/min")
    unit: Literal["/min"] = "/min"
    activity: Literal["rest", "active", "unknown"] = Field("unknown", description="what the body did meanwhile")


class WeightMeasured(Reading):
    """Body weight in kg. LOINC 29463-7."""

    value: float = Field(ge=0.3, le=500, description="kg")
    unit: Literal["kg"] = "kg"


class OxygenMeasured(Reading):
    """Oxygen saturation by pulse oximetry in %. LOINC 59408-5."""

    value: float = Field(ge=40, le=100, description="%")
    unit: Literal["%"] = "%"
    pulse: float | None = Field(None, ge=20, le=300, description="/min, LOINC 8867-4")


class TemperatureMeasured(Reading):
    """Body temperature in Cel. LOINC 8310-5."""

    value: float = Field(ge=25, le=45, description="Cel")
    unit: Literal["Cel"] = "Cel"


class Trace(Data):
    """A file by its content: `POST /v1/files` keeps it, `GET /v1/files/{sha256}` shows it."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    media_type: str = Field(pattern=r"^[a-z]+/[A-Za-z0-9.+-]{1,80}$", description="RFC 6838, such as application/dicom")
    bytes: int = Field(ge=1, le=4 << 20)


class EcgMeasured(Reading):
    """An electrocardiogram with its trace. LOINC 11524-6. No automatic diagnosis: a clinician reads it."""

    leads: int = Field(ge=1, le=18, description="number of leads")
    duration: float = Field(gt=0, le=172800, description="s")
    sampling_rate: float = Field(ge=50, le=8000, description="Hz")
    heart_rate: float | None = Field(None, ge=20, le=300, description="/min, LOINC 8867-4")
    urgent: bool = Field(False, description="the device's own mark that somebody should look soon")
    trace: Trace


class EcgRead(Data):
    """A clinician (the event's actor) read an electrocardiogram."""

    reading: UUID = Field(description="identity of the electrocardiogram")
    conclusion: Literal["normal", "abnormal", "not-readable"]
    text: str | None = Field(None, max_length=2000, description="what the clinician saw")


class ActivityMeasured(Reading):
    """Steps counted until ``time``. LOINC 55423-8."""

    value: float = Field(ge=0, le=200_000, description="{steps}")
    unit: Literal["{steps}"] = "{steps}"
    duration: float | None = Field(None, gt=0, le=86400, description="s over which they were counted")
    distance: float | None = Field(None, ge=0, le=500_000, description="m")
    energy: float | None = Field(None, ge=0, le=20_000, description="kcal")


class ReadingConfirmed(Data):
    """The answer to "was it you?": yes. (No is a retraction, `not-mine`.)"""

    reading: UUID = Field(description="identity of the reading")


class ReadingRetracted(Data):
    """A reading was wrong (someone else's, entered in error). The reading stays in the log and no longer counts."""

    reading: UUID = Field(description="identity of the reading")
    reason: Literal["entered-in-error", "not-mine", "device-fault", "corrected"]
    replaced_by: UUID | None = None


EVENTS: dict[str, type[Data]] = {
    "mailiu.reading.blood-pressure-measured.v1": BloodPressureMeasured,
    "mailiu.reading.glucose-measured.v1": GlucoseMeasured,
    "mailiu.reading.heart-rate-measured.v1": HeartRateMeasured,
    "mailiu.reading.weight-measured.v1": WeightMeasured,
    "mailiu.reading.oxygen-measured.v1": OxygenMeasured,
    "mailiu.reading.temperature-measured.v1": TemperatureMeasured,
    "mailiu.reading.ecg-measured.v1": EcgMeasured,
    "mailiu.reading.ecg-read.v1": EcgRead,
    "mailiu.reading.activity-measured.v1": ActivityMeasured,
    "mailiu.reading.confirmed.v1": ReadingConfirmed,
    "mailiu.reading.retracted.v1": ReadingRetracted,
}
