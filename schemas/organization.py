"""Institutions, teams, staff and calendars. These concern many residents and go to every partition."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from schemas.envelope import Code, Data

Role = Literal["nurse", "doctor", "institution", "district-desk", "manager", "analyst", "admin"]


class InstitutionRegistered(Data):
    """A community health centre or station."""

    institution: Annotated[str, Code]
    name: str = Field(min_length=1, max_length=100)
    district: Annotated[str, Code] | None = None


class TeamFormed(Data):
    """A family-doctor team of an institution."""

    team: Annotated[str, Code]
    name: str = Field(min_length=1, max_length=100)
    members: list[str] = []


class StaffRegistered(Data):
    """A member of staff with licence and role."""

    staff: Annotated[str, Code]
    role: Role
    licence: str | None = Field(None, max_length=60)


class HolidayCalendarSet(Data):
    """Public holidays and make-up workdays of a year; weekends are off otherwise."""

    year: int = Field(ge=2000, le=2100)
    holidays: list[date]
    workdays: list[date] = []


EVENTS: dict[str, type[Data]] = {
    "mailiu.organization.institution-registered.v1": InstitutionRegistered,
    "mailiu.organization.team-formed.v1": TeamFormed,
    "mailiu.organization.staff-registered.v1": StaffRegistered,
    "mailiu.organization.holiday-calendar-set.v1": HolidayCalendarSet,
}
