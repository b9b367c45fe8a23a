"""The course of each patient's true pressure, day by day: usual level, season, slow change, treatment, pregnancy.

Visits are part of it, since what is prescribed there changes what follows. The *level* is what a long mean of that
day's readings would show at home; a day's own deviation (`Course.day`) is short-lived and no part of the truth.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from analytics.simulator.parameters import YEAR, Floats, Ints, Parameters, chance
from analytics.simulator.people import People
from analytics.simulator.pregnancy import Pregnancies
from analytics.simulator.programme import Programme

RAMP = 14  #: days until a drug's whole effect
MOST_DRUGS = 4
REVISIT = 14  #: days until somebody with a high pressure is seen again (national specification)


@dataclass
class Visit:
    """A follow-up visit or call that took place."""

    patient: int
    day: int
    office: tuple[int, int] | None  #: mmHg; None for a call
    fasting: float | None  #: mmol/L, in diabetes
    drug: int | None = None  #: how many antihypertensives are taken from now on, where one was added

    @property
    def high(self) -> bool:
        """Whether the office pressure was at or above 140/90."""
        return self.office is not None and (self.office[0] >= 140 or self.office[1] >= 90)


@dataclass
class Course:
    """True pressure of each patient: arrays of shape (2, patients, days), systolic and diastolic, in mmHg."""

    level: Floats
    day: Floats
    visits: list[Visit] = field(default_factory=list)


def follow(
    people: People, pregnancies: Pregnancies, programme: Programme, days: int, start: date, seed: int, p: Parameters
) -> Course:
    """The course of every patient, with their visits."""
    rng, m = chance(seed, "course"), len(programme)
    person = programme.person
    day = np.arange(days)
    peak = np.cos(2 * np.pi * (day + start.timetuple().tm_yday - 20) / YEAR)
    systolic, diastolic, keep = p["pressure.wander"]
    level = np.empty((2, m, days))
    for row, spread in enumerate((systolic, diastolic)):
        season = p["pressure.season"][row] / 2 * peak
        level[row] = people.usual[row, person, None] + season + _wander(rng, m, days, spread, keep)
    noise = np.stack([rng.normal(0, spread, (m, days)) for spread in p["pressure.day"]])
    _expect(level, pregnancies, programme, days)
    course = Course(level, noise)
    _visits(course, people, programme, days, seed, p)
    return course


def _wander(rng: Generator, m: int, days: int, spread: float, keep: float) -> Floats:
    """A slow change of each patient: correlated from day to day, with a lasting spread."""
    steps = rng.normal(0, spread * np.sqrt(1 - keep**2), (days, m))
    steps[0] = rng.normal(0, spread, m)
    for t in range(1, days):
        steps[t] += keep * steps[t - 1]
    return steps.T


def _expect(level: Floats, pregnancies: Pregnancies, programme: Programme, days: int) -> None:
    """Raise the pressure of the pregnant from the onset until three weeks after delivery."""
    day = np.arange(days)
    for patient in np.flatnonzero(programme.pregnancy >= 0):
        one = programme.pregnancy[patient]
        onset, ends = pregnancies.onset[one], pregnancies.ends[one]
        share = np.clip((day - onset + 7) / 7, 0, 1) * np.clip((ends + 35 - day) / 14, 0, 1)
        if np.isfinite(onset):
            for row in (0, 1):
                usual = level[row, patient]
                level[row, patient] = usual + share * np.maximum(pregnancies.level[row, one] - usual, 0)


def _visits(course: Course, people: People, programme: Programme, days: int, seed: int, p: Parameters) -> None:
    rng, again, m, person = chance(seed, "visits"), chance(seed, "revisits"), len(programme), programme.person
    managed = people.aware[person] | people.diabetes_known[person]
    drugs: Ints = people.drugs[person].copy()
    every = p["care.visit_days"]
    due = rng.integers(0, every, m)
    for _ in range(days // every + 1):
        at = np.clip(due + rng.integers(-7, 8, m), 0, None)
        takes = managed & (at < days) & (at < programme.died) & (rng.random(m) < p["care.attends"])
        phone = rng.random(m) < p["care.by_phone"]
        z, fasting, more = rng.normal(size=(2, m)), rng.normal(size=m), rng.random(m) < p["care.intensified"]
        effect = rng.normal(size=(2, m))
        for i in np.flatnonzero(takes).tolist():
            luck = _Luck(z[:, i], fasting[i], more[i], effect[:, i])
            visit = _visit(course, people, programme, drugs, i, int(at[i]), bool(phone[i]), luck, p)
            soon = visit.day + REVISIT
            if visit.high and soon < min(days, programme.died[i]) and again.random() < p["examined.revisits"]:
                luck = _Luck(again.normal(size=2), again.normal(), again.random() < p["care.intensified"],
                             again.normal(size=2))  # fmt: skip
                _visit(course, people, programme, drugs, i, soon, False, luck, p)
        due = due + every
    course.visits.sort(key=lambda visit: (visit.day, visit.patient))


class _Luck(NamedTuple):
    """What is drawn for a visit: deviations of pressure and glucose, whether a drug is added, what it does."""

    pressure: Floats
    fasting: float
    more: bool
    effect: Floats


def _visit(
    course: Course, people: People, programme: Programme, drugs: Ints, i: int, when: int, phone: bool, luck: _Luck,
    p: Parameters,
) -> Visit:  # fmt: skip
    """Patient ``i`` is seen, and treated more where the pressure is high; what follows changes with it."""
    person, days = programme.person[i], course.level.shape[2]
    visit = Visit(i, when, None, None)
    if not phone:
        offset, spread = people.office[:, person], p["care.office_spread"]
        s, d = (course.level[row, i, when] + offset[row] + spread[row] * luck.pressure[row] for row in (0, 1))
        visit.office = round(float(np.clip(s, 80, 240))), round(float(np.clip(d, 40, min(140, s - 15))))
    if people.diabetes_known[person]:
        usual = people.fasting[person]
        visit.fasting = round(float(np.clip(usual * (1 + p["glucose.spread"] * luck.fasting), 3.0, 30)), 1)
    if visit.high and people.aware[person] and luck.more and drugs[i] < MOST_DRUGS:
        drugs[i] += 1
        visit.drug = int(drugs[i])
        ramp = np.clip((np.arange(days) - when) / RAMP, 0, 1)
        for row in (0, 1):
            mean, wide = p["care.effect"][2 * row : 2 * row + 2]
            course.level[row, i] += ramp * min(mean + wide * luck.effect[row], 0)
    course.visits.append(visit)
    return visit
