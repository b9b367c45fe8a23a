"""WHO cardiovascular risk 2019, laboratory model, recalibrated to East Asia (Kaptoge 2019)."""

from math import exp, log

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
        scale, slope = numbers["recalibration"][sex][end]
        raw = 1 - numbers["survival"][sex][end] ** exp(sum(a * t for a, t in zip(b, terms, strict=True)))
        calibrated = recalibrated(raw, scale, slope)
        values[end] = 100 * calibrated
        free *= 1 - calibrated
    return Outcome(100 * (1 - free), values={"cvd": 100 * (1 - free), **values})


def recalibrated(risk: float, scale: float, slope: float) -> float:
    """A share moved to a region's incidence: 1 - exp(-exp(scale + slope ln(-ln(1 - risk))))."""
    return 1 - exp(-exp(scale + slope * log(-log(1 - risk))))
