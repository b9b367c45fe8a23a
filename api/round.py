"""The digital ward round 数字查房: the contracted population by need, and the doctor's decisions."""

import asyncio
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import orjson
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, ValidationError

from api import paging
from api.alert_action import Key
from api.auth import AlertActor, AlertReader, Caller
from api.backend import Backend, BackendDependency
from api.position import Wait
from api.problem import Problem, invalid_field, problems
from api.resident import find as find_resident
from api.round_item import COLUMNS, LatestDecision, RoundItem, complete, from_row
from infra.clock import clock
from infra.settings import settings
from schemas.envelope import Code, Data, Event, identity, invalid
from schemas.round import Decided, Decision, Level, Plan, ReasonKind

router = APIRouter(prefix="/v1/rounds", tags=["rounds"])
DECIDED = "mailiu.round.decided.v1"
PAGE = f"""
SELECT {COLUMNS} FROM rounds WHERE resident IN (
    SELECT r.resident FROM rounds AS r WHERE {{conditions}}
    ORDER BY r.points DESC, r.level DESC, r.resident LIMIT {{{{limit:UInt32}}}}
)
ORDER BY points DESC, level DESC, resident
"""
AFTER = "(-toInt64(r.points), -toInt64(r.level), r.resident) > ({points:Int64}, {lv:Int64}, {after:String})"
COUNTS = (
    "SELECT r.level AS level, count() AS residents FROM rounds AS r WHERE {conditions} GROUP BY level ORDER BY level"
)
DECISIONS = """
SELECT id, resident, institution, actor, decision, session, plan, note, next, codes, time FROM round_decisions AS d
WHERE {conditions} ORDER BY d.time DESC, d.id DESC LIMIT {{limit:UInt32}}
"""
DONE = """
SELECT concat(toString(partition), ':', toString(offset)) AS position FROM round_decisions
WHERE resident = {resident:String} AND id = {id:UUID}
"""
STATUS = {"open": "r.open", "waiting": "NOT r.open AND r.next IS NOT NULL", "all": "1"}


class RoundPage(BaseModel):
    """A page of the round, those most in need first."""

    items: list[RoundItem]
    total: int = Field(description="residents that the filters leave 总人数")
    by_level: dict[int, int] = Field(description="of them by management level 按级别")
    next: str | None = Field(description="`cursor` of the next page; absent on the last")


class Decide(Data):
    """What is decided of a resident on the round."""

    resident: Annotated[str, Code]
    revision: int = Field(ge=0, description="of the item that was looked at")
    decision: Decision
    session: UUID | None = None
    plan: list[Plan] = Field([], max_length=8)
    note: str | None = Field(None, max_length=500, description="deferred: why")
    next: date | None = Field(None, description="day on which to look again; else by the management level")


class DecisionDone(BaseModel):
    """The decision is in the log; the list shows it once the position is folded (`?wait=`)."""

    resident: str
    identity: UUID
    position: str = Field(description="position in `events`", examples=["3:120"])


class DecisionItem(LatestDecision):
    """A decision of a round. It is no national visit and fills no form."""

    resident: str
    institution: str | None
    next: date | None
    codes: list[str] = Field(description="what stood on the list")


class DecisionPage(BaseModel):
    """Decisions, newest first."""

    items: list[DecisionItem]
    next: str | None


class Filter(BaseModel):
    """Of whom a page of the round is."""

    institution: str | None = None
    team: str | None = None
    doctor: str | None = None
    level: list[int] = []
    condition: list[str] = []
    label: list[str] = []
    reason: list[str] = []
    kind: list[str] = []


