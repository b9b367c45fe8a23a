"""What a device shows: the true value of that moment, disturbed as people and devices disturb it."""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.random import Generator

from analytics.simulator.course import Course
from analytics.simulator.device import Devices
from analytics.simulator.episode import Episode
from analytics.simulator.habit import Moments, due_days, moments, repeats
from analytics.simulator.parameters import DAY, HOUR, Bools, Floats, Ints, Parameters, chance
from analytics.simulator.people import People
from analytics.simulator.programme import GLUCOSE, MEASURES, OXYGEN, PRESSURE, TEMPERATURE, WEIGHT, Programme

NOON = 12 * HOUR
AGAIN = {PRESSURE: ("crisis", "hypotension"), GLUCOSE: ("hypoglycaemia", "hyperglycaemia")}


@dataclass
class Readings:
    """Readings of one kind, by patient and time; what a kind has no use for is zero."""

    kind: int
    patient: Ints
    time: Ints  #: ms from the start
    value: Floats  #: systolic for pressure
    second: Floats  #: diastolic
    pulse: Floats
    irregular: Bools

    def __len__(self) -> int:
        return len(self.time)


def measure(
    people: People, programme: Programme, course: Course, episodes: list[Episode], devices: Devices, start: date,
    seed: int, p: Parameters,
) -> list[Readings]:  # fmt: skip
    """All readings of all kinds."""
    days = course.level.shape[2]
    can = programme.can(days)
    due = due_days(programme, days, start.weekday(), can)
    found = []
    for kind in range(len(MEASURES)):
        when = moments(kind, programme, episodes, can, due, seed, p)
        rng = chance(seed, f"readings {MEASURES[kind]}")
        one = _take(rng, kind, when, people, programme, course, episodes, devices, p)
        if kind in AGAIN:
            one = _again(rng, one, people, programme, course, episodes, devices, p)
        found.append(one)
    return found


def _take(
    rng: Generator, kind: int, when: Moments, people: People, programme: Programme, course: Course,
    episodes: list[Episode], devices: Devices, p: Parameters, calmed: bool = False,
) -> Readings:  # fmt: skip
    """Readings at the moments ``when``; ``calmed``: after sugar, a low of glucose is over."""
    person, n = programme.person[when.patient], len(when.time)
    zero = np.zeros(n)
    readings = Readings(kind, when.patient, when.time, zero, zero, zero, np.zeros(n, bool))
    z = rng.normal(size=(3, n))
    if kind == PRESSURE:
        readings = _pressure(rng, readings, when, z, people, programme, course, devices, p)
    elif kind == GLUCOSE:
        value = people.fasting[person] * (1 + p["glucose.spread"] * z[0])
        readings = replace(readings, value=np.clip(value, 4.2, 16.0))
    elif kind == WEIGHT:
        readings = replace(readings, value=people.weight[person] + 0.5 * z[0])
    elif kind == OXYGEN:
        readings = replace(readings, value=np.clip(95 + 1.2 * z[0], 90, 100), pulse=people.pulse[person] + 4 * z[1])
    else:
        readings = replace(readings, value=36.6 + 0.2 * z[0])
    for one in episodes:
        _show(readings, one, z, calmed)
    return _rounded(readings)


def _pressure(
    rng: Generator, readings: Readings, when: Moments, z: Floats, people: People, programme: Programme, course: Course,
    devices: Devices, p: Parameters,
) -> Readings:  # fmt: skip
    person, n = programme.person, len(when.time)
    day = when.time // DAY
    side = np.where(when.time % DAY < NOON, 0.5, -0.5)
    artefact = rng.random(n) < p["pressure.artefact"][0]
    too_high = artefact * rng.uniform(p["pressure.artefact"][1], p["pressure.artefact"][2], n)
    shown = []
    for row, (part, wrong) in enumerate(((1.0, 1.0), (0.6, 0.5))):
        true = course.level[row, when.patient, day] + course.day[row, when.patient, day]
        disturbed = (
            devices.error[row, when.patient]
            + side * part * devices.rise[when.patient]
            + p["pressure.first"][row] * when.first
        )
        shown.append(true + disturbed + p["pressure.reading"][row] * z[row] + wrong * too_high)
    fibrillates = people.fibrillation[person][when.patient]
    pulse = people.pulse[person][when.patient] + 12 * fibrillates - 9 * people.beta_blocker[person][when.patient]
    seen, otherwise = p["device.irregular"]
    irregular = rng.random(n) < np.where(fibrillates, seen, otherwise)
    return replace(
        readings, value=shown[0], second=shown[1], pulse=pulse + p["pressure.pulse"][2] * z[2], irregular=irregular
    )


