"""Stroke risk in atrial fibrillation: CHA2DS2-VASc, and CHA2DS2-VA, which leaves sex out."""

from streams.scores.inputs import Values
from streams.scores.model import Model
from streams.scores.outcome import Outcome
from streams.scores.points import banded


def points(x: Values, model: Model) -> Outcome:
    """The sum of the points of what is there."""
    numbers = model.numbers
    parts = {name: number * x[name] for name, number in numbers["points"].items()}
    parts["age"] = banded(x["age"], numbers["age"]["bands"], numbers["age"]["last"])
    if "female" in numbers:
        parts["sex"] = numbers["female"] * (x["sex"] == "female")
    return Outcome(sum(parts.values()), values={"points": parts})
