"""`POST /v1/events`: the REST gateway to the log.

Each event is checked by itself and answered by itself (`api.append`).
"""

import asyncio
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Header, Request

from api import alert_action, person_rules
from api.append import Checked, Results, carry_out, judge
from api.auth import Caller, RosterWriter
from api.backend import Backend, BackendDependency, kafka
from api.event_body import EVENT_BYTES, Sent, split
from api.problem import Problem, problems, short
from api.rejected import Kept, Refused, keep
from infra.clock import clock
from schemas import alert as alerts
from schemas import organization, rule
from schemas.envelope import Event, InvalidEvent, rfc3339
from schemas.registry import parse

router = APIRouter(prefix="/v1", tags=["events"])
AHEAD = timedelta(minutes=5)  # clocks of other systems may be ahead of ours by this much
#: Who is on duty, and how many people a team can see, is for an institution's own manager to say, too.
ROSTER = frozenset(
    f"mailiu.organization.{what}.v1" for what in ("rota-set", "leave-recorded", "visit-slots-set")
)  # fmt: skip
ADMIN_ONLY = frozenset(organization.EVENTS) | frozenset(rule.EVENTS)

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
    who: RosterWriter,
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
            async with kafka():
                await keep(backend.log, who.actor, [Kept(body, unreadable)])
        raise
    await _look_up_alerts(backend, who, checked)
    await person_rules.look_up(backend, who, checked)
    judged = await judge(backend, [_named(*each) for each in zip(sent, checked, strict=True)])
    everything = await carry_out(backend, who.actor, judged)
    if everything.rejected == len(sent):
        raise _all_refused(everything)
    return everything


def _read(who: Caller, body: bytes, content_type: str, encoding: str) -> tuple[list[Sent], list[Event | Refused]]:
    sent = split(body, content_type, encoding)
    return sent, [_check(who, each) for each in sent]


def _named(sent: Sent, outcome: Event | Refused) -> Checked:
    value = sent.value if isinstance(sent.value, dict) else {}
    return Checked(sent.raw, outcome, short(value.get("id")), short(value.get("source")))


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
    own = event.type in ROSTER and who.may("roster")
    if not own and not who.may("administer" if event.type in ADMIN_ONLY else "append"):
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
        if isinstance(event, Event) and event.type in alerts.EVENTS and "alert" in event.data:
            act = alerts.EVENTS[event.type].model_validate(event.data).model_dump()
            try:
                found = await alert_action.find(backend, who, act["alert"])
                if found["resident"] != event.subject:
                    raise Problem(404, f"no alert {act['alert']} of {event.subject}")
                await alert_action.check(backend, who, found, event.type.split(".")[2], act)
            except Problem as problem:
                if problem.status_code >= 500:
                    raise
                reason = {403: "not-allowed", 404: "unknown-alert"}.get(problem.status_code, "forbidden-act")
                refused = Refused(problem.status_code, reason, "data.alert", str(act["alert"]), problem.detail)
                checked[index] = refused


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
