"""What each value, symptom and fault changes in the state, and which rules it may concern.

Evidence goes into the sorted series. Times after receipt are wrong clocks: such values count as measured on receipt.
What comes in after the days that are open to late readings is only looked at for a crisis (`streams.latecomer`).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from streams import device_command, latecomer, person, summary
from streams.calendar import day_of
from streams.case import IMPORTED, Case
from streams.state import ACTIVE, AT_REST, IRREGULAR, LONGER, LYING, SHARED, STANDING, UNKNOWN, add

Touched = Iterable[str]

GLUCOSE = ("glucose-low", "glucose-high", "glucose-lows-repeated")
WATCH = ("adherence-low", "readings-silent", "device-silent")
SYMPTOM = ("symptom-red", "bp-low", "bp-pregnancy", "glucose-low", "glucose-high", "bp-orthostatic")
MARKED = ("pulse-irregular", "bp-orthostatic", "shared-cuff-outlier")
NOTHING: tuple[str, ...] = ()
POSITION = {"lying": LYING, "standing": STANDING}
CONTEXTS = ("fasting", "after-meal-2h")  #: of a home glucose, that means are made of
EFFORT = {"rest": AT_REST, "active": ACTIVE}


def moment(case: Case) -> tuple[int, int]:
    """Time and lateness at receipt of a value. What has no trusted clock and was not stored counts as of receipt."""
    event = case.event
    time = event.time
    if event.data.get("clock") in device_command.WRONG:
        device_command.set_clock(case)
        if event.data["clock"] == "untrusted" and "backlog" not in event.data.get("flags", ()):
            time = event.recorded
    time = min(time, event.recorded)
    return time, IMPORTED if event.origin == "import" else event.recorded - time


def _open(case: Case, time: int, late: int) -> bool:
    """Whether a value of ``time`` still counts; if it is a crisis, its day is known from now on.

    A crisis of a user slot that the device does not know is the resident's, and somebody checks whose (decision 16).
    """
    if time < case.horizon:
        return False
    if latecomer.crisis(case, time) is not None:
        latecomer.note(case, time)
        if "unknown-user" in case.event.data.get("flags", ()) and case.event.type.startswith("mailiu.reading."):
            add(case.state, "trouble", time, case.event.identity, late, "person-unknown")
    return True


def blood_pressure(case: Case) -> Touched:
    """A pressure; whether it may enter means is settled here."""
    time, late = moment(case)
    data, state = case.event.data, case.state
    if _in_office(data):
        person.in_office(case, data["systolic"], data["diastolic"])
    if not _open(case, time, late):
        return latecomer.take(case, time)
    counts, pulse, marks = summary.counts(case), data.get("pulse"), _marks(case)
    at = add(state, "bp", time, case.event.identity, late, data["systolic"], data["diastolic"], counts, pulse, marks)
    bp = state["bp"]
    if counts:
        summary.refresh(case, day_of(case.facts, bp["t"][at]))
    touched = ["bp-crisis", "bp-low", "bp-sustained-high"]
    if pulse is not None:
        touched.append("pulse-rate")
    if marks or max(bp["f"]):
        touched += MARKED
    if "rx" in state:
        touched.append("bp-low-treated")
    if "gestation" in state:
        touched.append("bp-pregnancy")
    if "birth" in state:
        touched.append("child-reading")
    if "trouble" in state:
        touched.append("check-person")
    return touched + _watched(case)


def _in_office(data: Mapping[str, Any]) -> bool:
    """Whether a value was measured in the office."""
    return data.get("place") == "office" and data.get("source", "measured") == "measured"


def _marks(case: Case) -> int:
    """Irregular pulse, position of the body, and whether the cuff may have measured somebody else."""
    data = case.event.data
    flags = data.get("flags", ())
    marks = POSITION.get(data.get("position", ""), 0)
    if "irregular-pulse" in flags:
        marks |= IRREGULAR
    if data.get("user_slot") is not None or "shared-device" in flags or "unknown-user" in flags:
        marks |= SHARED
    return marks


def _watched(case: Case) -> list[str]:
    """The plan's rules whose alert a new reading may end."""
    return [a["rule"] for a in case.state["alerts"] if a["rule"] in WATCH and a["cond"] == "active"]


def glucose(case: Case) -> Touched:
    """A glucose value with the meter's own HI or LO, and before or after which meal it was."""
    data, (time, late) = case.event.data, moment(case)
    if not _open(case, time, late):
        return latecomer.take(case, time)
    flags = data.get("flags", ())
    flag = "high" if "meter-high" in flags else "low" if "meter-low" in flags else ""
    context = data.get("context") if data.get("place") != "office" else None
    add(case.state, "gl", time, case.event.identity, late, data["value"], flag, context if context in CONTEXTS else "")
    return [*GLUCOSE, "check-person", *_watched(case)]


