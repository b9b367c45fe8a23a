"""Who lives in the district: age, sex, institution, what they have, what is known of it, and how it is treated."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from analytics.simulator.parameters import YEAR, Bools, Floats, Ints, Parameters, by_group, chance

#: What a person's pressure is like at home, in the order of the numbers in `People.kind`.
KINDS = ("normal", "controlled", "raised", "white-coat", "masked", "child")
NORMAL, CONTROLLED, RAISED, WHITE_COAT, MASKED, CHILD = range(6)
#: Antihypertensives in the order in which they are added (ATC).
DRUGS = ("C08CA01", "C09CA01", "C03AA03", "C07AB02", "C09AA02")
BETA_BLOCKER = 3
GLUCOSE_DRUGS = ("A10BA02", "A10BB12", "A10AE04")


@dataclass
class People:
    """Everybody, one array a property, in the order of their numbers."""

    age: Floats  #: years at the start
    birth: list[str]  #: ISO dates
    male: Bools
    centre: Ints
    team: Ints
    kind: Ints  #: index in `KINDS`
    usual: Floats  #: usual home pressure, systolic and diastolic, shape (2, n)
    office: Floats  #: office less home, shape (2, n)
    hypertension: Bools  #: by the survey's definition: office or treated
    aware: Bools
    drugs: Ints  #: number of antihypertensives
    beta_blocker: Bools
    diabetes: Bools
    diabetes_known: Bools
    glucose_drug: Ints  #: -1 none, else index in `GLUCOSE_DRUGS`
    fasting: Floats  #: usual fasting glucose, mmol/L
    copd: Bools
    copd_known: Bools
    heart_failure: Bools
    fibrillation: Bools
    fibrillation_known: Bools
    weight: Floats  #: kg
    pulse: Floats  #: /min

    def __len__(self) -> int:
        return len(self.age)


def settle(n: int, seed: int, p: Parameters, start: date) -> People:
    """``n`` residents of a district, as they are on the day ``start``."""
    rng = chance(seed, "people")
    share = np.array(p["people.age_share"])
    lower = np.array([*p["people.age_from"], 100.0])
    group = rng.choice(len(share), n, p=share / share.sum())
    age = rng.uniform(lower[group], lower[group + 1])
    male = rng.random(n) < np.array(p["people.male"])[group] / 100
    centres = max(2, round(n / p["people.residents_per_centre"]))

    def has(name: str) -> Bools:
        return rng.random(n) < by_group(p, p[name], age) / 100

    hypertension = has("hypertension.prevalence") & (age >= 18)
    aware = hypertension & (rng.random(n) < p["hypertension.aware"])
    treated = aware & (rng.random(n) < p["hypertension.treated"] / p["hypertension.aware"])
    controlled = treated & (rng.random(n) < p["hypertension.controlled"] / p["hypertension.treated"])
    kind = _kinds(rng.random(n), rng.random(n), p, age, hypertension, controlled)
    diabetes = has("disease.diabetes") & (age >= 18)
    diabetes_known = diabetes & (rng.random(n) < p["disease.diabetes_aware"])
    glucose_drug = _glucose_drugs(rng.random((3, n)), p, diabetes_known)
    calm = (glucose_drug >= 0) & (rng.random(n) < p["disease.diabetes_controlled"])
    copd, failing, fibrillation = has("disease.copd"), has("disease.heart_failure"), has("disease.atrial_fibrillation")
    drugs = np.where(treated, 1 + rng.binomial(2, np.where(controlled, 0.2, 0.35)), 0)
    return People(
        age=age,
        birth=[(start - timedelta(days=days)).isoformat() for days in (age * YEAR).astype(int).tolist()],
        male=male,
        centre=rng.integers(0, centres, n),
        team=rng.integers(0, 2, n),
        kind=kind,
        usual=_usual(seed, p, age, kind),
        office=_office(p, kind),
        hypertension=hypertension,
        aware=aware,
        drugs=drugs,
        beta_blocker=(drugs > 0) & (rng.random(n) < 0.15) | (failing & (rng.random(n) < 0.5)),
        diabetes=diabetes,
        diabetes_known=diabetes_known,
        glucose_drug=glucose_drug,
        fasting=_fasting(seed, p, diabetes, calm),
        copd=copd,
        copd_known=copd & (rng.random(n) < p["disease.copd_known"]),
        heart_failure=failing,
        fibrillation=fibrillation,
        fibrillation_known=fibrillation & (rng.random(n) < p["disease.atrial_fibrillation_known"]),
        weight=np.clip(rng.normal(np.where(male, 68, 58), 9), 38, 120),
        pulse=rng.normal(p["pressure.pulse"][0], p["pressure.pulse"][1], n),
    )


def _kinds(u: Floats, v: Floats, p: Parameters, age: Floats, hypertension: Bools, controlled: Bools) -> Ints:
    """White-coat and masked shares hold among those with hypertension; masked again among those without, from 35."""
    white = u < p["hypertension.white_coat"]
    masked = ~white & (u < p["hypertension.white_coat"] + p["hypertension.masked"])
    kind = np.where(controlled, CONTROLLED, RAISED)
    kind = np.where(white & ~controlled, WHITE_COAT, np.where(masked & controlled, MASKED, kind))
    other = np.where((age >= 35) & (v < p["hypertension.masked_unknown"]), MASKED, NORMAL)
    return np.where(age < 18, CHILD, np.where(hypertension, kind, other)).astype(np.int64)


def _usual(seed: int, p: Parameters, age: Floats, kind: Ints) -> Floats:
    """Usual home pressure: high kinds lie above 135/85 in one value at least, the others below in both."""
    rng, n = chance(seed, "usual"), len(age)
    z = rng.normal(size=(2, n))
    table = np.array([p[f"pressure.{name}"] for name in ("normal", "controlled", "raised", "white_coat", "masked")])
    of = table[np.minimum(kind, MASKED)]
    systolic, diastolic = of[:, 0] + of[:, 1] * z[0], of[:, 2] + of[:, 3] * (0.5 * z[0] + 0.866 * z[1])
    diastolic -= np.where(kind == RAISED, 0.3 * np.clip(age - 60, 0, 25), 0)
    systolic += np.where(kind == RAISED, 0.2 * np.clip(age - 60, -20, 25), 0)
    high = (kind == RAISED) | (kind == MASKED)
    systolic = np.where(high, np.clip(systolic, 137, 170), np.clip(systolic, 96, 132))
    diastolic = np.where(high, np.clip(diastolic, 62, 100), np.clip(diastolic, 55, 82))
    s0, s1, d0, d1, spread = p["pressure.child"]
    child = kind == CHILD
    systolic = np.where(child, s0 + s1 * age + spread * z[0], systolic)
    diastolic = np.where(child, d0 + d1 * age + spread * 0.7 * z[1], diastolic)
    return np.stack([systolic, diastolic])


def _office(p: Parameters, kind: Ints) -> Floats:
    names = {WHITE_COAT: "office_white_coat", MASKED: "office_masked"}
    return np.array([p[f"pressure.{names.get(k, 'office')}"] for k in kind.tolist()], dtype=float).reshape(-1, 2).T


def _glucose_drugs(u: Floats, p: Parameters, known: Bools) -> Ints:
    treated = known & (u[0] < p["disease.diabetes_treated"] / p["disease.diabetes_aware"])
    insulin, sulfonylurea = u[1] < p["disease.insulin"], u[2] < p["disease.sulfonylurea"]
    return np.where(treated, np.where(insulin, 2, np.where(sulfonylurea, 1, 0)), -1).astype(np.int64)


def _fasting(seed: int, p: Parameters, diabetes: Bools, calm: Bools) -> Floats:
    z = chance(seed, "fasting").normal(size=len(diabetes))
    low, high = p["glucose.controlled"], p["glucose.raised"]
    raised = np.clip(high[0] + high[1] * z, 7.0, 15.0)
    return np.where(~diabetes, 5.1 + 0.4 * z, np.where(calm, np.clip(low[0] + low[1] * z, 5.0, 7.0), raised))
