"""SCORE2 and its relatives: older persons, diabetes, Asia-Pacific. Ten-year risks in percent."""

from math import log

from streams.scores.inputs import Values
from streams.scores.model import Model
from streams.scores.outcome import Outcome
from streams.scores.who import recalibrated


def score2(x: Values, model: Model) -> Outcome:
    """SCORE2, and SCORE2-Asia-Pacific, which differs in its recalibration alone."""
    age = (x["age"] - 60) / 5
    terms = _terms(x, (x["systolic"] - 120) / 20, (x["hdl_cholesterol"] - 1.3) / 0.5)
    b = model.numbers["coefficients"][x["sex"]]
    predictor = b["age"] * age + sum((b[name] + b[f"age_x_{name}"] * age) * value for name, value in terms.items())
    return _outcome(x, model, predictor, ("diabetes-has-own-model",) if x["diabetes"] else ())


def older_persons(x: Values, model: Model) -> Outcome:
    """SCORE2-OP, from 70 years on: other centres, and the mean predictor taken off."""
    age = x["age"] - 73
    terms = _terms(x, x["systolic"] - 150, x["hdl_cholesterol"] - 1.4)
    b = model.numbers["coefficients"][x["sex"]]
    predictor = b["age"] * age + sum((b[name] + b[f"age_x_{name}"] * age) * value for name, value in terms.items())
    return _outcome(x, model, predictor - b["mean"])


def diabetes(x: Values, model: Model) -> Outcome:
    """SCORE2-Diabetes: SCORE2's terms with age at diagnosis, HbA1c (mmol/mol) and eGFR."""
    age = (x["age"] - 60) / 5
    terms = _terms(x, (x["systolic"] - 120) / 20, (x["hdl_cholesterol"] - 1.3) / 0.5) | {"diabetes": 1}
    b = model.numbers["coefficients"][x["sex"]]
    predictor = b["age"] * age + sum((b[name] + b[f"age_x_{name}"] * age) * value for name, value in terms.items())
    hba1c, egfr = (x["hba1c"] - 31) / 9.34, (log(x["egfr"]) - 4.5) / 0.15
    predictor += b["age_at_diabetes"] * (x["age_at_diabetes"] - 50) / 5
    predictor += (b["hba1c"] + b["age_x_hba1c"] * age) * hba1c
    predictor += (b["egfr"] + b["age_x_egfr"] * age + b["egfr_squared"] * egfr) * egfr
    return _outcome(x, model, predictor)


def _terms(x: Values, systolic: float, hdl: float) -> dict[str, float]:
    return {
        "smoker": x["smoker"], "systolic": systolic, "diabetes": x.get("diabetes", 0),
        "total_cholesterol": x["total_cholesterol"] - 6, "hdl_cholesterol": hdl,
    }  # fmt: skip


def _outcome(x: Values, model: Model, predictor: float, warnings: tuple[str, ...] = ()) -> Outcome:
    numbers, sex = model.numbers, x["sex"]
    recalibration = numbers["recalibration"][x["risk_region"]][sex]
    value = 100 * recalibrated(predictor, numbers["survival"][sex], *recalibration)
    young = numbers.get("young")
    if young is not None and x["age"] < young["below"]:
        limits = young["classes"]
        name = next((c for c, below in limits.items() if value < below), model.classes[-1].name)
        return Outcome(value, name, warnings=warnings)
    return Outcome(value, warnings=warnings)
