"""The management level of a resident with its rule: `GET /v1/residents/{resident}/level`."""

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.alert_item import Text
from api.auth import ResidentReader
from api.backend import BackendDependency
from api.instant import Instant
from api.position import Wait
from api.problem import problems
from api.resident import ResidentId, find
from api.round_item import words
from infra.clock import clock
from streams.rules import released

YEAR = timedelta(365)
router = APIRouter(prefix="/v1/residents", tags=["residents"])
VISITS = """
SELECT time, systolic, diastolic FROM follow_ups
WHERE resident IN {records:Array(String)} AND mode IN ('clinic', 'home-visit') AND systolic IS NOT NULL
    AND diastolic IS NOT NULL AND time >= {from:DateTime64(3, 'UTC')} AND time <= {to:DateTime64(3, 'UTC')}
ORDER BY time, id
"""
HISTORY = """
SELECT level, points, time, reasons, reason_levels, judgement, rule_version FROM level_history
WHERE resident = {resident:String} ORDER BY offset DESC LIMIT 100
"""


class LevelReason(BaseModel):
    """A criterion that holds."""

    code: str
    title: Text
    level: int
    source: str = Field(description="where the criterion comes from")


class LevelNow(BaseModel):
    """The level and when it was said."""

    level: int
    points: int
    time: Instant
    reasons: list[LevelReason]
    judgement: bool = Field(description="rests on a limit that is a judgement and that no physician approved here")
    rule: str = "level"
    rule_version: int


class Year(BaseModel):
    """How long blood pressure was at target within the last twelve months, by face-to-face visits."""

    months: float = Field(description="months below 140/90; a visit's pressure stands until the next, 92 days at most")
    known: float = Field(description="months of which anything is known")
    rating: Literal["good", "fair", "poor"] = Field(description="from nine months, from six, else 优良、尚可、不良")


class Levels(BaseModel):
    """The management level with its rule, and the ones before it. 分级管理级别。"""

    resident: str
    current: LevelNow | None = Field(description="null while no chronic disease is known")
    year: Year | None = Field(
        description="null without a visit with a pressure in the last twelve months 年度血压控制评价"
    )
    history: list[LevelNow] = Field(description="the latest hundred, newest first, the current one among them")


@router.get("/{resident}/level", summary="Management level 管理级别", responses=problems(403, 404, 422, 504))
async def level_of(who: ResidentReader, backend: BackendDependency, resident: ResidentId, wait: Wait = None) -> Levels:
    """How closely the resident is followed, and the criteria that say so."""
    await backend.progress.wait(wait, fold=True)
    found = await find(backend, who, resident)
    now = clock().now()
    asked = {"records": found["records"], "from": now - YEAR, "to": now}
    rows, visits = await asyncio.gather(
        backend.tables.rows(HISTORY, {"resident": found["resident"]}), backend.tables.rows(VISITS, asked)
    )
    await backend.viewed(who, "level", found["records"])
    history = [LevelNow.model_validate({**row, "reasons": _criteria(row)}) for row in rows]
    return Levels(
        resident=found["resident"], current=history[0] if history else None, year=rated(visits, now), history=history
    )


def rated(visits: list[dict[str, Any]], now: datetime) -> Year | None:
    """The year up to ``now`` from its ``visits`` (time, systolic, diastolic in mm[Hg]), oldest first."""
    limits = released()["level"][1].limits
    known = below = timedelta()
    for visit, following in pairwise([*visits, {"time": now}]):
        stands = min(following["time"] - visit["time"], timedelta(limits["year_stands_days"]))
        known += stands
        if visit["systolic"] < limits["year_systolic"] and visit["diastolic"] < limits["year_diastolic"]:
            below += stands
    if not visits:
        return None
    months = below / YEAR * 12
    rating: Literal["good", "fair", "poor"] = "poor"
    if months >= limits["year_fair"]:
        rating = "good" if months >= limits["year_good"] else "fair"
    return Year(months=round(months, 1), known=round(known / YEAR * 12, 1), rating=rating)


def _criteria(row: dict[str, Any]) -> list[LevelReason]:
    rule = released()["level"].get(row["rule_version"])
    return [
        LevelReason(
            code=code, title=words(code), level=level,
            source="" if rule is None else rule.about[code.replace("-", "_")].source,
        )
        for code, level in zip(row["reasons"], row["reason_levels"], strict=True)
    ]  # fmt: skip
