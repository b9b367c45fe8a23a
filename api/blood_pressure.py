"""The home blood pressure of one resident, as figures that say how they came about."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
from pydantic import BaseModel, Field

from analytics.home_pressure import LIMIT, SQL, Protocol, enough, window
from api.alert_item import Text
from api.problem import invalid_field
from api.tables import Row, Tables
from infra.settings import settings

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(2200, 1, 1, tzinfo=UTC)


class Mean(BaseModel):
    """A mean of readings."""

    n: int
    days: int = Field(description="local days with a reading")
    systolic: float | None = Field(description="mm[Hg]")
    diastolic: float | None = Field(description="mm[Hg]")
    pulse: float | None = Field(description="/min")


class Spread(BaseModel):
    """Variability of one pressure over the whole period; null below two readings."""

    mean: float | None = Field(description="mm[Hg]")
    sd: float | None = Field(description="standard deviation of the sample, mm[Hg]")
    cv: float | None = Field(description="coefficient of variation, %")
    arv: float | None = Field(description="average real variability, mm[Hg]")
    sv: float | None = Field(description="successive variation, mm[Hg]")
    min: float | None
    max: float | None


class Whole(BaseModel):
    """All counted readings of the period asked for."""

    first: date | None = Field(description="local day of the first reading")
    last: date | None
    n: int
    days: int
    systolic: Spread
    diastolic: Spread
    in_range: float | None = Field(description="share of readings below the limit in both pressures")


class Period(BaseModel):
    """The local days of the mean."""

    first: date
    last: date
    dropped: date | None = Field(description="first day of a prescribed week, which does not count")


class Limit(BaseModel):
    """Below this is in range: 135/85, or the resident's own target."""

    systolic: float
    diastolic: float
    personal: bool


class HomePressure(BaseModel):
    """Home blood pressure by the guideline protocol. 按指南统计的家庭血压。"""

    protocol: Protocol = Field(description="`week`: prescribed, day 1 dropped; `rolling`: the latest seven days")
    period: Period | None = Field(description="absent without any reading")
    enough: bool = Field(description="at least 12 readings on 3 days; below that nothing may be concluded")
    mean: Mean
    morning: Mean = Field(description="local 04–12 h")
    evening: Mean = Field(description="local 16–24 h")
    whole: Whole
    limit: Limit
    definition: Text


DEFINITION = Text(
    zh="家庭测量、设备读取、未撤回且时间可信的血压。处方7天测量周去除第1天；滚动7天不去除。少于12次或3天不作判断。"
    "来源：中国家庭血压监测指南（2019）。",
    en="Home readings measured by a device, not retracted, with a trusted time. A prescribed seven-day week drops "
    "day 1, a rolling week nothing. Fewer than 12 readings or 3 days allow no judgement. Source: Chinese guideline for "
    "home blood pressure monitoring (2019).",
)
LATEST = """
SELECT max(time) AS latest, count() AS n FROM readings
WHERE resident = {resident:String} AND kind = 'blood-pressure' AND place = 'home' AND source = 'measured'
  AND clock != 'untrusted' AND NOT retracted
  AND time >= {from:DateTime64(3, 'UTC')} AND time < {until:DateTime64(3, 'UTC')}
"""
PLAN = """
SELECT data FROM timeline WHERE resident = {resident:String} AND type = 'mailiu.monitoring.plan-set.v1'
ORDER BY time DESC, offset DESC LIMIT 1
"""
TARGET = "SELECT systolic, diastolic FROM targets WHERE resident = {resident:String}"


async def summarize(
    tables: Tables,
    resident: str,
    protocol: Protocol | None = None,
    start: datetime | None = None,
    to: datetime | None = None,
) -> HomePressure:
    """Home blood pressure of ``resident``; ``start`` and ``to`` bound the readings that are looked at."""
    zone = settings().zone
    span = {"resident": resident, "from": start or BEGINNING, "until": to or END}
    if span["from"] >= span["until"]:  # type: ignore[operator]
        raise invalid_field("to", to, "is not after `from`")
    latest, plans, targets = await asyncio.gather(
        tables.rows(LATEST, span), tables.rows(PLAN, span), tables.rows(TARGET, span)
    )
    day = latest[0]["latest"].astimezone(zone).date() if latest[0]["n"] else None
    week = _prescribed(plans)
    if protocol == "week" and start is not None:
        week = start.astimezone(zone).date()
    chosen = window(protocol, day or BEGINNING.date() + timedelta(7), week)
    systolic, diastolic = (targets[0]["systolic"], targets[0]["diastolic"]) if targets else LIMIT
    limits = {"limit_systolic": systolic, "limit_diastolic": diastolic}
    [row] = await tables.rows(SQL, {**span, **chosen.parameters(zone), **limits})
    return HomePressure(
        protocol=chosen.protocol,
        period=Period(first=chosen.first, last=chosen.last, dropped=chosen.dropped) if day else None,
        enough=enough(row["n"], row["days"]),
        mean=_mean(row, "n", "days", "mean"),
        morning=_mean(row, "morning_n", "morning_days", "morning"),
        evening=_mean(row, "evening_n", "evening_days", "evening"),
        whole=Whole(
            first=row["whole_first"] if day else None,
            last=row["whole_last"] if day else None,
            n=row["whole_n"],
            days=row["whole_days"],
            systolic=_spread(row, "systolic"),
            diastolic=_spread(row, "diastolic"),
            in_range=row["in_range"] / row["whole_n"] if row["whole_n"] else None,
        ),
        limit=Limit(systolic=systolic, diastolic=diastolic, personal=bool(targets)),
        definition=DEFINITION,
    )


def _prescribed(plans: list[Row]) -> date | None:
    """First day of the prescribed week, if that is the plan in force."""
    plan: dict[str, Any] = orjson.loads(plans[0]["data"]) if plans else {}
    return date.fromisoformat(plan["start"]) if plan.get("schedule") == "week" else None


def _mean(row: Row, n: str, days: str, name: str) -> Mean:
    values = {each: row[f"{name}_{each}"] for each in ("systolic", "diastolic", "pulse")}
    return Mean(n=row[n], days=row[days], **values)


def _spread(row: Row, name: str) -> Spread:
    mean, sd = row[f"whole_{name}"], row[f"{name}_sd"]
    return Spread(
        mean=mean,
        sd=sd,
        cv=100 * sd / mean if sd is not None else None,
        **{each: row[f"{name}_{each}"] for each in ("arv", "sv", "min", "max")},
    )