def _span(readings: Readings, one: Episode) -> slice:
    """The readings of the episode's patient while it lasts."""
    begin, end = np.searchsorted(readings.patient, [one.patient, one.patient + 1])
    first, last = np.searchsorted(readings.time[begin:end], [one.start, one.end])
    return slice(int(begin + first), int(begin + last))


def _show(readings: Readings, one: Episode, z: Floats, calmed: bool) -> None:
    """Put the episode's true value, a little disturbed, in place of the usual one."""
    kind, what, at = readings.kind, one.what, _span(readings, one)
    if at.start == at.stop:
        return
    if kind == PRESSURE and what in ("crisis", "hypotension"):
        readings.value[at] = one.level[0] + 4 * z[0, at]
        readings.second[at] = one.level[1] + 3 * z[1, at]
    elif kind == PRESSURE and what in ("tachycardia", "bradycardia"):
        readings.pulse[at] = one.level[0] + 3 * z[2, at]
    elif kind == GLUCOSE and what in ("hypoglycaemia", "hyperglycaemia"):
        sugar = calmed and what == "hypoglycaemia"
        readings.value[at] = 5.5 + 0.6 * z[0, at] if sugar else one.level[0] * (1 + 0.03 * z[0, at])
    elif kind == WEIGHT and what == "decompensation":
        readings.value[at] += one.level[0] * np.clip((readings.time[at] - one.start) / (3 * DAY), 0, 1)
    elif (kind == OXYGEN and what == "exacerbation") or (kind == TEMPERATURE and what == "fever"):
        readings.value[at] = one.level[0] + (0.8 if kind == OXYGEN else 0.2) * z[0, at]


def _again(
    rng: Generator, one: Readings, people: People, programme: Programme, course: Course, episodes: list[Episode],
    devices: Devices, p: Parameters,
) -> Readings:  # fmt: skip
    """Add the readings of those who are asked to measure again and do."""
    if one.kind == PRESSURE:
        child = programme.pregnancy[one.patient] >= 0
        asks = (one.value >= 180) | (one.second >= 110) | (one.value < 90) | (child & (one.value >= 160))
        low, high = 5, 20
    else:
        asks, low, high = (one.value <= 3.9) | (one.value >= 16.7), 15, 25
    asked = Moments(one.patient[asks], one.time[asks], np.ones(int(asks.sum()), bool))
    when = repeats(rng, asked, low, high, p)
    days = course.level.shape[2]
    when = Moments(*(getattr(when, name)[when.time < days * DAY] for name in ("patient", "time", "first"))).sorted()
    more = _take(rng, one.kind, when, people, programme, course, episodes, devices, p, calmed=True)
    order = np.lexsort((np.concatenate([one.time, more.time]), np.concatenate([one.patient, more.patient])))
    columns = ("patient", "time", "value", "second", "pulse", "irregular")
    whole = {name: np.concatenate([getattr(one, name), getattr(more, name)])[order] for name in columns}
    return Readings(one.kind, **whole)


def _rounded(one: Readings) -> Readings:
    """As the device shows it: whole mmHg and beats, a decimal for the rest."""
    if one.kind == PRESSURE:
        value = np.clip(np.round(one.value), 55, 290)
        second = np.clip(np.minimum(np.round(one.second), value - 12), 25, 190)
        return replace(one, value=value, second=second, pulse=np.clip(np.round(one.pulse), 30, 220))
    value = np.round(one.value, 0 if one.kind == OXYGEN else 1).astype(np.float64)
    if one.kind == OXYGEN:
        value = np.clip(value, 70, 100)
    return replace(one, value=value, pulse=np.clip(np.round(one.pulse), 0, 220))
