"""One card a resident: every open alert, the highest first, and what one needs to act (clinical decisions 3 and 4)."""

import asyncio
import re
from datetime import date, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api import paging
from api.alert import COLUMNS, FIRST
from api.alert_item import AlertItem, from_row
from api.auth import AlertReader, ResidentReader
from api.backend import BackendDependency
from api.instant import Instant
from api.notice import COLUMNS as NOTICE_COLUMNS
from api.notice import NoticeItem, item
from api.position import Wait
from api.problem import invalid_field, problems
from api.resident import CONDITIONS, Condition, ResidentId, find
from infra.clock import clock
from infra.settings import settings
from schemas.alert import Severity

router = APIRouter(tags=["cards"])
DAYS = 7  #: local days that a card shows, today among them
#: What is on a card: what holds, what is red and not closed by a clinician, what somebody follows up.
ON_CARD = "handling != 'closed' AND condition != 'withdrawn'"
ON_CARD += " AND (condition = 'active' OR severity = 'red' OR handling = 'in-follow-up')"
RANK = "toUInt8(indexOf(['technical', 'yellow', 'orange', 'red'], severity))"
PLACE = re.compile(r"([01])\.([1-4])\.(.+)")
SEVERITIES: tuple[Severity, ...] = ("technical", "yellow", "orange", "red")


class Drug(BaseModel):
    """A drug that is prescribed now."""

    code: str = Field(description="ATC")
    dose: str | None
    frequency: str | None


class Target(BaseModel):
    """The resident's own target."""

    systolic: float = Field(description="mm[Hg]")
    diastolic: float = Field(description="mm[Hg]")
    review: date | None = Field(description="day on which to look at it again")


class Day(BaseModel):
    """The readings of one kind on one local day, retracted ones left out."""

    day: date
    kind: str
    n: int
    systolic: float | None = Field(description="mean, mm[Hg]")
    diastolic: float | None = Field(description="mean, mm[Hg]")
    highest: float | None = Field(description="highest systolic, or highest value")
    lowest: float | None = Field(description="lowest systolic, or lowest value")
    value: float | None = Field(description="mean of another kind, in its unit")
    unit: str


class Attempt(BaseModel):
    """Somebody tried to reach resident or contact."""

    time: Instant
    actor: str | None
    recipient: Literal["resident", "contact"]
    result: Literal["called", "reached", "not-reached"]
    channel: str
    note: str | None


class Offer(BaseModel):
    """The card is offered to somebody who has not accepted yet."""

    offer: UUID
    time: Instant
    actor: str | None
    recipient: str
    reason: str


class Card(BaseModel):
    """What a clinician needs to act. 居民卡片：全部未结告警及处置所需信息。"""

    resident: str
    institution: str | None
    team: str | None
    doctor: str | None
    sex: str | None
    birth_date: date | None
    age: int | None = Field(description="completed years")
    severity: Severity | None = Field(description="of the highest alert; none where nothing is open")
    unreached: bool = Field(description="no clinician could be reached yet 未能联系上医护人员")
    alerts: list[AlertItem] = Field(description="highest first")
    conditions: list[Condition]
    drugs: list[Drug]
    target: Target | None
    days: list[Day] = Field(description="the last seven local days, newest first")
    told: list[NoticeItem] = Field(description="what resident and contact were told in the last seven days")
    attempts: list[Attempt] = Field(description="contact attempts of the last seven days, newest first")
    offer: Offer | None


class CardLine(BaseModel):
    """A card in the list: the highest alert speaks for it."""

    resident: str
    institution: str | None
    severity: Severity
    unreached: bool
    open_alerts: int
    alert: AlertItem
    offered_to: str | None = Field(description="who has been offered the card and has not accepted yet")


class Cards(BaseModel):
    """One line a resident: those of whom no clinician could be told first, then the highest severity, oldest first."""

    items: list[CardLine]
    next: str | None = Field(description="`cursor` of the next page; absent on the last")
    total: int = Field(description="residents with a card, on this page or not")


