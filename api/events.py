"""`POST /v1/events`: the REST gateway to the log.

Each event is checked by itself and answered by itself: accepted, duplicate or rejected with the field, the value and
the reason. What is rejected is kept whole on the topic `rejected`. ``duplicate`` is a look-up and advisory: the event
is appended all the same, and the fold and the projections count it once.
"""

import asyncio
import hashlib
from collections import Counter, OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Request
from pydantic import BaseModel, Field

from api import alert_action, metrics
from api.alert_item import Text
from api.auth import Caller, EventWriter
from api.backend import Backend, BackendDependency, kafka
from api.event_body import EVENT_BYTES, Sent, split
from api.problem import Problem, problems, short
from api.rejected import Refused, keep
from infra.clock import clock
from schemas import alert as alerts
from schemas import organization, rule
from schemas.envelope import Event, InvalidEvent, milliseconds, rfc3339
from schemas.registry import parse

router = APIRouter(prefix="/v1", tags=["events"])
AHEAD = timedelta(minutes=5)  # clocks of other systems may be ahead of ours by this much
REMEMBERED = 100_000  # identities of latest events kept in memory, since the tables are a moment behind
ADMIN_ONLY = frozenset(organization.EVENTS) | frozenset(rule.EVENTS)

Status = Literal["accepted", "duplicate", "rejected"]


class Result(BaseModel):
    """What became of one event."""

    status: Status
    id: str | None = Field(None, description="the event's id as sent")
    source: str | None = None
    identity: UUID | None = Field(None, description="UUIDv5 of (source, id)")
    position: str | None = Field(None, description="position in `events`; several for what goes to every partition")
    first_position: str | None = Field(None, description="duplicate: position of the earliest copy that was seen")
    problem: int | None = Field(None, description="rejected: the HTTP status it would have by itself")
    reason: str | None = Field(None, description="rejected: the kind of fault")
    field: str | None = None
    value: str | None = Field(None, description="the value at fault, at most 200 characters")
    message: Text | None = None


class Results(BaseModel):
    """One result an event, in the order sent. 逐条结果，顺序与请求一致。"""

    accepted: int
    duplicate: int
    rejected: int
    position: str = Field(description="all positions of this request, for `wait`")
    results: list[Result]


BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": {"anyOf": [Event.model_json_schema(), {"type": "array", "items": {}}]}},
        "application/cloudevents+json": {"schema": {"type": "object"}},
        "application/cloudevents-batch+json": {"schema": {"type": "array", "items": {}}},
        "application/x-ndjson": {"schema": {"type": "string", "description": "one event a line"}},
    },
}


@router.post(
    "/events",
    status_code=202,
    response_model_exclude_none=True,
    summary="Append events 写入事件",
    description=(
        "One event (structured CloudEvents), a JSON array, or NDJSON; at most 10,000 events, 4 MiB a request, 256 KiB "
        "an event. 202 with a result for each event when at least one was taken, else 422 (403 or 409 when that is why "
        "for all). Sending again with the same `source` and `id` is safe.\n\n"
        "写入一个事件、JSON 数组或 NDJSON。逐条返回结果；全部被拒时返回 422。以相同 `source` 与 `id` 重发是安全的。"
    ),
    openapi_extra={"requestBody": BODY},
    responses=problems(400, 403, 409, 413, 415, 422),
)
async def append(
    request: Request,
    who: EventWriter,
    backend: BackendDependency,
    content_type: Annotated[str, Header(include_in_schema=False)] = "",
    content_encoding: Annotated[str, Header(include_in_schema=False)] = "",
) -> Results:
    """Check and append events."""
    body = await request.body()
    try:
        # In a thread, so that a large request does not hold up the alert stream of this process.
        sent, checked = await asyncio.to_thread(_read, who, body, content_type, content_encoding)
    except Problem as problem:
        if problem.status_code == 400 and 0 < len(body) <= EVENT_BYTES:
            unreadable = Refused(400, "unreadable", "event", body[:60], str(problem.detail))
            await _keep(backend, who, [(body, unreadable)])
        raise
    await _look_up_alerts(backend, who, checked)
    seen = await _look_up(backend, [event for event in checked if isinstance(event, Event)])
    results, taken, refused = _judge(sent, checked, seen)
    positions = await backend.append([event for _, event in taken])
    for (index, event), places in zip(taken, positions, strict=True):
        results[index].position = ",".join(map(str, places))
        _remember(event, str(places[0]))
    await _keep(backend, who, refused)
    counts = Counter(result.status for result in results)
    for status, count in counts.items():
        metrics.EVENTS.labels(status).inc(count)
    everything = Results(
        accepted=counts["accepted"], duplicate=counts["duplicate"], rejected=counts["rejected"], results=results,
        position=_latest([place for places in positions for place in places]),
    )  # fmt: skip
    if not taken:
        raise _all_refused(everything)
    return everything


