"""What an examination finds in a person, as it usually is: habits, laboratory, target organs, earlier disease."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from analytics.simulator.parameters import Bools, Floats, Ints, Parameters, chance
from analytics.simulator.people import People

SMOKING = ("never", "former", "current")
SALT = ("light", "medium", "heavy")
GRADES = ("good", "fair", "poor")
ADHERENCE = ("regular", "intermittent", "none")
THIAZIDE = 3  #: a third antihypertensive is one, see `people.DRUGS`


@dataclass
class Bodies:
    """One entry a person, in the order of their numbers. ``usual``: by name, what is measured without any noise."""

    height: Floats  #: cm
    smoking: Ints  #: index in `SMOKING`
    cigarettes: Ints  #: a day
    alcohol: Floats  #: 50 g of spirits a day
    salt: Ints  #: index in `SALT`
    exercise: Ints  #: times a week
    staple_food: Ints  #: g a day
    psychological: Ints  #: index in `GRADES`
    adherence: Ints  #: index in `ADHERENCE`
    usual: dict[str, Floats]
    plaque: Bools
    stroke: Bools
    coronary: Bools
    family: dict[str, Bools]


def examine(people: People, seed: int, p: Parameters) -> Bodies:
    """Everybody's body."""
    rng, n = chance(seed, "body"), len(people)
    adult = people.age >= 18
    shares = np.where(adult, rng.random((3, n)), 1)
    smokes, stopped, drinks = (
        share < np.where(people.male, *p[f"body.{name}"])
        for share, name in zip(shares, ("smoking", "stopped_smoking", "drinking"), strict=True)
    )
    height = np.where(adult, _by_sex(people, rng, p["body.height"]), 75 + np.minimum(people.age, 17) * 5.2)
    cigarettes = np.clip(np.round(_normal(rng, n, *p["body.cigarettes"])), 1, 60)
    exercise = np.clip(np.round(_normal(rng, n, *p["body.exercise"])), 0, 14)
    staple = np.clip(_normal(rng, n, *p["body.staple_food"]), 100, 800) // 10 * 10
    stroke, coronary, family = _earlier(people, chance(seed, "earlier"), p)
    at_40, a_year = p["organ.plaque"]
    return Bodies(
        height=height.round(1),
        smoking=np.where(smokes, 2, np.where(stopped, 1, 0)),
        cigarettes=np.where(smokes, cigarettes, 0).astype(np.int64),
        alcohol=np.where(drinks, np.clip(_normal(rng, n, *p["body.alcohol"]), 0.2, 8).round(1), 0.0),
        salt=_pick(rng, n, p["body.salt"]),
        exercise=exercise.astype(np.int64),
        staple_food=staple.astype(np.int64),
        psychological=_pick(rng, n, p["body.psychological"]),
        adherence=_pick(rng, n, p["body.adherence"]),
        usual=_laboratory(people, height, chance(seed, "laboratory"), p) | _organs(people, chance(seed, "organ"), p),
        plaque=(people.age >= 40) & (rng.random(n) < at_40 + a_year * (people.age - 40)),
        stroke=stroke,
        coronary=coronary,
        family=family,
    )


def _normal(rng: Generator, n: int, mean: Floats | float, spread: Floats | float) -> Floats:
    return mean + spread * rng.normal(size=n)


def _skewed(rng: Generator, n: int, median: float, spread: float) -> Floats:
    return median * np.exp(spread * rng.normal(size=n))


def _by_sex(people: People, rng: Generator, numbers: list[float]) -> Floats:
    """Men's mean and spread before women's."""
    return _normal(rng, len(people), np.where(people.male, *numbers[::2]), np.where(people.male, *numbers[1::2]))


def _pick(rng: Generator, n: int, shares: list[float]) -> Ints:
    return rng.choice(len(shares), n, p=shares)


