"""A simulated district: the same for the same size, length, start, seed and parameters, whatever the machine."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any

from analytics.simulator import (
    body,
    care,
    course,
    device,
    episode,
    examined,
    organization,
    people,
    pregnancy,
    programme,
    reading,
    truth,
    visit,
)
from analytics.simulator.care import Care, Lives
from analytics.simulator.delivery import Deliveries, deliver
from analytics.simulator.names import Names
from analytics.simulator.parameters import LOCAL, parameters
from analytics.simulator.payload import publications

START = date(2025, 3, 3)  #: a Monday


@dataclass
class District:
    """Everything that happens, and the truth behind it. ``begin``: local midnight of the first day, ms since 1970."""

    lives: Lives
    care: list[Care]
    deliveries: Deliveries
    seed: int
    begin: int

    @cached_property
    def numbers(self) -> dict[int, int]:
        """The place of each event of care in the list, by the object's identity."""
        return {id(one): number for number, one in enumerate(self.care)}

    @property
    def monitored(self) -> int:
        """How many residents measure at home at some time."""
        return int((self.lives.programme.enrolled < self.lives.days).sum())

    def publications(self) -> Iterator[tuple[int, str, bytes]]:
        """Instant of receipt (ms since 1970), MQTT topic and payload of what devices publish, in order of receipt."""
        persons = self.lives.programme.person
        centre = self.lives.people.centre[persons]
        return publications(self.deliveries, persons, centre, self.lives.names, self.begin)

    def truth(self) -> Iterator[dict[str, Any]]:
        """The hidden truth, a dict a line."""
        return truth.lines(self.lives, self.deliveries, self.seed, self.begin)


def simulate(residents: int, days: int, seed: int = 1, start: date = START, version: int = 1) -> District:
    """``residents`` people for ``days`` days from ``start``. Raises ``ValueError`` for less than one of either."""
    if residents < 1 or days < 1:
        raise ValueError(f"a district has at least one resident and one day, not {residents} and {days}")
    p = parameters(version)
    everybody = people.settle(residents, seed, p, start)
    several = pregnancy.expect(everybody, days, seed, p)
    patients = programme.enrol(everybody, several, days, seed, p)
    names = Names(f"S{seed}", int(everybody.centre.max()) + 1)
    devices = device.hand_out(patients, everybody.centre[patients.person], seed, p)
    true = course.follow(everybody, several, patients, days, start, seed, p)
    episodes = episode.happen(everybody, patients, days, seed, p)
    readings = reading.measure(everybody, patients, true, episodes, devices, start, seed, p)
    deliveries = deliver(readings, episodes, patients, devices, names.centres, days, seed, p)
    bodies = body.examine(everybody, seed, p)
    lives = Lives(everybody, several, patients, true, episodes, devices, bodies, names, start, days)
    founded = sorted(organization.events(names, start, days), key=lambda one: one.sent)
    found = list(examined.examinations(lives, seed, p))
    told = [*care.events(lives), *visit.visits(lives, seed, p, examined.statins(found)), *found]
    events = [*founded, *care.in_order(lives, told)]
    begin = datetime.combine(start, time(), UTC) - timedelta(milliseconds=LOCAL)
    return District(lives, events, deliveries, seed, round(begin.timestamp() * 1000))
