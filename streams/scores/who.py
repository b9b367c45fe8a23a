"""WHO cardiovascular risk 2019, laboratory model, recalibrated to East Asia (Kaptoge 2019)."""

from math import exp, expm1, log

from streams.scores.inputs import Values
from streams.scores.model import Model
from streams.scores.outcome import Outcome


def risk(x: Values, model: Model) -> Outcome:
    """Percent in ten years of a coronary event or a stroke, and of each alone."""
    numbers, sex = model.numbers, x["sex"]
    centre = numbers["centre"]
    age, tc = x["age"] - centre["age"], x["total_cholesterol"] - centre["total_cholesterol"]
    sbp, diabetes, smoker = x["systolic"] - centre["systolic"], x["diabetes"], x["smoker"]
    terms = (age, tc, sbp, diabetes, smoker, age * tc, age * sbp, age * diabetes, age * smoker)
    free, values = 1.0, {}
    for end in ("chd", "stroke"):
        b = numbers["coefficients"][sex][end]
        predictor = sum(a * t for a, t in zip(b, terms, strict=True))
        calibrated = recalibrated(predictor, numbers["survival"][sex][end], *numbers["recalibration"][sex][end])
        values[end] = 100 * calibrated
        free *= 1 - calibrated
    return Outcome(100 * (1 - free), values={"cvd": 100 * (1 - free), **values})


def recalibrated(predictor: float, survival: float, scale: float, slope: float) -> float:
    """The risk 1 - survival ^ exp(predictor), moved to the incidence of a region.

    That is 1 - exp(-exp(scale + slope ln(-ln(1 - risk)))); ln(-ln(1 - risk)) is predictor +
    ln(-ln(survival)), which also holds where the risk rounds to 1.
    """
    return -expm1(-exp(scale + slope * (predictor + log(-log(survival)))))
