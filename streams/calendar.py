"""Local days, hours and working time as pure functions of an instant and the facts (zone, holidays, workdays).

Days are counted from 1970-01-01 in the log's zone; instants are milliseconds since 1970. The zone is fixed for a log's
life, like the number of its partitions.
"""

from calendar import isleap
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
EPOCH = date(1970, 1, 1).toordinal()
FIRST, LAST = -62_135_000_000, 253_402_000_000  # seconds: as far as `datetime` reaches with any offset


@lru_cache(8192)
def _offset(zone: str, hour: int) -> int:
    """Milliseconds that ``zone`` is ahead of UTC in that hour since 1970."""
    at = datetime.fromtimestamp(min(max(hour * 3600, FIRST), LAST), UTC)
    delta = at.astimezone(ZoneInfo(zone)).utcoffset()
    return 0 if delta is None else round(delta.total_seconds() * 1000)


def local(facts: dict[str, Any], instant: int) -> int:
    """``instant`` on the local wall clock, as milliseconds since 1970-01-01 00:00 there."""
    return instant + _offset(facts["zone"], instant // HOUR)


def day_of(facts: dict[str, Any], instant: int) -> int:
    """Local day that holds ``instant``."""
    return local(facts, instant) // DAY


def midnight(facts: dict[str, Any], day: int) -> int:
    """Instant at which local ``day`` begins."""
    return _midnight(facts["zone"], day)


@lru_cache(8192)
def _midnight(zone: str, day: int) -> int:
    utc = day * DAY
    begin = utc - _offset(zone, utc // HOUR)
    return min(max(utc - _offset(zone, begin // HOUR), FIRST * 1000), LAST * 1000)


def day_number(text: str) -> int:
    """Day of an ISO date."""
    return date.fromisoformat(text).toordinal() - EPOCH


@lru_cache(8192)
def day_text(day: int) -> str:
    """ISO date of a day."""
    return date.fromordinal(day + EPOCH).isoformat()


def working(facts: dict[str, Any], day: int) -> bool:
    """Whether people work on local ``day``: the calendar's word, else Monday to Friday (1970-01-01 was a Thursday)."""
    text = day_text(day)
    if text in facts["holidays"]:
        return False
    return text in facts["workdays"] or (day + 3) % 7 < 5


def end_of_working_day(facts: dict[str, Any], instant: int, n: int, closes: float) -> int:
    """When the ``n``-th working day ends, counting today if it is one and has not closed. ``closes``: local hour."""
    day = day_of(facts, instant)
    if local(facts, instant) - day * DAY >= closes * HOUR:
        day += 1
    for _ in range(400):  # no calendar closes longer than a year
        if working(facts, day):
            n -= 1
            if n <= 0:
                break
        day += 1
    return midnight(facts, day) + round(closes * HOUR)


def opening(facts: dict[str, Any], instant: int, opens: float) -> int:
    """When people next begin to work after ``instant``. ``opens``: local hour."""
    day = day_of(facts, instant)
    for _ in range(400):
        if working(facts, day) and midnight(facts, day) + round(opens * HOUR) > instant:
            break
        day += 1
    return midnight(facts, day) + round(opens * HOUR)


@lru_cache(65536)
def birthday(zone: str, birth: str, age: int) -> int:
    """Instant at which somebody born on ``birth`` is ``age`` years old; 29 February counts from 1 March."""
    born = date.fromisoformat(birth)
    leap = (born.month, born.day) == (2, 29)
    year = min(born.year + age, date.max.year)
    if leap and not isleap(year):
        return _midnight(zone, date(year, 3, 1).toordinal() - EPOCH)
    return _midnight(zone, born.replace(year=year).toordinal() - EPOCH)