OPEN = f"""
SELECT {COLUMNS} FROM alerts WHERE resident IN {{records:Array(String)}} AND {ON_CARD}
ORDER BY {FIRST} DESC, {RANK} DESC, raised_time, alert
"""
DRUGS = (
    "SELECT code, dose, frequency FROM medications WHERE resident IN {records:Array(String)} AND stopped_time IS NULL"
)
TARGET = "SELECT systolic, diastolic, review FROM targets WHERE resident IN {records:Array(String)} ORDER BY time DESC"
LAST_DAYS = """
SELECT
    toDate(time, {zone:String}) AS day, kind, count() AS n, avg(s) AS systolic, avg(d) AS diastolic,
    max(ifNull(s, v)) AS highest, min(ifNull(s, v)) AS lowest, avg(v) AS value, any(unit) AS unit
FROM (
    SELECT time, kind, r.systolic AS s, r.diastolic AS d, r.value AS v, unit FROM readings AS r
    WHERE resident IN {records:Array(String)} AND NOT retracted AND time >= {since:DateTime64(3, 'UTC')}
)
GROUP BY day, kind ORDER BY day DESC, kind
"""
TOLD = f"""
SELECT {NOTICE_COLUMNS} FROM notices
WHERE resident IN {{records:Array(String)}} AND kind IN ('resident', 'contact')
    AND queued_time >= {{since:DateTime64(3, 'UTC')}}
ORDER BY queued_time DESC, notice LIMIT 100
"""
ATTEMPTS = """
SELECT time, actor, recipient, result, channel, note FROM contact_attempts
WHERE resident IN {records:Array(String)} AND time >= {since:DateTime64(3, 'UTC')} ORDER BY time DESC, id LIMIT 100
"""
OFFER = """
SELECT * FROM (
    SELECT id AS offer, time, actor, recipient, reason, accepted_time FROM handovers
    WHERE resident IN {records:Array(String)}
    ORDER BY time DESC, id DESC LIMIT 1
) WHERE accepted_time IS NULL
"""


@router.get(
    "/v1/residents/{resident}/card",
    summary="Card 居民卡片",
    description="All open alerts of a resident, the highest first, with age, conditions, drugs, target, the last seven "
    "days, what the resident was told, and contact attempts.\n\n"
    "居民全部未结告警（最高级别在前），以及年龄、诊断、用药、目标、近7天测量、已告知内容与联系记录。",
    responses=problems(403, 404, 422, 504),
)
async def card(who: ResidentReader, backend: BackendDependency, resident: ResidentId, wait: Wait = None) -> Card:
    """A resident's card."""
    await backend.progress.wait(wait, fold=True)
    found = await find(backend, who, resident)
    now, zone = clock().now(), settings().zone
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    parameters = {"records": found["records"], "zone": zone.key, "since": midnight - timedelta(days=DAYS - 1)}
    queries = (OPEN, CONDITIONS, DRUGS, TARGET, LAST_DAYS, TOLD, ATTEMPTS, OFFER)
    await backend.viewed(who, "card", found["records"])
    alerts, conditions, drugs, target, days, told, attempts, offer = await asyncio.gather(
        *(backend.tables.rows(query, parameters) for query in queries)
    )
    items = [from_row(row) for row in alerts]
    about = {name: found[name] for name in ("resident", "institution", "team", "doctor", "sex", "birth_date")}
    return Card(
        **about,
        age=completed_years(found["birth_date"], now.astimezone(zone).date()),
        severity=max((each.severity for each in items), key=SEVERITIES.index, default=None),
        unreached=any(each.unreached and each.handling == "new" for each in items),
        alerts=items,
        conditions=[Condition.model_validate(row) for row in conditions],
        drugs=[Drug.model_validate(row) for row in drugs],
        target=Target.model_validate(target[0]) if target else None,
        days=[Day.model_validate(row) for row in days],
        told=[item(row) for row in told],
        attempts=[Attempt.model_validate(row) for row in attempts],
        offer=Offer.model_validate(offer[0]) if offer else None,
    )


