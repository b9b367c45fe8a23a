"""Calls and hand-overs: reaching the resident or the contact, and giving cards to a colleague who accepts them."""

import asyncio
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.alert_action import Key
from api.alert_bulk import MANY
from api.auth import AlertActor, Caller
from api.backend import Backend, BackendDependency
from api.card import OFFER, ON_CARD
from api.problem import Problem, problems
from api.resident import ResidentId, find
from infra.clock import clock
from infra.vault import Erased, Unknown, vault
from schemas.alert import EVENTS
from schemas.envelope import SUBJECT, Code, Data, Event

router = APIRouter(tags=["cards"])
ANSWERS = problems(400, 403, 404, 413, 422)


class Attempt(Data):
    """What somebody did to reach the resident or the emergency contact."""

    to: Literal["resident", "contact"] = "resident"
    result: Literal["called", "reached", "not-reached"] = Field(
        description="`called`: the call begins; the answer names the number to ring 拨号，应答返回号码"
    )
    channel: Literal["phone", "video", "visit"] = "phone"
    note: str | None = Field(None, max_length=500)


class Attempted(BaseModel):
    """The attempt is in the log."""

    resident: str
    identity: UUID = Field(description="identity of the appended event")
    position: str = Field(description="position in `events`, for `wait`")
    phone: str | None = Field(None, description="with `called`: the number to ring, for those who care for the person")
    name: str | None = Field(None, description="with `called`: whose number it is")


@router.post(
    "/v1/residents/{resident}/contact-attempts",
    status_code=202,
    summary="Call 拨打与联系记录",
    description="The call button and its outcome. Whoever calls takes the resident's open alerts; three unanswered "
    "calls on a red alert lead to the emergency contact, then to a home visit. Audited.\n\n"
    "拨号及结果登记：拨打者即接手该居民未结告警；红色告警三次未接转紧急联系人，仍未接则上门。留审计记录。",
    responses=problems(400, 403, 404, 410, 413, 422),
)
async def attempt(
    who: AlertActor, backend: BackendDependency, resident: ResidentId, body: Attempt, key: Key = None
) -> Attempted:
    """Somebody tries to reach a resident."""
    found = await find(backend, who, resident)
    phone, name = None, None
    await backend.viewed(
        who, f"phone of {body.to}" if body.result == "called" else "contact-attempt", resident, "TREAT"
    )
    if body.result == "called" and who.may("names"):
        phone, name = await asyncio.to_thread(_number, resident, body.to)
    data = body.model_dump(exclude_none=True)
    event = _event(who, resident, found["institution"], "contact-attempted", data, key)
    [[position]] = await backend.append([event])
    return Attempted(resident=resident, identity=event.identity, position=str(position), phone=phone, name=name)


def _number(resident: str, to: str) -> tuple[str | None, str | None]:
    """Phone and name to ring; nothing where nobody recorded them. A 410 once the resident is erased."""
    try:
        identity = vault().open(resident)
    except Unknown:
        return None, None
    except Erased as error:
        raise Problem(410, f"who {resident} is has been erased") from error
    if to == "resident":
        return identity.phone, identity.name
    return (identity.contacts[0].phone, identity.contacts[0].name) if identity.contacts else (None, None)


class Offering(Data):
    """To whom, and which cards: those named, or every card that is mine (or ``assignee``'s)."""

    to: Annotated[str, Code]
    reason: Literal["leave", "shift", "other"] = "shift"
    residents: list[Annotated[str, Field(pattern=SUBJECT)]] | None = Field(None, min_length=1, max_length=MANY)
    assignee: Annotated[str, Code] | None = Field(None, description="whose cards, if not the caller's own")


class Accepting(Data):
    """Which of the cards offered to me; none named: all."""

    residents: list[Annotated[str, Field(pattern=SUBJECT)]] | None = Field(None, min_length=1, max_length=MANY)


class Handed(BaseModel):
    """What became of one card."""

    resident: str
    status: Literal["accepted", "rejected"]
    offer: UUID | None = None
    message: str | None = None


