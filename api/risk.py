"""One resident's scores: as they stand, how they went, and what they would be if: `/v1/residents/{resident}/risk`."""

import asyncio
from contextlib import suppress
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StrictBool

from api import rules
from api.auth import ResidentReader
from api.backend import BackendDependency
from api.instant import Instant
from api.position import Wait
from api.problem import invalid_field, problems
from api.resident import ResidentId, find
from api.tables import Row, Tables
from streams.scores.inputs import Unusable
from streams.scores.model import Model, initial, released, streamed, vocabulary
from streams.scores.model import in_force as version_in_force
from streams.scores.run import Result, newest, run, warning

router = APIRouter(prefix="/v1/residents", tags=["residents"])
MODELS = sorted(released())
TREND = 100  #: latest values of a model that are shown


class Text(BaseModel):
    """The same in Chinese and English."""

    zh: str
    en: str


class Warned(Text):
    """What to know of a value."""

    code: str


class Input(BaseModel):
    """What a score rests on; no event where nobody recorded anything, such as no diagnosis."""

    value: float | StrictBool | str
    unit: str | None = None
    event: UUID | None = None
    time: Instant | None = None


class Reason(Text):
    """Why a score has no value."""

    code: Literal["missing", "invalid", "out-of-range", "not-applicable"]
    field: str


class Point(BaseModel):
    """What the score was from ``time`` on."""

    time: Instant
    version: int
    status: str
    value: float | None
    class_: str | None = Field(serialization_alias="class")


class Score(BaseModel):
    """A score as it stands, and its course, oldest first."""

    model: str
    version: int
    title: Text
    source: str
    status: Literal["computed", "missing", "not-applicable"]
    value: float | None
    unit: str | None
    class_: str | None = Field(serialization_alias="class")
    label: Text | None = Field(description="what the class is called")
    values: dict[str, Any]
    inputs: dict[str, Input]
    missing: list[str] = Field(description="with a value: optional inputs that were not given")
    reason: Reason | None
    warnings: list[Warned]
    time: Instant
    id: UUID = Field(description="identity of the event that said so")
    causationid: str | None = Field(description="identity of the event that changed it")
    change: float | None = Field(description="against the value before, in `unit`")
    trend: list[Point]


class Risk(BaseModel):
    """A resident's scores. 居民风险评分。"""

    resident: str
    scores: list[Score]


class Change(BaseModel):
    """What would be otherwise."""

    changes: dict[str, StrictBool | float | str] = Field(
        min_length=1, max_length=40, description='inputs by name, such as `{"systolic": 130, "smoker": false}`'
    )
    models: list[str] | None = Field(None, max_length=40, description="default: the kept ones that a change concerns")


class Answer(BaseModel):
    """A model's answer to some inputs: a value, or why there is none."""

    value: float | None = None
    class_: str | None = Field(None, serialization_alias="class")
    label: Text | None = None
    values: dict[str, Any] = {}
    reason: Reason | None = None
    missing: list[str] = []


class Alternative(BaseModel):
    """A score as it is and as it would be."""

    model: str
    version: int
    unit: str | None
    now: Answer
    then: Answer
    difference: float | None
    warnings: list[Warned]


class WhatIf(BaseModel):
    """What the scores would be; nothing is recorded."""

    resident: str
    changes: dict[str, StrictBool | float | str]
    scores: list[Alternative]


COLUMNS = """
id, model, model_version, status, value, unit, class, values, inputs, missing_inputs, reason_code, reason_field,
reason_zh, reason_en, warnings, time, causationid
"""
SCORES = f"""
SELECT {COLUMNS} FROM scores WHERE resident = {{resident:String}} ORDER BY model
"""
HISTORY = f"""
SELECT model, model_version, status, value, class, time FROM score_history
WHERE resident IN {{records:Array(String)}} ORDER BY time DESC, offset DESC LIMIT {TREND} BY model
"""


@router.get("/{resident}/risk", summary="Scores 风险评分", responses=problems(403, 404, 422, 504))
async def risk(
    who: ResidentReader,
    backend: BackendDependency,
    resident: ResidentId,
    model: Annotated[list[str] | None, Query(max_length=40, description="only these models 仅这些模型")] = None,
    wait: Wait = None,
) -> Risk:
    """Each score with value, class, inputs with their events, what is missing or why it does not apply, and trend."""
    for name in model or ():
        _known(name, "model")
    await backend.progress.wait(wait, fold=True)
    found = await find(backend, who, resident)
    parameters = {"resident": found["resident"], "records": found["records"]}
    rows, history, _ = await asyncio.gather(
        backend.tables.rows(SCORES, parameters),
        backend.tables.rows(HISTORY, parameters),
        backend.viewed(who, "risk", found["records"]),
    )
    scores = [_score(row, history) for row in rows if model is None or row["model"] in model]
    return Risk(resident=found["resident"], scores=scores)


