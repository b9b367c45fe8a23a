"""A week's plan of visits: who should be seen on which day, given the team's slots, and why: `GET /v1/visit-plan`."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from analytics.visit_plan import HORIZON, Candidate, Day, Visit, plan
from api.auth import AlertReader
from api.backend import BackendDependency
from api.position import Wait
from api.problem import invalid_field, problems
from api.task import where
from api.task_item import COLUMNS, Appointment, complete, shaped
from api.working_day import working_days
from infra.clock import clock
from infra.settings import settings
from streams.rules import released

router = APIRouter(prefix="/v1/visit-plan", tags=["tasks"])
MANY = 5000  #: tasks that one plan looks at, the longest due first
WHY = {
    "urgent": ("紧急", "urgent"),
    "overdue": ("已逾期", "overdue"),
    "due-this-week": ("本周到期", "due this week"),
    "appointment": ("已预约", "has an appointment"),
    "appointment-missed": ("错过预约", "missed an appointment"),
    "spread-evenly": ("病情稳定，均衡安排", "stable: spread evenly"),
    "same-visit": ("同一次访视一并完成", "done at the same visit"),
    "household": ("与同户居民一并访视", "seen with the household"),
    "beyond-the-slots": ("超出当日号源", "beyond the day's slots"),
    "no-slot": ("本周无空余号源", "no slot left this week"),
    "not-there": ("本周团队不到该村", "the team is not in that village this week"),
}
CANDIDATES = """
SELECT {columns}, h.household AS household, h.village AS village FROM tasks AS t
LEFT JOIN (SELECT resident, toNullable(household) AS household, village FROM households) AS h ON h.resident = t.resident
WHERE {conditions} AND t.status IN ('planned', 'due', 'overdue') AND t.merged_into IS NULL
    AND t.kind IN ('follow-up', 'annual-check', 'home-visit') AND t.opens <= {{until:Date}}
    AND t.resident NOT IN (SELECT a.resident FROM aliases AS a)
ORDER BY t.due, t.task LIMIT {{many:UInt32}}
"""
SLOTS = "SELECT institution, slots, village_days FROM visit_slots WHERE team = {team:String}"


class Why(BaseModel):
    """A reason, as code and in words."""

    code: str
    zh: str
    en: str


class Planned(BaseModel):
    """A task in the plan, and why it is there."""

    task: Appointment
    why: list[Why]


class PlannedDay(BaseModel):
    """A working day of the week."""

    day: date
    slots: int = Field(description="appointments that the team can make 号源")
    used: int = Field(description="appointments planned; a household is one 已排")
    villages: list[str]
    visits: list[Planned]


class WeekPlan(BaseModel):
    """A proposal: `POST /v1/tasks/reschedule` makes appointments of it. 周访视计划（建议）。"""

    team: str | None
    start: date
    days: list[PlannedDay]
    left: list[Planned] = Field(description="should be seen this week and found no place 未能排入")
    stable_a_day: int = Field(description="stable people a day, so that no week stands out 每日均衡人数")


def first_day(now: datetime) -> date:
    """The first day on which somebody can still be seen: today until working hours end (local ``now``)."""
    versions = released()["escalation"]
    closed = now.hour >= versions[max(versions)].limits["close_hour"]
    return now.date() + timedelta(days=1) if closed else now.date()


@router.get("", summary="Weekly plan of visits 周访视计划", responses=problems(403, 404, 422, 504))
async def week_plan(
    who: AlertReader,
    backend: BackendDependency,
    team: Annotated[str | None, Query(max_length=64, description="its slots are used 团队")] = None,
    doctor: Annotated[str | None, Query(max_length=64)] = None,
    institution: Annotated[str | None, Query(max_length=64)] = None,
    start: Annotated[
        date | None, Query(description="first day; today if not named, after hours tomorrow 起始日")
    ] = None,
    slots: Annotated[int | None, Query(ge=0, le=500, description="a day, instead of the team's own 每日号源")] = None,
    wait: Wait = None,
) -> WeekPlan:
    """Seven days from ``start``: the most urgent and most overdue first, stable people spread evenly."""
    await backend.progress.wait(wait, fold=True)
    now = clock().now().astimezone(settings().zone)
    first = max(start or first_day(now), now.date())
    capacity, villages = await _slots(who, backend, team, slots)
    horizon = await working_days(backend.tables, first, first + timedelta(HORIZON - 1))
    days = [
        Day(day, capacity[day.weekday()], frozenset(v for v, weekday in villages if weekday == day.isoweekday()))
        for day in horizon
        if day < first + timedelta(7)
    ]
    conditions, parameters = where(who, institution=institution)
    contracted = {name: value for name, value in (("team", team), ("doctor", doctor)) if value is not None}
    if contracted:
        named = " AND ".join(f"r.{name} = {{{name}:String}}" for name in contracted)
        conditions.append(f"t.resident IN (SELECT r.resident FROM residents AS r WHERE {named})")
    sql = CANDIDATES.format(columns=COLUMNS, conditions=" AND ".join(conditions))
    parameters |= contracted | {"until": first + timedelta(HORIZON - 1), "many": MANY}
    rows = {str(row["id"]): row for row in await backend.tables.rows(sql, parameters)}
    made = plan(map(_candidate, rows.values()), days, len(horizon), first, frozenset(v for v, _ in villages))
    shown = [visit.task for day in made.days for visit in day.visits] + [visit.task for visit in made.left]
    items = {id: Appointment.model_validate(shaped(rows[id])) for id in shown}
    await complete(backend, list(items.values()))
    await backend.viewed(who, "visit-plan", sorted({item.resident for item in items.values()}))
    return WeekPlan(
        team=team,
        start=first,
        days=[
            PlannedDay(
                day=day.day, slots=day.slots, used=day.used, villages=sorted(day.villages),
                visits=[_planned(visit, items) for visit in day.visits],
            )
            for day in made.days
        ],
        left=[_planned(visit, items) for visit in made.left],
        stable_a_day=made.quota,
    )  # fmt: skip


async def _slots(
    who: AlertReader, backend: BackendDependency, team: str | None, slots: int | None
) -> tuple[list[int], list[tuple[str, int]]]:
    """Slots of each weekday, Monday first, and the team's village days; a 422 problem where nobody said them."""
    rows = [] if team is None else await backend.tables.rows(SLOTS, {"team": team})
    found: dict[str, Any] = next((row for row in rows if who.covers(row["institution"])), {})
    if slots is None and not found:
        raise invalid_field("slots", slots, "name them, or a team whose visit slots are set")
    villages = [tuple(day.values()) if isinstance(day, dict) else tuple(day) for day in found.get("village_days", ())]
    return [slots] * 7 if slots is not None else found["slots"], villages


def _candidate(row: dict[str, Any]) -> Candidate:
    return Candidate(
        str(row["id"]), row["resident"], row["priority"], row["due"], row["opens"], row["planned"], row["household"],
        row["village"],
    )  # fmt: skip


def _planned(visit: Visit, items: dict[str, Appointment]) -> Planned:
    why = [Why(code=code, zh=WHY[code][0], en=WHY[code][1]) for code in visit.why]
    return Planned(task=items[visit.task], why=why)
