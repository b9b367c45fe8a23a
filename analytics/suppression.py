"""Small counts are hidden from those who are not responsible for the people counted (clinical decision 28)."""

SMALLEST = 5  #: (M) the smallest count that is shown


def hidden(numerator: float | None, denominator: float | None) -> bool:
    """Whether a numerator, its denominator or the rest between them is a count of 1 to 4."""
    rest = None if numerator is None or denominator is None else denominator - numerator
    return any(count is not None and 0 < count < SMALLEST for count in (numerator, denominator, rest))
