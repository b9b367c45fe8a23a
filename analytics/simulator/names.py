"""Pseudonyms of everybody and everything in a simulated district; two districts of different seeds share none."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Names:
    """Names of the district with this ``prefix`` and so many centres."""

    prefix: str
    centres: int

    def resident(self, person: int) -> str:
        """A resident's pseudonym."""
        return f"{self.prefix}-{person:06d}"

    def guardian(self, person: int) -> str:
        """A child's guardian."""
        return f"{self.prefix}-F{person:06d}"

    def centre(self, centre: int) -> str:
        """A health centre, an institution."""
        return f"{self.prefix}-I{centre + 1}"

    def team(self, centre: int, team: int) -> str:
        """A family-doctor team."""
        return f"{self.centre(centre)}-T{team + 1}"

    def doctor(self, centre: int, team: int) -> str:
        """The doctor of a team."""
        return f"{self.centre(centre)}-D{team + 1}"

    def nurse(self, centre: int, team: int) -> str:
        """The nurse of a team."""
        return f"{self.centre(centre)}-N{team + 1}"

    def device(self, letter: str, person: int) -> str:
        """A person's device; ``person`` below 0: the spare cuff of centre -1 - person, bound to nobody."""
        return f"{self.prefix}-X{-person}" if person < 0 else f"{self.prefix}-{letter}{person:06d}"
