"""Who lives in the demonstration district, and what is known of them before their first live reading."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from infra.settings import settings
from schemas.envelope import Event, rfc3339
from schemas.registry import parse

SEED = 20260301
HISTORY = 5  #: days of readings before the first start
CARE, PLAN, VISIT = 200, 35, 20  #: days since registration, since the plan was set, since the last visit
CENTRES = {"I01": "东风社区卫生服务中心", "I02": "湖滨社区卫生服务中心"}
#: persona: how many, usual systolic and diastolic pressure at home
PERSONAS = {
    "crisis": (1, 152, 94), "controlled": (12, 124, 77), "uncontrolled": (7, 147, 91), "white-coat": (3, 122, 76),
    "silent": (2, 136, 84), "wrong-clock": (2, 129, 80), "bad-payload": (1, 131, 82), "pregnant": (1, 142, 91),
    "diabetic": (1, 134, 82),
}  # fmt: skip
#: laboratory values at the last check: name, the lowest of them, how much more the next of seven people has, unit
LABORATORY = (
    ("total_cholesterol", 4.2, 0.3, "mmol/L"), ("hdl_cholesterol", 1.1, 0.06, "mmol/L"),
    ("ldl_cholesterol", 2.2, 0.25, "mmol/L"), ("fasting_glucose", 4.9, 0.2, "mmol/L"),
    ("creatinine", 62, 7, "umol/L"), ("potassium", 3.9, 0.1, "mmol/L"),
    ("waist", 78, 3, "cm"),
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """A resident with a device."""

    number: int
    persona: str
    institution: str
    systolic: int
    diastolic: int
    sex: str
    birth_date: date

    @property
    def resident(self) -> str:
        """The resident's pseudonym."""
        return f"R-{2000 + self.number}"

    @property
    def device(self) -> str:
        """The device, bound to this person alone."""
        return f"D-{2000 + self.number}"

    @property
    def kind(self) -> str:
        """What the device measures."""
        return "glucose" if self.persona == "diabetic" else "blood-pressure"

    def values(self, rng: random.Random, *, crisis: bool = False) -> dict[str, Any]:
        """One measurement."""
        if self.kind == "glucose":
            return {"kind": "glucose", "value": round(rng.uniform(5.6, 9.8), 1), "context": "fasting"}
        systolic = 188 + rng.randrange(8) if crisis else round(rng.gauss(self.systolic, 5))
        diastolic = 112 + rng.randrange(6) if crisis else round(rng.gauss(self.diastolic, 4))
        return {"systolic": systolic, "diastolic": min(diastolic, systolic - 20), "pulse": rng.randrange(60, 88)}


def residents(seed: int = SEED) -> list[Person]:
    """Everybody, the same for the same seed."""
    rng = random.Random(seed)
    people: list[Person] = []
    for persona, (count, systolic, diastolic) in PERSONAS.items():
        for _ in range(count):
            born = date(1994 if persona == "pregnant" else rng.randrange(1944, 1968), rng.randrange(1, 13), 15)
            sex = "female" if persona == "pregnant" else rng.choice(("female", "male"))
            usual = systolic + rng.randrange(-4, 5), diastolic + rng.randrange(-3, 4)
            institution = tuple(CENTRES)[len(people) % len(CENTRES)]
            people.append(Person(len(people) + 1, persona, institution, *usual, sex, born))
    return people


def founding(people: list[Person], now: datetime, seed: int = SEED) -> Iterator[Event]:
    """The centres, then of each person the registration, care and device, then `HISTORY` days of readings."""
    start = now - timedelta(days=CARE)
    for institution, name in CENTRES.items():
        about = {"institution": institution, "name": name, "district": "D01"}
        yield _event("organization.institution-registered.v1", institution, institution, start, about)
        area = {"north": False, "urban": True}
        yield _event("organization.area-described.v1", institution, institution, start, area)
        for staff, role in ((f"S-{institution}-1", "doctor"), (f"S-{institution}-2", "nurse")):
            yield _event("organization.staff-registered.v1", staff, institution, start, {"staff": staff, "role": role})
            span = {"start": rfc3339(start), "end": rfc3339(now + timedelta(days=365))}
            rota = {"role": role, **span, "shifts": [{"staff": staff, **span}]}
            yield _event("organization.rota-set.v1", f"{institution}.{role}", institution, start, rota)
    for person in people:
        for type, days, data in _care(person, now):
            yield _event(type, person.resident, person.institution, now - timedelta(days=days), data)
        device = {"device": person.device, "kind": person.kind}
        yield _event("device.registered.v1", f"device:{person.device}", person.institution, start, device)
        yield _event("device.bound.v1", person.resident, person.institution, start, {"device": person.device})
    yield from _readings(people, now, random.Random(seed))


