"""Points by bands: the first band whose upper end lies above the value."""

from collections.abc import Sequence


def banded(value: float, bands: Sequence[Sequence[float]], last: float) -> float:
    """Points of ``value``: ``bands`` are (below, points) in rising order, ``last`` is for everything above."""
    return next((points for below, points in bands if value < below), last)
