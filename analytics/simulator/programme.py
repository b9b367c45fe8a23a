"""Who is in care, who measures at home with what and by which plan, and the days on which they could."""

from dataclasses import dataclass

import numpy as np

from analytics.simulator.parameters import YEAR, Bools, Floats, Ints, Parameters, by_group, chance
from analytics.simulator.people import CONTROLLED, People
from analytics.simulator.pregnancy import AFTER, Pregnancies

MEASURES = ("blood-pressure", "glucose", "weight", "oxygen", "temperature")
PRESSURE, GLUCOSE, WEIGHT, OXYGEN, TEMPERATURE = range(5)
SCHEDULES = ("none", "week", "daily", "weekly")
NONE, WEEK, DAILY, WEEKLY = range(4)
REASONS = ("hypertension", "suspected-hypertension", "diabetes", "pregnancy", "other")
BEFORE = 6  #: days before the start in which the first enrolments lie
HORIZON = 10**6  #: a day that never comes


@dataclass
class Break:
    """Days without readings: in hospital or travelling, with or without anybody pausing the plan."""

    patient: int
    first: int
    last: int
    hospital: bool
    announced: bool


@dataclass
class Programme:
    """Everybody in care or measuring at home (a *patient*), one entry each; days are counted from the start."""

    person: Ints
    measures: Bools  #: shape (kinds, n)
    schedule: Ints  #: index in `SCHEDULES`
    reason: Ints  #: index in `REASONS`
    weekday: Ints  #: the day of a weekly plan
    pregnancy: Ints  #: index of the pregnancy that is the reason, or -1
    enrolled: Ints  #: day; `HORIZON` if never
    ended: Ints  #: day from which the plan no longer holds (week over, delivery, withdrawal)
    withdrawn: Ints  #: day of the withdrawal of consent, or `HORIZON`
    stopped: Ints  #: day from which they no longer measure, without a word
    died: Floats  #: day with its fraction, or infinite
    moved: Ints  #: day of a transfer, or `HORIZON`
    new_centre: Ints
    breaks: list[Break]

    def __len__(self) -> int:
        return len(self.person)

    @property
    def enrolls(self) -> Bools:
        """Who ever measures at home."""
        return np.less(self.enrolled, HORIZON)

    @property
    def asked_daily(self) -> Bools:
        """Whose plan asks for readings every day."""
        return np.isin(self.schedule, (DAILY, WEEK))

    def under_plan(self, days: int) -> Bools:
        """Days on which readings are due by the plan, shape (n, days); pauses nobody announced are no pause."""
        day = np.arange(days)
        until = np.minimum(self.ended, np.minimum(np.ceil(self.died), HORIZON).astype(np.int64))
        due = (day >= self.enrolled[:, None]) & (day < until[:, None])
        for one in self.breaks:
            if one.announced:
                due[one.patient, max(one.first, 0) : one.last + 1] = False
        return due

    def can(self, days: int) -> Bools:
        """Days on which they measure at all, shape (n, days)."""
        able = self.under_plan(days) & (np.arange(days) < self.stopped[:, None])
        for one in self.breaks:
            able[one.patient, max(one.first, 0) : one.last + 1] = False
        return able


