"""China-PAR: ten-year risk of atherosclerotic cardiovascular disease (Yang 2016), with the refit coefficients."""

from math import exp, log
from typing import Any

from streams.scores.inputs import Values
from streams.scores.model import Model
from streams.scores.outcome import Outcome


def risk(x: Values, model: Model) -> Outcome:
    """Percent in ten years: 1 - exp(-exp(z)); beside it that of the same person in the ideal state."""
    numbers = model.numbers
    coefficients, factor = numbers["coefficients"][x["sex"]], numbers["mmol_per_mg_dl"]
    tc, hdl = x["total_cholesterol"] / factor, x["hdl_cholesterol"] / factor
    own = _percent(coefficients, x, tc, hdl)
    ideal = numbers["ideal"]
    best = dict.fromkeys(("smoker", "diabetes", "family_history_ascvd", "on_antihypertensives"), False)
    best |= {"age": x["age"], "north": x["north"], "urban": x["urban"]}
    best |= {"systolic": ideal["systolic"], "waist": ideal["waist"][x["sex"]]}
    warnings = []
    span = numbers["derivation_age"]
    if not span["min"] <= x["age"] <= span["max"]:
        warnings.append("outside-derivation-age")
    if _high(x, numbers["high_without_scoring"]):
        warnings.append("high-without-scoring")
    values = {"risk": own, "ideal": _percent(coefficients, best, ideal["total_cholesterol"], ideal["hdl_cholesterol"])}
    return Outcome(own, values=values, warnings=tuple(warnings))


def _high(x: Values, limits: dict[str, Any]) -> bool:
    """Whether the guideline puts the person into high risk without scoring."""
    return bool(
        (x["diabetes"] and x["age"] >= limits["diabetes_age"])
        or x["total_cholesterol"] >= limits["total_cholesterol"]
        or x.get("ldl_cholesterol", 0) >= limits["ldl_cholesterol"]
        or limits["egfr"][0] <= x.get("egfr", 999) < limits["egfr"][1]
    )


def _percent(b: dict[str, float], x: Values, tc: float, hdl: float) -> float:
    """``tc`` and ``hdl`` in mg/dL."""
    age, pressure = log(x["age"]), log(x["systolic"])
    treated = "treated" if x["on_antihypertensives"] else "untreated"
    z = (
        b["constant"]
        + b["ln_age"] * age
        + (b[f"ln_sbp_{treated}"] + b[f"ln_age_x_ln_sbp_{treated}"] * age) * pressure
        + b["ln_tc"] * log(tc)
        + b["ln_hdl"] * log(hdl)
        + b["ln_waist"] * log(x["waist"])
        + (b["smoker"] + b.get("ln_age_x_smoker", 0) * age) * x["smoker"]
        + b["diabetes"] * x["diabetes"]
        + b["north"] * x["north"]
        + b.get("urban", 0) * x["urban"]
        + (b.get("family_history", 0) + b.get("ln_age_x_family_history", 0) * age) * x["family_history_ascvd"]
    )
    return 100 * (1 - exp(-exp(z)))
