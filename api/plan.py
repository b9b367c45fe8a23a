"""The measuring plan of a resident and how it is kept: `GET /v1/residents/{resident}/plan`.

Enrolment, plan and pauses are judged by the fold's own functions over the resident's events (`streams.plan`), so that
the answer and the alerts on adherence and silence rest on the same rules.
"""

import asyncio
from datetime import date, timedelta
from typing import Any, Literal

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.auth import PersonReader
from api.backend import BackendDependency
from api.instant import Instant
from api.position import Wait
from api.problem import problems
from api.resident import ResidentId, find
from api.tables import Row
from infra.clock import clock
from infra.settings import settings
from schemas.device import Kind
from schemas.envelope import from_milliseconds, milliseconds, rfc3339
from streams import consent, plan
from streams.calendar import day_of, day_text
from streams.case import FOREVER, Case
from streams.event import Input
from streams.facts import Facts, new_facts
from streams.rules import released
from streams.state import State, new_state

router = APIRouter(prefix="/v1/residents", tags=["residents"])
WEEKS = 4  #: weeks shown


class Plan(BaseModel):
    """What is to be measured, and when."""

    kinds: list[Kind]
    schedule: Literal["week", "daily", "weekly"]
    morning: int = Field(description="readings each morning of a measuring day")
    evening: int
    start: date
    end: date | None = Field(description="last day; of a prescribed week its seventh")
    set_time: Instant


class Week(BaseModel):
    """One week of the plan: what was expected of each kind and what came."""

    kind: Kind
    start: date
    end: date
    expected: int = Field(description="readings by the schedule up to today")
    readings: int
    days: int = Field(description="local days with a reading")
    enough: bool | None = Field(description="blood pressure: whether a mean may be judged; null while the week runs")


class Adherence(BaseModel):
    """The plan in force, and how it is kept. 监测计划与执行情况。"""

    resident: str
    state: Literal["not-enrolled", "no-plan", "not-started", "running", "paused", "over"]
    enrolled_time: Instant | None
    paused_until: date | None = Field(description="last day of the pause, where one was named")
    plan: Plan | None
    weeks: list[Week] = Field(description="the latest weeks of the plan, newest first")


EVENTS = """
SELECT id, type, time, recordedtime, data FROM (
    SELECT id, type, time, recordedtime, data FROM timeline
    WHERE resident IN {records:Array(String)} AND (context = 'monitoring' OR type IN (
        'mailiu.resident.consent-given.v1', 'mailiu.resident.consent-withdrawn.v1', 'mailiu.resident.registered.v1'))
    AND id NOT IN (SELECT event FROM refused_events)
) ORDER BY recordedtime
"""
READINGS = """
SELECT kind, toDate(toTimeZone(time, {zone:String})) AS day, count() AS n FROM readings
WHERE resident IN {records:Array(String)} AND place = 'home' AND source = 'measured' AND NOT retracted
    AND time >= toDateTime64({from:Date}, 3, {zone:String})
GROUP BY kind, day
"""


@router.get("/{resident}/plan", summary="Measuring plan and adherence 监测计划", responses=problems(403, 404, 422, 504))
async def measuring_plan(
    who: PersonReader, backend: BackendDependency, resident: ResidentId, wait: Wait = None
) -> Adherence:
    """The plan in force, enrolment and pauses, and what was measured in its latest weeks."""
    await backend.progress.wait(wait)
    found = await find(backend, who, resident, "plan")
    now, zone = clock().now(), settings().zone
    since = now.astimezone(zone).date() - timedelta(days=7 * (WEEKS + 1))
    parameters = {"records": found["records"], "zone": zone.key, "from": since}
    events, rows, _ = await asyncio.gather(
        backend.tables.rows(EVENTS, parameters),
        backend.tables.rows(READINGS, parameters),
        backend.viewed(who, "plan", found["records"]),
    )
    return _adherence(found["resident"], events, rows, milliseconds(rfc3339(now)))


