"""Follow-up visits as forms 4.3 and 4.4 of the national specification ask for them, and what is prescribed there."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.random import Generator

from analytics.simulator.body import ADHERENCE, GRADES, SALT
from analytics.simulator.care import Care, Lives, at_day
from analytics.simulator.course import REVISIT, Visit
from analytics.simulator.delivery import MINUTE
from analytics.simulator.drug import DOSES, INSULIN, STATIN, prescribed, taken
from analytics.simulator.parameters import DAY, Parameters, chance
from analytics.simulator.people import DRUGS

COMPLAINTS = ("headache-dizziness", "numb-limbs", "palpitation-chest-tightness", "leg-oedema", "other")
QUARTER = 91  #: days until the next visit of somebody whose pressure and glucose are satisfactory
#: National specification: office pressure satisfactory below, from 65 years below; fasting glucose below, mmol/L.
SATISFACTORY, FROM_65, FASTING = (140, 90), (150, 90), 7.0


def visits(lives: Lives, seed: int, p: Parameters, statins: dict[str, int]) -> Iterator[Care]:
    """Every visit and call, and the drugs that were added; ``statins``: from when on who takes one (ms)."""
    rng = chance(seed, "care")
    names, people, programme = lives.names, lives.people, lives.programme
    drugs = [taken(people, i) for i in programme.person.tolist()]
    for visit in lives.course.visits:
        i = int(programme.person[visit.patient])
        resident, centre = names.resident(i), int(people.centre[i])
        where, doctor = names.centre(centre), names.doctor(centre, int(people.team[i]))
        at = at_day(visit.day, 8.5 + 8 * rng.random()) // MINUTE * MINUTE
        late = rng.random() < p["care.entered_late"]
        sent = at + (int(rng.integers(1, 4)) * DAY if late else 10 * MINUTE)
        takes = drugs[visit.patient]
        added = None if visit.drug is None else DRUGS[min(visit.drug, len(DRUGS)) - 1]
        if added is not None and added not in takes:
            takes.append(added)
        if statins.get(resident, at + 1) <= at and STATIN not in takes:
            takes.append(STATIN)
        form = _form(lives, visit, i, takes, rng, p) | {"doctor": doctor}
        yield Care(sent, at, "chronic.follow-up-completed.v3", resident, where, form, doctor)
        if added is not None:
            more = prescribed(added)
            yield Care(sent + 1000, at + 1000, "chronic.medication-prescribed.v1", resident, where, more, doctor)


def _form(lives: Lives, visit: Visit, i: int, takes: list[str], rng: Generator, p: Parameters) -> dict[str, Any]:
    people, bodies = lives.people, lives.bodies
    diabetes, seen = bool(people.diabetes_known[i]), visit.office is not None
    adverse = bool(rng.random() < p["examined.adverse"])
    told = _classified(visit, float(people.age[i]), diabetes, adverse)
    soon = told != "satisfactory"
    form: dict[str, Any] = {
        "programme": "both" if people.aware[i] and diabetes else "diabetes" if diabetes else "hypertension",
        "mode": "clinic" if seen else "phone",
        "symptoms": ["none"] if rng.random() < 0.85 else [COMPLAINTS[int(rng.integers(len(COMPLAINTS)))]],
        "lifestyle": _lifestyle(lives, i, rng),
        "adherence": ADHERENCE[bodies.adherence[i]], "adverse_reaction": adverse, "complication": "none",
        "classification": told, "medications": [prescribed(code) for code in takes if code != INSULIN],
        "next_visit": (lives.start + timedelta(days=visit.day + (REVISIT if soon else QUARTER))).isoformat(),
    }  # fmt: skip
    if adverse:
        form["adverse_reaction_text"] = "踝部水肿"
    if INSULIN in takes:
        form["insulin"] = {"name": DOSES[INSULIN][0], "usage": ", ".join(DOSES[INSULIN][1:])}
    if seen:
        assert visit.office is not None
        form |= {
            "blood_pressure": {"systolic": visit.office[0], "diastolic": visit.office[1]},
            "heart_rate": round(float(np.clip(people.pulse[i] + 3 * rng.normal(), 45, 140))),
            "weight": round(float(people.weight[i] + rng.normal()), 1),
        }
        if diabetes:
            form["dorsalis_pedis"] = "normal"
            if visit.fasting is not None:
                form["fasting_glucose"] = visit.fasting
    if diabetes:
        form["hypoglycaemia"] = "occasional" if rng.random() < 0.05 else "none"
    return form


def _classified(visit: Visit, age: float, diabetes: bool, adverse: bool) -> str:
    """The class of the national specification; a call without any figure is as the last one was: satisfactory."""
    if adverse:
        return "adverse-reaction"
    s, d = FROM_65 if age >= 65 else SATISFACTORY
    high = visit.office is not None and (visit.office[0] >= s or visit.office[1] >= d)
    sweet = diabetes and visit.office is not None and visit.fasting is not None and visit.fasting >= FASTING
    return "unsatisfactory" if high or sweet else "satisfactory"


def _lifestyle(lives: Lives, i: int, rng: Generator) -> dict[str, Any]:
    bodies = lives.bodies
    return {
        "smoking_per_day": int(bodies.cigarettes[i]), "alcohol_per_day": float(bodies.alcohol[i]),
        "exercise_per_week": max(0, int(bodies.exercise[i]) + int(rng.integers(-1, 2))), "exercise_minutes": 30,
        "salt": SALT[bodies.salt[i]], "staple_food_g": int(bodies.staple_food[i]),
        "psychological": GRADES[bodies.psychological[i]], "compliance": GRADES[bodies.adherence[i]],
    }  # fmt: skip
