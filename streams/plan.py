"""The measuring plan: what is expected when, and when nothing is (not enrolled, paused, ended).

A plan holds for who is enrolled, and who is enrolled consented to monitoring and has not withdrawn it since: without
consent an enrolment has no effect, and after a withdrawal only a new one has (clinical decisions 19 and 20).

In the state an enrolment is ``[time, id]``, a plan ``[time, id, first day, last day or None, schedule, morning,
evening, kinds]``, a mark ``[time, id, paused | resumed | ended, last day or None]``; all sorted by (time, id).
"""

from typing import Any

from streams import consent
from streams.calendar import day_number, day_of, midnight
from streams.case import FOREVER, Case
from streams.facts import Facts
from streams.state import State

Plan = list[Any]

FIRST, LAST, SCHEDULE, MORNING, EVENING, KINDS = 2, 3, 4, 5, 6, 7
WEEK = 7
KEPT = 16  # enrolments, plans and marks remembered, the latest


def enrolled(case: Case) -> None:
    """The resident takes part from now on, if consent for monitoring holds."""
    _note(case.state, "enrol", [min(case.event.time, case.event.recorded), case.event.identity])


def planned(case: Case) -> None:
    """A plan was set; it replaces the one before from its first day on."""
    data, event = case.event.data, case.event
    end = data.get("end")
    first = day_number(data["start"])
    last = None if end is None else day_number(end)
    schedule = data["schedule"]
    if schedule == "week":
        last = min(first + WEEK - 1, FOREVER if last is None else last)
    kinds = list(data.get("kinds", ["blood-pressure"]))
    entry = [event.time, event.identity, first, last, schedule, data.get("morning", 2), data.get("evening", 2), kinds]
    _note(case.state, "plans", entry)


def marked(case: Case) -> None:
    """The plan was paused, resumed or ended."""
    event = case.event
    until = event.data.get("until")
    what = event.type.rsplit(".", 2)[1]
    entry = [event.time, event.identity, what, None if until is None else day_number(until)]
    _note(case.state, "marks", entry)


def _note(state: State, name: str, entry: list[Any]) -> None:
    entries: list[list[Any]] = state.setdefault(name, [])
    if any(entry[1] == other[1] for other in entries):
        return
    entries.append(entry)
    entries.sort(key=lambda e: (e[0], e[1]))
    del entries[:-KEPT]


def on(state: State, day: int) -> Plan | None:
    """The plan set last of those that had begun by local ``day``."""
    return next((plan for plan in reversed(state.get("plans", ())) if plan[FIRST] <= day), None)


def taking_part(state: State, facts: Facts, instant: int) -> int | None:
    """Since when the resident takes part in monitoring at ``instant``, or ``None``."""
    since = next((time for time, _ in reversed(state.get("enrol", ())) if time <= instant), None)
    if since is None or not consent.held_throughout(state, consent.MONITORING, since, instant, facts["zone"]):
        return None
    over = any(what == "ended" and since < time <= instant for time, _, what, _ in state.get("marks", ()))
    return None if over else since


def ended(state: State, plan: Plan, instant: int) -> bool:
    """Whether ``plan`` was ended by ``instant``."""
    return any(
        what == "ended" and (plan[0], plan[1]) < (time, id) and time <= instant
        for time, id, what, _ in state.get("marks", ())
    )


def pauses(state: State, facts: Facts) -> list[tuple[int, int]]:
    """Spans in which nothing is expected, as instants."""
    spans: list[tuple[int, int]] = []
    for time, _, what, until in state.get("marks", ()):
        if spans and spans[-1][1] > time:
            if what == "paused":
                continue
            spans[-1] = (spans[-1][0], time)
        elif what == "paused":
            spans.append((time, FOREVER if until is None else midnight(facts, until + 1)))
    return spans


def expects(state: State, facts: Facts, instant: int) -> Plan | None:
    """The plan by which readings are expected at ``instant``, or ``None`` (none, not enrolled, over, ended, paused)."""
    if "plans" not in state or taking_part(state, facts, instant) is None:
        return None
    day = day_of(facts, instant)
    plan = on(state, day)
    if plan is None or (plan[LAST] is not None and day > plan[LAST]) or ended(state, plan, instant):
        return None
    if any(start <= instant < end for start, end in pauses(state, facts)):
        return None
    return plan
