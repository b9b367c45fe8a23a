"""A single value may be chance: what the next one says of it."""

from collections.abc import Callable, Sequence


def confirmed(
    values: Sequence[float | None], times: Sequence[int], beyond: Callable[[float], bool], quiet: int, begin: int,
    end: int,
) -> tuple[bool, int | None]:  # fmt: skip
    """Whether a value beyond the limit was followed by another, or the mean of both is; and the one still pending.

    Of the values from ``begin`` to before ``end``, ``None`` says nothing. One within the limit, at least ``quiet`` ms
    later, dismisses the pending one (clinical decision 7).
    """
    pending: int | None = None
    waiting = 0.0
    for i in range(begin, end):
        value = values[i]
        if value is None:
            continue
        if beyond(value):
            if pending is not None:
                return True, None
            pending, waiting = i, value
        elif pending is not None:
            if beyond((waiting + value) / 2):
                return True, None
            if times[i] - times[pending] >= quiet:
                pending = None
    return False, pending


def below(limit: float) -> Callable[[float], bool]:
    """Whether a value is below ``limit``."""
    return lambda value: value < limit


def above(limit: float) -> Callable[[float], bool]:
    """Whether a value is above ``limit``."""
    return lambda value: value > limit


def episode_end(times: Sequence[int], last: int, gap: int, ends: Sequence[int]) -> int:
    """Index past the last value that belongs to the episode whose last hit is ``last``: within ``gap`` ms, before a
    closing.
    """
    until = min([times[last] + gap, *(end for end in ends if end >= times[last])])
    at = last + 1
    while at < len(times) and times[at] <= until:
        at += 1
    return at