@router.post("/{resident}/risk", summary="What if 假设分析", responses=problems(403, 404, 422, 504))
async def what_if(
    who: ResidentReader, backend: BackendDependency, resident: ResidentId, asked: Change, wait: Wait = None
) -> WhatIf:
    """What scores would be if some inputs were others. Nothing is recorded, and nothing here is a promise."""
    names = {name for field in vocabulary() for name in (field, *_suffixed(field))}
    for name, value in asked.changes.items():
        if name not in names:
            raise invalid_field(f"changes.{name}", value, "no input of any model")
    for name in asked.models or ():
        _known(name, "models")
    await backend.progress.wait(wait, fold=True)
    found = await find(backend, who, resident)
    rows, _ = await asyncio.gather(
        backend.tables.rows(SCORES, {"resident": found["resident"]}), backend.viewed(who, "risk", found["records"])
    )
    now: dict[str, Any] = {}
    for row in rows:
        now |= {name: one["value"] for name, one in orjson.loads(row["inputs"] or b"{}").items()}
    models = [await _in_force(backend.tables, name) for name in asked.models or streamed()]
    if asked.models is None:
        models = [model for model in models if _concerned(model, asked.changes)]
    then = _changed(now, asked.changes)
    scores = [_alternative(model, now, then, asked.changes) for model in models]
    return WhatIf(resident=found["resident"], changes=asked.changes, scores=scores)


def _known(name: str, field: str) -> None:
    if name not in released():
        raise invalid_field(field, name, f"no such model; there are {', '.join(MODELS)}")


async def _in_force(tables: Tables, name: str) -> Model:
    """The model as the log has it in force now."""
    activated = await tables.rows(rules.ACTIVATED, {"rule": name})
    return version_in_force(name, {"rules": {name: activated[0]["version"]} if activated else {}})


def _suffixed(field: str) -> list[str]:
    """Names of a field in other units."""
    return [f"{field}_{suffix}" for suffix in vocabulary()[field].get("also", ())]


def _concerned(model: Model, changes: dict[str, Any]) -> bool:
    asked = {name for field in model.inputs for name in (field, *_suffixed(field))}
    asked |= {"height", "weight"} if "bmi" in model.inputs else set()
    asked |= {"creatinine", "creatinine_mg_dl"} if "egfr" in model.inputs else set()
    return not asked.isdisjoint(changes)


def _changed(now: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The inputs with the changes, and without what a change makes void: the same in another unit, what follows."""
    void = {field for field in vocabulary() for name in _suffixed(field) if name in changes}
    if not changes.keys().isdisjoint(("height", "weight")):
        void.add("bmi")
    then = {name: value for name, value in now.items() if name not in void} | changes
    if not changes.keys().isdisjoint(("creatinine", "creatinine_mg_dl")) and "egfr" not in changes:
        then.pop("egfr", None)
        with suppress(Unusable):
            then["egfr"] = run(initial("ckd-epi-2021"), then).value
    return then


def _alternative(model: Model, now: dict[str, Any], then: dict[str, Any], changes: dict[str, Any]) -> Alternative:
    before, after = _answer(model, now), _answer(model, then)
    if isinstance(after, Unusable) and after.reason == "invalid" and after.field in changes:
        raise invalid_field(f"changes.{after.field}", after.value, after.texts["en"])
    difference = None
    if isinstance(before, Result) and isinstance(after, Result) and None not in (before.value, after.value):
        difference = after.value - before.value  # type: ignore[operator]
    warned = after.warnings if isinstance(after, Result) else ()
    return Alternative(
        model=model.model, version=model.version, unit=model.unit, now=_told(before), then=_told(after),
        difference=difference, warnings=_warned(model, warned),
    )  # fmt: skip


def _answer(model: Model, given: dict[str, Any]) -> Result | Unusable:
    try:
        return run(model, given)
    except Unusable as error:
        return error


def _told(answer: Result | Unusable) -> Answer:
    if isinstance(answer, Unusable):
        reason = Reason(code=answer.reason, field=answer.field, **answer.texts)
        return Answer(reason=reason, missing=list(answer.missing))
    return Answer(
        value=answer.value, class_=answer.name, label=_text(answer.label), values=answer.values,
        missing=list(answer.absent),
    )  # fmt: skip


def _score(row: Row, history: list[Row]) -> Score:
    """A row of `scores` with its course."""
    model = newest(row["model"], row["model_version"]) or initial(row["model"])
    trend = [one for one in reversed(history) if one["model"] == row["model"]]
    valued = [one["value"] for one in trend if one["value"] is not None]
    change = valued[-1] - valued[-2] if row["value"] is not None and len(valued) > 1 else None
    inputs = orjson.loads(row["inputs"] or b"{}")
    reason = None
    if row["reason_code"] is not None:
        reason = Reason(
            code=row["reason_code"], field=row["reason_field"], zh=row["reason_zh"], en=row["reason_en"]
        )  # fmt: skip
    return Score(
        model=model.model, version=row["model_version"], title=Text(**model.title), source=model.source,
        status=row["status"], value=row["value"], unit=row["unit"], class_=row["class"],
        label=_text(model.label(row["class"])), values=orjson.loads(row["values"] or b"{}"),
        inputs={name: Input(**one, unit=vocabulary()[name].get("unit")) for name, one in inputs.items()},
        missing=row["missing_inputs"], reason=reason, warnings=_warned(model, row["warnings"]), time=row["time"],
        id=row["id"], causationid=row["causationid"], change=change,
        trend=[
            Point(
                time=one["time"], version=one["model_version"], status=one["status"], value=one["value"],
                class_=one["class"],
            )
            for one in trend
        ],
    )  # fmt: skip


def _warned(model: Model, codes: Any) -> list[Warned]:
    return [Warned(code=code, **warning(model, code)) for code in codes]


def _text(text: dict[str, str] | None) -> Text | None:
    return None if text is None else Text(**text)
