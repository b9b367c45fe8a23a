"""One resident: summary, timeline and readings. Another institution's resident does not exist for the caller."""

import asyncio
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, Field

from api import paging
from api.alert import COLUMNS
from api.alert_item import AlertItem, from_row
from api.auth import Caller, PersonReader
from api.backend import Backend, BackendDependency
from api.blood_pressure import HomePressure, summarize
from api.family import View, looking_in, sees
from api.instant import Instant
from api.person import person
from api.position import Wait
from api.problem import Problem, problems
from api.tables import Row
from infra.clock import clock
from infra.settings import settings
from schemas.envelope import SUBJECT
from schemas.reading import ReadingKind

router = APIRouter(prefix="/v1/residents", tags=["residents"])
ResidentId = Annotated[str, Path(pattern=SUBJECT, description="resident id (a pseudonym) 居民编号（假名）")]
From = Annotated[AwareDatetime | None, Query(alias="from", description="from this instant on, with offset 起始时间")]
To = Annotated[AwareDatetime | None, Query(description="before this instant, with offset 截止时间")]


class Condition(BaseModel):
    """A diagnosis that holds."""

    code: str = Field(description="ICD-10")
    certainty: str | None
    diagnosed_time: Instant | None


class Device(BaseModel):
    """A device bound to the resident now."""

    device: str
    user_slot: int | None
    from_time: Instant


class Resident(BaseModel):
    """What a clinician sees first. 居民摘要。"""

    resident: str = Field(
        description="the record that stands for the person; another id that was merged answers so too"
    )
    records: list[str] = Field(description="ids of the person's records, merged ones among them")
    sex: str | None
    birth_date: date | None
    age: int | None = Field(description="completed years")
    institution: str | None
    team: str | None
    doctor: str | None
    registered_time: Instant | None
    died_time: Instant | None
    labels: list[str]
    conditions: list[Condition]
    devices: list[Device]
    open_alerts: list[AlertItem] = Field(description="not closed and not withdrawn, most severe first; for staff only")
    home_blood_pressure: HomePressure


class Entry(BaseModel):
    """One event of a resident's life."""

    id: UUID
    type: str
    time: Instant
    recordedtime: Instant
    institution: str | None
    actor: str | None
    data: dict[str, Any]


class Timeline(BaseModel):
    """A page of the timeline, newest first."""

    items: list[Entry]
    next: str | None


class Ecg(BaseModel):
    """What an electrocardiogram has beside its heart rate (``value``)."""

    leads: int | None
    duration: float | None = Field(description="s")
    sampling_rate: float | None = Field(description="Hz")
    urgent: bool | None = Field(description="marked by the device")
    trace: str | None = Field(description="SHA-256, as `GET /v1/files/{sha256}` takes it")
    trace_type: str | None = Field(description="media type of the trace")
    trace_bytes: int | None


class Reading(BaseModel):
    """One reading; pressures in mm[Hg], other kinds as ``value`` in ``unit``."""

    id: UUID
    kind: ReadingKind
    time: Instant
    recordedtime: Instant
    systolic: float | None
    diastolic: float | None
    mean: float | None
    pulse: float | None
    value: float | None
    unit: str
    context: str | None
    place: str
    source: str
    device: str | None
    user_slot: int | None
    flags: list[str]
    clock: str = Field(description="trust in `time`: trusted, corrected, receipt, untrusted")
    device_time: Instant | None
    origin: str
    retracted: bool
    ecg: Ecg | None = Field(description="electrocardiograms only")


class Readings(BaseModel):
    """A page of readings, newest first."""

    items: list[Reading]
    next: str | None


