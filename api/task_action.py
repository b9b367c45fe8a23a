"""What people do with tasks, one or many: order, assign, reschedule, say what a call brought, complete, drop."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, Field, ValidationError

from api.alert_action import Key
from api.auth import AlertActor, Caller
from api.backend import Backend, BackendDependency
from api.problem import Problem, invalid_field, problems
from api.resident import find as find_resident
from api.task_item import COLUMNS, OPEN, find
from api.working_day import working_days
from infra.clock import clock
from infra.settings import settings
from schemas.envelope import Code, Data, Event, invalid
from schemas.task import EVENTS, Ordered

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])
ANSWERS = problems(400, 403, 404, 409, 413, 422)
MANY = 500  # of one request


class Assign(Data):
    """To whom."""

    assignee: Annotated[str, Code]


class Done(BaseModel):
    """The act is in the log; the task shows it once the position is folded (`?wait=`)."""

    task: UUID | None
    identity: UUID = Field(description="identity of the appended event; of an order, the order's")
    position: str = Field(description="position in `events`", examples=["3:120"])


class Reschedule(Data):
    """Another day."""

    day: date
    reason: Literal["resident", "capacity", "holiday", "other"] = "other"


class Contact(Data):
    """What came of a call or visit about the task."""

    result: Literal["reached", "not-reached", "appointment", "refused", "moved", "dead", "wrong-number"]
    channel: Literal["phone", "video", "visit", "message"] = "phone"
    day: date | None = None
    reason: str | None = Field(None, max_length=300)


class Complete(Data):
    """Done."""

    note: str | None = Field(None, max_length=500)


class Drop(Data):
    """Not this time, and why."""

    why: Literal["refused", "moved", "dead", "not-needed", "duplicate", "entered-in-error"]
    reason: str | None = Field(None, max_length=300)


class Order(Ordered):
    """A task of one's own for a resident."""

    resident: Annotated[str, Code]


class AssignSeveral(Assign):
    """Which tasks, and to whom."""

    ids: list[UUID] = Field(min_length=1, max_length=MANY)


class Move(Data):
    """A task and its new day."""

    task: UUID
    day: date


class MoveSeveral(Data):
    """Which tasks to which days, as a weekly plan proposes them or a leave makes necessary."""

    items: list[Move] = Field(min_length=1, max_length=MANY)
    reason: Literal["resident", "capacity", "holiday", "other"] = "capacity"


class Result(BaseModel):
    """What became of one of several."""

    task: UUID
    status: Literal["accepted", "rejected"]
    problem: int | None = Field(None, description="rejected: the HTTP status it would have by itself")
    message: str | None = None


class Results(BaseModel):
    """One result a task, in the order sent. 逐条结果，顺序与请求一致。"""

    results: list[Result]
    position: str = Field(description="all positions of this request, for `wait`")


@router.post("", status_code=202, summary="Order a task 新建任务", responses=ANSWERS)
async def order(who: AlertActor, backend: BackendDependency, body: Order, key: Key = None) -> Done:
    """A task of one's own: a call, a test, the next step of a plan."""
    found = await find_resident(backend, who, body.resident)
    data = body.model_dump(mode="json", exclude_none=True, exclude={"resident"})
    event = _event(who, found["resident"], found["institution"], "ordered", data, key or str(uuid4()))
    [[position]] = await backend.append([event])
    return Done(task=None, identity=event.identity, position=str(position))


@router.post("/{task}/assign", status_code=202, summary="Assign 指派", responses=ANSWERS)
async def assign(who: AlertActor, backend: BackendDependency, task: UUID, body: Assign, key: Key = None) -> Done:
    """The task is somebody's."""
    return await _act(who, backend, task, "assigned", body, key)


@router.post("/{task}/reschedule", status_code=202, summary="Appointment 预约", responses=ANSWERS)
async def reschedule(
    who: AlertActor, backend: BackendDependency, task: UUID, body: Reschedule, key: Key = None
) -> Done:
    """An appointment, on a working day that is not over."""
    await check_day(backend, body.day)
    return await _act(who, backend, task, "rescheduled", body, key)


@router.post("/{task}/contact", status_code=202, summary="Result of a call or visit 联系结果", responses=ANSWERS)
async def contact(who: AlertActor, backend: BackendDependency, task: UUID, body: Contact, key: Key = None) -> Done:
    """Reached, not reached, an appointment, refused and why, moved, dead, wrong number."""
    if body.day is not None:
        await check_day(backend, body.day)
    return await _act(who, backend, task, "contacted", body, key)


@router.post("/{task}/complete", status_code=202, summary="Done 完成", responses=ANSWERS)
async def complete(who: AlertActor, backend: BackendDependency, task: UUID, body: Complete, key: Key = None) -> Done:
    """Done by hand; a follow-up visit and an annual check are done by their own entry (409)."""
    return await _act(who, backend, task, "completed", body, key)


