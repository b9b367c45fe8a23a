"""The events that the gate makes: of a resident's reading, and of what a device says or does beside it. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from mqtt_ingest.address import Address
from mqtt_ingest.bindings import UNKNOWN_USER, Binding
from mqtt_ingest.clock_trust import Verdict
from mqtt_ingest.decoded import Decoded, Undecodable, choice, mapping, parse_json, text
from schemas.device import EVENTS as DEVICE
from schemas.envelope import Event, from_milliseconds, identity
from schemas.private import found, harmless

#: What a device may say of itself.
STATUS = ("battery", "battery_low", "signal", "firmware", "calibrated", "calibration_due")
RESULTS = {"done": "acknowledged", "failed": "failed"}


def measured(
    at: Address, one: Decoded, id: str, verdict: Verdict, holder: Binding, device_time: int | None,
    model: str | None, shared: bool,
) -> Event:  # fmt: skip
    """The reading, of the resident who held the device; ``device_time`` in ms."""
    data: dict[str, Any] = {**one.values, **one.about, "device": at.device, "clock": verdict.clock}
    if model is not None:
        data["model"] = model
    if marks := flags(one, verdict, shared):
        data["flags"] = marks
    if one.user is not None:
        data["user_slot"] = one.user
    if device_time is not None:
        data["device_time"] = from_milliseconds(device_time)
    return Event(
        id=id, source=at.source, type=f"mailiu.reading.{one.kind}-measured.v1", subject=holder.resident,
        time=instant(verdict.time), institution=holder.institution or at.institution, data=data,
    )  # fmt: skip


def retracted(at: Address, id: str, verdict: Verdict, holder: Binding) -> Event:
    """The sender takes back the reading that it sent with this id."""
    data = {"reading": str(identity(at.source, id)), "reason": "entered-in-error"}
    event = about(at, "retracted", f"retracted/{id}", data, verdict.time, holder)
    return event.model_copy(update={"type": "mailiu.reading.retracted.v1"})


def failed(
    at: Address, one: Decoded, id: str, verdict: Verdict, holder: Binding | None, device_time: int | None
) -> Event:
    """A technical fault."""
    data = {
        "device": at.device, "kind": one.kind, "user_slot": one.user, "reason": one.technical,
        "field": one.fault[0][:60] or None, "value": _told(one.fault), "flags": flags(one, verdict),
        "device_time": None if device_time is None else from_milliseconds(device_time),
    }  # fmt: skip
    return about(at, "measurement-failed", f"failed/{id}", data, verdict.time, holder)


def person_unknown(at: Address, one: Decoded, id: str, verdict: Verdict) -> Event:
    """A crisis value of somebody unknown."""
    values = {name: value for name, value in one.values.items() if name in ("systolic", "diastolic", "value")}
    data = {"device": at.device, "kind": one.kind, "user_slot": one.user, **values}
    return about(at, "person-unknown", f"person-unknown/{id}", data, verdict.time, None)


def _told(fault: tuple[str, str]) -> str | None:
    """The value at fault, where it is a number, an instant or a code and not words of a person."""
    return fault[1][:60] if harmless(*fault) else None


def reported(at: Address, id: str, status: Mapping[str, Any], now: int, holder: Binding | None) -> Event:
    """What the device says of itself."""
    via = {"gateway": at.via} if at.via else {}
    return about(at, "status-reported", f"status/{id}", {"device": at.device, **via, **status}, now, holder)


def answered(at: Address, result: Mapping[str, Any], now: int, holder: Binding | None) -> Event:
    """What the device says of a command; said twice it is one event."""
    data = {"command": result["id"], "device": at.device, "reason": result.get("reason")}
    return about(at, f"command-{RESULTS[result['status']]}", f"command/{result['id']}", data, now, holder)


def about(at: Address, what: str, id: str, data: dict[str, Any], time: int, holder: Binding | None) -> Event:
    """A device's event: its holder's, or the device's own."""
    return Event(
        id=id[:200], source=at.source, type=f"mailiu.device.{what}.v1",
        subject=holder.resident if holder else f"device:{at.device}", time=instant(time),
        institution=(holder.institution if holder else None) or at.institution,
        data={name: value for name, value in data.items() if value is not None},
    )  # fmt: skip


def status_in(payload: bytes) -> tuple[dict[str, Any], str | None, str | None]:
    """What `up/status` says, with the sender's id and the device it is about, where a gateway names one.

    Fields: ``battery`` %, ``battery_low`` true or false, ``signal`` dB[mW], ``firmware``, ``calibrated`` and
    ``calibration_due`` (dates). Raises `Undecodable`.
    """
    sent = mapping("payload", parse_json(payload))
    data = {name: sent[name] for name in STATUS if sent.get(name) is not None}
    id, device = (_text(name, sent[name]) if sent.get(name) is not None else None for name in ("id", "device"))
    _text("firmware", data.get("firmware", "-"))
    return checked(data), id, device


def checked(status: dict[str, Any]) -> dict[str, Any]:
    """``status`` if it is one. Raises `Undecodable`."""
    try:
        DEVICE["mailiu.device.status-reported.v1"].model_validate({"device": "D"} | status)
    except ValidationError as problem:
        error = problem.errors(include_url=False)[0]
        raise Undecodable("invalid", str(error["loc"][0]), error["input"], error["msg"]) from None
    return status


def result_in(payload: bytes) -> tuple[dict[str, Any], str | None]:
    """What `up/command-result` says, with the device it is about: ``{"id", "status": "done" or "failed", "reason"}``.

    Raises `Undecodable`.
    """
    sent = mapping("payload", parse_json(payload))
    result: dict[str, Any] = {
        "id": _text("id", sent.get("id"), 64), "status": choice("status", sent.get("status"), RESULTS)
    }  # fmt: skip
    if result["status"] == "failed":
        result["reason"] = _text("reason", sent.get("reason"), 200)
    return result, _text("device", sent["device"]) if sent.get("device") is not None else None


def _text(name: str, value: object, longest: int = 100) -> str:
    """``value`` as a text without a person's number. Raises `Undecodable`."""
    if found(text(name, value, longest)):
        raise Undecodable("invalid", name, "…", "holds a number of a person")
    return str(value)


def flags(one: Decoded, verdict: Verdict, shared: bool = False) -> list[str]:
    """The reading's flags, with what the gate found."""
    marks = list(one.flags)
    if verdict.backlog and "backlog" not in marks:
        marks.append("backlog")
    if one.user == UNKNOWN_USER:
        marks.append("unknown-user")
    if shared and "shared-device" not in marks:
        marks.append("shared-device")
    return marks


def instant(milliseconds: int) -> datetime:
    """Milliseconds since 1970 as an instant."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
