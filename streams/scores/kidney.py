"""Kidney: eGFR by CKD-EPI 2021 with its G stage, and the stage of albuminuria."""

from streams.scores.inputs import Values
from streams.scores.model import Model
from streams.scores.outcome import Outcome


def egfr(x: Values, model: Model) -> Outcome:
    """mL/min/1.73 m2 of a creatinine in umol/L (Inker 2021, without race)."""
    numbers = model.numbers
    own = numbers["sex"][x["sex"]]
    share = x["creatinine"] / numbers["umol_l_per_mg_dl"] / own["kappa"]
    value = numbers["scale"] * min(share, 1) ** own["alpha"] * max(share, 1) ** numbers["power"]
    return Outcome(value * numbers["per_year"] ** x["age"] * own["factor"])


def albuminuria(x: Values, model: Model) -> Outcome:
    """The A stage of an albumin/creatinine ratio in mg/g: 30 to 300 is A2, both ends in it."""
    value = x["uacr"]
    top = model.numbers["a2_to"]
    return Outcome(value, "A2" if value == top else None)
