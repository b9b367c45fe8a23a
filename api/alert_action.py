"""What people do with an alert: acknowledge, assign, snooze, comment, close. Each act is an event."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Header
from pydantic import AwareDatetime, BaseModel, Field

from api.auth import AlertActor, Caller
from api.backend import Backend, BackendDependency
from api.problem import Problem, invalid_field, problems
from api.rules import in_force
from infra.clock import clock
from schemas.alert import EVENTS, Outcome
from schemas.envelope import Code, Data, Event

router = APIRouter(prefix="/v1/alerts/{alert}", tags=["alerts"])
SOURCE = "api"

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=60,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key is the same event. 相同的键视为同一事件。",
    ),
]
ANSWERS = problems(400, 403, 404, 409, 413, 422)


class Assign(Data):
    """To whom."""

    assignee: Annotated[str, Code]


class Snooze(Data):
    """Until when."""

    until: AwareDatetime = Field(description="at most 30 minutes ahead for a red alert 红色告警最多30分钟")


class Comment(Data):
    """A remark."""

    text: str = Field(min_length=1, max_length=1000)


class Close(Data):
    """How it ended; `no-action` needs the reason why."""

    outcome: Outcome
    reason: str | None = Field(None, max_length=500)


class Taken(BaseModel):
    """The action is in the log; the alert shows it once the position is folded (`?wait=`)."""

    alert: UUID
    identity: UUID = Field(description="identity of the appended event")
    position: str = Field(description="position in `events`", examples=["3:120"])


@router.post("/acknowledge", status_code=202, summary="Acknowledge 确认", responses=ANSWERS)
async def acknowledge(who: AlertActor, backend: BackendDependency, alert: UUID, key: Key = None) -> Taken:
    """Somebody has seen the alert and takes it."""
    return await _act(who, backend, alert, "acknowledged", {}, key)


@router.post("/assign", status_code=202, summary="Assign 指派", responses=ANSWERS)
async def assign(who: AlertActor, backend: BackendDependency, alert: UUID, body: Assign, key: Key = None) -> Taken:
    """The alert is somebody's to follow up."""
    return await _act(who, backend, alert, "assigned", body.model_dump(), key)


@router.post("/snooze", status_code=202, summary="Snooze 暂缓", responses=ANSWERS)
async def snooze(who: AlertActor, backend: BackendDependency, alert: UUID, body: Snooze, key: Key = None) -> Taken:
    """No escalation before then."""
    return await _act(who, backend, alert, "snoozed", body.model_dump(), key)


@router.post("/comment", status_code=202, summary="Comment 备注", responses=ANSWERS)
async def comment(who: AlertActor, backend: BackendDependency, alert: UUID, body: Comment, key: Key = None) -> Taken:
    """A remark, kept with the history."""
    return await _act(who, backend, alert, "commented", body.model_dump(), key)


@router.post("/close", status_code=202, summary="Close 关闭", responses=ANSWERS)
async def close(who: AlertActor, backend: BackendDependency, alert: UUID, body: Close, key: Key = None) -> Taken:
    """Handled, with the outcome; a red alert only by a clinician."""
    return await _act(who, backend, alert, "closed", body.model_dump(exclude_none=True), key)


async def _act(who: Caller, backend: Backend, alert: UUID, what: str, data: dict[str, Any], key: str | None) -> Taken:
    """Append the event of one action, if the alert's state and the caller's role allow it."""
    found = await find(backend, who, alert)
    await check(backend, who, found, what, data)
    event = action(who, alert, found, what, data, key)
    [[position]] = await backend.append([event])
    return Taken(alert=alert, identity=event.identity, position=str(position))


def action(who: Caller, alert: UUID, found: dict[str, Any], what: str, data: dict[str, Any], key: str | None) -> Event:
    """The event of one action on the alert ``found``."""
    type = f"mailiu.alert.{what}.v1"
    return Event(
        id=f"{alert}/{what}/{key or uuid4()}",
        source=SOURCE,
        type=type,
        subject=found["resident"],
        time=clock().now(),
        data=EVENTS[type].model_validate({"alert": alert, **data}).model_dump(mode="json", exclude_none=True),
        institution=found["institution"],
        actor=who.actor,
        correlationid=str(alert),
    )


async def check(backend: Backend, who: Caller, alert: dict[str, Any], what: str, data: dict[str, Any]) -> None:
    """Refuse what may not be done with ``alert`` (severity, handling and institution are looked at).

    A closed alert only takes comments (409). A red one is closed by a clinician only (403) and sleeps no longer than
    the escalation rule in force allows (422). Closing without action needs the reason why (422). Source: clinical
    decision 3.
    """
    red = alert["severity"] == "red"
    if alert["handling"] == "closed" and what != "commented":
        raise Problem(409, "the alert is closed")
    if what == "closed":
        if red and not who.may("close-red"):
            raise Problem(403, "a red alert is closed by a clinician")
        if data["outcome"] == "no-action" and not (data.get("reason") or "").strip():
            raise invalid_field("reason", data.get("reason"), "closing without action needs the reason why")
    if what == "snoozed":
        now = clock().now()
        if data["until"] <= now:
            raise invalid_field("until", data["until"], "is not in the future")
        minutes = (await in_force(backend.tables, "escalation")).limits["red_snooze_minutes"]
        if red and data["until"] > now + timedelta(minutes=minutes):
            raise invalid_field("until", data["until"], f"a red alert sleeps {minutes} minutes at most")


async def find(backend: Backend, who: Caller, alert: UUID) -> dict[str, Any]:
    """Severity, handling, resident and institution of an alert the caller may see, else 404.

    The feed shows an alert before the tables have it; the one with the higher revision counts.
    """
    found = backend.feed.recent(str(alert))
    if found is None:
        rows = await backend.tables.rows(
            "SELECT alert, resident, institution, severity, handling FROM alerts WHERE alert = {alert:UUID}",
            {"alert": str(alert)},
        )
        found = rows[0] if rows else None
    if found is None or not who.covers(found["institution"]):
        raise Problem(404, f"no alert {alert}")
    return found
