"""Residents: registered under a pseudonym, contracted, transferred, died. No names: identity is kept elsewhere."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from schemas.envelope import Code, Data


class Registered(Data):
    """A resident has a record at the event's institution."""

    sex: Literal["male", "female", "unknown"]
    birth_date: date


class DetailsChanged(Data):
    """Corrected details; only what changed."""

    sex: Literal["male", "female", "unknown"] | None = None
    birth_date: date | None = None


class Contracted(Data):
    """A contract with a family-doctor team of the event's institution."""

    team: Annotated[str, Code] | None = None
    doctor: Annotated[str, Code] | None = None


class ContractEnded(Data):
    """The contract with the event's institution ended."""

    reason: Literal["expired", "moved", "withdrawn", "other"]


class Transferred(Data):
    """From ``time`` on another institution manages the resident."""

    to_institution: Annotated[str, Code]


class Died(Data):
    """The resident died at ``time``."""

    cause: str | None = Field(None, pattern=r"^[A-Z][0-9]{2}(\.[0-9A-Z]{1,4})?$", description="ICD-10")


class Labelled(Data):
    """A free label for lists, such as `lives-alone`."""

    label: Annotated[str, Code]


class Unlabelled(Labelled):
    """The label no longer holds."""


class HouseholdJoined(Data):
    """The resident lives in this household from ``time`` on; one visit serves all of it."""

    household: Annotated[str, Code]
    village: Annotated[str, Code] | None = None


class EventRefused(Data):
    """Derived: an event of the log that has no effect: its institution may not say this of the resident, or not now."""

    event: UUID = Field(description="identity of the event")
    type: str
    reason: Literal["managed-elsewhere", "already-merged", "not-merged"]
    field: str
    value: str | None = None


EVENTS: dict[str, type[Data]] = {
    "mailiu.resident.registered.v1": Registered,
    "mailiu.resident.details-changed.v1": DetailsChanged,
    "mailiu.resident.contracted.v1": Contracted,
    "mailiu.resident.contract-ended.v1": ContractEnded,
    "mailiu.resident.transferred.v1": Transferred,
    "mailiu.resident.died.v1": Died,
    "mailiu.resident.labelled.v1": Labelled,
    "mailiu.resident.unlabelled.v1": Unlabelled,
    "mailiu.resident.household-joined.v1": HouseholdJoined,
}
DERIVED: dict[str, type[Data]] = {"mailiu.resident.event-refused.v1": EventRefused}
