"""Notices: what was told to whom, and what the message service says became of it."""

import asyncio
import time
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from api import paging
from api.alert_item import Text
from api.auth import AlertReader, Caller, read, unauthorized
from api.backend import Backend, BackendDependency
from api.instant import Instant
from api.person import person
from api.position import Wait
from api.problem import Problem, problems
from api.tables import Row
from infra.clock import clock
from schemas.envelope import Code, Data, Event
from schemas.notice import EVENTS, Actor, Purpose, Reason
from schemas.topics import DERIVED
from streams.sending.channels import secret

router = APIRouter(prefix="/v1/notices", tags=["notices"])
State = Literal["queued", "sent", "delivered", "read", "failed", "expired", "recalled"]
PROJECTED_SECONDS = 5.0  #: a call back may be faster than the tables


class NoticeItem(BaseModel):
    """Who was to be told what, and what became of it. 通知及其送达情况。"""

    notice: UUID
    resident: str
    institution: str
    kind: str = Field(description="resident, contact, role or staff")
    ref: str = Field(description="role, staff id, or the resident (whose contact it is)")
    purpose: Purpose
    alert: UUID | None
    level: int
    text: Text
    state: State
    queued_time: Instant
    deadline: Instant
    sent_time: Instant | None
    delivered_time: Instant | None
    read_time: Instant | None
    failed_time: Instant | None
    channel: str | None
    person: str | None
    reason: str | None


class Notices(BaseModel):
    """A page of notices, newest first."""

    items: list[NoticeItem]
    next: str | None = Field(description="`cursor` of the next page; absent on the last")


COLUMNS = (
    "notice, resident, institution, kind, ref, purpose, alert, level, text_zh, text_en, state, queued_time, deadline, "
    "sent_time, delivered_time, read_time, failed_time, channel, person, reason"
)


def item(row: Row) -> NoticeItem:
    """The notice in a row of the table `notices`."""
    blank = {name: row[name] or None for name in ("channel", "person", "reason")}
    return NoticeItem.model_validate({**row, **blank, "text": Text(zh=row["text_zh"], en=row["text_en"])})


@router.get("", summary="Notices 通知列表", responses=problems(403, 422, 504))
async def notices(
    who: AlertReader,
    backend: BackendDependency,
    resident: Annotated[str | None, Query(max_length=64, description="or a record merged with it 居民")] = None,
    alert: Annotated[UUID | None, Query()] = None,
    state: Annotated[list[State] | None, Query(description="queued, sent, delivered, read, failed …")] = None,
    cursor: paging.Cursor = None,
    limit: paging.Limit = 100,
    wait: Wait = None,
) -> Notices:
    """What was told to whom in the token's institutions, newest first."""
    await backend.progress.wait(wait, fold=True)
    conditions, parameters = ["1"], dict[str, Any](limit=limit + 1)
    if who.scope:
        conditions.append("institution IN {scope:Array(String)}")
        parameters["scope"] = who.scope
    for name, value, type in (
        ("resident", resident and (await person(backend.tables, resident)).records, "Array(String)"),
        ("alert", alert and str(alert), "UUID"), ("state", state, "Array(String)"),
    ):  # fmt: skip
        if value is not None:
            conditions.append(f"{name} {'IN' if type == 'Array(String)' else '='} {{{name}:{type}}}")
            parameters[name] = value
    if cursor is not None:
        conditions.append("(queued_time, notice) < ({time:DateTime64(3, 'UTC')}, {after:UUID})")
        parameters["time"], parameters["after"] = paging.decode(cursor)
    rows = await backend.tables.rows(
        f"SELECT {COLUMNS} FROM notices WHERE {' AND '.join(conditions)} "
        "ORDER BY queued_time DESC, notice DESC LIMIT {limit:UInt32}",
        parameters,
    )
    items = [item(row) for row in rows[:limit]]
    await backend.viewed(who, "notices", sorted({each.resident for each in items}))
    following = paging.encode(items[-1].queued_time, items[-1].notice) if len(rows) > limit else None
    return Notices(items=items, next=following)


