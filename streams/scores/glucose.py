"""Glucose and HbA1c by the Chinese guideline: normal, prediabetes, the range of diabetes."""

from streams.scores.inputs import Unusable, Values
from streams.scores.model import Model
from streams.scores.outcome import Outcome


def category(x: Values, model: Model) -> Outcome:
    """The worst that any of the values says; a screen until it is confirmed."""
    limits = model.numbers
    diabetes = [name for name, limit in limits["diabetes"].items() if name in x and x[name] >= limit]
    fasting = "fasting_glucose" in x and x["fasting_glucose"] >= limits["prediabetes"]["fasting_glucose"]
    tolerance = "glucose_2h" in x and x["glucose_2h"] >= limits["prediabetes"]["glucose_2h"]
    if not any(name in x for name in limits["diabetes"]):
        names = ", ".join(limits["diabetes"])
        raise Unusable(
            "missing", "fasting_glucose", None,
            {"zh": "至少需要一项血糖或糖化血红蛋白", "en": f"one of {names} is required"}, tuple(limits["diabetes"]),
        )  # fmt: skip
    values = {"diabetes_by": diabetes, "impaired_fasting": fasting, "impaired_tolerance": tolerance}
    if diabetes:
        return Outcome(None, "diabetes-range", values, ("confirm-by-repeat",))
    if not (fasting or tolerance):
        return Outcome(None, "normal", values)
    return Outcome(None, "ifg-igt" if fasting and tolerance else "ifg" if fasting else "igt", values)
