"""A doctor's round: opened with its filters, left and gone on with, closed with a summary that is kept."""

from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.alert_action import Key
from api.auth import AlertActor, AlertReader, Caller
from api.backend import Backend, BackendDependency
from api.instant import Instant
from api.position import Wait
from api.problem import Problem, invalid_field, problems
from api.round import COUNTS, STATUS, Filter, find_session, where
from infra.clock import clock
from schemas.envelope import Data, Event, identity
from schemas.round import Counts, Filters, RoundClosed, RoundOpened

router = APIRouter(prefix="/v1/rounds/sessions", tags=["rounds"])
OPENED, CLOSED = "mailiu.organization.round-opened.v1", "mailiu.organization.round-closed.v1"
DECIDED = """
SELECT decision, plan FROM round_decisions WHERE session = {session:UUID} AND institution = {institution:String}
ORDER BY time DESC, id DESC LIMIT 1 BY resident
"""
SESSIONS = """
SELECT session, institution, actor, opened_time, closed_time FROM round_sessions WHERE {conditions}
ORDER BY opened_time DESC, session LIMIT 100
"""


class Close(Data):
    """A last word."""

    note: str | None = Field(None, max_length=500)


class SessionDone(BaseModel):
    """It is in the log; it shows once the position is projected (`?wait=`)."""

    session: UUID
    position: str


class SessionItem(BaseModel):
    """A round in the list."""

    session: UUID
    institution: str | None
    actor: str | None
    opened_time: Instant
    closed_time: Instant | None


class SessionList(BaseModel):
    """The latest hundred rounds, newest first."""

    items: list[SessionItem]


class Session(SessionItem):
    """A round: of whom it is, what it came to so far, or in the end."""

    filters: Filters
    summary: Counts = Field(description="so far; of a closed round as it was when it was closed 小结")
    note: str | None
    href: str = Field(description="who is left 剩余人员")


@router.post("", status_code=202, summary="Begin a round 开始查房", responses=problems(400, 403, 413, 422))
async def open_round(who: AlertActor, backend: BackendDependency, body: Filters, key: Key = None) -> SessionDone:
    """A round over those whom the filters leave."""
    institution = body.institution or (who.scope[0] if len(who.scope) == 1 else None)
    if institution is None or not who.covers(institution):
        raise invalid_field("institution", institution, "name one that the token covers")
    id = f"round/{institution}/{key or uuid4()}"
    session = identity("api/round", id)
    opened = RoundOpened(session=session, filters=body.model_copy(update={"institution": institution}))
    return await _say(backend, who, OPENED, institution, opened, id)


@router.get("", summary="Rounds 查房批次", responses=problems(403, 422, 504))
async def sessions(
    who: AlertReader,
    backend: BackendDependency,
    unfinished: Annotated[bool, Query(description="only those that may be gone on with 未结束")] = False,
    wait: Wait = None,
) -> SessionList:
    """Rounds of the token's institutions."""
    await backend.progress.wait(wait)
    conditions, parameters = ["closed_time IS NULL" if unfinished else "1"], dict[str, Any]()
    if who.scope:
        conditions.append("institution IN {scope:Array(String)}")
        parameters["scope"] = who.scope
    rows = await backend.tables.rows(SESSIONS.format(conditions=" AND ".join(conditions)), parameters)
    return SessionList(items=[SessionItem.model_validate(row) for row in rows])


@router.get("/{session}", summary="One round 一次查房", responses=problems(403, 404, 422, 504))
async def one_session(who: AlertReader, backend: BackendDependency, session: UUID, wait: Wait = None) -> Session:
    """What the round came to, and where to go on."""
    await backend.progress.wait(wait, fold=True)
    found = await find_session(backend, who, session)
    summary = found["summary"] or await _summary(backend, who, found)
    return Session.model_validate({**found, "summary": summary, "href": f"/v1/rounds?session={session}"})


@router.post(
    "/{session}/close", status_code=202, summary="End a round 结束查房", responses=problems(400, 403, 404, 409, 422)
)
async def close_round(
    who: AlertActor, backend: BackendDependency, session: UUID, body: Close, key: Key = None
) -> SessionDone:
    """The round is over; its summary is kept."""
    found = await find_session(backend, who, session)
    if found["closed_time"] is not None:
        raise Problem(409, f"the round {session} is closed")
    closed = RoundClosed(session=session, summary=Counts(**await _summary(backend, who, found)), note=body.note)
    return await _say(backend, who, CLOSED, found["institution"], closed, f"{session}/closed/{key or uuid4()}")


async def _say(
    backend: Backend, who: Caller, type: str, institution: str, data: RoundOpened | RoundClosed, id: str
) -> SessionDone:
    event = Event(
        id=id, source="api", type=type, subject=institution, time=clock().now(), institution=institution,
        actor=who.actor, data=data.model_dump(mode="json", exclude_none=True),
    )  # fmt: skip
    [positions] = await backend.append([event])
    return SessionDone(session=data.session, position=",".join(map(str, positions)))


async def _summary(backend: Backend, who: Caller, found: dict[str, Any]) -> dict[str, Any]:
    """How many were decided in the round and how, and how many are left on its list."""
    rows = await backend.tables.rows(DECIDED, {"session": str(found["session"]), "institution": found["institution"]})
    by_decision, by_plan = dict[str, int](), dict[str, int]()
    for row in rows:
        by_decision[row["decision"]] = by_decision.get(row["decision"], 0) + 1
        for plan in row["plan"]:
            by_plan[plan] = by_plan.get(plan, 0) + 1
    conditions, parameters = where(who, Filter.model_validate(found["filters"]))
    left = await backend.tables.rows(COUNTS.format(conditions=" AND ".join([*conditions, STATUS["open"]])), parameters)
    return {
        "decided": len(rows), "by_decision": by_decision, "by_plan": by_plan,
        "left": sum(row["residents"] for row in left),
    }  # fmt: skip