LINES = f"""
SELECT {COLUMNS}, open_alerts, count() OVER () AS total FROM (
    SELECT {COLUMNS}, count() OVER (PARTITION BY resident) AS open_alerts,
        row_number() OVER (PARTITION BY resident ORDER BY {FIRST} DESC, {RANK} DESC, raised_time, alert) AS place
    FROM alerts WHERE {ON_CARD} AND $scope
) WHERE place = 1
"""
OFFERED = """
SELECT resident, argMax(recipient, time) AS recipient, argMax(accepted_time IS NULL, time) AS pending FROM handovers
WHERE resident IN {residents:Array(String)} GROUP BY resident
"""


@router.get(
    "/v1/cards",
    summary="Cards 居民卡片列表",
    description="One line a resident with open alerts: those of whom no clinician could be told first, then by the "
    "highest severity, oldest first.\n\n每位居民一行：未能联系上医护人员者在最前，其后按最高级别、由旧到新排列。",
    responses=problems(403, 422, 504),
)
async def cards(
    who: AlertReader,
    backend: BackendDependency,
    severity: Annotated[list[Severity] | None, Query(description="of the highest alert 最高级别")] = None,
    assignee: Annotated[str | None, Query(max_length=64, description="whose it is 负责人")] = None,
    institution: Annotated[str | None, Query(max_length=64)] = None,
    cursor: paging.Cursor = None,
    limit: paging.Limit = 100,
    wait: Wait = None,
) -> Cards:
    """The cards of the token's institutions."""
    await backend.progress.wait(wait, fold=True)
    parameters: dict[str, Any] = {"limit": limit + 1}
    scope, shown = ["1"], ["1"]
    if who.scope:
        scope.append("institution IN {scope:Array(String)}")
        parameters["scope"] = who.scope
    for name, value in (("institution", institution), ("assignee", assignee)):
        if value is not None:
            scope.append(f"{name} = {{{name}:String}}")
            parameters[name] = value
    if severity:
        shown.append("severity IN {severity:Array(String)}")
        parameters["severity"] = severity
    if cursor is not None:
        shown.append(
            f"(-{FIRST}, -{RANK}, raised_time, alert) > (-{{first:UInt8}}, -{{rank:UInt8}}, "
            "{time:DateTime64(3, 'UTC')}, {after:UUID})"
        )
        if not (place := PLACE.fullmatch(cursor)):
            raise invalid_field("cursor", cursor, "not a cursor of ours")
        parameters["first"], parameters["rank"] = place[1], place[2]
        parameters["time"], parameters["after"] = paging.decode(place[3])
    lines = LINES.replace("$scope", " AND ".join(scope))
    rows = await backend.tables.rows(
        f"SELECT * FROM ({lines}) WHERE {' AND '.join(shown)} "
        f"ORDER BY {FIRST} DESC, {RANK} DESC, raised_time, alert LIMIT {{limit:UInt32}}",
        parameters,
    )
    page = rows[:limit]
    residents = [row["resident"] for row in page]
    await backend.viewed(who, "cards", residents)
    offered = {
        row["resident"]: row["recipient"]
        for row in (await backend.tables.rows(OFFERED, {"residents": residents}) if residents else [])
        if row["pending"]
    }
    items = [_line(row["open_alerts"], from_row(row), offered.get(row["resident"])) for row in page]
    following = _place(items[-1]) if len(rows) > limit else None
    return Cards(items=items, next=following, total=rows[0]["total"] if rows else 0)


def _line(open_alerts: int, alert: AlertItem, offered_to: str | None) -> CardLine:
    return CardLine(
        resident=alert.resident, institution=alert.institution, severity=alert.severity,
        unreached=alert.unreached and alert.handling == "new", open_alerts=open_alerts, alert=alert,
        offered_to=offered_to,
    )  # fmt: skip


def _place(line: CardLine) -> str:
    rank = SEVERITIES.index(line.severity) + 1
    return f"{int(line.unreached)}.{rank}.{paging.encode(line.alert.raised_time, line.alert.id)}"


def completed_years(born: date | None, today: date) -> int | None:
    """Age on a day, or nothing where the birth date is not known."""
    if born is None:
        return None
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
