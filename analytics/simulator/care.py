"""The events of care as their gateways send them: registered, diagnosed, treated, enrolled, visited, moved, dead."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from analytics.simulator.body import Bodies
from analytics.simulator.course import Course
from analytics.simulator.device import LETTERS, NO_SLOT, Devices
from analytics.simulator.drug import prescribed, taken
from analytics.simulator.episode import Episode
from analytics.simulator.names import Names
from analytics.simulator.parameters import DAY, HOUR
from analytics.simulator.people import People
from analytics.simulator.pregnancy import Pregnancies
from analytics.simulator.programme import (
    DAILY,
    HORIZON,
    MEASURES,
    NONE,
    PRESSURE,
    REASONS,
    SCHEDULES,
    WEEK,
    WEEKLY,
    Programme,
)

REGISTERED = -40  #: day on which everybody is on record
TEMPERATURE = MEASURES.index("temperature")


@dataclass(frozen=True)
class Care:
    """An event of care: sent at ``sent``, about ``time`` (ms from the start); ``takes_back`` is one that was wrong."""

    sent: int
    time: int
    type: str
    subject: str
    institution: str
    data: dict[str, Any]
    actor: str | None = None
    takes_back: "Care | None" = None


@dataclass
class Lives:
    """Everything that `events` reads."""

    people: People
    pregnancies: Pregnancies
    programme: Programme
    course: Course
    episodes: list[Episode]
    devices: Devices
    bodies: Bodies
    names: Names
    start: date
    days: int


def in_order(lives: Lives, found: Iterable[Care]) -> list[Care]:
    """What is sent before the simulation ends and happens before a death, in the order in which it is sent."""
    end = lives.days * DAY
    died = {
        lives.names.resident(int(i)): at for i, at in zip(lives.programme.person, lives.programme.died, strict=True)
    }
    kept = [one for one in found if one.sent < end and one.time <= died.get(one.subject, np.inf) * DAY]
    return sorted(kept, key=lambda one: (one.sent, one.subject, one.type, one.time))


def events(lives: Lives) -> list[Care]:
    """Everything but visits and examinations, in no order."""
    found = [*_residents(lives), *_symptoms(lives), *_pregnancies(lives)]
    for patient in range(len(lives.programme)):
        found += _patient(lives, patient)
        found += _ends(lives, patient)
    return [*found, *_breaks(lives)]


def at_day(day: float, hour: float = 0, order: int = 0) -> int:
    """``order`` keeps what happens at once in its order: a second each."""
    return round(day * DAY + hour * HOUR) + order * 1000


def _residents(lives: Lives) -> Iterator[Care]:
    people, names = lives.people, lives.names
    for i in range(len(people)):
        at = at_day(REGISTERED) + 20 * i
        data = {"sex": "male" if people.male[i] else "female", "birth_date": people.birth[i]}
        where = names.centre(int(people.centre[i]))
        yield Care(at, at, "resident.registered.v1", names.resident(i), where, data)


def _patient(lives: Lives, patient: int) -> Iterator[Care]:
    """Contract, diagnoses, drugs, and everything about measuring at home."""
    people, names, programme = lives.people, lives.names, lives.programme
    i = int(programme.person[patient])
    resident, centre, team = names.resident(i), int(people.centre[i]), int(people.team[i])
    where, doctor = names.centre(centre), names.doctor(centre, team)

    def event(day: float, hour: float, order: int, type: str, data: dict[str, Any]) -> Care:
        at = at_day(day, hour, order)
        return Care(at, at, type, resident, where, data, doctor)

    yield event(REGISTERED, 8, 1, "resident.contracted.v1", {"team": names.team(centre, team), "doctor": doctor})
    bodies = lives.bodies
    known = (
        ("I10", people.aware), ("E11.9", people.diabetes_known), ("J44.9", people.copd_known),
        ("I50.9", people.heart_failure), ("I48.9", people.fibrillation_known),
        ("I63.9", bodies.stroke), ("I25.1", bodies.coronary),
    )  # fmt: skip
    for order, (code, has) in enumerate(known, 2):
        if has[i]:
            yield event(REGISTERED, 8, order, "chronic.condition-diagnosed.v1", {"code": code})
    for order, drug in enumerate(taken(people, i), 10):
        yield event(REGISTERED, 8, order, "chronic.medication-prescribed.v1", prescribed(drug))
    if programme.enrolled[patient] < lives.days:
        yield from _home(lives, patient, event)


def _home(lives: Lives, patient: int, event: Any) -> Iterator[Care]:
    people, names, programme, devices = lives.people, lives.names, lives.programme, lives.devices
    i, day = int(programme.person[patient]), int(programme.enrolled[patient])
    guardian = {"guardian": names.guardian(i)} if people.age[i] + day / 365 < 14.1 else {}
    consent = {"scopes": ["monitoring", "messages"], "text_version": "2025-01", **guardian}
    yield event(day, 0, 1, "resident.consent-given.v1", consent)
    yield event(day, 0, 2, "monitoring.enrolled.v1", {"reason": REASONS[programme.reason[patient]]})
    for kind in np.flatnonzero(programme.measures[:, patient]).tolist():
        owner, slot = int(devices.owner[kind, patient]), int(devices.slot[kind, patient])
        device = names.device(LETTERS[kind], int(programme.person[owner]))
        if owner == patient:
            stock = event(day, 0, 3 + kind, "device.registered.v1", {"device": device, "kind": MEASURES[kind]})
            yield Care(stock.sent, stock.time, stock.type, f"device:{device}", stock.institution, stock.data)
        bound = {"device": device} | ({} if slot == NO_SLOT else {"user_slot": slot})
        yield event(day, 0, 10 + kind, "device.bound.v1", bound)
    schedule = int(programme.schedule[patient])
    if schedule != NONE:
        kinds = [MEASURES[k] for k in np.flatnonzero(programme.measures[:TEMPERATURE, patient]).tolist()]
        first = lives.start + timedelta(days=max(day, 0))
        sessions = (2, 2) if programme.measures[PRESSURE, patient] else (1, 0)
        plan: dict[str, Any] = {
            "kinds": kinds, "schedule": SCHEDULES[schedule], "morning": sessions[0], "evening": sessions[1],
            "start": first.isoformat(),
        }  # fmt: skip
        if schedule == WEEK:
            plan["end"] = (first + timedelta(days=6)).isoformat()
        yield event(day, 0, 20, "monitoring.plan-set.v1", plan)


def _ends(lives: Lives, patient: int) -> Iterator[Care]:
    """Withdrawal, the end of a plan, a transfer, death."""
    people, names, programme = lives.people, lives.names, lives.programme
    i = int(programme.person[patient])
    resident, where = names.resident(i), names.centre(int(people.centre[i]))
    withdrawn, ended, moved = (int(a[patient]) for a in (programme.withdrawn, programme.ended, programme.moved))
    if withdrawn < lives.days:
        at = at_day(withdrawn)
        data = {"scopes": ["monitoring", "messages"], "reason": "own-wish"}
        yield Care(at, at, "resident.consent-withdrawn.v1", resident, where, data)
    elif programme.enrolls[patient] and programme.schedule[patient] in (DAILY, WEEKLY) and 0 < ended < HORIZON:
        at = at_day(ended)
        yield Care(at, at, "monitoring.ended.v1", resident, where, {"reason": "completed"})
    if moved < lives.days:
        at, new = at_day(moved, 9), names.centre(int(programme.new_centre[patient]) % names.centres)
        yield Care(at, at, "resident.transferred.v1", resident, where, {"to_institution": new})
    died = programme.died[patient]
    if np.isfinite(died):
        at = at_day(died)
        late = (1 + patient % 9) * DAY  # heard of within ten days
        yield Care(at + late, at, "resident.died.v1", resident, where, {})


def _breaks(lives: Lives) -> Iterator[Care]:
    names, programme, people = lives.names, lives.programme, lives.people
    for one in lives.programme.breaks:
        last = min(one.last, lives.days - 1)
        under = programme.enrolled[one.patient] < one.first and programme.ended[one.patient] > last
        if one.announced and under and programme.schedule[one.patient] != NONE:
            i = int(programme.person[one.patient])
            resident, where = names.resident(i), names.centre(int(people.centre[i]))
            at, until = at_day(one.first), lives.start + timedelta(days=one.last)
            data = {"reason": "hospital" if one.hospital else "travel", "until": until.isoformat()}
            yield Care(at, at, "monitoring.paused.v1", resident, where, data)


def _symptoms(lives: Lives) -> Iterator[Care]:
    names, programme, people = lives.names, lives.programme, lives.people
    for one in lives.episodes:
        if one.told is not None and one.symptom is not None:
            i = int(programme.person[one.patient])
            at = one.told // 1000 * 1000
            where = names.centre(int(people.centre[i]))
            data = {"symptoms": [one.symptom], "channel": "app"}
            yield Care(at + 5_000, at, "chronic.symptom-reported.v1", names.resident(i), where, data)


def _pregnancies(lives: Lives) -> Iterator[Care]:
    names, people, several = lives.names, lives.people, lives.pregnancies
    for k in range(len(several)):
        i = int(several.person[k])
        resident, where = names.resident(i), names.centre(int(people.centre[i]))
        booked, ends = int(several.booked[k]), int(several.ends[k])
        period = (lives.start + timedelta(days=int(several.begins[k]))).isoformat()
        at = at_day(booked, 0)
        if at >= at_day(REGISTERED, 12):
            yield Care(at, at, "maternal.pregnancy-registered.v1", resident, where, {"last_menstrual_period": period})
        else:
            sent = at_day(REGISTERED, 12)
            data = {"last_menstrual_period": period}
            yield Care(sent, sent, "maternal.pregnancy-registered.v1", resident, where, data)
        at = at_day(ends, 15)
        if at >= at_day(REGISTERED, 12):
            yield Care(at + DAY, at, "maternal.delivery-recorded.v1", resident, where, {})