def heart_rate(case: Case) -> Touched:
    """A heart rate, at rest or not."""
    data = case.event.data
    effort = EFFORT.get(data.get("activity", ""), UNKNOWN)
    return _value(case, "heart-rate", "pulse-rate", "child-reading", values=(data["value"], effort))


def oxygen(case: Case) -> Touched:
    """An oxygen saturation with its pulse."""
    data = case.event.data
    doubt = int("poor-signal" in data.get("flags", ()))
    return _value(case, "oxygen", "oxygen-low", "pulse-rate", values=(data["value"], data.get("pulse"), doubt))


def weight(case: Case) -> Touched:
    """A body weight; measured in the office it is an examination."""
    office = _in_office(case.event.data)
    if office or summary.counts(case):
        person.measured(case, "weight" if office else "home_weight", case.event.data["value"])
    return _value(case, "weight", "weight-gain-heart-failure", values=(case.event.data["value"],))


def temperature(case: Case) -> Touched:
    """A body temperature."""
    return _value(case, "temperature", "fever-diabetes", values=(case.event.data["value"],))


def activity(case: Case) -> Touched:
    """Steps: no rule asks for them, a plan may."""
    return _value(case, "activity")


def _value(case: Case, name: str, *rules: str, values: tuple[object, ...] = ()) -> Touched:
    time, late = moment(case)
    if time < case.horizon:
        return NOTHING
    add(case.state, name, time, case.event.identity, late, *values)
    return [*rules, *_watched(case)]


def ecg(case: Case) -> Touched:
    """An electrocardiogram: somebody must read it, also when it comes late."""
    time, late = moment(case)
    if time < case.now - LONGER["ecg"]:
        return NOTHING
    add(case.state, "ecg", time, case.event.identity, late, int(case.event.data.get("urgent", False)))
    return ("ecg-unread", "child-reading")


def ecg_read(case: Case) -> Touched:
    """A clinician read an electrocardiogram."""
    time, late = moment(case)
    if time < case.now - LONGER["ecg-read"]:
        return NOTHING
    data = case.event.data
    add(case.state, "ecg-read", time, case.event.identity, late, data["reading"], data["conclusion"])
    return ("ecg-unread",)


def confirmed(case: Case) -> Touched:
    """ "Yes, it was me"."""
    time, late = moment(case)
    if time < case.horizon:
        return NOTHING
    add(case.state, "yes", time, case.event.identity, late, case.event.data["reading"])
    return ("shared-cuff-outlier",)


def symptom(case: Case) -> Touched:
    """Coded symptoms, by any channel."""
    time, late = moment(case)
    codes = [code for code in case.event.data["symptoms"] if code != "none"]
    if not codes:
        return NOTHING
    if not _open(case, time, late):
        return latecomer.take(case, time)
    add(case.state, "sx", time, case.event.identity, late, codes)
    return SYMPTOM


def failed(case: Case) -> Touched:
    """A device tried and has no value: never a reading, but three in a row say something of the person."""
    data = case.event.data
    flags = data.get("flags", ())
    if data.get("kind") == "glucose" and ("meter-high" in flags or "meter-low" in flags):
        return _trouble(case, "meter-high" if "meter-high" in flags else "meter-low")
    return _trouble(case, "out-of-limits" if data["reason"] == "out-of-limits" else "failed")


def status(case: Case) -> Touched:
    """What a device says of itself is noted with its other signs of life (`streams.device`)."""
    return NOTHING


def person_unknown(case: Case) -> Touched:
    """A crisis value of nobody's device; beyond a limit that is our own judgement where its kind has no other."""
    return _trouble(case, UNKNOWN_PERSON.get(case.event.data["kind"], "person-unknown"))


UNKNOWN_PERSON = {"oxygen": "oxygen-unknown", "heart-rate": "pulse-unknown"}


def _trouble(case: Case, what: str) -> Touched:
    time, late = moment(case)
    if not _open(case, time, late):
        return latecomer.take(case, time)
    add(case.state, "trouble", time, case.event.identity, late, what)
    return ("check-person",)


#: Evidence: kept in the series, which also remember its ids.
EVIDENCE: dict[str, Callable[[Case], Touched]] = {
    "mailiu.reading.blood-pressure-measured.v1": blood_pressure,
    "mailiu.reading.glucose-measured.v1": glucose,
    "mailiu.reading.heart-rate-measured.v1": heart_rate,
    "mailiu.reading.weight-measured.v1": weight,
    "mailiu.reading.oxygen-measured.v1": oxygen,
    "mailiu.reading.temperature-measured.v1": temperature,
    "mailiu.reading.activity-measured.v1": activity,
    "mailiu.reading.ecg-measured.v1": ecg,
    "mailiu.reading.ecg-read.v1": ecg_read,
    "mailiu.reading.confirmed.v1": confirmed,
    "mailiu.chronic.symptom-reported.v1": symptom,
    "mailiu.device.measurement-failed.v1": failed,
    "mailiu.device.status-reported.v1": status,
    "mailiu.device.person-unknown.v1": person_unknown,
}