class CallBack(Data):
    """By which channel, and to whom of those it was for."""

    channel: Annotated[str, Code]
    person: Annotated[str, Actor] | None = None


class FailedCallBack(Data):
    """Why it will not arrive."""

    reason: Reason
    channel: Annotated[str, Code] | None = None
    person: Annotated[str, Actor] | None = None


class Noted(BaseModel):
    """The outcome is in the log."""

    notice: UUID
    identity: UUID = Field(description="identity of the appended event")
    position: str


_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="or a Standard Webhooks signature")


async def message_service(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Caller:
    """Dependency: the message service, by a signature with the shared secret, or a token with the right to append.

    A signature older than five minutes is refused, so that a call recorded by somebody cannot be played back later.
    """
    if "webhook-signature" in request.headers:
        try:
            body = await request.body()
            Webhook(secret()).verify(body, dict(request.headers), json_parse=False)
        except (WebhookVerificationError, ValueError) as error:
            raise unauthorized("the webhook signature is not valid") from error
        return Caller("message-service", "integrator", frozenset({"*"}))
    if credentials is None:
        raise unauthorized("neither a webhook signature nor a bearer token")
    who = read(credentials.credentials)
    if not who.may("append"):
        raise Problem(403, f"the role {who.role} has no right to append")
    return who


MessageService = Annotated[Caller, Depends(message_service)]
ANSWERS = problems(400, 401, 403, 404, 413, 422)


@router.post("/{notice}/delivered", status_code=202, summary="It was delivered 已送达", responses=ANSWERS)
async def delivered(who: MessageService, backend: BackendDependency, notice: UUID, body: CallBack) -> Noted:
    """The message has reached the person's device."""
    return await _note(who, backend, notice, "delivered", body)


@router.post("/{notice}/read", status_code=202, summary="It was read 已读", responses=ANSWERS)
async def was_read(who: MessageService, backend: BackendDependency, notice: UUID, body: CallBack) -> Noted:
    """The person has opened it."""
    return await _note(who, backend, notice, "read", body)


@router.post("/{notice}/failed", status_code=202, summary="It will not arrive 送达失败", responses=ANSWERS)
async def failed(who: MessageService, backend: BackendDependency, notice: UUID, body: FailedCallBack) -> Noted:
    """The channel has given it up: a red alert goes to the next level at once."""
    return await _note(who, backend, notice, "failed", body)


async def _note(who: Caller, backend: Backend, notice: UUID, what: str, body: Data) -> Noted:
    found = await _find(backend, who, notice)
    type = f"mailiu.notice.{what}.v1"
    data = EVENTS[type].model_validate({"notice": notice, **body.model_dump()})
    event = Event(  # called back twice, it is one event
        id=f"{notice}/{what}",
        source="message-service",
        type=type,
        subject=found["resident"],
        time=clock().now(),
        data=data.model_dump(mode="json", exclude_none=True),
        institution=found["institution"],
        actor=who.actor,
        correlationid=str(notice),
    )
    [[position]] = await backend.append([event])
    return Noted(notice=notice, identity=event.identity, position=str(position))


async def _find(backend: Backend, who: Caller, notice: UUID) -> Row:
    """Resident and institution of a notice the caller covers, else 404; waits for one that was queued just now."""
    until = time.monotonic() + PROJECTED_SECONDS
    ends = await backend.ends(DERIVED, max_age=0)
    while True:
        reached = (await backend.progress.seen()).next.get(DERIVED, {})
        rows = await backend.tables.rows(
            "SELECT resident, institution FROM notice_events WHERE notice = {notice:UUID} AND event = 'queued' LIMIT 1",
            {"notice": str(notice)},
        )
        whole = all(reached.get(partition, 0) >= end for partition, end in ends.items())
        if rows or whole or time.monotonic() > until:
            break
        await asyncio.sleep(0.1)
    if not rows or not who.covers(rows[0]["institution"]):
        raise Problem(404, f"no notice {notice}")
    return rows[0]
