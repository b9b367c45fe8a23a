"""Simulated clinicians: when somebody takes an alert that is still new, and how it is closed.

A pure function of the alert's id and the time it opened, so that a fold of a file and a live run meet the same people.
Reds are taken within minutes, day and night; the others in working hours: orange the same working day, yellow the next.
"""

from datetime import UTC, date, datetime
from functools import cache
from hashlib import blake2b
from typing import Any, NamedTuple

from analytics.simulator.organization import calendar
from analytics.simulator.parameters import DAY, HOUR, LOCAL

MINUTE = 60_000
OPENS, CLOSES = 8 * HOUR, 17 * HOUR
#: Minutes until a red is taken: by day (8 to 20 h), by night (M).
RED = ((2, 8), (4, 20))
#: Hours of working time until an orange one is taken (M).
ORANGE = (0.5, 4.0)
OUTCOMES = {"red": ("advice", "visit-booked", "referred", "called-120"), "orange": ("advice", "visit-booked")}


class Act(NamedTuple):
    """What a clinician does at ``at`` (ms since 1970): an event type of `schemas.alert` and its data."""

    at: int
    type: str
    data: dict[str, Any]


def turn(alert: str, severity: str, opened: int) -> int:
    """Instant (ms since 1970) at which somebody takes the alert that opened, or became worse, at ``opened``."""
    luck = _luck(alert, severity)
    if severity == "red":
        night = not 8 <= (opened + LOCAL) // HOUR % 24 < 20
        low, high = RED[int(night)]
        return opened + round((low + luck * (high - low)) * MINUTE)
    if severity == "orange":
        return _worked(opened, round((ORANGE[0] + luck * (ORANGE[1] - ORANGE[0])) * HOUR))
    return _worked(_worked(opened, CLOSES - OPENS), round(luck * 7 * HOUR))


def acts(alert: str, severity: str, at: int) -> list[Act]:
    """What the clinician who takes the alert at ``at`` does with it."""
    luck = _luck(alert, "close")
    minutes = 10 + 50 * luck if severity == "red" else 3 + 12 * luck
    outcomes = OUTCOMES.get(severity, ("advice",))
    outcome = outcomes[int(luck * len(outcomes))]
    closed = {"alert": alert, "outcome": outcome}
    return [
        Act(at, "mailiu.alert.acknowledged.v1", {"alert": alert}),
        Act(at + round(minutes * MINUTE), "mailiu.alert.closed.v1", closed),
    ]


def _luck(*what: str) -> float:
    """A number from 0 to 1, the same for the same text."""
    return int.from_bytes(blake2b("/".join(what).encode(), digest_size=6).digest()) / (1 << 48)


def _worked(instant: int, span: int) -> int:
    """The instant at which ``span`` ms of working time have passed since ``instant``."""
    local = instant + LOCAL
    while True:
        day = local // DAY * DAY
        if _working(day // DAY):
            begin = max(local, day + OPENS)
            if begin + span <= day + CLOSES:
                return begin + span - LOCAL
            span -= max(day + CLOSES - begin, 0)
        local = day + DAY


@cache
def _working(day: int) -> bool:
    found = datetime.fromtimestamp(day * DAY / 1000, UTC).date()
    known = _calendar(found.year)
    return found not in known[0] and (found.weekday() < 5 or found in known[1])


@cache
def _calendar(year: int) -> tuple[frozenset[date], frozenset[date]]:
    told = calendar(year)
    return frozenset(map(date.fromisoformat, told["holidays"])), frozenset(map(date.fromisoformat, told["workdays"]))
