"""One task as clients see it, alone and as an appointment with those that are done with it."""

from datetime import date
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel, Field

from api.auth import Caller
from api.backend import Backend
from api.instant import Instant
from api.problem import Problem
from schemas.task import Kind, Priority, Programme, Status

OPEN = ("planned", "due", "overdue")
RANK = "toUInt8(indexOf(['routine', 'high', 'urgent'], t.priority))"
#: National form that a task's entry fills (clinical decision 31: one entry for all of them).
FORMS = {"hypertension": "4.3", "diabetes": "4.4", "annual-check": "3"}
COLUMNS = """
t.task AS id, t.resident, t.institution, t.kind, t.programme, t.task_reason AS reason, t.status, t.priority, t.due,
t.opens, t.planned, t.revision, t.opened_time, t.updated_time, t.cause, t.rule_version, t.detail, t.merged_into,
t.assignee, t.calls, t.result, t.step, t.order_id, t.title, t.closed_time, t.done_by, t.ended
"""


class TaskItem(BaseModel):
    """A task in its latest revision. 任务的最新状态。"""

    id: UUID
    resident: str
    institution: str | None
    kind: Kind
    programme: Programme | None = None
    form: str | None = Field(None, description="national form that its entry fills 对应表单")
    reason: str = Field(description="first-visit, quarterly, revisit-uncontrolled, after-referral … 原因")
    status: Status
    priority: Priority
    due: date = Field(description="last day in time 最晚日期")
    opens: date = Field(description="first day 最早日期")
    planned: date | None = Field(None, description="appointment 预约日期")
    revision: int
    opened_time: Instant
    updated_time: Instant
    cause: UUID | None = Field(None, description="event from which it counts 依据事件")
    rule_version: int
    detail: dict[str, Any]
    merged_into: UUID | None = None
    assignee: str | None = None
    calls: int = 0
    result: str | None = None
    step: str | None = None
    order: UUID | None = None
    title: str | None = None
    closed_time: Instant | None = None
    done_by: UUID | None = None
    ended: str | None = None


class Appointment(TaskItem):
    """A task with those that are done in the same appointment, and whose the resident is."""

    together: list[TaskItem] = Field([], description="merged into it: one visit, one entry, every form 合并办理")
    team: str | None = None
    doctor: str | None = None


async def find(backend: Backend, who: Caller, task: UUID) -> dict[str, Any]:
    """The latest revision of a task that the caller may see, else 404."""
    rows = await backend.tables.rows(
        f"SELECT {COLUMNS} FROM tasks AS t WHERE t.task = {{task:UUID}}", {"task": str(task)}
    )
    if not rows or not who.covers(rows[0]["institution"]):
        raise Problem(404, f"no task {task}")
    return rows[0]


async def complete(backend: Backend, items: list[Appointment]) -> None:
    """Put to each item the tasks done with it, and the team and doctor of the resident."""
    if not items:
        return
    parameters = {"residents": sorted({item.resident for item in items}), "ids": [str(item.id) for item in items]}
    merged = await backend.tables.rows(
        f"SELECT {COLUMNS} FROM tasks AS t WHERE t.resident IN {{residents:Array(String)}} "
        "AND t.merged_into IN {ids:Array(UUID)} AND t.status IN ('planned', 'due', 'overdue') ORDER BY t.due, t.task",
        parameters,
    )
    whose = await backend.tables.rows(
        "SELECT resident, team, doctor FROM residents WHERE resident IN {residents:Array(String)}", parameters
    )
    by_resident = {row["resident"]: row for row in whose}
    for item in items:
        item.together = [TaskItem.model_validate(shaped(row)) for row in merged if row["merged_into"] == item.id]
        if (row := by_resident.get(item.resident)) is not None:
            item.team, item.doctor = row["team"], row["doctor"]


def shaped(row: dict[str, Any]) -> dict[str, Any]:
    """A row of ``COLUMNS`` as `TaskItem` takes it."""
    return {
        **row, "programme": row["programme"] or None, "detail": orjson.loads(row["detail"] or b"{}"),
        "order": row["order_id"], "form": FORMS.get(row["programme"] if row["kind"] == "follow-up" else row["kind"]),
    }  # fmt: skip
