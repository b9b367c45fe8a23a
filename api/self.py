"""What the resident's own app needs: `GET /v1/residents/{resident}/self`, and what the resident tells.

Trends, targets and goals, next tasks, how to measure, messages to answer, the signed guidance. How staff handle alerts
is theirs; the resident sees what was sent to the resident.
"""

import asyncio
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.alert_action import Key
from api.alert_item import Text
from api.auth import Caller, PersonReader
from api.backend import Backend, BackendDependency
from api.blood_pressure import HomePressure, summarize
from api.control import Limit, Month, assessed
from api.course import Course, Trend
from api.family import looking_in
from api.guidance import Done, SignedSentence, drafted
from api.instant import Instant
from api.position import Wait
from api.problem import Problem, problems
from api.resident import ResidentId, find
from api.rules import in_force
from infra.clock import clock
from schemas.chronic import SymptomReported
from schemas.envelope import Event
from schemas.guidance import UNITS, Area, Goal, Status
from schemas.history import AdherenceReported
from schemas.questionnaire import AlertAnswered
from streams.guidance.measuring import steps

router = APIRouter(prefix="/v1/residents/{resident}/self", tags=["residents"])
ANSWERS = problems(400, 403, 404, 409, 413, 422, 503)
SYMPTOM = "mailiu.chronic.symptom-reported.v1"


class OwnArea(BaseModel):
    """How one area stands, without what only staff judge."""

    area: Area
    status: Status
    since: Instant
    targets: list[Limit]


class OwnGoal(BaseModel):
    """A goal that was agreed on."""

    goal: Goal
    value: float | None
    unit: str
    intervention: str | None
    start: date
    review: date


class OwnTask(BaseModel):
    """What comes next."""

    kind: str
    programme: str | None
    title: str | None
    due: date = Field(description="last day on which it is in time")
    appointment: date | None = Field(description="day that was agreed on")
    status: str


class Message(BaseModel):
    """Something that was sent to the resident; one about an alert can be answered."""

    notice: UUID
    purpose: str
    alert: UUID | None
    time: Instant
    text: Text
    answer: str | None = Field(description="what the resident answered last")


class Steps(BaseModel):
    """How to measure."""

    zh: list[str]
    en: list[str]


class Own(BaseModel):
    """What the resident sees of it all. 居民自我管理视图。"""

    resident: str
    areas: list[OwnArea]
    home_blood_pressure: HomePressure
    months: list[Month] = Field(description="blood pressure of the last twelve months, oldest first")
    trend: Trend | None
    courses: list[Course] = Field(description="of glucose, LDL cholesterol and weight, each by itself")
    goals: list[OwnGoal]
    tasks: list[OwnTask] = Field(description="planned, due and overdue, the nearest first")
    messages: list[Message] = Field(description="of the last 30 days, newest first")
    guidance: list[SignedSentence] = Field(description="signed by a physician; empty before that")
    guidance_note: Text | None
    measuring: dict[str, Steps] = Field(description="by kind of reading")


class Advice(Done):
    """What was told is kept; what to do at once, if anything."""

    advice: Text | None = Field(description="to be shown at once")


GOALS = """
SELECT event, data FROM timeline
WHERE resident IN {records:Array(String)} AND context = 'chronic' AND event IN ('goal-set', 'goal-ended')
    AND id NOT IN (SELECT r.reading FROM retractions AS r WHERE r.resident IN {records:Array(String)})
ORDER BY time, id
"""
TASKS = """
SELECT kind, nullIf(programme, '') AS programme, title, due, planned AS appointment, status FROM tasks
WHERE resident IN {records:Array(String)} AND status IN ('planned', 'due', 'overdue') AND merged_into IS NULL
    AND kind IN ('follow-up', 'annual-check', 'home-visit', 'ordered')
    AND resident NOT IN (SELECT a.resident FROM aliases AS a)
ORDER BY due, kind LIMIT 20
"""
MESSAGES = """
SELECT n.notice AS notice, n.purpose AS purpose, n.alert AS alert, n.queued_time AS time, n.text_zh AS zh,
    n.text_en AS en, nullIf(a.answer, '') AS answer
FROM (
    SELECT * FROM notices
    WHERE resident IN {records:Array(String)} AND kind = 'resident' AND state != 'recalled'
        AND queued_time >= {now:DateTime64(3, 'UTC')} - INTERVAL 30 DAY
) AS n
LEFT JOIN (
    SELECT alert, argMax(answer, time) AS answer FROM alert_answers WHERE resident IN {records:Array(String)}
    GROUP BY alert
) AS a ON n.alert = a.alert
ORDER BY time DESC, notice LIMIT 50
"""