@router.get(
    "",
    summary="Ward round 数字查房",
    description="The contracted residents of the token's institutions by need, with the reasons, what is new since the "
    "latest decision and where the evidence is. A decision takes the person off the list until its day or until news."
    "\n\n"
    "按需求排序的签约人群：原因、上次查房后的变化及依据链接；决定后移出列表，到约定日期或出现新情况时再次列出。",
    responses=problems(403, 404, 422, 504),
)
async def ward_round(
    who: AlertReader,
    backend: BackendDependency,
    status: Annotated[
        Literal["open", "waiting", "all"], Query(description="open; decided and waiting for its day; all 状态")
    ] = "open",
    institution: Annotated[str | None, Query(max_length=64)] = None,
    team: Annotated[str | None, Query(max_length=64, description="contracted team 签约团队")] = None,
    doctor: Annotated[str | None, Query(max_length=64, description="contracted doctor 签约医生")] = None,
    level: Annotated[list[Level] | None, Query(description="management level 管理级别")] = None,
    condition: Annotated[list[str] | None, Query(max_length=20, description="ICD-10 codes or beginnings 病种")] = None,
    label: Annotated[list[str] | None, Query(max_length=20, description="all of these labels 标签")] = None,
    kind: Annotated[list[ReasonKind] | None, Query(description="kind of a reason 原因类别")] = None,
    reason: Annotated[list[str] | None, Query(max_length=20, description="code of a reason 原因")] = None,
    session: Annotated[UUID | None, Query(description="of this round session: its filters hold 查房批次")] = None,
    cursor: paging.Cursor = None,
    limit: paging.Limit = 50,
    wait: Wait = None,
) -> RoundPage:
    """A page of the round."""
    await backend.progress.wait(wait, fold=True)
    asked = Filter(
        institution=institution, team=team, doctor=doctor, level=level or [], condition=condition or [],
        label=label or [], reason=reason or [], kind=list(kind or []),
    )  # fmt: skip
    conditions, parameters = where(who, asked)
    conditions.append(STATUS[status])
    if session is not None:
        more, bound = where(who, Filter.model_validate((await find_session(backend, who, session))["filters"]), "s_")
        conditions, parameters = conditions + more, parameters | bound
    after = conditions if cursor is None else [*conditions, AFTER]
    place = {} if cursor is None else _place(cursor)
    counts, rows = await asyncio.gather(
        backend.tables.rows(COUNTS.format(conditions=" AND ".join(conditions)), parameters),
        backend.tables.rows(PAGE.format(conditions=" AND ".join(after)), parameters | place | {"limit": limit + 1}),
    )
    items = [from_row(row) for row in rows[:limit]]
    await complete(backend, items)
    await backend.viewed(who, "round", sorted({item.resident for item in items}))
    by_level = {row["level"]: row["residents"] for row in counts}
    following = _cursor(items[-1]) if len(rows) > limit else None
    return RoundPage(items=items, total=sum(by_level.values()), by_level=by_level, next=following)


@router.post(
    "/decisions",
    status_code=202,
    summary="Decide 查房决定",
    description="The person leaves the list. 409 if the place has moved on since it was looked at: look again.\n\n"
    "该居民移出列表；若自查看后情况有变，返回409，请重新查看。查房决定不是国家规范随访，不填入随访表。",
    responses=problems(400, 403, 404, 409, 413, 422),
)
async def decide(who: AlertActor, backend: BackendDependency, body: Decide, key: Key = None) -> DecisionDone:
    """Seen, called, reviewed or deferred, what follows, and when to look again."""
    found = await find_resident(backend, who, body.resident)
    if body.next is not None and body.next <= clock().now().astimezone(settings().zone).date():
        raise invalid_field("next", body.next, "is not ahead")
    if body.session is not None and (await find_session(backend, who, body.session))["closed_time"] is not None:
        raise Problem(409, f"the round {body.session} is closed")
    rows = await backend.tables.rows(
        f"SELECT {COLUMNS} FROM rounds WHERE resident = {{resident:String}}", {"resident": found["resident"]}
    )
    if not rows:
        raise Problem(404, f"{body.resident} is not on the round: no contract is in force")
    id = f"{found['resident']}/decided/{key or uuid4()}"
    done = {"resident": found["resident"], "id": str(identity("api", id))}
    if key is not None and (again := await backend.tables.rows(DONE, done)):  # it was sent again
        return DecisionDone(resident=done["resident"], identity=UUID(done["id"]), position=again[0]["position"])
    if rows[0]["revision"] != body.revision:
        raise Problem(409, f"the place of {body.resident} has moved on to revision {rows[0]['revision']}: look again")
    data = body.model_dump(mode="json", exclude_none=True, exclude={"resident", "revision"})
    data["level"] = rows[0]["level"]
    data["reasons"] = [{"key": one["key"], "code": one["code"]} for one in orjson.loads(rows[0]["reasons"])]
    try:
        Decided.model_validate_json(orjson.dumps(data), strict=True)
    except ValidationError as error:
        wrong = invalid(error)
        raise invalid_field(wrong.field, wrong.value, wrong.reason) from error
    event = Event(
        id=id, source="api", type=DECIDED, subject=found["resident"],
        time=clock().now(), data=data, institution=found["institution"], actor=who.actor,
    )  # fmt: skip
    [[position]] = await backend.append([event])
    return DecisionDone(resident=found["resident"], identity=event.identity, position=str(position))