RESIDENT = """
SELECT resident, sex, birth_date, institution, team, doctor, registered_time, died_time, labels
FROM residents WHERE resident = {resident:String}
"""
#: Who sees somebody of whom no registration is known yet: the institution that sent anything first, so that nobody who
#: sends something later takes the view over.
UNREGISTERED = """
SELECT argMin(e.institution, e.knowntime) AS institution FROM (
    SELECT institution, knowntime FROM readings WHERE resident = {resident:String}
    UNION ALL SELECT institution, knowntime FROM timeline WHERE resident = {resident:String}
) AS e WHERE e.institution != ''
HAVING count() > 0
"""
CONDITIONS = """
SELECT code, argMax(c.certainty, c.diagnosed_time) AS certainty, max(c.diagnosed_time) AS diagnosed_time
FROM conditions AS c WHERE c.resident IN {records:Array(String)} GROUP BY code
HAVING countIf(c.resolved_time IS NULL) > 0 AND ifNull(max(c.resolved_time) < max(c.diagnosed_time), true)
ORDER BY diagnosed_time
"""
DEVICES = """
SELECT device, user_slot, from_time FROM bindings
WHERE resident IN {records:Array(String)} AND from_time <= {now:DateTime64(3, 'UTC')}
  AND (to_time IS NULL OR to_time > {now:DateTime64(3, 'UTC')})
ORDER BY from_time
"""
OPEN_ALERTS = f"""
SELECT {COLUMNS} FROM alerts
WHERE resident IN {{records:Array(String)}} AND handling != 'closed' AND condition != 'withdrawn'
ORDER BY indexOf(['red', 'orange', 'yellow', 'technical'], severity), raised_time DESC
"""
TIMELINE = """
SELECT id, type, time, recordedtime, institution, actor, data FROM (
    SELECT id, type, time, recordedtime, institution, actor, data FROM timeline
    WHERE resident IN {records:Array(String)}
    UNION ALL
    SELECT id, concat('mailiu.reading.', kind, '-measured.v1') AS type, time, recordedtime, institution, NULL AS actor,
        if(kind = 'blood-pressure',
            toJSONString(CAST((systolic, diastolic, pulse, retracted) AS Tuple(systolic Nullable(Float64),
                diastolic Nullable(Float64), pulse Nullable(Float64), retracted Bool))),
            toJSONString(CAST((value, unit, retracted) AS Tuple(value Nullable(Float64), unit String, retracted Bool)))
        ) AS data
    FROM readings WHERE resident IN {records:Array(String)}
    UNION ALL
    SELECT id, concat('mailiu.alert.', kind, '.v1') AS type, updated_time AS time, updated_time AS recordedtime,
        institution, NULL AS actor,
        toJSONString(CAST((toString(alert), rule, severity, condition, handling, revision) AS Tuple(alert String,
            rule String, severity String, condition String, handling String, revision UInt32))) AS data
    FROM alert_events WHERE resident IN {records:Array(String)}
)
"""
READINGS = """
SELECT id, kind, time, recordedtime, systolic, diastolic, mean, pulse, value, unit, context, place, source, device,
    user_slot, flags, clock, device_time, origin, retracted, leads, duration, sampling_rate, urgent, trace, trace_type,
    trace_bytes
FROM readings
"""


async def find(backend: Backend, who: Caller, resident: str, view: View = "summary") -> Row:
    """Demographics of a resident of whom the caller may see ``view``; 404 for everybody else.

    ``records`` are the ids of the person's records: an id that gave way by a merge is answered as its survivor.
    """
    asked = resident
    (resident, records), rows = await asyncio.gather(
        person(backend.tables, asked), backend.tables.rows(RESIDENT, {"resident": asked})
    )
    if resident != asked:
        rows = await backend.tables.rows(RESIDENT, {"resident": resident})
    if not rows:
        unregistered = await backend.tables.rows(UNREGISTERED, {"resident": resident})
        nothing = dict.fromkeys(("sex", "birth_date", "team", "doctor", "registered_time", "died_time"))
        rows = [{**nothing, **row, "resident": resident, "labels": []} for row in unregistered]
    covered = bool(rows) and who.covers(rows[0]["institution"])
    if rows and looking_in(who):
        covered = await sees(backend.tables, who, rows[0], records, view)
    if not covered:
        raise Problem(404, f"no resident {asked}")
    return {**rows[0], "records": records}


@router.get("/{resident}", summary="A resident 居民摘要", responses=problems(403, 404, 422, 504))
async def resident_summary(
    who: PersonReader, backend: BackendDependency, resident: ResidentId, wait: Wait = None
) -> Resident:
    """Demographics, conditions, devices, open alerts and home blood pressure."""
    await backend.progress.wait(wait, fold=True)
    found = await find(backend, who, resident)
    now = clock().now()
    parameters = {"records": found["records"], "now": now}
    conditions, devices, alerts, pressure, _ = await asyncio.gather(
        backend.tables.rows(CONDITIONS, parameters),
        backend.tables.rows(DEVICES, parameters),
        backend.tables.rows(OPEN_ALERTS, parameters),
        summarize(backend.tables, found["records"]),
        backend.viewed(who, "summary", found["records"]),
    )
    return Resident(
        **found,
        age=_age(found["birth_date"], now.astimezone(settings().zone).date()),
        conditions=[Condition.model_validate(row) for row in conditions],
        devices=[Device.model_validate(row) for row in devices],
        open_alerts=[] if looking_in(who) else [from_row(row) for row in alerts],
        home_blood_pressure=pressure,
    )


