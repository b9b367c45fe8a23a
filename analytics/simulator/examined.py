"""Examinations: a first one and one a year of everybody managed, HbA1c between them, and what goes wrong with them.

What is found varies about what the body usually is (`body`); the national specification asks for one check a year.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.random import Generator

from analytics.simulator.body import SALT, SMOKING
from analytics.simulator.care import Care, Lives, at_day
from analytics.simulator.drug import STATIN, prescribed
from analytics.simulator.parameters import DAY, HOUR, YEAR, Bools, Floats, Parameters, chance
from schemas.questionnaires import released

RESULT, CHECK = "examination.recorded.v1", "examination.health-examined.v1"
FIRST = 30  #: days before the start in which the first examinations lie
HIGH_LDL = 3.4  #: mmol/L, Chinese lipid guideline 2023: target of those at low and moderate risk
LIGHT = 0.85  #: share of questions that get the lightest answer (M)
#: Unit and decimals.
UNITS = {
    "height": ("cm", 1), "weight": ("kg", 1), "waist": ("cm", 0), "pulse": ("/min", 0), "respiratory_rate": ("/min", 0),
    "temperature": ("Cel", 1), "fasting_glucose": ("mmol/L", 1), "glucose_2h": ("mmol/L", 1), "hba1c_percent": ("%", 1),
    "total_cholesterol": ("mmol/L", 2), "ldl_cholesterol": ("mmol/L", 2), "hdl_cholesterol": ("mmol/L", 2),
    "triglycerides": ("mmol/L", 2), "creatinine": ("umol/L", 0), "uric_acid": ("umol/L", 0), "potassium": ("mmol/L", 1),
    "homocysteine": ("umol/L", 1), "uacr": ("mg/g", 1), "sokolow_lyon": ("mV", 1), "cornell": ("mV.ms", 0),
    "carotid_imt": ("mm", 2), "bapwv": ("m/s", 1), "abi": ("1", 2),
}  # fmt: skip
LABORATORY = ("creatinine", "uric_acid", "potassium", "uacr", "homocysteine")
ORGANS = ("sokolow_lyon", "cornell", "carotid_imt", "bapwv", "abi")


class _Person:
    """One patient before the examiner."""

    def __init__(self, lives: Lives, patient: int, rng: Generator, p: Parameters) -> None:
        self.lives, self.patient, self.rng, self.p = lives, patient, rng, p
        self.i = int(lives.programme.person[patient])
        self.statin = False
        people, names = lives.people, lives.names
        centre, team = int(people.centre[self.i]), int(people.team[self.i])
        self.resident, self.where = names.resident(self.i), names.centre(centre)
        self.doctor = names.doctor(centre, team)

    def care(self, day: float, type: str, data: dict[str, Any], late: int = 2 * HOUR, order: int = 0) -> Care:
        """An event of the morning of ``day``, sent so much later (ms)."""
        at = at_day(int(day), 8, order)
        return Care(at + late, at, type, self.resident, self.where, data, self.doctor)

    def value(self, name: str) -> float:
        """What a measurement gives now."""
        people, bodies = self.lives.people, self.lives.bodies
        usual: dict[str, Floats] = bodies.usual | {"fasting_glucose": people.fasting, "weight": people.weight}
        found = float(usual[name][self.i])
        if name == "ldl_cholesterol" and self.statin:
            found *= self.p["laboratory.statin"]
        spread = 0.015 if name in ("weight", "waist") else self.p["laboratory.within"]
        return found * (1 + float(spread * np.clip(self.rng.normal(), -3, 3)))

    def results(self, *names: str, **values: float) -> list[dict[str, Any]]:
        """Results in their units, rounded as a laboratory reports them."""
        found = {name: self.value(name) for name in names} | values
        return [
            {"name": name, "value": round(value, UNITS[name][1]), "unit": UNITS[name][0]}
            for name, value in found.items()
        ]

    def lipids(self) -> list[dict[str, Any]]:
        """Cholesterols that add up, by Friedewald (Clin Chem 1972;18:499)."""
        ldl, hdl, fat = (self.value(name) for name in ("ldl_cholesterol", "hdl_cholesterol", "triglycerides"))
        return self.results(
            total_cholesterol=ldl + hdl + fat / 2.2, ldl_cholesterol=ldl, hdl_cholesterol=hdl, triglycerides=fat
        )

    def habits(self) -> dict[str, Any]:
        """How the person lives, as form 3 asks."""
        bodies, i = self.lives.bodies, self.i
        exercise, liang = int(bodies.exercise[i]), float(bodies.alcohol[i])
        return {
            "smoking": SMOKING[bodies.smoking[i]], "smoking_per_day": int(bodies.cigarettes[i]),
            "alcohol": "never" if not liang else "daily" if liang > 1.5 else "occasional", "alcohol_per_day": liang,
            "exercise": "daily" if exercise >= 6 else "more-than-once-a-week" if exercise else "none",
            "exercise_minutes": 30 if exercise else 0, "salt": SALT[bodies.salt[i]],
            "diet": ["salty" if bodies.salt[i] == 2 else "balanced"],
        }  # fmt: skip


def examinations(lives: Lives, seed: int, p: Parameters) -> Iterator[Care]:
    """Everything that examiners and laboratories send, and what they take back."""
    people, person = lives.people, lives.programme.person
    managed: Bools = people.aware[person] | people.diabetes_known[person]
    for patient in np.flatnonzero(managed).tolist():
        yield from _course(_Person(lives, patient, chance(seed, f"examined/{patient}"), p), lives, p)


def statins(found: list[Care]) -> dict[str, int]:
    """From when on each resident takes one, ms from the start."""
    return {one.subject: one.time for one in found if one.data.get("code") == STATIN}


def _course(one: _Person, lives: Lives, p: Parameters) -> Iterator[Care]:
    rng, days = one.rng, lives.days
    first = -1.0 - FIRST * float(rng.random())
    yield one.care(first, "chronic.lifestyle-recorded.v1", one.habits())
    yield one.care(first, "chronic.family-history-recorded.v1", {"relatives": _relatives(lives, one.i)}, order=1)
    yield from _panel(one, first, p)
    yearly = float(rng.uniform(0, YEAR))
    while yearly < days:
        if rng.random() < p["examined.annual"]:
            yield from _check(one, yearly, p)
        yearly += YEAR
    if lives.people.diabetes_known[one.i]:
        between = first + p["examined.hba1c_days"]
        while between < days:
            yield from _recorded(one, between, one.results("hba1c_percent", "glucose_2h"), p)
            between += p["examined.hba1c_days"]


def _relatives(lives: Lives, i: int) -> list[dict[str, Any]]:
    family = lives.bodies.family
    told = [{"condition": name, "relative": "mother"} for name in ("hypertension", "diabetes") if family[name][i]]
    early = {"condition": "coronary-heart-disease", "relative": "father", "onset_age": 50}
    return [*told, early] if family["early-cvd"][i] else told


def _panel(one: _Person, day: float, p: Parameters) -> Iterator[Care]:
    """Blood and urine, and sometimes heart and vessels."""
    sweet = ("hba1c_percent",) if one.lives.people.diabetes_known[one.i] else ()
    results = [*one.lipids(), *one.results("fasting_glucose", *sweet, *LABORATORY)]
    if one.rng.random() < p["examined.organs"]:
        plaque = "present" if one.lives.bodies.plaque[one.i] else "absent"
        results += [*one.results(*ORGANS), {"name": "carotid_plaque", "finding": plaque}]
    yield from _recorded(one, day, results, p)


def _recorded(one: _Person, day: float, results: list[dict[str, Any]], p: Parameters) -> Iterator[Care]:
    """What a laboratory sends, once or twice; sometimes it was somebody else's, and is taken back."""
    luck, data = one.rng.random(2), {"results": results}
    yield one.care(day, RESULT, data, DAY // 2)
    if luck[0] < p["examined.twice"]:
        yield one.care(day, RESULT, data, 2 * DAY)
    if luck[1] < p["examined.mistaken"]:
        stranger = [r | {"value": round(r["value"] * 1.3, 2)} for r in results if "value" in r]
        wrong = one.care(day + 1, RESULT, {"results": stranger})
        yield wrong
        back = wrong.sent + DAY
        reason = {"reason": "entered-in-error"}
        yield Care(back, back, "reading.retracted.v1", one.resident, one.where, reason, one.doctor, wrong)


def _check(one: _Person, day: float, p: Parameters) -> Iterator[Care]:
    """The annual examination with its laboratory, what is prescribed then, and questionnaires."""
    lives, i, rng = one.lives, one.i, one.rng
    level, spread, offset = lives.course.level, p["care.office_spread"], lives.people.office[:, i]
    systolic = float(level[0, one.patient, int(day)] + offset[0] + spread[0] * rng.normal())
    diastolic = float(min(level[1, one.patient, int(day)] + offset[1] + spread[1] * rng.normal(), systolic - 20))
    arms = [
        {"systolic": round(np.clip(systolic + d, 80, 240)), "diastolic": round(np.clip(diastolic + d, 40, 140))}
        for d in rng.normal(0, 2, 2)
    ]
    high = max(arm["systolic"] for arm in arms) >= 140
    results = one.results(
        "weight", "waist", "fasting_glucose", height=float(lives.bodies.height[i]), temperature=36.5,
        pulse=float(lives.people.pulse[i]), respiratory_rate=17,
    )  # fmt: skip
    yield from _panel(one, day, p)
    yield one.care(
        day, CHECK,
        {
            "results": [*results, {"name": "urine_protein", "finding": "negative"}],
            "blood_pressure_left": arms[0], "blood_pressure_right": arms[1], "symptoms": ["none"],
            "findings": {"lips": "ruddy", "leg_oedema": "none", "heart_rhythm": "regular", "rales": "none"},
            "lifestyle": one.habits(), "evaluation": "abnormal" if high else "no-abnormality",
            "abnormalities": ["血压偏高"] if high else [],
            "guidance": ["enrol-in-chronic-disease-management"], "risk_control": ["diet", "exercise"],
            "doctor": one.doctor,
        },
        order=2,
    )  # fmt: skip
    ldl = one.value("ldl_cholesterol")
    if ldl >= HIGH_LDL and not one.statin and rng.random() < p["examined.statin_started"]:
        one.statin = True
        yield one.care(day + 1, "chronic.medication-prescribed.v1", prescribed(STATIN))
    asked = ["phq-9", "gad-7"] if rng.random() < p["examined.questionnaire"] else []
    if lives.people.age[i] >= 65:
        asked.append("adl-elderly")
    for order, name in enumerate(asked, 3):
        yield one.care(day, "engagement.questionnaire-answered.v1", _answers(name, rng), order=order)


def _answers(name: str, rng: Generator) -> dict[str, Any]:
    """Mostly the lightest answer."""
    version = max(released()[name])
    answers = {}
    for id, item in released()[name][version].items.items():
        codes = list(item.options)
        answers[id] = codes[0 if rng.random() < LIGHT else int(rng.integers(len(codes)))]
    return {"questionnaire": name, "version": version, "answers": answers, "channel": "visit"}
