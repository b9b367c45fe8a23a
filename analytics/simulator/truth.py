"""The hidden truth, written aside and never sent: true pressure by day, episodes, patterns, faults, deaths."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from analytics.simulator import occasions, span
from analytics.simulator.care import Lives
from analytics.simulator.delivery import Deliveries
from analytics.simulator.device import CLOCKS, DRIFTING, NO_SLOT, RIGHT, UNKNOWN_USER, UNSET
from analytics.simulator.episode import FELT, SHOWN_BY, Episode
from analytics.simulator.parameters import DAY, HOUR, VERSION
from analytics.simulator.payload import HIGHEST
from analytics.simulator.people import KINDS
from analytics.simulator.programme import MEASURES, PRESSURE, REASONS, SCHEDULES, TEMPERATURE

FORMAT = 1
REPEATED = 14 * DAY
TOLERATED = 600_000  #: ms that a clock may be off
SLOW = 54  #: /min, usual pulse at which one reading below 50 is nothing new
DANGER = (*FELT["danger"], "fainting", "confusion")  #: clinical decision 6
FEVER = 39  #: °C, clinical decision 13: a lower one need not be told of
APART = 20  #: mmHg by which two on one cuff must differ to be told apart
SHOWN = ("high-pressure", "low-under-treatment", "pregnancy-hypertension", "crisis", "hypotension", "low-when-treated")


def lines(lives: Lives, deliveries: Deliveries, seed: int, begin: int) -> Iterator[dict[str, Any]]:
    """One dict a line; instants are milliseconds since 1970, ``begin`` is the start."""
    programme, names = lives.programme, lives.names
    yield {
        "what": "district", "format": FORMAT, "seed": seed, "parameters": VERSION, "start": lives.start.isoformat(),
        "begin": begin, "end": begin + lives.days * DAY, "days": lives.days, "residents": len(lives.people),
        "monitored": int((programme.enrolled < lives.days).sum()), "prefix": names.prefix,
        "occasions": occasions.count(programme, deliveries, lives.days),
    }  # fmt: skip
    due = programme.under_plan(lives.days)
    for patient in range(len(programme)):
        yield _resident(lives, patient, due[patient], begin)
    for patient in np.flatnonzero(programme.enrolled < lives.days).tolist():
        level = np.round(lives.course.level[:, patient], 1)
        resident = names.resident(int(programme.person[patient]))
        yield {"what": "course", "resident": resident, "systolic": level[0].tolist(), "diastolic": level[1].tolist()}
    for one in happened(lives, deliveries):
        yield one | {name: one[name] + begin for name in ("start", "end", "first") if name in one}


def _resident(lives: Lives, patient: int, due: Any, begin: int) -> dict[str, Any]:
    people, programme, devices = lives.people, lives.programme, lives.devices
    i = int(programme.person[patient])
    conditions = ("hypertension", "diabetes", "copd", "heart_failure", "fibrillation")
    clocks = {
        MEASURES[kind]: CLOCKS[devices.clock[kind, devices.owner[kind, patient]]]
        for kind in np.flatnonzero(programme.measures[:, patient]).tolist()
    }
    died = programme.died[patient]
    spans = [[begin + a * DAY, begin + (b + 1) * DAY] for a, b in span.runs(due)] if programme.enrolls[patient] else []
    return {
        "what": "resident", "resident": lives.names.resident(i), "pattern": KINDS[people.kind[i]],
        "has": [name for name in conditions if getattr(people, name)[i]], "age": round(float(people.age[i]), 1),
        "usual": [round(float(v), 1) for v in people.usual[:, i]], "schedule": SCHEDULES[programme.schedule[patient]],
        "reason": REASONS[programme.reason[patient]] if programme.enrolls[patient] else None, "plan": spans,
        "clocks": clocks, "died": None if np.isinf(died) else begin + round(died * DAY),
        "stopped": begin + int(programme.stopped[patient]) * DAY if programme.stopped[patient] < lives.days else None,
    }  # fmt: skip


def happened(lives: Lives, deliveries: Deliveries) -> Iterator[dict[str, Any]]:
    """Every episode and every lasting condition, with what its readings could tell: how many, when first."""
    programme = lives.programme
    taken = [deliveries.taken(kind) for kind in range(len(MEASURES))]

    def line(patient: int, what: str, start: int, end: int, shown: int | None, **more: Any) -> dict[str, Any]:
        found: dict[str, Any] = {
            "what": "episode",
            "resident": lives.names.resident(int(programme.person[patient])),
            "is": what,
        }
        return (
            found
            | {"start": start, "end": min(end, lives.days * DAY)}
            | _seen(taken, shown, patient, start, end)
            | more
        )

    for one in lives.episodes:
        if one.told is not None and one.symptom in DANGER:
            yield line(one.patient, "danger", one.start, one.end + 2 * HOUR, None, readings=1, symptom=one.symptom)
        if one.what == "danger":
            continue
        kind = SHOWN_BY.get(one.what, PRESSURE)
        if programme.measures[kind, one.patient] and programme.enrolled[one.patient] * DAY <= one.start:
            more: dict[str, Any] = {"level": list(one.level)} | (
                {"symptom": one.symptom} if one.told is not None else {}
            )
            found = line(one.patient, one.what, one.start, one.end, kind, **more)
            if one.what == "trouble":
                found["readings"] = _failed(deliveries, one)
                yield found | {"is": "failing-device", "brief": True}
            if one.what == "fever" and one.level[0] < FEVER:
                found["brief"] = True
            yield found
            if one.what == "hyperglycaemia" and one.level[0] > HIGHEST:
                yield found | {"is": "beyond-the-meter"}
    yield from _repeated(lives, line)
    spans = [
        *span.pressure(lives.people, programme, lives.course, lives.days),
        *span.moments(lives.people, programme, lives.course, lives.devices.rise, lives.days),
        *span.expecting(programme, lives.course, lives.days), *span.silence(programme, lives.days, taken),
        *span.too_few(programme, lives.days, taken[PRESSURE]),
    ]  # fmt: skip
    for each in spans:
        shown = PRESSURE if each.what in SHOWN else None
        about = each.about | ({"brief": True} if each.brief else {})
        yield line(each.patient, each.what, each.start, each.end, shown, **about)
    yield from _persons(lives, deliveries, taken, line)


def _seen(taken: list[tuple[Any, Any]], kind: int | None, patient: int, start: int, end: int) -> dict[str, Any]:
    if kind is None:
        return {}
    patients, times = taken[kind]
    begin, stop = np.searchsorted(patients, [patient, patient + 1])
    first, last = np.searchsorted(times[begin:stop], [start, end])
    seen: dict[str, Any] = {"readings": int(last - first)}
    return seen | ({"first": int(times[begin + first])} if last > first else {})


def _failed(deliveries: Deliveries, one: Episode) -> int:
    mine = deliveries.failed & (deliveries.patient == one.patient)
    return int(((deliveries.time[mine] >= one.start) & (deliveries.time[mine] < one.end)).sum())


def _repeated(lives: Lives, line: Any) -> Iterator[dict[str, Any]]:
    """Two lows of glucose within fourteen days."""
    before: dict[int, Episode] = {}
    for one in lives.episodes:
        if one.what == "hypoglycaemia" and lives.programme.measures[SHOWN_BY[one.what], one.patient]:
            earlier = before.get(one.patient)
            if earlier is not None and one.start - earlier.start <= REPEATED:
                both = [line(e.patient, e.what, e.start, e.end, SHOWN_BY[e.what]) for e in (earlier, one)]
                seen = min(both[0]["readings"], both[1]["readings"])
                found = line(one.patient, "repeated-hypoglycaemia", one.start, one.end, None)
                yield found | {"readings": seen}
            before[one.patient] = one


def _persons(lives: Lives, deliveries: Deliveries, taken: list[tuple[Any, Any]], line: Any) -> Iterator[dict[str, Any]]:
    """Unknown fibrillation, a usually slow or irregular pulse, children, others' readings, strangers."""
    people, programme = lives.people, lives.programme
    for patient in np.flatnonzero(programme.measures[PRESSURE] & programme.enrolls).tolist():
        i = int(programme.person[patient])
        slow = people.pulse[i] - 9 * people.beta_blocker[i] < SLOW
        if slow or people.fibrillation[i]:
            what = "slow-pulse" if slow else "fast-pulse"
            yield line(patient, what, 0, lives.days * DAY, None, readings=1, brief=True)
        if people.fibrillation[i] and not people.fibrillation_known[i]:
            due = span.runs(programme.under_plan(lives.days)[patient])
            if due:
                yield line(patient, "unknown-fibrillation", due[0][0] * DAY, (due[-1][1] + 1) * DAY, PRESSURE)
        if people.age[i] < 18:
            patients, times = taken[PRESSURE]
            for time in times[patients == patient].tolist():
                yield line(patient, "child-measured", time, time + HOUR, None, readings=1)
    yield from _clocks(lives, line)
    pairs = _partners(lives)
    mixed = np.flatnonzero((deliveries.slot != NO_SLOT) & (deliveries.slot != UNKNOWN_USER) & ~deliveries.failed)
    for at in mixed.tolist():
        patient, slot = int(deliveries.patient[at]), int(deliveries.slot[at])
        other = pairs.get((int(deliveries.owner[at]), slot))
        if other is not None and other != patient:
            time = int(deliveries.time[at])
            usual = people.usual[0, programme.person[[patient, other]]]
            alike = {"brief": True} if abs(usual[0] - usual[1]) < APART else {}
            yield line(other, "other-person", time, time + HOUR, None, readings=1, **alike)
    for at in np.flatnonzero((deliveries.patient < 0) & ~deliveries.failed).tolist():
        time, device = int(deliveries.time[at]), lives.names.device("X", int(deliveries.owner[at]))
        found = {"what": "episode", "resident": f"device:{device}", "is": "stranger", "start": time, "end": time + HOUR}
        yield found | {"readings": 1}