@router.get("/{resident}/timeline", summary="Timeline 时间线", responses=problems(403, 404, 422, 504))
async def timeline(
    who: PersonReader,
    backend: BackendDependency,
    resident: ResidentId,
    context: Annotated[
        list[str] | None, Query(max_length=20, description="only these contexts: reading, chronic, alert … 事件类别")
    ] = None,
    start: From = None,
    to: To = None,
    cursor: paging.Cursor = None,
    limit: paging.Limit = 100,
    wait: Wait = None,
) -> Timeline:
    """Everything that happened to a resident, readings and alerts among it, newest first."""
    await backend.progress.wait(wait, fold=True)
    found = await find(backend, who, resident, "timeline")
    conditions, parameters = _between(found["records"], start, to, cursor)
    if looking_in(who):  # how staff handled alerts is theirs
        conditions.append("splitByChar('.', type)[2] NOT IN ('alert', 'notice')")
    if context:
        conditions.append("splitByChar('.', type)[2] IN {context:Array(String)}")
        parameters["context"] = context
    rows, _ = await asyncio.gather(
        backend.tables.rows(_page(TIMELINE, conditions), {**parameters, "limit": limit + 1}),
        backend.viewed(who, "timeline", found["records"]),
    )
    entries = [
        Entry(**{**row, "data": orjson.loads(row["data"] or b"{}"), "institution": row["institution"] or None})
        for row in rows[:limit]
    ]
    return Timeline(items=entries, next=_next(rows, limit))


@router.get("/{resident}/readings", summary="Readings 测量记录", responses=problems(403, 404, 422, 504))
async def readings(
    who: PersonReader,
    backend: BackendDependency,
    resident: ResidentId,
    kind: Annotated[list[ReadingKind] | None, Query(description="only these kinds 读数类别")] = None,
    start: From = None,
    to: To = None,
    cursor: paging.Cursor = None,
    limit: paging.Limit = 100,
    wait: Wait = None,
) -> Readings:
    """Readings with everything known of them, newest first; retracted ones are marked."""
    await backend.progress.wait(wait)
    found = await find(backend, who, resident, "readings")
    conditions, parameters = _between(found["records"], start, to, cursor)
    conditions.append("resident IN {records:Array(String)}")
    if kind:
        conditions.append("kind IN {kind:Array(String)}")
        parameters["kind"] = kind
    rows, _ = await asyncio.gather(
        backend.tables.rows(_page(READINGS, conditions), {**parameters, "limit": limit + 1}),
        backend.viewed(who, "readings", found["records"]),
    )
    items = [Reading.model_validate({**row, "ecg": row if row["kind"] == "ecg" else None}) for row in rows[:limit]]
    return Readings(items=items, next=_next(rows, limit))


@router.get(
    "/{resident}/blood-pressure",
    summary="Home blood pressure 家庭血压",
    description=(
        "The week's mean by the guideline protocol (a prescribed week drops its first day, a rolling week nothing), "
        "mornings and evenings, and the variability of the whole period.\n\n"
        "按指南计算家庭血压均值（处方测量周去除首日，滚动7天不去除）、早晚均值及整个期间的变异性。"
    ),
    responses=problems(403, 404, 422, 504),
)
async def blood_pressure(
    who: PersonReader,
    backend: BackendDependency,
    resident: ResidentId,
    protocol: Annotated[
        str | None,
        Query(
            pattern="^(week|rolling)$", description="default: `week` within a prescribed week, else `rolling` 统计方式"
        ),
    ] = None,
    start: From = None,
    to: To = None,
    wait: Wait = None,
) -> HomePressure:
    """Home blood pressure, summed up."""
    await backend.progress.wait(wait)
    found = await find(backend, who, resident, "readings")
    summary, _ = await asyncio.gather(
        summarize(backend.tables, found["records"], protocol, start, to),  # type: ignore[arg-type]
        backend.viewed(who, "blood-pressure", found["records"]),
    )
    return summary


def _between(
    records: list[str], start: datetime | None, to: datetime | None, cursor: str | None
) -> tuple[list[str], dict[str, Any]]:
    conditions, parameters = ["1"], {"records": records}
    for name, instant, comparison in (("from", start, ">="), ("to", to, "<")):
        if instant is not None:
            conditions.append(f"time {comparison} {{{name}:DateTime64(3, 'UTC')}}")
            parameters[name] = instant  # type: ignore[assignment]
    if cursor is not None:
        conditions.append("(time, id) < ({at:DateTime64(3, 'UTC')}, {after:UUID})")
        parameters["at"], parameters["after"] = paging.decode(cursor)  # type: ignore[assignment]
    return conditions, parameters


def _page(select: str, conditions: list[str]) -> str:
    return f"{select} WHERE {' AND '.join(conditions)} ORDER BY time DESC, id DESC LIMIT {{limit:UInt32}}"


def _next(rows: list[Row], limit: int) -> str | None:
    return paging.encode(rows[limit - 1]["time"], rows[limit - 1]["id"]) if len(rows) > limit else None


def _age(born: date | None, today: date) -> int | None:
    if born is None:
        return None
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
