"""Who should be seen on which day of a week, given how many people a team can see. Pure.

Appointments keep their day. Then the most urgent and the most overdue come first, each on the first day that has room;
who is due this week comes on or before the last day in time. Everybody else is stable: they are spread evenly over the
days until they are due, so that no week stands out. One person is one appointment, and so is one household (clinical
decision 31), and who lives in a village is seen on a day on which the team is there, unless it is urgent.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

HORIZON = 28  # days over which stable people are spread


@dataclass(frozen=True)
class Candidate:
    """A task for which somebody has to be seen. ``due`` is its last day in time, ``opens`` the first."""

    task: str
    resident: str
    priority: str
    due: date
    opens: date
    planned: date | None = None
    household: str | None = None
    village: str | None = None


@dataclass
class Day:
    """A day on which people work: how many appointments it has, and in which villages the team is."""

    day: date
    slots: int
    villages: frozenset[str] = frozenset()
    used: int = 0
    visits: list["Visit"] = field(default_factory=list)


@dataclass(frozen=True)
class Visit:
    """A task on its day; ``why`` in codes, the weightiest first."""

    task: str
    resident: str
    why: tuple[str, ...]


@dataclass
class Plan:
    """The days with their visits, and who found no place, with the reason."""

    days: list[Day]
    left: list[Visit]
    quota: int  #: stable people a day


def plan(
    candidates: Iterable[Candidate], days: list[Day], horizon: int, start: date, villages: frozenset[str] = frozenset()
) -> Plan:
    """Put ``candidates`` on ``days`` (filled in place). ``horizon``: working days over which stable people are spread.

    ``start`` is the first day of the week; whoever was due before it is overdue. ``villages``: all that the team goes
    to; who lives in another one can be seen on any day.
    """
    return _Week(list(candidates), days, horizon, start, villages).made()


class _Week:
    def __init__(
        self, candidates: list[Candidate], days: list[Day], horizon: int, start: date, villages: frozenset[str]
    ) -> None:
        self.days, self.start, self.villages = days, start, villages
        self.last = days[-1].day if days else start
        self.open = {one.task: one for one in sorted(candidates, key=lambda one: (one.due, one.task))}
        self.homes: dict[str, list[Candidate]] = {}
        for one in self.open.values():
            self.homes.setdefault(_home(one), []).append(one)
        stable = sum(not self._pressing(one) for one in self.open.values())
        self.plan = Plan(days, [], -(-stable // max(horizon, 1)))

    def made(self) -> Plan:
        for one in list(self.open.values()):
            if one.task in self.open and one.planned is not None and one.planned >= self.start:
                self._appointment(one)
        for one in sorted(self.open.values(), key=self._rank):
            if one.task in self.open and self._pressing(one):
                self._press_in(one)
        for day in self.days:
            self._spread(day)
        return self.plan

    def _pressing(self, one: Candidate) -> bool:
        return one.priority == "urgent" or one.due <= self.last

    def _rank(self, one: Candidate) -> tuple[int, bool, date, str]:
        """Whoever can be seen on the village's day alone chooses before those who can come on any."""
        urgent, overdue = one.priority == "urgent", one.due < self.start
        weight = 0 if urgent else 1 if overdue else 2 if one.priority == "high" else 3
        return weight, one.village not in self.villages, one.due, one.task

    def _why(self, one: Candidate) -> tuple[str, ...]:
        why = ["urgent"] if one.priority == "urgent" else []
        if one.due < self.start:
            why.append("overdue")
        elif one.due <= self.last:
            why.append("due-this-week")
        if one.planned is not None and one.planned < self.start:
            why.append("appointment-missed")
        return tuple(why) or ("spread-evenly",)

    def _appointment(self, one: Candidate) -> None:
        """Its day stands; one beyond the week is that week's affair."""
        day = next((day for day in self.days if day.day == one.planned), None)
        if day is not None:
            self._put(one, day, ("appointment",))
        elif one.planned is not None and one.planned > self.last:
            del self.open[one.task]

    def _press_in(self, one: Candidate) -> None:
        allowed = [day for day in self.days if self._there(one, day)]
        in_time = [day for day in allowed if day.day <= one.due and day.used < day.slots]
        free = in_time or [day for day in allowed if day.used < day.slots]
        if free:
            self._put(one, free[0], self._why(one))
        elif one.priority == "urgent" and self.days:
            self._put(one, self.days[0], (*self._why(one), "beyond-the-slots"))
        else:
            del self.open[one.task]
            self.plan.left.append(
                Visit(one.task, one.resident, (*self._why(one), "no-slot" if allowed else "not-there"))
            )

    def _there(self, one: Candidate, day: Day) -> bool:
        """Whether the person can be seen that day."""
        return one.priority == "urgent" or one.village not in self.villages or one.village in day.villages

    def _spread(self, day: Day) -> None:
        room = min(self.plan.quota, day.slots - day.used)
        for one in list(self.open.values()):
            if room <= 0:
                return
            if one.task in self.open and one.opens <= day.day and self._there(one, day):
                self._put(one, day, self._why(one))
                room -= 1

    def _put(self, one: Candidate, day: Day, why: tuple[str, ...]) -> None:
        day.used += 1
        del self.open[one.task]
        day.visits.append(Visit(one.task, one.resident, why))
        for other in self.homes[_home(one)]:
            kept = other.planned is not None and other.planned >= self.start and other.planned != day.day
            if other.task in self.open and other.opens <= self.last and not kept:
                del self.open[other.task]
                own = tuple(code for code in self._why(other) if code != "spread-evenly")
                with_whom = "same-visit" if other.resident == one.resident else "household"
                day.visits.append(Visit(other.task, other.resident, (with_whom, *own)))


def _home(one: Candidate) -> str:
    """Whose tasks are one appointment: a household's, or of somebody who is in none, the person's own."""
    return one.household or f"person/{one.resident}"