@router.get("/decisions", summary="Decisions of rounds 查房记录", responses=problems(403, 422, 504))
async def decisions(
    who: AlertReader,
    backend: BackendDependency,
    resident: Annotated[str | None, Query(max_length=64)] = None,
    session: UUID | None = None,
    cursor: paging.Cursor = None,
    limit: paging.Limit = 100,
    wait: Wait = None,
) -> DecisionPage:
    """Decisions of the token's institutions, newest first."""
    await backend.progress.wait(wait)
    conditions, parameters = ["1"], dict[str, Any]()
    if who.scope:
        conditions.append("d.institution IN {scope:Array(String)}")
        parameters["scope"] = who.scope
    for name, value, kind in (("resident", resident, "String"), ("session", session, "UUID")):
        if value is not None:
            conditions.append(f"d.{name} = {{{name}:{kind}}}")
            parameters[name] = str(value)
    if cursor is not None:
        conditions.append("(d.time, d.id) < ({time:DateTime64(3, 'UTC')}, {after:UUID})")
        parameters["time"], parameters["after"] = paging.decode(cursor)
    rows = await backend.tables.rows(
        DECISIONS.format(conditions=" AND ".join(conditions)), parameters | {"limit": limit + 1}
    )
    items = [DecisionItem.model_validate(row) for row in rows[:limit]]
    await backend.viewed(who, "round-decisions", sorted({item.resident for item in items}))
    following = paging.encode(items[-1].time, items[-1].id) if len(rows) > limit else None
    return DecisionPage(items=items, next=following)


def where(who: Caller, asked: Filter, prefix: str = "") -> tuple[list[str], dict[str, Any]]:
    """Conditions and parameters of the token's scope and of the filters that are set."""
    conditions, parameters = ["1"], dict[str, Any]()
    if who.scope:
        conditions.append("r.institution IN {scope:Array(String)}")
        parameters["scope"] = who.scope
    for name in ("institution", "team", "doctor"):
        if (value := getattr(asked, name)) is not None:
            conditions.append(f"r.{name} = {{{prefix}{name}:String}}")
            parameters[f"{prefix}{name}"] = value
    several = {
        "level": "has({{{0}:Array(UInt8)}}, r.level)",
        "condition": "arrayExists(c -> arrayExists(p -> startsWith(c, p), {{{0}:Array(String)}}), r.conditions)",
        "label": "hasAll(r.labels, {{{0}:Array(String)}})",
        "reason": "hasAny(r.codes, {{{0}:Array(String)}})",
        "kind": "hasAny(r.kinds, {{{0}:Array(String)}})",
    }
    for name, condition in several.items():
        if value := getattr(asked, name):
            conditions.append(condition.format(f"{prefix}{name}s"))
            parameters[f"{prefix}{name}s"] = value
    return conditions, parameters


async def find_session(backend: Backend, who: Caller, session: UUID) -> dict[str, Any]:
    """A round session that the caller may see, its filters and summary read; else 404."""
    rows = await backend.tables.rows(
        "SELECT session, institution, actor, filters, opened_time, closed_time, summary, note FROM round_sessions"
        " WHERE session = {session:UUID}", {"session": str(session)}
    )  # fmt: skip
    if not rows or not who.covers(rows[0]["institution"]):
        raise Problem(404, f"no round {session}")
    return {**rows[0], **{name: orjson.loads(rows[0][name] or b"{}") for name in ("filters", "summary")}}


def _cursor(item: RoundItem) -> str:
    return f"{item.points}.{item.level}.{item.resident}"


def _place(cursor: str) -> dict[str, Any]:
    try:
        points, level, after = cursor.split(".", 2)
        return {"points": -int(points), "lv": -int(level), "after": after}
    except ValueError as error:
        raise invalid_field("cursor", cursor, "not a cursor of ours") from error
