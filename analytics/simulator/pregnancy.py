"""Pregnancies of the district: when they begin and end, and in which one the pressure rises."""

from dataclasses import dataclass

import numpy as np

from analytics.simulator.parameters import YEAR, Bools, Floats, Ints, Parameters, between, chance
from analytics.simulator.people import People

AFTER = 42  #: days after delivery for which the limits of pregnancy hold


@dataclass
class Pregnancies:
    """One entry a pregnancy that touches the time simulated; days are counted from the start."""

    person: Ints
    begins: Floats  #: day of the last menstrual period
    booked: Floats  #: day on which it is registered
    ends: Floats  #: day of the delivery
    monitored: Bools
    onset: Floats  #: day from which the pressure is raised; infinite where it never is
    severe: Bools
    level: Floats  #: pressure once raised, shape (2, n)

    def __len__(self) -> int:
        return len(self.person)


def expect(people: People, days: int, seed: int, p: Parameters) -> Pregnancies:
    """At most one pregnancy a woman."""
    rng = chance(seed, "pregnancy")
    low, high = p["pregnancy.age"]
    span = days + 7 * p["pregnancy.weeks"] + AFTER
    may = ~people.male & (people.age >= low) & (people.age < high)
    person = np.flatnonzero(may & (rng.random(len(people)) < 1 - np.exp(-p["pregnancy.rate"] * span / YEAR)))
    n = len(person)
    begins = np.floor(rng.uniform(days - span, days, n))
    ends = begins + np.round(7 * rng.normal(p["pregnancy.weeks"], 1, n))
    raised = rng.random(n) < p["pregnancy.hypertension"]
    severe = raised & (rng.random(n) < p["pregnancy.severe"])
    onset = begins + 7 * between(rng, p["pregnancy.onset_week"], n)
    mild, bad = np.array(p["pregnancy.raised"]), np.array(p["pregnancy.raised_severe"])
    limits = np.where(severe[:, None], bad, mild)
    u = rng.random((2, n))
    level = np.stack(
        [limits[:, k] + u[row] * (limits[:, k + 1] - limits[:, k]) for row, k in enumerate((0, 2))]
    ).reshape(2, n)
    booked = begins + np.round(7 * rng.normal(p["pregnancy.registered_week"], 1.5, n).clip(6, 20))
    monitored = rng.random(n) < p["programme.pregnancy"]
    return Pregnancies(person, begins, booked, ends, monitored, np.where(raised, onset, np.inf), severe, level)
