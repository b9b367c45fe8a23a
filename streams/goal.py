"""The goals agreed with a resident. In the state ``goal`` holds by name ``[time, id, value or None, review day]``.

Of each goal the entry with the latest (time, id) stands; a goal that ended has neither value nor review day.
"""

from streams.calendar import day_number
from streams.case import Case
from streams.state import newest


def changed(case: Case) -> None:
    """A goal was set or ended."""
    event, goals = case.event, case.state.setdefault("goal", {})
    name = event.data["goal"]
    if newest(goals.get(name), event.time, event.identity):
        review = event.data.get("review")
        goals[name] = [event.time, event.identity, event.data.get("value"), review and day_number(review)]


def value(case: Case, name: str) -> float | None:
    """The value of the goal ``name`` that stands, in its unit (`schemas.guidance.UNITS`)."""
    goal = case.state.get("goal", {}).get(name)
    return None if goal is None else goal[2]
