"""Crisis values that come in after more than the days open to late readings: still somebody's to review.

They enter no series and no mean. So that a device that sends its whole memory again opens nothing twice, the days of
which a crisis is known are kept for longer than any cuff keeps readings.
"""

from typing import Any

from streams.calendar import DAY, HOUR, day_of
from streams.case import Case, Finding, closings, episodes
from streams.event import rfc3339
from streams.pressure import pregnancy_rules
from streams.rules import Rule
from streams.state import Series, add

RULE = "crisis-late"
KEPT_DAYS = 400


def crisis(case: Case, time: int) -> dict[str, Any] | None:
    """What of the event being folded is a crisis value at ``time`` (limits that need no approval), or ``None``."""
    type, data = case.event.type.split(".")[2], case.event.data
    if type == "blood-pressure-measured":
        return _pressure(case, data, time)
    if type == "glucose-measured":
        return _glucose(case, data, time)
    if type == "symptom-reported":
        found = [code for code in data["symptoms"] if code in case.rule("symptom-red").limits["symptoms"]]
        return {"kind": "symptom", "symptoms": found} if found else None
    if type == "measurement-failed" and data.get("kind") == "glucose":
        meter = [flag for flag in data.get("flags", ()) if flag in ("meter-high", "meter-low")]
        return {"kind": "glucose", "meter": meter[0]} if meter else None
    if type == "person-unknown":
        return {name: data[name] for name in ("kind", "systolic", "diastolic", "value") if name in data}
    return None


def _pressure(case: Case, data: dict[str, Any], time: int) -> dict[str, Any] | None:
    if pregnancy_rules(case, time):
        limits = case.rule("bp-pregnancy").limits
        systolic, diastolic = limits["severe_systolic"], limits["severe_diastolic"]
    elif case.adult(time):
        limits = case.rule("bp-crisis").limits
        systolic, diastolic = limits["systolic"], limits["diastolic"]
    else:
        return None
    if data["systolic"] < systolic and data["diastolic"] < diastolic:
        return None
    return {"kind": "blood-pressure", "systolic": data["systolic"], "diastolic": data["diastolic"]}


def _glucose(case: Case, data: dict[str, Any], time: int) -> dict[str, Any] | None:
    low, high, value = case.rule("glucose-low").limits, case.rule("glucose-high").limits, data["value"]
    bound = low["value"] if case.has(low["diabetes"]) else None
    beyond = value >= high["value"] or value < low["severe"] or (bound is not None and value <= bound)
    if not beyond or not case.older_than_days(low["neonate_days"], time):
        return None
    return {"kind": "glucose", "value": value}


def note(case: Case, time: int) -> bool:
    """Remember that a crisis is known of the local day of ``time``; whether that is news."""
    days: list[int] = case.state.setdefault("crises", [])
    day, today = day_of(case.facts, time), day_of(case.facts, case.now)
    if day in days or day <= today - KEPT_DAYS:
        return False
    case.state["crises"] = sorted([*(known for known in days if known > today - KEPT_DAYS), day])
    return True


def take(case: Case, time: int) -> tuple[str, ...]:
    """A value from before the open days came in: keep it for review if it is a crisis and news; the rules it concerns.

    Imported history is no news to anybody.
    """
    event = case.event
    value = crisis(case, time)
    if value is None or not note(case, time) or event.origin == "import":
        return ()
    add(case.state, "late", event.recorded, event.identity, 0, value | {"time": time})
    return (RULE,)


def review(case: Case, rule: Rule) -> list[Finding]:
    """Crisis values that came in too late for anything but a review (clinical decision 17)."""
    series: Series | None = case.state.get("late")
    if series is None:
        return []
    t, ids = series["t"], series["id"]
    gap = rule.limits["episode_hours"] * HOUR
    found = []
    for one in episodes(t, list(range(len(t))), gap, closings(case.state, rule.rule)):
        values = [series["w"][i] | {"time": rfc3339(series["w"][i]["time"])} for i in one[-20:]]
        detail = {"stage": "review", "values": values}
        evidence = [ids[i] for i in one]
        until = t[one[-1]] + rule.limits["open_days"] * DAY
        found.append(Finding("yellow", t[one[0]], t[one[-1]], evidence, detail, [len(one), evidence[-1]], until=until))
    return found