@router.post("/{task}/drop", status_code=202, summary="Cancel, and why 取消及原因", responses=ANSWERS)
async def drop(who: AlertActor, backend: BackendDependency, task: UUID, body: Drop, key: Key = None) -> Done:
    """Not this time; a refusal needs a reason."""
    return await _act(who, backend, task, "dropped", body, key)


@router.post("/assign", status_code=202, summary="Assign several 批量指派", responses=problems(400, 403, 413, 422))
async def assign_several(who: AlertActor, backend: BackendDependency, body: AssignSeveral, key: Key = None) -> Results:
    """These tasks are somebody's."""
    return await _each(who, backend, "assigned", {id: {"assignee": body.assignee} for id in body.ids}, key)


@router.post(
    "/reschedule",
    status_code=202,
    summary="Reschedule several 批量改期",
    description="Each task to its day. A day on which nobody works is refused for its tasks alone.\n\n"
    "逐条改期；非工作日仅拒绝相应任务。",
    responses=problems(400, 403, 413, 422),
)
async def reschedule_several(
    who: AlertActor, backend: BackendDependency, body: MoveSeveral, key: Key = None
) -> Results:
    """Each task to its day."""
    data = {move.task: {"day": move.day.isoformat(), "reason": body.reason} for move in body.items}
    refused: dict[UUID, Problem] = {}
    for day in {move.day for move in body.items}:
        try:
            await check_day(backend, day)
        except Problem as problem:
            if problem.status_code >= 500:
                raise
            refused |= {move.task: problem for move in body.items if move.day == day}
    return await _each(who, backend, "rescheduled", data, key, refused)


async def _each(
    who: Caller, backend: Backend, what: str, data: dict[UUID, dict[str, Any]], key: str | None,
    refused: dict[UUID, Problem] | None = None,
) -> Results:  # fmt: skip
    """Append an event for each task that the caller may see and that allows it."""
    rows = await backend.tables.rows(
        f"SELECT {COLUMNS} FROM tasks AS t WHERE t.task IN {{ids:Array(UUID)}}", {"ids": [str(id) for id in data]}
    )
    known = {row["id"]: row for row in rows if who.covers(row["institution"])}
    events: list[Event] = []
    results: list[Result] = []
    for task, said in data.items():
        try:
            if refused and task in refused:
                raise refused[task]
            if task not in known:
                raise Problem(404, f"no task {task}")
            events.append(action(who, known[task], what, said, key))
            results.append(Result(task=task, status="accepted"))
        except Problem as problem:
            results.append(Result(task=task, status="rejected", problem=problem.status_code, message=problem.detail))
    positions = [place for places in await backend.append(events) for place in places] if events else []
    latest = {place.partition: place.offset for place in sorted(positions)}
    return Results(results=results, position=",".join(f"{p}:{o}" for p, o in latest.items()))


async def _act(who: Caller, backend: Backend, task: UUID, what: str, body: Data, key: str | None) -> Done:
    event = action(who, await find(backend, who, task), what, body.model_dump(mode="json", exclude_none=True), key)
    [[position]] = await backend.append([event])
    return Done(task=task, identity=event.identity, position=str(position))


def action(who: Caller, found: dict[str, Any], what: str, data: dict[str, Any], key: str | None) -> Event:
    """The event of one act on the task ``found``; a 409 problem where the task does not allow it, 422 for bad data."""
    if found["status"] not in OPEN:
        raise Problem(409, f"the task is {found['status']}")
    if what == "completed" and found["kind"] in ("follow-up", "annual-check"):
        raise Problem(409, f"a {found['kind']} is done by its own entry, not by hand")
    of = {"task": str(found["id"]), "kind": found["kind"], "programme": found["programme"], "order": found["order_id"]}
    data = {name: str(value) for name, value in of.items() if value} | data
    return _event(who, found["resident"], found["institution"], what, data, f"{found['id']}/{key or uuid4()}")


def _event(who: Caller, resident: str, institution: str | None, what: str, data: dict[str, Any], key: str) -> Event:
    type = f"mailiu.task.{what}.v1"
    try:
        EVENTS[type].model_validate_json(orjson.dumps(data), strict=True)
    except ValidationError as error:
        wrong = invalid(error)
        raise invalid_field(wrong.field, wrong.value, wrong.reason) from error
    return Event(
        id=f"{resident}/{what}/{key}", source="api", type=type, subject=resident, time=clock().now(), data=data,
        institution=institution, actor=who.actor,
    )  # fmt: skip


async def check_day(backend: Backend, day: date) -> None:
    """Refuse a day that is over or on which nobody works (422)."""
    if day < clock().now().astimezone(settings().zone).date():
        raise invalid_field("day", day, "is over")
    if not await working_days(backend.tables, day, day):
        raise invalid_field("day", day, "nobody works that day")
