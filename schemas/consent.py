"""Consent: what a resident (under 14: a guardian) allows, with the text that was read; and who may look in.

Source: Personal Information Protection Law of the PRC (2021), articles 13–16 (consent, its withdrawal, emergencies),
28 and 29 (health data need separate consent) and 31 (guardians of children under 14). `docs/decisions/consent.md` says
what each scope decides.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, field_validator

from schemas.envelope import Code, Data

Scope = Literal["monitoring", "messages", "family-view", "research"]
View = Literal["summary", "readings", "plan", "timeline"]


class ConsentGiven(Data):
    """The resident, or a guardian for a child under 14, allows what the scopes name from ``time`` on."""

    scopes: list[Scope] = Field(min_length=1, max_length=4)
    text_version: Annotated[str, Code] = Field(description="version of the text that was read and agreed to")
    witness: Annotated[str, Code] | None = Field(None, description="staff member who was there")
    guardian: Annotated[str, Code] | None = Field(
        None, description="who gave it in the resident's place; required under 14 years"
    )


class ConsentWithdrawn(Data):
    """From ``time`` on the scopes are no longer allowed. No reason need be given; what was done before stays lawful."""

    scopes: list[Scope] = Field(min_length=1, max_length=4)
    reason: Literal["own-wish", "privacy", "moved", "burden", "other"] | None = None
    guardian: Annotated[str, Code] | None = Field(None, description="who withdrew it in the resident's place")


class GuardianAppointed(Data):
    """Somebody may look in on the resident: a child's guardian, or family that the resident lets see."""

    guardian: Annotated[str, Code] = Field(description="pseudonym; the subject of the guardian's token")
    relation: Literal["parent", "guardian", "spouse", "child", "relative", "other"]
    scopes: list[View] = Field(["summary", "readings", "plan"], min_length=1, description="what is shown")
    until: date | None = Field(None, description="last local day")

    @field_validator("scopes")
    @classmethod
    def _once(cls, scopes: list[View]) -> list[View]:
        if len(set(scopes)) < len(scopes):
            raise ValueError("a scope is named twice")
        return scopes


class GuardianRevoked(Data):
    """The guardian sees the resident no longer."""

    guardian: Annotated[str, Code]
    reason: Literal["own-wish", "court", "came-of-age", "other"] | None = None


EVENTS: dict[str, type[Data]] = {
    "mailiu.resident.consent-given.v1": ConsentGiven,
    "mailiu.resident.consent-withdrawn.v1": ConsentWithdrawn,
    "mailiu.resident.guardian-appointed.v1": GuardianAppointed,
    "mailiu.resident.guardian-revoked.v1": GuardianRevoked,
}
