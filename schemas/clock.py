"""Time as an event, and how far the fold has come."""

from pydantic import Field

from schemas.envelope import Data


class Ticked(Data):
    """Time passed; the event's ``time`` and ``recordedtime`` say to when."""


class Progressed(Data):
    """Derived: every event of the partition below ``next_offset`` is folded and its outputs are in `derived`."""

    next_offset: int = Field(ge=0)
    fold: int | None = Field(None, ge=1, description="version of the fold; absent: 1")


EVENTS: dict[str, type[Data]] = {"mailiu.clock.ticked.v1": Ticked}
DERIVED: dict[str, type[Data]] = {"mailiu.fold.progressed.v1": Progressed}
