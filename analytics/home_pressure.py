"""Home blood pressure by the guideline protocol: which days count, and the query that sums them up.

A prescribed seven-day week drops its first day; a rolling window of seven days drops nothing. Source: Chinese guideline
for home blood pressure monitoring 2019 (7 days, mornings 6–10 h, evenings 18–21 h taken as 16–24 h, day 1 dropped,
135/85 mm[Hg]); fewer than 12 readings or 3 days are not enough (clinical decision 19).
"""

from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from typing import Any, Literal
from zoneinfo import ZoneInfo

SQL = (files("analytics") / "home_pressure.sql").read_text(encoding="utf-8")
ENOUGH_READINGS, ENOUGH_DAYS = 12, 3
WEEK = 7
LIMIT = (135.0, 85.0)  #: mm[Hg]; a mean at or above is high
MORNING, EVENING = (4, 12), (16, 24)  #: (M) local hours, wider than the schedule so that early and late readings count
NEVER = date(1970, 1, 1)

Protocol = Literal["week", "rolling"]


@dataclass(frozen=True)
class Window:
    """Local days of a summary; ``dropped`` is the first day of a prescribed week."""

    protocol: Protocol
    first: date
    last: date

    @property
    def dropped(self) -> date | None:
        """The day that does not count."""
        return self.first if self.protocol == "week" else None

    def parameters(self, zone: ZoneInfo) -> dict[str, Any]:
        """Parameters of the query."""
        return {
            "zone": zone.key, "first": self.first, "last": self.last, "dropped": self.dropped or NEVER,
            "morning_from": MORNING[0], "morning_to": MORNING[1], "evening_from": EVENING[0], "evening_to": EVENING[1],
        }  # fmt: skip


def window(protocol: Protocol | None, latest: date, start: date | None) -> Window:
    """The seven days to sum up.

    ``start`` is the first day of the prescribed week, where one is known; without ``protocol`` that week is taken when
    ``latest`` (the day of the latest reading) lies in it. Otherwise the seven days end with ``latest``.
    """
    prescribed = start is not None and start <= latest < start + timedelta(WEEK)
    chosen: Protocol = protocol or ("week" if prescribed else "rolling")
    first = start if chosen == "week" and start is not None else latest - timedelta(WEEK - 1)
    return Window(chosen, first, first + timedelta(WEEK - 1))


def enough(n: int, days: int) -> bool:
    """Whether so many readings on so many days allow a judgement."""
    return n >= ENOUGH_READINGS and days >= ENOUGH_DAYS