def _read(who: Caller, body: bytes, content_type: str, encoding: str) -> tuple[list[Sent], list[Event | Refused]]:
    sent = split(body, content_type, encoding)
    return sent, [_check(who, each) for each in sent]


def _check(who: Caller, sent: Sent) -> Event | Refused:
    """The event in ``sent``, or why it is refused."""
    if sent.error is not None:
        return Refused(400, "unreadable", "event", sent.raw[:60], sent.error)
    if len(sent.raw) > EVENT_BYTES:
        return Refused(413, "too-large", "event", f"{len(sent.raw)} bytes", str(EVENT_BYTES))
    try:
        event = parse(sent.value)
    except InvalidEvent as error:
        return Refused.invalid(error)
    if event.type in ADMIN_ONLY and not who.may("administer"):
        return Refused(403, "not-allowed", "type", event.type)
    if not who.covers(event.institution):
        return Refused(403, "wrong-institution", "institution", event.institution)
    if event.time > clock().now() + AHEAD:
        return Refused(422, "future", "time", rfc3339(event.time))
    if event.type in alerts.EVENTS and not who.may("act"):
        return Refused(403, "not-allowed", "type", event.type)
    if event.type in alerts.EVENTS and event.actor != who.actor:
        return Refused(403, "not-allowed", "actor", event.actor)
    return event


async def _look_up_alerts(backend: Backend, who: Caller, checked: list[Event | Refused]) -> None:
    """Hold acts on alerts that come as plain events to the same rules as `/v1/alerts/{alert}/…`."""
    for index, event in enumerate(checked):
        if isinstance(event, Event) and event.type in alerts.EVENTS:
            act = alerts.EVENTS[event.type].model_validate(event.data).model_dump()
            try:
                found = await alert_action.find(backend, who, act["alert"])
                if found["resident"] != event.subject:
                    raise Problem(404, f"no alert {act['alert']} of {event.subject}")
                alert_action.check(who, found, event.type.split(".")[2], act)
            except Problem as problem:
                if problem.status_code >= 500:
                    raise
                reason = {403: "not-allowed", 404: "unknown-alert"}.get(problem.status_code, "forbidden-act")
                refused = Refused(problem.status_code, reason, "data.alert", str(act["alert"]), problem.detail)
                checked[index] = refused


class Earlier(BaseModel):
    """An event seen before: where its earliest copy lies, and its content."""

    position: str
    content: bytes = Field(description="hash of what must be equal in two copies")


_remembered: OrderedDict[UUID, Earlier] = OrderedDict()


async def _look_up(backend: Backend, events: list[Event]) -> dict[UUID, Earlier]:
    """Earlier copies of ``events`` in this process's memory or in the tables; nothing when the tables are away."""
    found = {id: _remembered[id] for event in events if (id := event.identity) in _remembered}
    unknown = [event for event in events if event.identity not in found]
    if unknown:
        with suppress(Problem):
            parameters = {
                "keys": sorted({event.subject for event in unknown}),
                "ids": [str(event.identity) for event in unknown],
            }
            for row in await backend.tables.rows(LOOK_UP, parameters):
                content = _content(orjson.loads(row["value"]))
                found[row["identity"]] = Earlier(position=f"{row['partition']}:{row['offset']}", content=content)
    return found