class AllHanded(BaseModel):
    """One result a card."""

    results: list[Handed]
    position: str = Field(description="positions of this request, for `wait`")


MINE = f"""
SELECT DISTINCT resident FROM alerts
WHERE (assignee = {{assignee:String}} OR assignee IS NULL AND acknowledged_by = {{assignee:String}}) AND {ON_CARD}
ORDER BY resident LIMIT {MANY}
"""
OFFERED_TO = f"""
SELECT resident FROM (
    SELECT resident, argMax(recipient, time) AS latest, argMax(accepted_time IS NULL, time) AS pending FROM handovers
    GROUP BY resident
) WHERE latest = {{me:String}} AND pending ORDER BY resident LIMIT {MANY}
"""


@router.post(
    "/v1/cards/handover",
    status_code=202,
    summary="Offer cards to a colleague 移交居民卡片",
    description="Before leave or at the end of a shift: the open alerts of these residents are offered to a named "
    "person, who is told. They stay where they are until that person accepts.\n\n"
    "休假或交班前将居民卡片移交给指定人员；对方确认接收前，责任不变。",
    responses=ANSWERS,
)
async def offer(who: AlertActor, backend: BackendDependency, body: Offering, key: Key = None) -> AllHanded:
    """Offer cards."""
    residents = body.residents
    if residents is None:
        rows = await backend.tables.rows(MINE, {"assignee": body.assignee or who.actor})
        residents = [row["resident"] for row in rows]
    data = {"to": body.to, "reason": body.reason}
    return await _each(who, backend, residents, "handover-offered", lambda _: data, key)


@router.post(
    "/v1/cards/accept",
    status_code=202,
    summary="Accept offered cards 接收居民卡片",
    description="Only the person to whom a card was offered can accept it; all its open alerts are theirs then.\n\n"
    "仅被移交人可接收；接收后该居民全部未结告警归其负责。",
    responses=ANSWERS,
)
async def accept(who: AlertActor, backend: BackendDependency, body: Accepting, key: Key = None) -> AllHanded:
    """Accept cards."""
    residents = body.residents
    if residents is None:
        residents = [row["resident"] for row in await backend.tables.rows(OFFERED_TO, {"me": who.actor})]
    offers: dict[str, dict[str, Any]] = {}
    for resident in residents:
        rows = await backend.tables.rows(OFFER, {"records": [resident]})
        if rows and rows[0]["recipient"] == who.actor:
            offers[resident] = {"offer": str(rows[0]["offer"])}
    return await _each(who, backend, residents, "handover-accepted", offers.get, key)


async def _each(
    who: Caller, backend: Backend, residents: list[str], what: str, data: Any, key: str | None
) -> AllHanded:
    """Append an event for each of ``residents`` whom the caller covers and for whom ``data`` says something."""
    results, events = [], []
    for resident in dict.fromkeys(residents):
        said = data(resident)
        try:
            found = await find(backend, who, resident)
            if said is None:
                raise Problem(404, "no card of this resident is offered to you")
        except Problem as problem:
            if problem.status_code >= 500:
                raise
            results.append(Handed(resident=resident, status="rejected", message=problem.detail))
            continue
        event = _event(who, resident, found["institution"], what, said, key)
        events.append(event)
        named = said.get("offer") or event.identity
        results.append(Handed(resident=resident, status="accepted", offer=named))
    await backend.viewed(who, what, [result.resident for result in results if result.status == "accepted"])
    positions = [place for places in await backend.append(events) for place in places] if events else []
    latest = {place.partition: place.offset for place in sorted(positions)}
    return AllHanded(results=results, position=",".join(f"{p}:{o}" for p, o in latest.items()))


def _event(
    who: Caller, resident: str, institution: str | None, what: str, data: dict[str, Any], key: str | None
) -> Event:
    type = f"mailiu.alert.{what}.v1"
    return Event(
        id=f"{resident}/{what}/{key or uuid4()}",
        source="api",
        type=type,
        subject=resident,
        time=clock().now(),
        data=EVENTS[type].model_validate(data).model_dump(mode="json", exclude_none=True),
        institution=institution,
        actor=who.actor,
    )
