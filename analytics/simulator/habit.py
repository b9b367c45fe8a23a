"""When people measure: due sessions by habit, more when they feel something, none in breaks or once they stopped."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from analytics.simulator.episode import SHOWN_BY, Episode
from analytics.simulator.parameters import DAY, Bools, Ints, Parameters, chance
from analytics.simulator.programme import (
    GLUCOSE,
    MEASURES,
    NONE,
    PRESSURE,
    TEMPERATURE,
    WEEKLY,
    Programme,
)


@dataclass
class Moments:
    """Instants at which one kind is measured: ``time`` in ms from the start; ``first`` of a session."""

    patient: Ints
    time: Ints
    first: Bools

    def sorted(self) -> "Moments":
        """By patient, then time."""
        order = np.lexsort((self.time, self.patient))
        return Moments(self.patient[order], self.time[order], self.first[order])


def due_days(programme: Programme, days: int, weekday: int, can: Bools) -> Bools:
    """Days on which the plan asks for readings and the person could give them; ``weekday`` of the first day."""
    day = (np.arange(days) + weekday) % 7
    asked = (programme.schedule[:, None] != WEEKLY) | (day == programme.weekday[:, None])
    due: Bools = asked & can
    return due


def moments(
    kind: int, programme: Programme, episodes: list[Episode], can: Bools, due: Bools, seed: int, p: Parameters
) -> Moments:
    """When each patient measures ``kind``."""
    rng = chance(seed, f"moments {MEASURES[kind]}")
    m, days = due.shape
    keeps = rng.beta(p["habit.session"][0], p["habit.session"][1], m)
    keeps = np.where(programme.schedule == NONE, 0.04, keeps)
    mine = programme.measures[kind][:, None] & due
    parts: list[Moments] = []
    if kind != TEMPERATURE:
        sessions = ("morning", "evening") if kind == PRESSURE else ("morning",)
        for name in sessions:
            usual, between, within = p[f"habit.{name}"]
            hour = rng.normal(usual, between, m)
            patient, day = np.nonzero(mine & (rng.random((m, days)) < keeps[:, None]))
            at = np.clip(hour[patient] + rng.normal(0, within, len(patient)), 5, 23)
            time = (day * DAY + np.round(at * 3600) * 1000).astype(np.int64)
            parts.append(Moments(patient, time, np.ones(len(patient), bool)))
            if kind == PRESSURE:
                parts.append(_second(rng, patient, time, p))
    parts.append(_felt(rng, kind, programme, episodes, can, p))
    whole = Moments(*(np.concatenate([getattr(one, name) for one in parts]) for name in ("patient", "time", "first")))
    alive = whole.time < np.minimum(programme.died, days)[whole.patient] * DAY
    return Moments(whole.patient[alive], whole.time[alive], whole.first[alive]).sorted()


def _second(rng: Generator, patient: Ints, time: Ints, p: Parameters) -> Moments:
    takes = rng.random(len(patient)) < p["habit.second"]
    gap = rng.integers(60, 121, len(patient)) * 1000
    return Moments(patient[takes], (time + gap)[takes], np.zeros(int(takes.sum()), bool))


def _felt(
    rng: Generator, kind: int, programme: Programme, episodes: list[Episode], can: Bools, p: Parameters
) -> Moments:
    """Readings taken because something is felt."""
    patients, times, firsts = [], [], []
    days = can.shape[1]
    for one in episodes:
        if SHOWN_BY.get(one.what) != kind or not programme.measures[kind][one.patient]:
            continue
        feels, wait = rng.random() < p["episode.feels"], rng.uniform(0.05, 0.5 if kind == GLUCOSE else 3.0)
        offsets = [wait] if kind != TEMPERATURE else [wait + 12 * k for k in range(8)]
        for k, hours in enumerate(offsets):
            at = one.start + round(hours * 3600) * 1000
            if feels and at < min(one.end, days * DAY) and can[one.patient, min(at // DAY, days - 1)]:
                copies = 2 if kind == PRESSURE else 1
                patients += [one.patient] * copies
                times += [at + 90_000 * copy for copy in range(copies)]
                firsts += [True, False][:copies]
            if k and not feels:
                break
    return Moments(np.array(patients, np.int64), np.array(times, np.int64), np.array(firsts, bool))


def repeats(rng: Generator, asked: Moments, low: int, high: int, p: Parameters) -> Moments:
    """The readings of those who answer the request to measure again, ``low`` to ``high`` minutes later."""
    answers = rng.random(len(asked.time)) < p["habit.repeats"]
    later = asked.time + rng.integers(low * 60, high * 60 + 1, len(asked.time)) * 1000
    return Moments(asked.patient[answers], later[answers], np.zeros(int(answers.sum()), bool))
