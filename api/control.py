"""How blood pressure, glucose, lipids and weight are controlled: `GET /v1/residents/{resident}/control`."""

import asyncio
from datetime import date, datetime
from typing import Literal
from uuid import UUID

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.alert_item import Text
from api.auth import ResidentReader
from api.backend import BackendDependency
from api.course import COURSES, Course, Trend, course, trend
from api.instant import Instant
from api.position import Wait
from api.problem import problems
from api.resident import ResidentId, find
from api.tables import Row, Tables
from infra.clock import clock
from infra.settings import settings
from schemas.guidance import Area, Prompt, Status
from streams.guidance.codes import codes

router = APIRouter(prefix="/v1/residents", tags=["residents"])


class Reason(BaseModel):
    """A code with its meaning."""

    code: str
    text: Text


class Limit(BaseModel):
    """What a value was compared with."""

    measure: str
    value: float
    unit: str
    basis: Literal["default", "age", "condition", "risk", "personal"] = Field(description="whose limit it is")


class Value(BaseModel):
    """A value that was compared."""

    measure: str
    value: float
    unit: str
    time: datetime
    n: int | None = Field(None, description="readings in a mean")


class Assessed(BaseModel):
    """One area as it was told last."""

    area: Area
    status: Status
    before: Status | None
    since: Instant = Field(description="when that became so")
    reasons: list[Reason]
    patterns: list[Reason]
    targets: list[Limit]
    values: list[Value] = Field(description="as they were then; the newest ones are in readings and examinations")
    judgement: bool = Field(description="rests on a limit that is a judgement and that no physician approved here")
    rule: str = "control"
    rule_version: int
    evidence: list[UUID]


class Month(BaseModel):
    """Means of a local month, mm[Hg]; null without a reading."""

    month: date
    home_systolic: float | None
    home_diastolic: float | None
    home_n: int
    office_systolic: float | None
    office_diastolic: float | None
    office_n: int


class Review(BaseModel):
    """A medication review that is prompted. It never says which drug to start, stop or change."""

    kind: Prompt
    since: Instant
    findings: list[str]
    drugs: list[str] = Field(description="ATC")
    conditions: list[str] = Field(description="ICD-10")
    values: list[Value]
    text: Text
    judgement: bool
    rule: str = "review"
    rule_version: int
    evidence: list[UUID]


class Control(BaseModel):
    """Control by area, the year's course, and open medication reviews. 控制情况。"""

    resident: str
    areas: list[Assessed]
    months: list[Month] = Field(description="blood pressure of the last twelve months, oldest first")
    trend: Trend | None = Field(description="of home systolic means of the last two months with readings")
    courses: list[Course] = Field(description="of glucose, LDL cholesterol and weight, each by itself")
    reviews: list[Review] = Field(description="open ones")


CONTROL = """
SELECT area, status, before, recordedtime AS since, reasons, patterns, targets, values, judgement, rule_version,
    evidence
FROM control WHERE resident IN {records:Array(String)}
ORDER BY indexOf(['blood-pressure', 'glucose', 'lipids', 'weight'], area)
"""
REVIEWS = """
SELECT kind, recordedtime AS since, findings, drugs, conditions, values, text, judgement, rule_version, evidence
FROM reviews WHERE resident IN {records:Array(String)} AND status = 'open' ORDER BY since, kind
"""
MONTHS = """
SELECT
    month,
    avgOrNullIf(systolic, place = 'home') AS home_systolic, avgOrNullIf(diastolic, place = 'home') AS home_diastolic,
    countIf(place = 'home') AS home_n,
    avgOrNullIf(systolic, place = 'office') AS office_systolic,
    avgOrNullIf(diastolic, place = 'office') AS office_diastolic, countIf(place = 'office') AS office_n
FROM (
    SELECT toStartOfMonth(toTimeZone(time, {zone:String})) AS month, if(place = 'home', 'home', 'office') AS place,
        systolic, diastolic
    FROM readings
    WHERE resident IN {records:Array(String)} AND kind = 'blood-pressure' AND NOT retracted AND source = 'measured'
        AND clock != 'untrusted' AND time >= {from:DateTime64(3, 'UTC')} AND systolic IS NOT NULL
    UNION ALL
    SELECT toStartOfMonth(toTimeZone(time, {zone:String})) AS month, 'office' AS place, systolic, diastolic
    FROM follow_ups
    WHERE resident IN {records:Array(String)} AND mode IN ('clinic', 'home-visit') AND systolic IS NOT NULL
        AND time >= {from:DateTime64(3, 'UTC')}
)
GROUP BY month ORDER BY month
"""


@router.get("/{resident}/control", summary="Control status 控制情况", responses=problems(403, 404, 422, 504))
async def control(who: ResidentReader, backend: BackendDependency, resident: ResidentId, wait: Wait = None) -> Control:
    """Blood pressure, glucose, lipids and weight against the resident's targets, with the reasons and patterns."""
    await backend.progress.wait(wait, fold=True)
    found = await find(backend, who, resident)
    shown, _ = await asyncio.gather(assessed(backend.tables, found), backend.viewed(who, "control", found["records"]))
    return shown


async def assessed(tables: Tables, found: Row) -> Control:
    """Control of the person ``found`` (resident, records), from the tables."""
    now = clock().now()
    parameters = {
        "records": found["records"],
        "zone": settings().zone.key,
        "from": now.replace(year=now.year - 1, day=1),
        "two_years": now.replace(year=now.year - 2, day=1),
    }
    areas, reviews, months, courses = await asyncio.gather(
        *(tables.rows(sql, parameters) for sql in (CONTROL, REVIEWS, MONTHS, COURSES))
    )
    year = [Month.model_validate(row) for row in months][-12:]
    return Control(
        resident=found["resident"],
        areas=[_area(row) for row in areas],
        months=year,
        trend=trend([month.home_systolic for month in year if month.home_systolic is not None], "steady_systolic"),
        courses=[course(row) for row in courses],
        reviews=[Review.model_validate({**row, **_json(row, "values", "text")}) for row in reviews],
    )


def _area(row: Row) -> Assessed:
    meant = {
        f"{kind}s": [{"code": code, "text": codes(kind)[code]} for code in row[f"{kind}s"]]
        for kind in ("reason", "pattern")
    }
    return Assessed.model_validate({**row, **meant, **_json(row, "targets", "values")})


def _json(row: Row, *columns: str) -> Row:
    return {column: orjson.loads(row[column]) for column in columns}
