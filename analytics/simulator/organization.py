"""What concerns everybody in the district: centres, teams, staff, who is on duty, and the working calendar."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from analytics.simulator.care import Care
from analytics.simulator.names import Names
from analytics.simulator.parameters import DAY

FOUNDED = -45  #: day
TEAMS = 2
#: Holidays (first, last) and make-up workdays by the State Council's yearly notice; other years: fixed days only.
CALENDAR: dict[int, tuple[list[tuple[str, str]], list[str]]] = {
    2025: (
        [("01-01", "01-01"), ("01-28", "02-04"), ("04-04", "04-06"), ("05-01", "05-05"), ("05-31", "06-02"),
         ("10-01", "10-08")],
        ["01-26", "02-08", "04-27", "09-28", "10-11"],
    ),
    2026: (
        [("01-01", "01-03"), ("02-15", "02-23"), ("04-04", "04-06"), ("05-01", "05-05"), ("06-19", "06-21"),
         ("09-25", "09-27"), ("10-01", "10-07")],
        ["01-04", "02-14", "02-28", "05-09", "09-20", "10-10"],
    ),
}  # fmt: skip
FIXED: tuple[list[tuple[str, str]], list[str]] = ([("01-01", "01-01"), ("05-01", "05-03"), ("10-01", "10-03")], [])


def events(names: Names, start: date, days: int, zone: str = "+08:00") -> Iterator[Care]:
    """Calendars, then each centre with its teams, staff and rota."""
    at = FOUNDED * DAY

    def event(order: int, type: str, subject: str, institution: str, data: dict[str, Any]) -> Care:
        return Care(at + order * 1000, at + order * 1000, f"organization.{type}", subject, institution, data)

    last = start + timedelta(days=days)
    for year in range((start + timedelta(days=FOUNDED)).year, last.year + 1):
        yield event(0, "holiday-calendar-set.v1", f"calendar-{year}", names.centre(0), calendar(year))
    for centre in range(names.centres):
        where = names.centre(centre)
        about = {"institution": where, "name": f"模拟社区卫生服务中心{centre + 1}", "district": names.prefix}
        yield event(1, "institution-registered.v1", where, where, about)
        yield event(1, "area-described.v1", where, where, {"north": False, "urban": centre % 2 == 0})
        for team in range(TEAMS):
            members: list[str] = [names.doctor(centre, team), names.nurse(centre, team)]
            code = names.team(centre, team)
            formed = {"team": code, "name": f"家庭医生团队{team + 1}", "members": members}
            yield event(2, "team-formed.v1", code, where, formed)
            for staff, role in zip(members, ("doctor", "nurse"), strict=True):
                yield event(3, "staff-registered.v1", staff, where, {"staff": staff, "role": role})
        for role, name in (("nurse", names.nurse), ("doctor", names.doctor)):
            shifts = _shifts([name(centre, team) for team in range(TEAMS)], start, days, zone)
            rota = {"role": role, "start": shifts[0]["start"], "end": shifts[-1]["end"], "shifts": shifts}
            yield event(4, "rota-set.v1", where, where, rota)
        spare = names.device("X", -1 - centre)
        stock = {"device": spare, "kind": "blood-pressure"}
        yield Care(at + 5000, at + 5000, "device.registered.v1", f"device:{spare}", where, stock)


def calendar(year: int) -> dict[str, Any]:
    """Holidays and make-up workdays of ``year`` as ISO dates."""
    spans, workdays = CALENDAR.get(year, FIXED)
    holidays = []
    for first, last in spans:
        day = date.fromisoformat(f"{year}-{first}")
        while day <= date.fromisoformat(f"{year}-{last}"):
            holidays.append(day.isoformat())
            day += timedelta(days=1)
    return {"year": year, "holidays": holidays, "workdays": [f"{year}-{day}" for day in workdays]}


def _shifts(staff: list[str], start: date, days: int, zone: str) -> list[dict[str, str]]:
    """Day and night, each week another of the staff; nobody on Sunday nights."""
    shifts, week = [], timedelta(days=7)
    begin = start - timedelta(days=7 + start.weekday())
    number = 0
    while begin < start + timedelta(days=days):
        monday = datetime.combine(begin, time(8)).isoformat() + zone
        sunday = datetime.combine(begin + timedelta(days=6), time(20)).isoformat() + zone
        shifts.append({"staff": staff[number % len(staff)], "start": monday, "end": sunday})
        begin, number = begin + week, number + 1
    return shifts