def _adherence(resident: str, events: list[Row], rows: list[Row], now: int) -> Adherence:
    facts = new_facts(settings().zone.key)
    state = _state(resident, events, facts, now)
    today, enrolled = day_of(facts, now), plan.taking_part(state, facts, now)
    current = plan.on(state, today) or next(iter(state.get("plans", ())), None)
    pause = next((span for span in plan.pauses(state, facts) if span[0] <= now < span[1]), None)
    if enrolled is None:
        how = "not-enrolled"
    elif current is None:
        how = "no-plan"
    elif current[plan.FIRST] > today:
        how = "not-started"
    elif (current[plan.LAST] is not None and today > current[plan.LAST]) or plan.ended(state, current, now):
        how = "over"
    else:
        how = "running" if pause is None else "paused"
    until = None if pause is None or pause[1] >= FOREVER else date.fromisoformat(day_text(day_of(facts, pause[1] - 1)))
    return Adherence(
        resident=resident,
        state=how,
        enrolled_time=None if enrolled is None else from_milliseconds(enrolled),
        paused_until=until,
        plan=None if current is None else _plan(current),
        weeks=[] if current is None else _weeks(current, rows, today),
    )


def _state(resident: str, events: list[Row], facts: Facts, now: int) -> State:
    """What the fold would hold of enrolment, consent and plan."""
    state = new_state()
    for row in events:
        type, data = row["type"], orjson.loads(row["data"])
        time, recorded = milliseconds(rfc3339(row["time"])), milliseconds(rfc3339(row["recordedtime"]))
        event = Input(0, 0, str(row["id"]), type, resident, time, recorded, data)
        facts["core"] = max(facts["core"], recorded)
        case = Case(state, event, facts, 0)
        match type.split(".")[2]:
            case "consent-given" | "consent-withdrawn":
                consent.note(state, event)
            case "registered":
                state["birth"] = [time, event.identity, data["birth_date"]]
            case "enrolled":
                plan.enrolled(case)
            case "plan-set":
                plan.planned(case)
            case _:
                plan.marked(case)
    facts["core"] = now
    return state


def _plan(current: plan.Plan) -> Plan:
    last = current[plan.LAST]
    return Plan(
        kinds=current[plan.KINDS], schedule=current[plan.SCHEDULE], morning=current[plan.MORNING],
        evening=current[plan.EVENING], start=date.fromisoformat(day_text(current[plan.FIRST])),
        end=None if last is None or last >= FOREVER else date.fromisoformat(day_text(last)),
        set_time=from_milliseconds(current[0]),
    )  # fmt: skip


def _weeks(current: plan.Plan, rows: list[Row], today: int) -> list[Week]:
    """The latest weeks of the plan, counted from its first day, for each kind it asks for."""
    limits = {**released()["adherence-low"][max(released()["adherence-low"])].limits}
    first, last = current[plan.FIRST], current[plan.LAST]
    each_day = current[plan.MORNING] + current[plan.EVENING]
    weekly = current[plan.SCHEDULE] == "weekly"
    least, least_days = (max(each_day, 1), 1) if weekly else (limits["readings"], limits["days"])
    newest = (min(today, today if last is None else last) - first) // plan.WEEK
    weeks: list[Week] = []
    for number in range(newest, max(newest - WEEKS, -1), -1):
        begin, end = first + number * plan.WEEK, first + number * plan.WEEK + plan.WEEK - 1
        whole: dict[str, Any] = {
            "start": day_text(begin), "end": day_text(end),
            "expected": each_day * (1 if weekly else min(today, end) - begin + 1),
        }  # fmt: skip
        for kind in current[plan.KINDS]:
            counted = [row["n"] for row in rows if row["kind"] == kind and begin <= _number(row["day"]) <= end]
            n, days = sum(counted), len(counted)
            judged = kind == "blood-pressure" and end < today
            enough = (n >= least and days >= least_days) if judged else None
            weeks.append(Week(kind=kind, readings=n, days=days, enough=enough, **whole))
    return weeks


def _number(day: date) -> int:
    return day.toordinal() - date(1970, 1, 1).toordinal()