def enrol(people: People, pregnancies: Pregnancies, days: int, seed: int, p: Parameters) -> Programme:
    """The patients, in the order of their numbers."""
    rng = chance(seed, "programme")
    n = len(people)
    wants = {
        name: rng.random(n) < p[f"programme.{name}"] for name in ("hypertension", "diabetes", "heart_failure", "copd")
    }
    expecting = np.full(n, -1)
    followed = np.flatnonzero(pregnancies.monitored)
    expecting[pregnancies.person[followed]] = followed
    child = (people.age >= 6) & (people.age < 17) & (rng.random(n) < p["programme.child"])
    suspected = (people.age >= 35) & ~people.aware & (rng.random(n) < p["programme.suspected"] * (days + BEFORE) / YEAR)
    with_cuff = people.aware & wants["hypertension"] | people.heart_failure & wants["heart_failure"]
    glucose = people.diabetes_known & wants["diabetes"]
    scale = people.heart_failure & wants["heart_failure"]
    oxygen = people.copd_known & wants["copd"]
    plain = with_cuff | glucose | scale | oxygen
    suspected &= ~plain
    cuff = with_cuff | (expecting >= 0) | child | suspected
    care = people.aware | people.diabetes_known | plain | cuff
    person = np.flatnonzero(care)
    m = len(person)
    measures = np.stack([cuff, glucose, scale, oxygen, glucose])[:, person]
    equipped: Bools = np.any(measures, axis=0)
    calm = (people.kind[person] == CONTROLLED) & (rng.random(m) < p["programme.weekly"])
    schedule = np.where(calm, WEEKLY, DAILY)
    alone = ~plain[person]
    schedule = np.where(alone & suspected[person], WEEK, schedule)
    schedule = np.where(alone & child[person], NONE, schedule)
    pregnancy = np.where(alone | (expecting[person] >= 0), expecting[person], -1)
    schedule = np.where(pregnancy >= 0, DAILY, schedule)
    schedule = np.where(equipped, schedule, NONE)
    reason = np.select(
        [pregnancy >= 0, alone & suspected[person], with_cuff[person], glucose[person]], [3, 1, 0, 2], default=4
    )
    enrolled, ended = _spans(rng.random((2, m)), p, pregnancies, pregnancy, schedule, equipped, days)
    rates = by_group(p, p["people.mortality"], people.age[person]) / 1000 * (1 + people.heart_failure[person])

    def first(rate: Floats | float) -> Floats:
        """Day of the first of events that come at ``rate`` a year."""
        return rng.exponential(1, m) / (np.zeros(m) + rate) * YEAR

    died = first(rates)
    withdrawn = np.minimum(np.floor(np.maximum(enrolled, 0) + first(p["programme.consent_withdrawn"])), HORIZON)
    withdrawn = np.where((withdrawn < ended) & (withdrawn < days) & (schedule != NONE), withdrawn, HORIZON)
    return Programme(
        person=person,
        measures=measures,
        schedule=schedule,
        reason=reason,
        weekday=rng.integers(0, 7, m),
        pregnancy=pregnancy,
        enrolled=enrolled,
        ended=np.minimum(ended, withdrawn).astype(np.int64),
        withdrawn=withdrawn.astype(np.int64),
        stopped=np.minimum(np.floor(np.maximum(enrolled, 0) + first(p["habit.drop_out"])), HORIZON).astype(np.int64),
        died=np.where(died < days, died, np.inf),
        moved=np.minimum(np.floor(first(p["people.moves"])), HORIZON).astype(np.int64),
        new_centre=people.centre[person] + 1,
        breaks=_breaks(m, days, seed, p),
    )


def _spans(
    u: Floats, p: Parameters, pregnancies: Pregnancies, pregnancy: Ints, schedule: Ints, any_kind: Bools, days: int
) -> tuple[Ints, Ints]:
    """First day of the plan, and the day after its last."""
    early = u[0] < p["programme.before_start"]
    enrolled = np.floor(np.where(early, -BEFORE * u[1], days * u[1]))
    ended = np.full(len(u[0]), HORIZON, dtype=float)
    with_child = pregnancy >= 0
    enrolled[with_child] = np.maximum(pregnancies.booked[pregnancy[with_child]], -BEFORE)
    ended[with_child] = pregnancies.ends[pregnancy[with_child]] + AFTER + 1
    week = schedule == WEEK
    enrolled[week] = np.floor(days * u[1][week])
    ended[week] = enrolled[week] + 7
    enrolled[~any_kind] = HORIZON
    return enrolled.astype(np.int64), ended.astype(np.int64)


def _breaks(m: int, days: int, seed: int, p: Parameters) -> list[Break]:
    rng = chance(seed, "breaks")
    found = []
    for hospital, name, lengths in ((True, "hospital", (5, 14)), (False, "travel", (3, 14))):
        count = rng.poisson(p[f"habit.{name}"] * days / YEAR, m)
        patients = np.repeat(np.arange(m), count)
        first = np.floor(rng.uniform(0, days, len(patients)))
        length = rng.integers(lengths[0], lengths[1] + 1, len(patients))
        announced = rng.random(len(patients)) < p["habit.announced"]
        found += [
            Break(int(i), int(f), int(f + n - 1), hospital, bool(a))
            for i, f, n, a in zip(patients, first, length, announced, strict=True)
        ]
    return sorted(found, key=lambda one: (one.first, one.patient))
