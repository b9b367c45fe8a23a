"""Numbers for the source events of a page: each event, or set of many, has one number and one line at the end."""

from collections.abc import Sequence
from hashlib import sha256
from uuid import UUID

FEW = 4  # up to so many events are named one by one; of more the first, the last and a digest of all


class Sources:
    """Numbers in the order in which the page asks for them."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def numbers(self, sources: Sequence[UUID]) -> list[int]:
        """The numbers to print where these events are the source."""
        ids = [str(each) for each in sources]
        if len(ids) > FEW:
            digest = sha256("\n".join(ids).encode()).hexdigest()[:16]
            ids = [f"{len(ids)} × [{ids[0]} … {ids[-1]}] SHA-256 {digest}"]
        return [self._numbers.setdefault(each, len(self._numbers) + 1) for each in ids]

    def listed(self) -> list[tuple[int, str]]:
        """Every number that was given, with its events."""
        return [(number, text) for text, number in self._numbers.items()]
