"""The management level of a resident with its rule: `GET /v1/residents/{resident}/level`."""

from typing import Any

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
from streams.rules import released

router = APIRouter(prefix="/v1/residents", tags=["residents"])
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


class Levels(BaseModel):
    """The management level with its rule, and the ones before it. 分级管理级别。"""

    resident: str
    current: LevelNow | None = Field(description="null while no chronic disease is known")
    history: list[LevelNow] = Field(description="the latest hundred, newest first, the current one among them")


@router.get("/{resident}/level", summary="Management level 管理级别", responses=problems(403, 404, 422, 504))
async def level_of(who: ResidentReader, backend: BackendDependency, resident: ResidentId, wait: Wait = None) -> Levels:
    """How closely the resident is followed, and the criteria that say so."""
    await backend.progress.wait(wait, fold=True)
    found = await find(backend, who, resident)
    rows = await backend.tables.rows(HISTORY, {"resident": found["resident"]})
    await backend.viewed(who, "level", found["records"])
    history = [LevelNow.model_validate({**row, "reasons": _criteria(row)}) for row in rows]
    return Levels(resident=found["resident"], current=history[0] if history else None, history=history)


def _criteria(row: dict[str, Any]) -> list[LevelReason]:
    rule = released()["level"].get(row["rule_version"])
    return [
        LevelReason(
            code=code, title=words(code), level=level,
            source="" if rule is None else rule.about[code.replace("-", "_")].source,
        )
        for code, level in zip(row["reasons"], row["reason_levels"], strict=True)
    ]  # fmt: skip
