"""Pregnancy: its limits hold from registration to 42 days after delivery."""

from datetime import date
from typing import Literal

from pydantic import Field

from schemas.envelope import Data


class PreconceptionRecorded(Data):
    """Whether the resident plans a pregnancy, as of ``time``."""

    planned: bool


class PregnancyRegistered(Data):
    """A pregnancy was booked at ``time``."""

    last_menstrual_period: date | None = None
    expected_delivery: date | None = None


class PregnancyEnded(Data):
    """The pregnancy ended without a delivery, or was recorded in error."""

    reason: Literal["miscarriage", "termination", "entered-in-error"]


class DeliveryRecorded(Data):
    """The delivery took place at ``time``."""

    outcome: Literal["live-birth", "stillbirth"] = "live-birth"
    children: int = Field(1, ge=1, le=8)


EVENTS: dict[str, type[Data]] = {
    "mailiu.maternal.preconception-recorded.v1": PreconceptionRecorded,
    "mailiu.maternal.pregnancy-registered.v1": PregnancyRegistered,
    "mailiu.maternal.pregnancy-ended.v1": PregnancyEnded,
    "mailiu.maternal.delivery-recorded.v1": DeliveryRecorded,
}
