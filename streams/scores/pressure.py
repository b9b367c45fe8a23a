"""Office blood pressure by the Chinese guideline: normal, high normal, grades 1 to 3."""

from streams.scores.inputs import Unusable, Values
from streams.scores.model import Model
from streams.scores.outcome import Outcome

NAMES = ("normal", "high-normal", "grade-1", "grade-2", "grade-3")


def category(x: Values, model: Model) -> Outcome:
    """The higher of the two grades; whether only one of the pressures is high."""
    systolic, diastolic = x["systolic"], x["diastolic"]
    if diastolic >= systolic:
        raise Unusable(
            "invalid", "diastolic", diastolic,
            {"zh": "舒张压应低于收缩压", "en": f"diastolic {diastolic:g} is not below systolic {systolic:g}"},
        )  # fmt: skip
    limits = model.numbers
    rank = grade(systolic, diastolic, limits["systolic"], limits["diastolic"])
    s, d = systolic >= limits["systolic"][1], diastolic >= limits["diastolic"][1]
    values = {"isolated_systolic": s and not d, "isolated_diastolic": d and not s}
    return Outcome(None, NAMES[rank], values)


def grade(systolic: float, diastolic: float, upper: list[float], lower: list[float]) -> int:
    """0 normal, 1 high normal, 2 to 4 for grades 1 to 3."""
    return max(sum(systolic >= one for one in upper), sum(diastolic >= one for one in lower))
