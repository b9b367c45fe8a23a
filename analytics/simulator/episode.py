"""What truly happens to people: crises, low pressures, lows and highs of glucose, decompensation, danger.

An episode begins and ends; while it lasts the true value is the episode's. Each is drawn by its own rate, whatever a
rule would make of it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from analytics.simulator.parameters import DAY, HOUR, YEAR, Floats, Parameters, chance
from analytics.simulator.people import CONTROLLED, MASKED, RAISED, People
from analytics.simulator.programme import GLUCOSE, OXYGEN, PRESSURE, TEMPERATURE, WEIGHT, Programme

#: What a person feels in an episode, by kind (codes of `schemas.chronic.Symptom`).
FELT = {
    "crisis": ("headache", "dizziness", "palpitations"),
    "hypotension": ("dizziness", "fainting"),
    "hypoglycaemia": ("sweating", "palpitations", "confusion"),
    "hyperglycaemia": ("drowsiness", "vomiting"),
    "danger": ("chest-pain", "one-sided-weakness", "speech-trouble", "breathlessness-at-rest", "sudden-visual-loss"),
}
#: The kind of reading (see `programme.MEASURES`) that shows it.
SHOWN_BY = {
    "crisis": PRESSURE, "hypotension": PRESSURE, "tachycardia": PRESSURE, "bradycardia": PRESSURE,
    "hypoglycaemia": GLUCOSE, "hyperglycaemia": GLUCOSE, "decompensation": WEIGHT, "exacerbation": OXYGEN,
    "fever": TEMPERATURE,
}  # fmt: skip


@dataclass
class Episode:
    """From ``start`` to ``end`` (ms from the start of the simulation) ``patient`` has ``what``."""

    patient: int
    what: str
    start: int
    end: int
    level: tuple[float, ...]  #: the true value meanwhile
    symptom: str | None = None
    told: int | None = None  #: when the symptom is reported, ms


def happen(people: People, programme: Programme, days: int, seed: int, p: Parameters) -> list[Episode]:
    """All episodes, in order of time."""
    person, m = programme.person, len(programme)
    kind, age = people.kind[person], people.age[person]
    adult, pregnant = age >= 18, programme.pregnancy >= 0
    treated, insulin = people.drugs[person] > 0, people.glucose_drug[person]
    diabetes, failing = people.diabetes_known[person], people.heart_failure[person]
    high, controlled, other = p["episode.crisis"]
    crisis = np.where((kind == RAISED) | (kind == MASKED), high, np.where(kind == CONTROLLED, controlled, other))
    young, old = p["episode.hypotension"]
    insulin_rate, sulfonylurea, few = p["episode.hypoglycaemia"]
    low = np.where(insulin == 2, insulin_rate, np.where(insulin == 1, sulfonylurea, few))
    rates = {
        "crisis": np.where(adult & ~pregnant, crisis, 0),
        "hypotension": np.where(treated & adult, np.where(age >= 65, old, young), 0),
        "danger": np.where(age >= 45, p["episode.danger"], 0),
        "hypoglycaemia": np.where(diabetes, low, 0),
        "hyperglycaemia": np.where(diabetes & (people.fasting[person] > 7), p["episode.hyperglycaemia"], 0),
        "decompensation": np.where(failing, p["episode.decompensation"], 0),
        "exacerbation": np.where(people.copd_known[person], p["episode.exacerbation"], 0),
        "tachycardia": np.where(people.fibrillation[person], p["episode.tachycardia"], 0),
        "bradycardia": np.where(people.beta_blocker[person], p["episode.bradycardia"], 0),
        "fever": np.where(diabetes, 0.3, 0),
        "trouble": np.where(programme.measures[PRESSURE], p["episode.trouble"], 0),
    }
    found = []
    for what, rate in rates.items():
        rng = chance(seed, f"episode {what}")
        count = rng.poisson(rate * days / YEAR)
        patients = np.repeat(np.arange(m), count)
        starts = rng.uniform(0, days, len(patients))
        for patient, start in zip(patients.tolist(), starts.tolist(), strict=True):
            if start < programme.died[patient]:
                found.append(_episode(rng, what, patient, start, p))
    return sorted(found, key=lambda one: (one.start, one.patient, one.what))


def _episode(rng: Generator, what: str, patient: int, day: float, p: Parameters) -> Episode:
    start = round(day * DAY)
    hours, level = _shape(rng, what, p)
    one = Episode(patient, what, start, start + round(hours * HOUR), tuple(round(float(v), 1) for v in level))
    felt, delay, speaks = FELT.get(what), rng.uniform(0.1, 1.5), rng.random() < p["episode.speaks"]
    if felt and (what == "danger" or rng.random() < 0.5):
        one.symptom = felt[rng.integers(len(felt))]
        if speaks:
            one.told = start + round(delay * HOUR)
    return one


def _shape(rng: Generator, what: str, p: Parameters) -> tuple[float, tuple[float, ...]]:
    """How many hours it lasts, and the true value meanwhile."""

    def within(name: str) -> float:
        low, high = p[f"episode.{name}"][:2]
        return float(rng.uniform(low, high))

    if what in ("crisis", "hypotension"):
        a, b, c, d = p[f"episode.{what}_level"]
        u: Floats = rng.random(2)
        return within(f"{what}_hours"), (a + u[0] * (b - a), c + u[1] * (d - c))
    if what in ("hypoglycaemia", "hyperglycaemia"):
        return within(f"{what}_hours"), (within(f"{what}_level"),)
    if what == "decompensation":
        return float(rng.uniform(7, 12)) * 24, (within("decompensation_gain"),)
    if what == "exacerbation":
        return float(rng.uniform(4, 10)) * 24, (within("exacerbation_level"),)
    if what == "tachycardia":
        return float(rng.uniform(2, 24)), (float(rng.uniform(125, 160)),)
    if what == "bradycardia":
        return float(rng.uniform(6, 48)), (float(rng.uniform(34, 39)),)
    if what == "fever":
        return float(rng.uniform(48, 120)), (float(rng.uniform(38.2, 40.2)),)
    return (0.4, ()) if what == "trouble" else (2.0, ())