#: The tables by resident know where an event lies; the log then has it at that place.
LOOK_UP = """
SELECT identity, partition, offset, value FROM log
WHERE topic = 'events' AND (partition, offset) IN (
    SELECT partition, offset FROM timeline WHERE resident IN {keys:Array(String)} AND id IN {ids:Array(UUID)}
    UNION ALL
    SELECT partition, offset FROM readings WHERE resident IN {keys:Array(String)} AND id IN {ids:Array(UUID)}
)
"""


def _judge(
    sent: list[Sent], checked: list[Event | Refused], seen: dict[UUID, Earlier]
) -> tuple[list[Result], list[tuple[int, Event]], list[tuple[bytes, Refused]]]:
    """Each event's result, the events to append, and what was refused."""
    results: list[Result] = []
    taken: list[tuple[int, Event]] = []
    refused: list[tuple[bytes, Refused]] = []
    for index, (each, event) in enumerate(zip(sent, checked, strict=True)):
        if isinstance(event, Event):
            content = _content(event.model_dump(exclude_none=True))
            earlier = seen.get(event.identity)
            if earlier is None or earlier.content == content:
                taken.append((index, event))
                status: Status = "duplicate" if earlier else "accepted"
                place = earlier.position or None if earlier else None
                results.append(_result(status, event, first_position=place))
                seen.setdefault(event.identity, Earlier(position="", content=content))
                continue
            conflict = Refused(409, "conflict", "id", event.id)
            refused.append((each.raw, conflict))
            results.append(_result("rejected", event, first_position=earlier.position or None, **_why(conflict)))
        else:
            refused.append((each.raw, event))
            value = each.value if isinstance(each.value, dict) else {}
            id, source = (short(value.get(name)) for name in ("id", "source"))
            results.append(Result(status="rejected", id=id, source=source, **_why(event)))
    return results, taken, refused


def _result(status: Status, event: Event, **more: Any) -> Result:
    return Result(status=status, id=event.id, source=event.source, identity=event.identity, **more)


def _why(refused: Refused) -> dict[str, Any]:
    return {
        "problem": refused.status, "reason": refused.reason, "field": refused.field,
        "value": refused.value, "message": refused.message,
    }  # fmt: skip


def _content(event: Mapping[str, Any]) -> bytes:
    """A hash of what must be equal in two copies of an event: subject, type, time and data; 61 is 61.0."""
    said = [event["subject"], event["type"], milliseconds(event["time"]), _plain(event["data"])]
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).digest()


def _plain(value: Any) -> Any:
    """``value`` with every whole number an integer."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _remember(event: Event, position: str) -> None:
    if event.identity not in _remembered:
        content = _content(event.model_dump(exclude_none=True))
        _remembered[event.identity] = Earlier(position=position, content=content)
        if len(_remembered) > REMEMBERED:
            _remembered.popitem(last=False)


async def _keep(backend: Backend, who: Caller, refused: list[tuple[bytes, Refused]]) -> None:
    if refused:
        async with kafka():
            await keep(backend.log, who.actor, refused)


def _latest(positions: list[Any]) -> str:
    latest: dict[int, int] = {}
    for partition, offset in positions:
        latest[partition] = max(offset, latest.get(partition, 0))
    return ",".join(f"{partition}:{offset}" for partition, offset in sorted(latest.items()))


def _all_refused(everything: Results) -> Problem:
    """The problem that answers a request of which nothing was taken."""
    statuses = {result.problem for result in everything.results}
    status = statuses.pop() if len(statuses) == 1 else 422
    first = everything.results[0]
    return Problem(
        status if status in (400, 403, 409, 413) else 422,
        first.message.en if len(everything.results) == 1 and first.message else "no event was taken",
        **everything.model_dump(mode="json", exclude_none=True),
    )
