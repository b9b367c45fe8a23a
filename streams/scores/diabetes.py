"""Risk of type 2 diabetes by points: the Chinese score (0 to 51) and FINDRISC (0 to 26)."""

from streams.scores.inputs import Values
from streams.scores.model import Model
from streams.scores.outcome import Outcome
from streams.scores.points import banded


def chinese(x: Values, model: Model) -> Outcome:
    """The Chinese Diabetes Society's score; from 25 points on a glucose tolerance test is advised."""
    numbers, parts = model.numbers, {}
    for name in ("age", "bmi", "systolic"):
        parts[name] = banded(x[name], numbers[name]["bands"], numbers[name]["last"])
    parts["waist"] = banded(x["waist"], numbers["waist"][x["sex"]], numbers["waist"]["last"])
    parts["family_history_diabetes"] = numbers["family"] * (x["family_history_diabetes"] == "first-degree")
    parts["sex"] = numbers["male"] * (x["sex"] == "male")
    return Outcome(sum(parts.values()), values={"points": parts})


def findrisc(x: Values, model: Model) -> Outcome:
    """Lindström 2003. Its printed bands hold their upper end, so 25 and 30 kg/m2 belong to the middle one."""
    numbers, parts = model.numbers, {}
    parts["age"] = banded(x["age"], numbers["age"]["bands"], numbers["age"]["last"])
    for name, limits in (("bmi", numbers["bmi"]), ("waist", numbers["waist"][x["sex"]])):
        low, high = limits["from"], limits["over"]
        parts[name] = limits["points"][(x[name] >= low) + (x[name] > high)]
    parts["physically_active"] = numbers["inactive"] * (not x["physically_active"])
    parts["daily_vegetables"] = numbers["no_vegetables"] * (not x["daily_vegetables"])
    parts["on_antihypertensives"] = numbers["antihypertensives"] * x["on_antihypertensives"]
    parts["ever_high_glucose"] = numbers["ever_high_glucose"] * x["ever_high_glucose"]
    parts["family_history_diabetes"] = numbers["family"][x["family_history_diabetes"]]
    return Outcome(sum(parts.values()), values={"points": parts})