def _care(person: Person, now: datetime) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Type, how many days ago, and data of each event of a person's care."""
    yield "resident.registered.v1", CARE, {"sex": person.sex, "birth_date": person.birth_date.isoformat()}
    yield "resident.contracted.v1", CARE, {"doctor": f"S-{person.institution}-1"}
    if person.persona == "pregnant":
        yield "maternal.pregnancy-registered.v1", PLAN, {}
    else:
        yield "chronic.condition-diagnosed.v1", CARE, {"code": "E11.9" if person.persona == "diabetic" else "I10"}
    if person.persona in ("controlled", "uncontrolled", "crisis"):
        yield "chronic.medication-prescribed.v1", CARE, {"code": "C08CA01", "dose": "5 mg", "frequency": "qd"}
    consent = {"scopes": ["monitoring", "messages"], "text_version": "consent-2026-1"}
    yield "resident.consent-given.v1", PLAN, {**consent, "witness": f"S-{person.institution}-2"}
    yield "monitoring.enrolled.v1", PLAN, {"reason": "pregnancy" if person.persona == "pregnant" else "hypertension"}
    start = (now - timedelta(days=PLAN)).date().isoformat()
    yield "monitoring.plan-set.v1", PLAN, {
        "kinds": [person.kind], "schedule": "daily", "start": start, "morning": 2, "evening": 2,
    }  # fmt: skip
    if person.kind == "blood-pressure":
        office = (152, 94) if person.persona == "white-coat" else (person.systolic, person.diastolic)
        yield "chronic.follow-up-completed.v3", VISIT, {
            "programme": "hypertension", "mode": "clinic", "symptoms": ["none"], "heart_rate": 72 + person.number % 9,
            "blood_pressure": {"systolic": office[0], "diastolic": office[1]}, "height": 158 + person.number % 17,
            "weight": 58 + person.number % 23, "adherence": "regular", "adverse_reaction": False,
            "lifestyle": {"smoking_per_day": 10 * (person.number % 4 == 0), "salt": "medium"},
        }  # fmt: skip
    if person.persona != "pregnant":
        yield "chronic.lifestyle-recorded.v1", VISIT, {"smoking": "current" if person.number % 4 == 0 else "never"}
        yield "chronic.family-history-recorded.v1", VISIT, {"relatives": []}
        yield "examination.recorded.v1", VISIT, {"panel": "annual", "results": [
            {"name": name, "value": round(usual + step * (person.number % 7), 2), "unit": unit}
            for name, usual, step, unit in LABORATORY
        ]}  # fmt: skip


def _readings(people: list[Person], now: datetime, rng: random.Random) -> Iterator[Event]:
    for day in range(HISTORY, 0, -1):
        for person in people:
            if person.persona == "silent" and day <= HISTORY - 2:
                continue
            for hour, minute in ((7, 0), (7, 2), (20, 0), (20, 2)):
                local = datetime.combine((now - timedelta(days=day)).date(), time(hour, minute), settings().zone)
                values = person.values(rng)
                type = f"reading.{values.pop('kind', 'blood-pressure')}-measured.v1"
                at = (local + timedelta(minutes=person.number % 30)).astimezone(UTC)
                yield _event(type, person.resident, person.institution, at, values | {"device": person.device})


def _event(type: str, subject: str, institution: str, at: datetime, data: dict[str, Any]) -> Event:
    id = f"{type}/{subject}/{rfc3339(at)}"
    about = {"source": "district", "subject": subject, "institution": institution, "origin": "import"}
    return parse({"id": id, "type": f"mailiu.{type}", "time": rfc3339(at), "data": data} | about)
