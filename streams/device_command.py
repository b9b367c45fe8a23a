"""What a device is told beside asking for a repeat: its clock is set when it is wrong, or what somebody ordered."""

from typing import Any

from streams.calendar import DAY, HOUR
from streams.case import Case
from streams.event import instant, rfc3339

REQUESTED = "mailiu.device.command-requested.v1"
WRONG = frozenset({"corrected", "untrusted"})  #: trust in a reading's time that says the clock is wrong
PAUSE = DAY  #: a device whose clock stays wrong is told once a day
LIFE = HOUR  #: a time sent later would be set by a device that meanwhile was told
KEPT = 8  #: devices of one resident that are remembered


def ordered(case: Case) -> None:
    """A clinician or operator asks something of a device."""
    data = case.event.data
    if case.event.origin == "import" or instant(data["expires"]) <= case.now:
        return
    names = ("command", "device", "expires", "configuration")
    wanted: dict[str, Any] = {name: data[name] for name in names if name in data}
    case.emit(REQUESTED, f"{case.event.identity}/command", wanted)


def set_clock(case: Case) -> None:
    """Tell the device that sent this reading the time, if its clock was found wrong."""
    event, device = case.event, case.event.data.get("device")
    if device is None or event.origin == "import" or event.data.get("clock") not in WRONG:
        return
    told: dict[str, int] = case.state.get("clocks", {})
    if case.now - told.get(device, -PAUSE) < PAUSE:
        return
    latest: list[Any] = sorted((told | {device: case.now}).items(), key=lambda entry: entry[1])[-KEPT:]
    case.state["clocks"] = dict(latest)
    data = {"command": "time", "device": device, "expires": rfc3339(case.now + LIFE)}
    case.emit(REQUESTED, f"time/{device}/{event.identity}", data)
