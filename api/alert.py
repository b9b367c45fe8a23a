"""Alerts: the list, and one alert with its history."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api import paging
from api.alert_item import AlertItem, from_row
from api.auth import AlertReader, Caller
from api.backend import BackendDependency
from api.feed import text as stream_text
from api.instant import Instant
from api.person import person
from api.position import Wait
from api.problem import Problem, invalid_field, problems
from schemas.alert import Condition, Handling, Severity
from schemas.topics import DERIVED

router = APIRouter(prefix="/v1/alerts", tags=["alerts"])
COLUMNS = ", ".join(name for name in ("alert", *AlertItem.model_fields) if name not in ("id", "title"))


#: What heads the list: nobody could be told of it, and nobody has taken it yet (clinical decision 2).
FIRST = "toUInt8(unreached AND handling = 'new')"


class AlertPage(BaseModel):
    """A page of alerts: those of which no clinician could be told first, then the newest first."""

    items: list[AlertItem]
    next: str | None = Field(description="`cursor` of the next page; absent on the last")
    stream_position: str = Field(description="`Last-Event-ID` with which the stream goes on from this list")


class HistoryEntry(BaseModel):
    """One change of an alert."""

    change: str = Field(description="raised, escalated, handling-changed …")
    time: Instant
    revision: int
    severity: Severity
    condition: Condition
    handling: Handling
    level: int
    assignee: str | None = None
    acknowledged_by: str | None = None
    outcome: str | None = None
    comment: str | None = None


class AlertDetail(AlertItem):
    """An alert with its history, oldest first."""

    history: list[HistoryEntry]


@router.get(
    "",
    summary="Alerts 告警列表",
    description="Alerts of the token's institutions: those of which no clinician could be told first, then the newest "
    "first. `wait` waits until what the fold derived from these positions is projected.\n\n"
    "令牌所辖机构的告警：未能联系上医护人员的排在最前，其余最新在前。",
    responses=problems(403, 422, 504),
)
async def alerts(
    who: AlertReader,
    backend: BackendDependency,
    condition: Annotated[list[Condition] | None, Query(description="active, cleared, withdrawn")] = None,
    handling: Annotated[list[Handling] | None, Query(description="new, acknowledged, in-follow-up, closed")] = None,
    severity: Annotated[list[Severity] | None, Query(description="red, orange, yellow, technical")] = None,
    institution: Annotated[str | None, Query(max_length=64)] = None,
    doctor: Annotated[str | None, Query(max_length=64, description="contracted doctor 签约医生")] = None,
    resident: Annotated[str | None, Query(max_length=64, description="or a record merged with it 居民")] = None,
    cursor: paging.Cursor = None,
    limit: paging.Limit = 100,
    wait: Wait = None,
) -> AlertPage:
    """A page of alerts."""
    await backend.progress.wait(wait, fold=True)
    # Read before the alerts: a stream from there repeats rather than misses.
    seen = await backend.progress.seen(0.25)
    records = None if resident is None else (await person(backend.tables, resident)).records
    conditions, parameters = _where(
        who, condition=condition, handling=handling, severity=severity, institution=institution, resident=records
    )
    if doctor is not None:
        conditions.append("resident IN (SELECT resident FROM residents WHERE doctor = {doctor:String})")
        parameters["doctor"] = doctor
    if cursor is not None:
        conditions.append(
            f"({FIRST}, raised_time, alert) < ({{first:UInt8}}, {{time:DateTime64(3, 'UTC')}}, {{after:UUID}})"
        )
        first, _, place = cursor.partition(".")
        if first not in ("0", "1"):
            raise invalid_field("cursor", cursor, "not a cursor of ours")
        parameters["first"], (parameters["time"], parameters["after"]) = first, paging.decode(place)
    rows = await backend.tables.rows(
        f"SELECT {COLUMNS} FROM alerts WHERE {' AND '.join(conditions)} "
        f"ORDER BY {FIRST} DESC, raised_time DESC, alert DESC LIMIT {{limit:UInt32}}",
        {**parameters, "limit": limit + 1},
    )
    items = [from_row(row) for row in rows[:limit]]
    await backend.viewed(who, "alerts", sorted({item.resident for item in items}))
    following = _cursor(items[-1]) if len(rows) > limit else None
    derived = seen.next.get(DERIVED, {})
    position = [derived.get(partition, 0) for partition in range(len(backend.feed.next))]
    return AlertPage(items=items, next=following, stream_position=stream_text(position))


@router.get(
    "/{alert}",
    summary="One alert with its history 告警详情与历史",
    responses=problems(403, 404, 422, 504),
)
async def one_alert(who: AlertReader, backend: BackendDependency, alert: UUID, wait: Wait = None) -> AlertDetail:
    """An alert and every change of it."""
    await backend.progress.wait(wait, fold=True)
    parameters = {"alert": str(alert)}
    rows = await backend.tables.rows(f"SELECT {COLUMNS} FROM alerts WHERE alert = {{alert:UUID}}", parameters)
    if not rows or not who.covers(rows[0]["institution"]):
        raise Problem(404, f"no alert {alert}")
    await backend.viewed(who, "alert", rows[0]["resident"])
    history = await backend.tables.rows(HISTORY, parameters)
    return AlertDetail(
        **from_row(rows[0]).model_dump(), history=[HistoryEntry.model_validate(_blank(row)) for row in history]
    )


HISTORY = """
SELECT kind AS change, updated_time AS time, revision, severity, condition, handling, level,
       assignee, acknowledged_by, outcome, comment
FROM alert_events WHERE alert = {alert:UUID} ORDER BY revision, offset LIMIT 1 BY revision
"""


def _cursor(item: AlertItem) -> str:
    return f"{int(item.unreached and item.handling == 'new')}.{paging.encode(item.raised_time, item.id)}"


def _where(who: Caller, **filters: Any) -> tuple[list[str], dict[str, Any]]:
    """Conditions and parameters of the token's scope and of the filters that are set."""
    conditions, parameters = ["1"], {}
    if who.scope:
        conditions.append("institution IN {scope:Array(String)}")
        parameters["scope"] = who.scope
    for name, value in filters.items():
        if value is not None:
            several = isinstance(value, list)
            conditions.append(f"{name} IN {{{name}:Array(String)}}" if several else f"{name} = {{{name}:String}}")
            parameters[name] = value
    return conditions, parameters


def _blank(row: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value == "" else value for name, value in row.items()}
