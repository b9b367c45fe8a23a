"""Body mass index and waist by the Chinese cut-offs."""

from streams.scores.inputs import Values
from streams.scores.model import Model
from streams.scores.outcome import Outcome
from streams.scores.points import banded

WAIST = ("normal", "pre-central-obesity", "central-obesity")


def bmi(x: Values, model: Model) -> Outcome:
    """kg/m2, given or from height and weight."""
    return Outcome(x["bmi"])


def waist(x: Values, model: Model) -> Outcome:
    """cm; the cut-offs differ by sex."""
    low, high = model.numbers[x["sex"]]
    return Outcome(x["waist"], WAIST[int(banded(x["waist"], ((low, 0), (high, 1)), 2))])
