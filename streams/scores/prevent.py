"""PREVENT 2023, base model: ten- and thirty-year risks of cardiovascular disease in percent (Khan 2023)."""

from math import exp

from streams.scores.inputs import Values
from streams.scores.model import Model
from streams.scores.outcome import Outcome


def risk(x: Values, model: Model) -> Outcome:
    """The risk of each end point; the value is that of all cardiovascular disease."""
    terms = _terms(x)
    values = {}
    for end, coefficients in model.numbers["coefficients"][x["sex"]].items():
        z = sum(number * terms[name] for name, number in coefficients.items())
        values[end] = 100 / (1 + exp(-z))
    return Outcome(values["cvd"], values=values)


def _terms(x: Values) -> dict[str, float]:
    age = (x["age"] - 55) / 10
    non_hdl = x["total_cholesterol"] - x["hdl_cholesterol"] - 3.5
    hdl = (x["hdl_cholesterol"] - 1.3) / 0.3
    low, high = (min(x["systolic"], 110) - 110) / 20, (max(x["systolic"], 110) - 130) / 20
    lean, stout = (min(x["bmi"], 30) - 25) / 5, (max(x["bmi"], 30) - 30) / 5
    weak, sound = (min(x["egfr"], 60) - 60) / -15, (max(x["egfr"], 60) - 90) / -15
    treated, statin = x["on_antihypertensives"], x["on_statin"]
    return {
        "constant": 1, "age": age, "age_squared": age * age, "non_hdl": non_hdl, "hdl": hdl, "sbp_below_110": low,
        "sbp_from_110": high, "diabetes": x["diabetes"], "smoker": x["smoker"], "bmi_below_30": lean,
        "bmi_from_30": stout, "egfr_below_60": weak, "egfr_from_60": sound, "on_antihypertensives": treated,
        "on_statin": statin, "treated_sbp": treated * high, "treated_non_hdl": statin * non_hdl,
        "age_x_non_hdl": age * non_hdl, "age_x_hdl": age * hdl, "age_x_sbp": age * high,
        "age_x_diabetes": age * x["diabetes"], "age_x_smoker": age * x["smoker"], "age_x_bmi": age * stout,
        "age_x_egfr": age * weak,
    }  # fmt: skip
