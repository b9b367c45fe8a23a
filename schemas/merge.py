"""Two records of one person: merged and unmerged by people, and what carries one's events to the other.

`merged` and `unmerged` are said of the record that gives way. The others are written by the carrier alone
(`streams.carrier`): they take events of that record to the surviving one, which lies in another partition.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from schemas.envelope import Code, Data


class Merged(Data):
    """The subject is the same person as ``into``, whose record stands for both from now on."""

    into: Annotated[str, Code] = Field(description="resident id that survives")
    matched_by: Literal["id-card", "health-card", "passport", "person"] = Field(
        description="what showed it; `person`: somebody looked at a doubtful pair"
    )


class Unmerged(Data):
    """The subject is another person than ``survivor`` after all: each has its own record again."""

    survivor: Annotated[str, Code]
    reason: Literal["wrong-match", "entered-in-error", "other"] = "wrong-match"


class Absorbed(Data):
    """To the survivor: ``resident`` gave way to it, and these are its alerts that people may still act on."""

    resident: Annotated[str, Code]
    merge: UUID = Field(description="identity of the merge")
    alerts: list[dict[str, Any]] = Field(description="as the fold keeps them")


class Released(Data):
    """To the survivor: ``resident`` has its own record again."""

    resident: Annotated[str, Code]
    merge: UUID = Field(description="identity of the unmerge")


class Returned(Data):
    """To the record that is its own again: its alerts."""

    survivor: Annotated[str, Code]
    alerts: list[dict[str, Any]]


class Carried(Data):
    """Events of ``of`` for the survivor: one that came later, or a part of the history from which it is folded anew."""

    of: Annotated[str, Code]
    events: list[dict[str, Any]]
    via: list[str] = Field([], description="records that they came through, so that they never go round")
    carry: UUID | None = Field(None, description="identity of the absorbed or released event; absent: a later event")
    attempt: str | None = Field(None, description="a carrier that was stopped begins again")
    part: int = Field(0, ge=0)
    parts: int = Field(0, ge=0)


class CarryRequested(Data):
    """Derived: what the carrier shall bring to ``to``."""

    what: Literal["merged", "unmerged", "returned", "event"]
    to: Annotated[str, Code]
    alerts: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    via: list[str] = []


EVENTS: dict[str, type[Data]] = {
    "mailiu.resident.merged.v1": Merged,
    "mailiu.resident.unmerged.v1": Unmerged,
    "mailiu.resident.absorbed.v1": Absorbed,
    "mailiu.resident.released.v1": Released,
    "mailiu.resident.returned.v1": Returned,
    "mailiu.resident.carried.v1": Carried,
}
#: Written by the carrier alone.
INTERNAL = frozenset(EVENTS) - {"mailiu.resident.merged.v1", "mailiu.resident.unmerged.v1"}
CARRY = "mailiu.resident.carry-requested.v1"
DERIVED: dict[str, type[Data]] = {CARRY: CarryRequested}
