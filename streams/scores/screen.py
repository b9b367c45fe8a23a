"""Screens that add up the points of their items: self-care of the elderly, frailty, cognition."""

from streams.scores.inputs import Values
from streams.scores.model import Model
from streams.scores.outcome import Outcome


def total(x: Values, model: Model) -> Outcome:
    """The sum of the items' points."""
    return Outcome(sum(x[name] for name in model.inputs), warnings=("screening-only",))


def frail(x: Values, model: Model) -> Outcome:
    """One point for each of five findings (Morley 2012)."""
    return Outcome(sum(bool(x[name]) for name in model.inputs), warnings=("screening-only",))
