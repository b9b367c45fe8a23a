"""Lasting true conditions as spans of time: pressure above target, too low under treatment, not measuring."""

from dataclasses import dataclass, field

import numpy as np

from analytics.simulator.course import Course
from analytics.simulator.parameters import DAY, HOUR, Bools, Floats, Ints
from analytics.simulator.people import People
from analytics.simulator.programme import DAILY, MEASURES, PRESSURE, TEMPERATURE, WEEK, WEEKLY, Programme

#: Home pressure at or above is high, by age (clinical decision 8): below 80, from 80.
HIGH = ((135, 85), (145, 85))
#: Treated, mean systolic below is too low, by age (clinical decision 10): from 65, from 80.
LOW = (110, 120)
#: Crisis and low by the decisions 7 and 10, mmHg.
CRISIS, HYPOTENSION, TREATED_LOW = (180, 110), 90, 100
BRIEF = 7  #: days; a shorter span is true but nobody need have found it
#: Hours without a reading that are silence, by schedule: clinical decision 19 leaves the limits to us.
#: Days after which a device that should be used is unused.
UNUSED = 14
SILENT = {WEEK: 48, DAILY: 72, WEEKLY: 240}


@dataclass
class Span:
    """``patient`` truly is in this state from ``start`` to ``end`` (ms); ``brief`` ones need not be found."""

    patient: int
    what: str
    start: int
    end: int
    brief: bool = False
    about: dict[str, object] = field(default_factory=dict)


def runs(mask: Bools, join: int = 0) -> list[tuple[int, int]]:
    """First and last index of each run of True; runs with at most ``join`` False between them are one."""
    at = np.flatnonzero(mask)
    if not len(at):
        return []
    cuts = np.flatnonzero(np.diff(at) > join + 1)
    firsts, lasts = at[np.concatenate([[0], cuts + 1])], at[np.concatenate([cuts, [len(at) - 1]])]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def pressure(people: People, programme: Programme, course: Course, days: int) -> list[Span]:
    """Where the true seven-day mean is at or above target, or too low under treatment; within the plan only."""
    found = []
    due = programme.under_plan(days)
    for patient in np.flatnonzero(programme.measures[PRESSURE] & programme.enrolls).tolist():
        person = programme.person[patient]
        age = people.age[person]
        if age < 18 or programme.pregnancy[patient] >= 0:
            continue
        mean = np.stack([_week(course.level[row, patient]) for row in (0, 1)])
        s, d = HIGH[int(age >= 80)]
        found += _spans(patient, "high-pressure", ((mean[0] >= s) | (mean[1] >= d)) & due[patient])
        if age >= 65 and people.drugs[person] > 0:
            found += _spans(patient, "low-under-treatment", (mean[0] < LOW[int(age >= 80)]) & due[patient])
    return found