def _clocks(lives: Lives, line: Any) -> Iterator[dict[str, Any]]:
    """Devices whose clock is wrong while they are used; a drifting one from ten minutes on."""
    programme, devices = lives.programme, lives.devices
    for patient in np.flatnonzero(programme.enrolled < lives.days).tolist():
        for kind in np.flatnonzero(programme.measures[:TEMPERATURE, patient]).tolist():
            owner = int(devices.owner[kind, patient])
            wrong = devices.clock[kind, owner]
            if wrong in (RIGHT, UNSET):
                continue
            since = max(int(programme.enrolled[patient]), 0) * DAY
            if wrong == DRIFTING:
                off = (TOLERATED - int(devices.offset[kind, owner])) / float(devices.drift[kind, owner]) * DAY
                since = max(since, round(off))
            until = min(int(programme.ended[patient]), lives.days) * DAY
            if since < until:
                yield line(patient, "wrong-clock", since, until, kind, clock=CLOCKS[wrong])


def _partners(lives: Lives) -> dict[tuple[int, int], int]:
    """Whose a slot of a shared cuff is, by (patient who owns the cuff, slot)."""
    owner, slot = lives.devices.owner[PRESSURE], lives.devices.slot[PRESSURE]
    shared = np.flatnonzero(slot != NO_SLOT)
    return {(int(owner[patient]), int(slot[patient])): int(patient) for patient in shared}