def _laboratory(people: People, height: Floats, rng: Generator, p: Parameters) -> dict[str, Floats]:
    n = len(people)
    ldl = np.clip(_normal(rng, n, *p["laboratory.ldl_cholesterol"]), 1.0, 7.5)
    hdl = np.clip(_by_sex(people, rng, p["laboratory.hdl_cholesterol"]), 0.6, 2.6)
    triglycerides = np.clip(_skewed(rng, n, *p["laboratory.triglycerides"]), 0.4, 9.0)
    chronic, worst = p["laboratory.kidney"]
    ill = (rng.random(n) < chronic) & (people.age >= 18)
    creatinine = np.clip(_by_sex(people, rng, p["laboratory.creatinine"]), 35, 130)
    creatinine = (creatinine + 0.4 * np.clip(people.age - 50, 0, None)) * np.where(ill, 1 + worst * rng.random(n), 1)
    leaks, in_diabetes, times = p["laboratory.albuminuria"]
    albuminuria = rng.random(n) < np.where(people.diabetes, in_diabetes, leaks)
    uacr = np.clip(_skewed(rng, n, *p["laboratory.uacr"]), 2, 28) * np.where(
        albuminuria, times * rng.uniform(0.6, 6, n), 1
    )
    more, wide = p["laboratory.hba1c"]
    middle, per_unit, spread = p["body.waist"]
    off = people.weight / (height / 100) ** 2 - 24
    diuretic = p["laboratory.diuretic_potassium"] * (people.drugs >= THIAZIDE)
    return {
        "waist": np.clip(_normal(rng, n, middle + per_unit * off, spread), 55, 140),
        "total_cholesterol": ldl + hdl + triglycerides / 2.2,  # Friedewald, Clin Chem 1972;18:499, in mmol/L
        "ldl_cholesterol": ldl,
        "hdl_cholesterol": hdl,
        "triglycerides": triglycerides,
        "creatinine": creatinine,
        "uric_acid": np.clip(_by_sex(people, rng, p["laboratory.uric_acid"]), 120, 800),
        "potassium": np.clip(_normal(rng, n, *p["laboratory.potassium"]), 3.2, 5.6) + diuretic,
        "uacr": uacr,
        "homocysteine": np.clip(_normal(rng, n, *p["laboratory.homocysteine"]), 5, 60),
        "glucose_2h": np.clip(people.fasting + _normal(rng, n, *p["laboratory.after_meal"]), 4, 30),
        "hba1c_percent": np.clip(_normal(rng, n, (people.fasting + more + 2.59) / 1.59, wide), 4.2, 15),
    }


def _organs(people: People, rng: Generator, p: Parameters) -> dict[str, Floats]:
    n, years = len(people), np.clip(people.age - 20, 0, None)

    def grown(name: str, low: float, high: float) -> Floats:
        start, a_year, spread = p[f"organ.{name}"]
        return np.clip(_normal(rng, n, start + a_year * years, spread), low, high)

    return {
        "sokolow_lyon": np.clip(_normal(rng, n, *p["organ.sokolow_lyon"]), 0.3, 7),
        "cornell": np.clip(_normal(rng, n, *p["organ.cornell"]), 30, 500),
        "carotid_imt": grown("carotid_imt", 0.3, 2.5),
        "bapwv": grown("bapwv", 8, 35),
        "abi": np.clip(_normal(rng, n, *p["organ.abi"]), 0.4, 1.4),
    }


def _earlier(people: People, rng: Generator, p: Parameters) -> tuple[Bools, Bools, dict[str, Bools]]:
    """Stroke and coronary disease, and what runs in the family."""
    n, old, adult = len(people), people.age >= 60, people.age >= 40
    stroke, coronary = (
        adult & (rng.random(n) < np.where(old, p[f"earlier.{name}"][1], p[f"earlier.{name}"][0]))
        for name in ("stroke", "coronary")
    )
    family = {
        name: rng.random(n) < np.where(own, *p[f"earlier.family_{name}"])
        for name, own in (("hypertension", people.hypertension), ("diabetes", people.diabetes))
    }
    return stroke, coronary, family | {"early-cvd": rng.random(n) < p["earlier.family_early_cvd"]}