def moments(people: People, programme: Programme, course: Course, rise: Floats, days: int) -> list[Span]:
    """Half days on which the true pressure itself is at crisis level or low, without any episode; within the plan."""
    half = rise[:, None, None] * np.array([0.5, -0.5])
    true = [course.level[row] + course.day[row] for row in (0, 1)]
    systolic, diastolic = (one[:, :, None] + part * half for one, part in zip(true, (1.0, 0.6), strict=True))
    due = programme.under_plan(days)[:, :, None] & (programme.measures[PRESSURE] & programme.enrolls)[:, None, None]
    adult = (people.age[programme.person] >= 18) & (programme.pregnancy < 0)
    treated = (people.drugs[programme.person] > 0) & (people.age[programme.person] >= 65)
    masks = {
        "crisis": due & adult[:, None, None] & ((systolic >= CRISIS[0]) | (diastolic >= CRISIS[1])),
        "hypotension": due & (systolic < HYPOTENSION),
        "low-when-treated": due & treated[:, None, None] & (systolic < TREATED_LOW),
    }
    return [
        Span(patient, what, first * DAY // 2, (last + 1) * DAY // 2)
        for what, mask in masks.items()
        for patient in np.flatnonzero(mask.any(axis=(1, 2))).tolist()
        for first, last in runs(mask[patient].reshape(-1))
    ]


def expecting(programme: Programme, course: Course, days: int) -> list[Span]:
    """Under a plan for a pregnancy, and the true seven-day mean at or above 135/85."""
    due = programme.under_plan(days)
    found = []
    for patient in np.flatnonzero((programme.pregnancy >= 0) & programme.measures[PRESSURE]).tolist():
        mean = [_week(course.level[row, patient]) for row in (0, 1)]
        high = ((mean[0] >= HIGH[0][0]) | (mean[1] >= HIGH[0][1])) & due[patient]
        found += _spans(patient, "pregnancy-hypertension", high)
    return found


def _week(level: Floats) -> Floats:
    """Mean of each day and the six before."""
    total = np.cumsum(np.concatenate([[0.0], level]))
    at = np.arange(len(level))
    first = np.maximum(at - 6, 0)
    mean: Floats = (total[at + 1] - total[first]) / (at + 1 - first)
    return mean


def _spans(patient: int, what: str, mask: Bools) -> list[Span]:
    return [
        Span(patient, what, first * DAY, (last + 1) * DAY, brief=last - first + 1 < BRIEF)
        for first, last in runs(mask, join=BRIEF)
    ]


def silence(programme: Programme, days: int, taken: list[tuple[Ints, Ints]]) -> list[Span]:
    """Under a plan and without a reading of a planned kind; ``taken``: by kind, patients and times of all readings."""
    found = []
    due = programme.under_plan(days)
    for kind in range(TEMPERATURE):
        patients, times = taken[kind]
        starts = np.searchsorted(patients, np.arange(len(programme) + 1))
        for patient in np.flatnonzero(programme.measures[kind] & programme.enrolls).tolist():
            allowed = SILENT.get(int(programme.schedule[patient]))
            if allowed is None:
                continue
            mine = times[starts[patient] : starts[patient + 1]]
            for first, last in runs(due[patient]):
                begin, end = first * DAY, (last + 1) * DAY
                marks = np.concatenate([[begin], mine[(mine >= begin) & (mine < end)], [end]])
                long = np.flatnonzero(np.diff(marks) >= allowed * HOUR)
                about: dict[str, object] = {"kind": MEASURES[kind]}
                unused = np.flatnonzero(np.diff(marks) >= UNUSED * DAY)
                found += [
                    Span(patient, "device-unused", int(marks[k]), int(marks[k + 1]), about=about)
                    for k in unused.tolist()
                ]
                found += [
                    Span(patient, "not-measuring", int(marks[k]), int(marks[k + 1]), about=about) for k in long.tolist()
                ]
    return found


def too_few(programme: Programme, days: int, taken: tuple[Ints, Ints]) -> list[Span]:
    """Whole weeks of a plan with fewer pressures taken than make a mean: 12 on 3 days; in a weekly plan 4."""
    patients, times = taken
    found = []
    due = programme.under_plan(days)
    starts = np.searchsorted(patients, np.arange(len(programme) + 1))
    for patient in np.flatnonzero(programme.measures[PRESSURE] & programme.enrolls).tolist():
        schedule = int(programme.schedule[patient])
        if schedule not in SILENT:
            continue
        mine = times[starts[patient] : starts[patient + 1]] // DAY
        per_day = np.bincount(mine, minlength=days)
        first = max(int(programme.enrolled[patient]), 0)
        bad = np.zeros(days, bool)
        for begin in range(first, days - 6, 7):
            if due[patient, begin : begin + 7].all():
                week = per_day[begin : begin + 7]
                enough = week.sum() >= 4 if schedule == WEEKLY else week.sum() >= 12 and (week > 0).sum() >= 3
                bad[begin : begin + 7] = not enough
        found += [Span(patient, "too-few", a * DAY, (b + 1) * DAY) for a, b in runs(bad)]
    return found
