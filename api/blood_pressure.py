"""The home blood pressure of one resident, as figures that say how they came about."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any

import orjson
from pydantic import BaseModel, Field

from analytics.home_pressure import RULE, SQL, Protocol, enough, parameters
from api import rules
from api.alert_item import Text
from api.problem import invalid_field
from api.tables import Row, Tables
from infra.clock import clock
from infra.settings import settings
from streams.rules import Rule

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
    """Below this is in range: 135/85 (from 80 years 145/85), or the resident's own target."""

    systolic: float
    diastolic: float
    personal: bool


class HomePressure(BaseModel):
    """Home blood pressure by the guideline protocol. 按指南统计的家庭血压。"""

    protocol: Protocol = Field(description="`week`: prescribed, day 1 dropped; `rolling`: the latest seven days")
    period: Period | None = Field(description="absent without any reading")
    enough: bool = Field(description="at least 12 readings on 3 days; below that nothing may be concluded")
    mean: Mean
    morning: Mean = Field(description="local hours of the rule: 06–10")
    evening: Mean = Field(description="local hours of the rule: 18–22")
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
PLANS = """
SELECT data FROM timeline WHERE resident IN {records:Array(String)} AND type = 'mailiu.monitoring.plan-set.v1'
ORDER BY time DESC, id DESC LIMIT 16
"""
TARGET = "SELECT systolic, diastolic FROM targets WHERE resident IN {records:Array(String)} ORDER BY time DESC LIMIT 1"
BORN = "SELECT birth_date FROM residents WHERE resident IN {records:Array(String)} AND birth_date IS NOT NULL"


async def summarize(
    tables: Tables,
    records: list[str],
    protocol: Protocol | None = None,
    start: datetime | None = None,
    to: datetime | None = None,
) -> HomePressure:
    """Home blood pressure of the person of ``records``; ``start`` and ``to`` bound the readings looked at."""
    span = {"records": records, "from": start or BEGINNING, "until": to or END}
    if span["from"] >= span["until"]:  # type: ignore[operator]
        raise invalid_field("to", to, "is not after `from`")
    rule, plans, targets, born = await asyncio.gather(
        rules.in_force(tables, RULE), tables.rows(PLANS, span), tables.rows(TARGET, span), tables.rows(BORN, span)
    )
    now = to or clock().now()
    plan = _plan(plans, now)
    systolic, diastolic = _limit(rule, targets, born, now)
    limits = {"limit_systolic": systolic, "limit_diastolic": diastolic}
    zone = {"zone": settings().zone.key}
    [row] = await tables.rows(SQL, {**span, **parameters(rule, protocol, plan), **limits, **zone})
    any_reading = row["whole_n"] > 0
    period = Period(
        first=row["first_day"], last=row["last_day"], dropped=row["first_day"] if row["is_week"] else None
    )  # fmt: skip
    return HomePressure(
        protocol="week" if row["is_week"] else "rolling",
        period=period if any_reading else None,
        enough=enough(rule, row["window_n"], row["window_days"], plan),
        mean=_mean(row, "n", "days", "mean"),
        morning=_mean(row, "morning_n", "morning_days", "morning"),
        evening=_mean(row, "evening_n", "evening_days", "evening"),
        whole=Whole(
            first=row["whole_first"] if any_reading else None,
            last=row["whole_last"] if any_reading else None,
            n=row["whole_n"],
            days=row["whole_days"],
            systolic=_spread(row, "systolic"),
            diastolic=_spread(row, "diastolic"),
            in_range=row["in_range"] / row["whole_n"] if row["whole_n"] else None,
        ),
        limit=Limit(systolic=systolic, diastolic=diastolic, personal=bool(targets)),
        definition=DEFINITION,
    )


def _plan(plans: list[Row], instant: datetime) -> dict[str, Any] | None:
    """The plan set last of those that had begun by ``instant``."""
    day = instant.astimezone(settings().zone).date().isoformat()
    found = (orjson.loads(row["data"]) for row in plans)
    return next((plan for plan in found if plan["start"] <= day), None)


def _limit(rule: Rule, targets: list[Row], born: list[Row], instant: datetime) -> tuple[float, float]:
    """Below this is in range: the resident's own target, else the limit of the rule for their age."""
    if targets:
        return targets[0]["systolic"], targets[0]["diastolic"]
    limits, old = rule.limits, False
    if born:
        day, birth = instant.astimezone(settings().zone).date(), born[0]["birth_date"]
        age = day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
        old = age >= limits["old_age"]
    name = "old_" if old else ""
    return float(limits[f"{name}systolic"]), float(limits[f"{name}diastolic"])


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
