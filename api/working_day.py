"""Working days as the log's holiday calendars say, for appointments and plans."""

from datetime import date, timedelta
from typing import Any

from api.tables import Tables
from streams.calendar import day_number, working

CALENDARS = """
SELECT argMax(tuple(o.holidays, o.workdays), o.offset) AS days
FROM organization_events AS o WHERE o.event = 'holiday-calendar-set' GROUP BY o.code
"""


async def working_days(tables: Tables, first: date, last: date) -> list[date]:
    """The days from ``first`` to ``last`` on which people work, by the calendars in the log, else Monday to Friday."""
    facts: dict[str, Any] = {"holidays": {}, "workdays": {}}
    for row in await tables.rows(CALENDARS):
        for name, days in zip(("holidays", "workdays"), row["days"], strict=True):
            facts[name] |= dict.fromkeys(days, 1)
    days = [first + timedelta(n) for n in range((last - first).days + 1)]
    return [day for day in days if working(facts, day_number(day.isoformat()))]
