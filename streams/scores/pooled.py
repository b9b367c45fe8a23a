"""Pooled Cohort Equations 2013: ten-year risk of atherosclerotic cardiovascular disease in percent (Goff 2014)."""

from math import exp, log

from streams.scores.inputs import Values
from streams.scores.model import Model
from streams.scores.outcome import Outcome


def risk(x: Values, model: Model) -> Outcome:
    """Percent in ten years; the equations take mg/dL."""
    numbers = model.numbers
    b = numbers["coefficients"][f"{x['race']}_{x['sex']}"]
    factor = numbers["mmol_per_mg_dl"]
    age, tc, hdl = log(x["age"]), log(x["total_cholesterol"] / factor), log(x["hdl_cholesterol"] / factor)
    sbp = "sbp_treated" if x["on_antihypertensives"] else "sbp_untreated"
    total = (
        b["age"] * age
        + b["age_squared"] * age * age
        + (b["tc"] + b["age_x_tc"] * age) * tc
        + (b["hdl"] + b["age_x_hdl"] * age) * hdl
        + (b[sbp] + b[f"age_x_{sbp}"] * age) * log(x["systolic"])
        + (b["smoker"] + b["age_x_smoker"] * age) * x["smoker"]
        + b["diabetes"] * x["diabetes"]
    )
    return Outcome(100 * (1 - b["survival"] ** exp(total - b["mean"])))
