"""Tasks: the list of what is to be done for whom, and one task with its history."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api import paging
from api.auth import AlertReader, Caller
from api.backend import BackendDependency
from api.instant import Instant
from api.position import Wait
from api.problem import invalid_field, problems
from api.task_item import COLUMNS, RANK, Appointment, TaskItem, complete, find, shaped
from schemas.task import Kind, Priority, Programme, Status

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])


class TaskPage(BaseModel):
    """A page of tasks: the most urgent first, then the longest due."""

    items: list[Appointment]
    next: str | None = Field(description="`cursor` of the next page; absent on the last")


class TaskHistory(BaseModel):
    """One change of a task."""

    change: str
    time: Instant
    revision: int
    status: Status
    due: date
    planned: date | None
    assignee: str | None
    result: str | None
    causationid: str | None = Field(description="identity of the event that caused it")


class TaskDetail(Appointment):
    """A task with its history, oldest first."""

    history: list[TaskHistory]


@router.get(
    "",
    summary="Tasks 任务列表",
    description="Due and overdue tasks of the token's institutions, the most urgent first, then the longest due. What "
    "is done in another task's appointment stands under it.\n\n"
    "令牌所辖机构到期与逾期任务，最紧急者在前；合并办理的任务列于其下。",
    responses=problems(403, 422, 504),
)
async def tasks(
    who: AlertReader,
    backend: BackendDependency,
    status: Annotated[list[Status] | None, Query(description="due and overdue if not named")] = None,
    kind: Annotated[list[Kind] | None, Query()] = None,
    priority: Annotated[list[Priority] | None, Query()] = None,
    programme: Annotated[list[Programme] | None, Query()] = None,
    institution: Annotated[str | None, Query(max_length=64)] = None,
    team: Annotated[str | None, Query(max_length=64, description="contracted team 签约团队")] = None,
    doctor: Annotated[str | None, Query(max_length=64, description="contracted doctor 签约医生")] = None,
    assignee: Annotated[str | None, Query(max_length=64)] = None,
    resident: Annotated[str | None, Query(max_length=64)] = None,
    due_before: Annotated[date | None, Query(description="due on or before 截止")] = None,
    cursor: paging.Cursor = None,
    limit: paging.Limit = 100,
    wait: Wait = None,
) -> TaskPage:
    """A page of tasks."""
    await backend.progress.wait(wait, fold=True)
    conditions, parameters = where(
        who, status=status or ["due", "overdue"], kind=kind, priority=priority, programme=programme,
        institution=institution, assignee=assignee, resident=resident,
    )  # fmt: skip
    conditions += ["t.merged_into IS NULL", "t.resident NOT IN (SELECT a.resident FROM aliases AS a)"]
    contracted = {name: value for name, value in (("team", team), ("doctor", doctor)) if value is not None}
    if contracted:
        named = " AND ".join(f"r.{name} = {{{name}:String}}" for name in contracted)
        conditions.append(f"t.resident IN (SELECT r.resident FROM residents AS r WHERE {named})")
        parameters |= contracted
    if due_before is not None:
        conditions.append("t.due <= {due_before:Date}")
        parameters["due_before"] = due_before
    if cursor is not None:
        conditions.append(f"(3 - {RANK}, t.due, t.task) > ({{rank:UInt8}}, {{after_due:Date}}, {{after:UUID}})")
        parameters |= _place(cursor)
    rows = await backend.tables.rows(
        f"SELECT {COLUMNS} FROM tasks AS t WHERE {' AND '.join(conditions)} "
        f"ORDER BY 3 - {RANK}, t.due, t.task LIMIT {{limit:UInt32}}",
        {**parameters, "limit": limit + 1},
    )
    items = [Appointment.model_validate(shaped(row)) for row in rows[:limit]]
    await complete(backend, items)
    await backend.viewed(who, "tasks", sorted({item.resident for item in items}))
    return TaskPage(items=items, next=_cursor(items[-1]) if len(rows) > limit else None)


@router.get("/{task}", summary="One task with its history 任务详情与历史", responses=problems(403, 404, 422, 504))
async def one_task(who: AlertReader, backend: BackendDependency, task: UUID, wait: Wait = None) -> TaskDetail:
    """A task and every change of it."""
    await backend.progress.wait(wait, fold=True)
    item = Appointment.model_validate(shaped(await find(backend, who, task)))
    await complete(backend, [item])
    await backend.viewed(who, "task", item.resident)
    history = await backend.tables.rows(HISTORY, {"task": str(task)})
    return TaskDetail(**item.model_dump(), history=[TaskHistory.model_validate(row) for row in history])


HISTORY = """
SELECT event AS change, updated_time AS time, revision, status, due, planned, assignee, result, causationid
FROM task_events WHERE task = {task:UUID} ORDER BY revision, offset LIMIT 1 BY revision
"""


def where(who: Caller, **filters: Any) -> tuple[list[str], dict[str, Any]]:
    """Conditions and parameters of the token's scope and of the filters that are set."""
    conditions, parameters = ["1"], {}
    if who.scope:
        conditions.append("t.institution IN {scope:Array(String)}")
        parameters["scope"] = who.scope
    for name, value in filters.items():
        if value is not None:
            several = isinstance(value, list)
            conditions.append(f"t.{name} IN {{{name}:Array(String)}}" if several else f"t.{name} = {{{name}:String}}")
            parameters[name] = value
    return conditions, parameters


def _cursor(item: TaskItem) -> str:
    rank = ("urgent", "high", "routine").index(item.priority)
    return f"{rank}.{item.due}.{item.id}"


def _place(cursor: str) -> dict[str, Any]:
    try:
        rank, due, after = cursor.split(".")
        return {"rank": ("0", "1", "2").index(rank), "after_due": date.fromisoformat(due), "after": str(UUID(after))}
    except ValueError as error:
        raise invalid_field("cursor", cursor, "not a cursor of ours") from error