@router.get("", summary="The resident's own view 居民自我管理", responses=problems(403, 404, 422, 504))
async def own(who: PersonReader, backend: BackendDependency, resident: ResidentId, wait: Wait = None) -> Own:
    """Own trends, targets and goals, next tasks, messages, signed guidance and how to measure."""
    await backend.progress.wait(wait, fold=True)
    found = await find(backend, who, resident)
    parameters = {"records": found["records"], "now": clock().now()}
    (control, home, (_, signed)), (goals, tasks, messages), _ = await asyncio.gather(
        asyncio.gather(
            assessed(backend.tables, found),
            summarize(backend.tables, found["records"]),
            drafted(backend.tables, found["records"]),
        ),
        asyncio.gather(*(backend.tables.rows(query, parameters) for query in (GOALS, TASKS, MESSAGES))),
        backend.viewed(who, "self", found["records"]),
    )
    said = signed["data"] if signed is not None else {}
    return Own(
        resident=found["resident"],
        areas=[OwnArea.model_validate(area.model_dump()) for area in control.areas],
        home_blood_pressure=home,
        months=control.months,
        trend=control.trend,
        courses=control.courses,
        goals=_goals([(row["event"], orjson.loads(row["data"])) for row in goals]),
        tasks=[OwnTask.model_validate(row) for row in tasks],
        messages=[Message.model_validate({**row, "text": {"zh": row["zh"], "en": row["en"]}}) for row in messages],
        guidance=said.get("sentences", []),
        guidance_note=said.get("note"),
        measuring={kind: Steps.model_validate(each) for kind, each in steps().items()},
    )


@router.post("/symptoms", status_code=202, summary="Report symptoms 上报症状", responses=ANSWERS)
async def symptoms(
    who: PersonReader, backend: BackendDependency, resident: ResidentId, body: SymptomReported, key: Key = None
) -> Advice:
    """Symptoms as they are now; a danger symptom is answered with what to do at once."""
    rule = await in_force(backend.tables, "symptom-red")
    danger = not set(rule.limits["symptoms"]).isdisjoint(body.symptoms)
    data = {"symptoms": body.symptoms}
    done = await tell(backend, who, resident, SYMPTOM, data, key or str(uuid4()), channel=True)
    return Advice(**done.model_dump(), advice=Text(**rule.text) if danger else None)


@router.post("/adherence", status_code=202, summary="Report how drugs are taken 上报服药", responses=ANSWERS)
async def adherence(
    who: PersonReader, backend: BackendDependency, resident: ResidentId, body: AdherenceReported, key: Key = None
) -> Done:
    """How the drugs are taken, and what stands in the way."""
    type = "mailiu.chronic.adherence-reported.v1"
    return await tell(backend, who, resident, type, body.model_dump(exclude_none=True), key or str(uuid4()))


@router.post("/answers", status_code=202, summary="Answer an alert 回复告警", responses=ANSWERS)
async def answers(
    who: PersonReader, backend: BackendDependency, resident: ResidentId, body: AlertAnswered, key: Key = None
) -> Done:
    """How the resident is after a message, and what was done."""
    found = await find(backend, who, resident)
    rows = await backend.tables.rows(
        "SELECT alert FROM alerts WHERE alert = {alert:UUID} AND resident IN {records:Array(String)}",
        {"alert": str(body.alert), "records": found["records"]},
    )
    if not rows:
        raise Problem(404, f"no alert {body.alert} of this resident")
    type = "mailiu.engagement.alert-answered.v1"
    return await tell(backend, who, resident, type, body.model_dump(mode="json"), key or str(uuid4()))


async def tell(
    backend: Backend, who: Caller, resident: str, type: str, data: dict[str, Any], key: str, channel: bool = False
) -> Done:
    """Append what the resident says, or staff on the resident's behalf; ``channel``: the type says how it came."""
    found = await find(backend, who, resident)
    if not looking_in(who) and not who.may("append"):
        raise Problem(403, f"the role {who.role} has no right to append")
    if channel:
        data = data | {"channel": "app" if looking_in(who) else "visit"}
    event = Event(
        id=f"{found['resident']}/{type.split('.')[2]}/{key}", source="api", type=type, subject=found["resident"],
        time=clock().now(), data=data, institution=found["institution"], actor=who.actor,
    )  # fmt: skip
    [[position]] = await backend.append([event])
    return Done(identity=event.identity, position=str(position))


def _goals(told: list[tuple[str, dict[str, Any]]]) -> list[OwnGoal]:
    """The goals that stand."""
    last = {data["goal"]: (event, data) for event, data in told}
    return [
        OwnGoal(
            goal=name, value=data.get("value"), unit=UNITS[name], intervention=data.get("intervention"),
            start=data["start"], review=data["review"],
        )
        for name, (event, data) in sorted(last.items())
        if event == "goal-set"
    ]  # fmt: skip
