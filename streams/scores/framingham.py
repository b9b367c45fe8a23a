"""Framingham 2008: ten-year risk of general cardiovascular disease in percent, by lipids or by body mass index."""

from math import exp, log

from streams.scores.inputs import Values
from streams.scores.model import Model
from streams.scores.outcome import Outcome


def risk(x: Values, model: Model) -> Outcome:
    """Percent in ten years (D'Agostino 2008); the lipids enter in mg/dL."""
    numbers = model.numbers
    b = numbers["coefficients"][x["sex"]]
    total = b["age"] * log(x["age"]) + b["smoker"] * x["smoker"] + b["diabetes"] * x["diabetes"]
    total += b["sbp_treated" if x["on_antihypertensives"] else "sbp_untreated"] * log(x["systolic"])
    if "bmi" in b:
        total += b["bmi"] * log(x["bmi"])
    else:
        factor = numbers["mmol_per_mg_dl"]
        total += b["tc"] * log(x["total_cholesterol"] / factor) + b["hdl"] * log(x["hdl_cholesterol"] / factor)
    return Outcome(100 * (1 - b["survival"] ** exp(total - b["mean"])))
