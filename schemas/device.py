"""Devices: their models, whom they are bound to, who publishes for them, their faults and commands."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from schemas.envelope import Code, Data
from schemas.reading import Flag

Kind = Literal["blood-pressure", "glucose", "heart-rate", "weight", "oxygen", "temperature", "activity"]
Fault = Literal["not-a-number", "not-at-this-resolution", "infinite", "out-of-limits", "swapped-pair", "error-code"]


class ModelRegistered(Data):
    """A device model: maker, registration (NMPA number, UDI) and whether it is validated clinically."""

    model: Annotated[str, Code]
    maker: str = Field(min_length=1, max_length=100)
    kinds: list[Kind] = Field(min_length=1)
    nmpa_number: str | None = Field(None, max_length=60)
    udi: str | None = Field(None, max_length=100)
    validated: bool | None = None
    site: Literal["upper-arm", "wrist", "finger", "other"] | None = Field(
        None, description="readings of a wrist device may alarm but enter no mean"
    )


class Registered(Data):
    """A device joined an institution's stock."""

    device: Annotated[str, Code]
    model: Annotated[str, Code] | None = None
    kind: Kind = "blood-pressure"


class Bound(Data):
    """From ``time`` on, what the device (and user slot) measures belongs to the subject."""

    device: Annotated[str, Code]
    user_slot: int | None = Field(None, ge=0, le=254, description="absent: every slot")
    model: Annotated[str, Code] | None = Field(None, description="its model, so that its readings can be judged by it")


class Unbound(Bound):
    """From ``time`` on, the device (and user slot) no longer measures the subject."""


class GatewayAuthorized(Data):
    """From ``time`` on, the gateway may publish what the device measures. The subject is ``device:{device}``."""

    device: Annotated[str, Code]
    gateway: Annotated[str, Code]


class GatewayRevoked(GatewayAuthorized):
    """From ``time`` on, the gateway may no longer publish for the device."""


class StatusReported(Data):
    """Battery, signal, firmware and calibration as the device reports them."""

    device: Annotated[str, Code]
    gateway: Annotated[str, Code] | None = Field(None, description="who published it for the device")
    battery: float | None = Field(None, ge=0, le=100, description="%")
    battery_low: bool | None = Field(None, description="the device's own warning, where it gives no percentage")
    signal: float | None = Field(None, ge=-140, le=0, description="dB[mW]")
    firmware: str | None = Field(None, max_length=60)
    calibrated: date | None = Field(None, description="day of the last calibration")
    calibration_due: date | None = Field(None, description="day by which it must be calibrated again")


class MeasurementFailed(Data):
    """A technical fault: the device tried and has no value. Never a clinical reading."""

    device: Annotated[str, Code]
    kind: Kind = "blood-pressure"
    user_slot: int | None = Field(None, ge=0, le=255)
    reason: Fault
    field: str | None = Field(None, max_length=60, description="the field at fault")
    value: str | None = Field(None, max_length=60, description="its value as sent")
    flags: list[Flag] = []
    device_time: AwareDatetime | None = None


class PersonUnknown(Data):
    """A crisis value came from a device or user slot that is bound to nobody: somebody must look who it was."""

    device: Annotated[str, Code]
    kind: Kind
    user_slot: int | None = Field(None, ge=0, le=255)
    systolic: float | None = None
    diastolic: float | None = None
    value: float | None = None


Command = Literal["re-measure", "time", "configuration"]


class CommandOrdered(Data):
    """Somebody asks something of a device: set its clock, take a configuration, have the person measure again."""

    command: Command
    device: Annotated[str, Code]
    expires: AwareDatetime
    configuration: dict[str, str | float | bool] | None = Field(
        None, max_length=40, description="names and values as the device's maker defines them"
    )


class CommandRequested(Data):
    """Derived: a message for the device (`down/command|time|config`), never sent past ``expires``."""

    command: Command
    device: Annotated[str, Code]
    expires: AwareDatetime
    alert: str | None = None
    text: dict[Literal["zh", "en"], str] = {}
    configuration: dict[str, str | float | bool] | None = None


class CommandSent(Data):
    """Outcome: the MQTT broker took the command."""

    command: str = Field(max_length=64, description="identity of the request")
    device: Annotated[str, Code]


class CommandExpired(CommandSent):
    """Outcome: the deadline passed before the command could be sent."""


class CommandAcknowledged(CommandSent):
    """Outcome, as the device says on `up/command-result`: it has done what was asked."""


class CommandFailed(CommandSent):
    """Outcome, as the device says on `up/command-result`: it cannot do what was asked."""

    reason: str = Field(max_length=200, description="in the device's words")


EVENTS: dict[str, type[Data]] = {
    "mailiu.device.model-registered.v1": ModelRegistered,
    "mailiu.device.registered.v1": Registered,
    "mailiu.device.bound.v1": Bound,
    "mailiu.device.unbound.v1": Unbound,
    "mailiu.device.gateway-authorized.v1": GatewayAuthorized,
    "mailiu.device.gateway-revoked.v1": GatewayRevoked,
    "mailiu.device.status-reported.v1": StatusReported,
    "mailiu.device.measurement-failed.v1": MeasurementFailed,
    "mailiu.device.person-unknown.v1": PersonUnknown,
    "mailiu.device.command-ordered.v1": CommandOrdered,
    "mailiu.device.command-sent.v1": CommandSent,
    "mailiu.device.command-acknowledged.v1": CommandAcknowledged,
    "mailiu.device.command-failed.v1": CommandFailed,
    "mailiu.device.command-expired.v1": CommandExpired,
}
DERIVED: dict[str, type[Data]] = {"mailiu.device.command-requested.v1": CommandRequested}
