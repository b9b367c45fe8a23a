"""Institutions, teams, staff and calendars. These concern many residents and go to every partition."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator

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


class Channel(Data):
    """A way to reach a person: ``reference`` is their address at the message service, never a phone number."""

    channel: Literal["app", "sms", "wechat", "phone"]
    reference: Annotated[str, Code]


class AreaDescribed(Data):
    """Where the residents of the event's institution live: what some risk models ask for."""

    north: bool = Field(description="north of the Yangtze")
    urban: bool = Field(description="in a town, not in a village")


class StaffRegistered(Data):
    """A member of staff with licence, role and the channels by which they are told, the first one first."""

    staff: Annotated[str, Code]
    role: Role
    licence: str | None = Field(None, max_length=60)
    channels: list[Channel] = Field([], max_length=5, description="none: the app, by staff id")


class HolidayCalendarSet(Data):
    """Public holidays and make-up workdays of a year; weekends are off otherwise."""

    year: int = Field(ge=2000, le=2100)
    holidays: list[date]
    workdays: list[date] = []


class Shift(Data):
    """Who is on duty from ``start`` until ``end``; several may be at once, the first one first."""

    staff: Annotated[str, Code]
    start: AwareDatetime
    end: AwareDatetime

    @field_validator("end")
    @classmethod
    def _order(cls, end: AwareDatetime, info: ValidationInfo) -> AwareDatetime:
        if (start := info.data.get("start")) and end <= start:
            raise ValueError(f"end {end} is not after start {start}")
        return end


class RotaSet(Data):
    """The duty rota of a role at the event's institution from ``start`` until ``end``; it replaces what stood there."""

    role: Role
    start: AwareDatetime
    end: AwareDatetime
    shifts: list[Shift] = Field(max_length=2000, description="none: nobody is on duty")


class LeaveRecorded(Data):
    """A member of staff is away; the substitute, if there is one, stands in for every shift."""

    staff: Annotated[str, Code]
    start: AwareDatetime
    end: AwareDatetime
    substitute: Annotated[str, Code] | None = None


class VillageDay(Data):
    """On this day of the week the team is in that village, and sees its people there."""

    village: Annotated[str, Code]
    weekday: int = Field(ge=1, le=7, description="1 Monday … 7 Sunday")


class VisitSlotsSet(Data):
    """How many people a team can see on each day of the week, and when it is in which village."""

    team: Annotated[str, Code]
    slots: list[Annotated[int, Field(ge=0, le=200)]] = Field(min_length=7, max_length=7, description="Monday first")
    village_days: list[VillageDay] = Field([], max_length=100)


EVENTS: dict[str, type[Data]] = {
    "mailiu.organization.institution-registered.v1": InstitutionRegistered,
    "mailiu.organization.area-described.v1": AreaDescribed,
    "mailiu.organization.team-formed.v1": TeamFormed,
    "mailiu.organization.staff-registered.v1": StaffRegistered,
    "mailiu.organization.holiday-calendar-set.v1": HolidayCalendarSet,
    "mailiu.organization.rota-set.v1": RotaSet,
    "mailiu.organization.leave-recorded.v1": LeaveRecorded,
    "mailiu.organization.visit-slots-set.v1": VisitSlotsSet,
}
