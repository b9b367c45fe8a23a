"""Cardiovascular risk stratum of a person with high pressure, by the grid of the Chinese hypertension guideline.

Columns are the grade, rows the risk factors, target-organ damage and clinical disease that are known. A cell in which
the guideline prints a range answers with that range.
"""

from collections.abc import Mapping
from typing import Any

from streams.scores.inputs import Unusable, Values
from streams.scores.model import Model
from streams.scores.outcome import Outcome
from streams.scores.pressure import grade


def stratum(x: Values, model: Model) -> Outcome:
    """The cell of the grid, with what decided its row."""
    numbers = model.numbers
    factors, damage, disease = _factors(x, numbers), _damage(x, numbers), _disease(x, numbers)
    diabetic = _diabetic(x, numbers)
    if disease or x.get("diabetes_complications"):
        row = "disease"
    elif len(factors) >= 3 or damage or diabetic:
        row = "three"
    else:
        row = "some" if factors else "none"
    column, warnings = _column(x, numbers)
    name = numbers["grid"][row][column]
    if row == "none" and column == 0:
        warnings.append("edition-2024")
    if "-to-" in name:
        warnings.append("range-printed")
    if diabetic and not x.get("diabetes"):
        warnings.append("confirm-by-repeat")
    if any(field.optional and one not in x for one, field in model.inputs.items()):
        warnings.append("factors-not-given")
    values = {
        "row": row, "grade": column, "risk_factors": factors, "target_organ_damage": damage,
        "clinical_disease": disease, "diabetes": diabetic,
    }  # fmt: skip
    return Outcome(None, name, values, tuple(warnings))


def _column(x: Values, numbers: dict[str, Any]) -> tuple[int, list[str]]:
    """0 for 130 to 139 or 85 to 89, else the grade; the grade before treatment wins over a lower one now."""
    rank = grade(x["systolic"], x["diastolic"], numbers["systolic"], numbers["diastolic"])
    before = int(x.get("hypertension_grade", 0))
    if before and before + 1 > rank:
        return before, ["grade-before-treatment"]
    if not rank:
        text = {
            "zh": "血压低于130/85mmHg：分层表无此列",
            "en": "pressure below 130/85 mmHg: the grid has no such column",
        }
        raise Unusable("not-applicable", "systolic", x["systolic"], text)
    return rank - 1, []


def _factors(x: Values, numbers: dict[str, Any]) -> list[str]:
    """Risk factors other than the pressure itself."""
    limits, sex = numbers["factors"], x["sex"]
    found = {
        "age": x["age"] > limits["age_over"][sex],
        "smoking": x.get("smoker") or x.get("passive_smoker"),
        "glucose": _from(x, limits["glucose"]),
        "lipids": _from(x, limits["lipids"]) or x.get("hdl_cholesterol", 9) < limits["hdl_below"],
        "family-history": x.get("family_history_early_cvd"),
        "obesity": x.get("waist", 0) >= limits["waist"][sex] or x.get("bmi", 0) >= limits["bmi"],
        "homocysteine": _from(x, limits["homocysteine"]),
    }
    return [name for name, there in found.items() if there]


def _damage(x: Values, numbers: dict[str, Any]) -> list[str]:
    """Target-organ damage."""
    limits, sex = numbers["damage"], x["sex"]
    creatinine = limits["creatinine"][sex]
    found = {
        "ventricle": x.get("left_ventricular_hypertrophy")
        or x.get("sokolow_lyon", 0) > limits["sokolow_lyon_over"]
        or x.get("cornell", 0) > limits["cornell_over"]
        or x.get("lvmi", 0) >= limits["lvmi"][sex],
        "carotid": x.get("carotid_imt", 0) >= limits["carotid_imt"] or x.get("carotid_plaque"),
        "stiffness": _from(x, limits["stiffness"]),
        "ankle": x.get("abi", 9) < limits["abi_below"],
        "kidney": limits["egfr"][0] <= x.get("egfr", 999) < limits["egfr"][1]
        or creatinine[0] <= x.get("creatinine", 0) < creatinine[1],
        "albuminuria": _from(x, limits["albuminuria"]),
    }
    return [name for name, there in found.items() if there]


def _disease(x: Values, numbers: dict[str, Any]) -> list[str]:
    """Clinical disease that counts by itself; diabetes counts in `_diabetic`."""
    limits = numbers["disease"]
    found = {name: x.get(name) for name in limits["conditions"]}
    found["kidney"] = (
        x.get("egfr", 999) < limits["egfr_below"]
        or x.get("creatinine", 0) >= limits["creatinine"][x["sex"]]
        or x.get("proteinuria", 0) >= limits["proteinuria"]
    )
    return [name for name, there in found.items() if there]


def _diabetic(x: Values, numbers: dict[str, Any]) -> bool:
    return bool(x.get("diabetes") or x.get("diabetes_complications") or _from(x, numbers["diabetes"]))


def _from(x: Values, limits: Mapping[str, float]) -> bool:
    """Whether any of the values has reached its limit."""
    return any(x.get(name, 0) >= limit for name, limit in limits.items())
