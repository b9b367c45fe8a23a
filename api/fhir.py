"""`POST /v1/fhir`: FHIR R4 resources of chronic care, by themselves or in a Bundle, as events.

A Bundle of type batch or collection answers each entry by itself; a transaction is taken whole or not at all. Residents
are `Patient/{resident}`, pseudonyms of the token's institutions. What is refused is kept whole on `rejected`.
"""

import asyncio
from typing import Annotated, Any, NamedTuple

import orjson
from fastapi import APIRouter, Header, Query, Request, Response
from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from api import fhir_answer, fhir_patient, person_rules
from api import identity as identity_door
from api.append import Checked, Result, carry_out, judge
from api.auth import EVERYWHERE, Caller, EventWriter
from api.backend import Backend, BackendDependency, kafka
from api.event_body import EVENT_BYTES, elements_of
from api.events import AHEAD
from api.problem import Problem, problems
from api.rejected import Kept, Refused, keep
from infra.clock import clock
from infra.settings import settings
from mqtt_ingest.decoded import Undecodable
from mqtt_ingest.fhir_event import Entry, corrected, event_of, resident
from schemas.envelope import SUBJECT, Event, rfc3339

router = APIRouter(prefix="/v1", tags=["events"])
MOST = 2_000  # resources in one Bundle
TYPES = ("application/fhir+json", "application/json")
BUNDLES = ("batch", "transaction", "collection")
METHODS = ("POST", "PUT")
KIND = "fhir"
#: The resources that are kept, and the element that says when.
TIMES = {
    "Observation": "effective", "Condition": "recordedDate", "MedicationRequest": "authoredOn",
    "MedicationStatement": "effective", "Encounter": "period", "Patient": "meta.lastUpdated",
}  # fmt: skip

BODY = {
    "required": True,
    "content": {"application/fhir+json": {"schema": {"type": "object", "required": ["resourceType"]}}},
}
HOMES = "SELECT resident, institution FROM residents WHERE resident IN {residents:Array(String)}"


class Sent(NamedTuple):
    """A resource of a request: as sent, its place in the Bundle, and what is wrong with its entry.

    One that is ``implied`` by the next takes back what that corrects, and is not answered by itself.
    """

    entry: Entry
    raw: bytes
    inside: str = ""
    fault: Undecodable | None = None
    implied: bool = False


@router.post(
    "/fhir",
    status_code=201,
    response_class=Response,
    summary="FHIR resources 写入 FHIR 资源",
    description=(
        "An Observation, Condition, MedicationRequest or -Statement, Encounter or Patient (201, or 200 when it was "
        "known), or a Bundle of them (200 with a response Bundle): batch and collection answer each entry, a "
        "transaction is taken whole or not at all. An OperationOutcome names the "
        "element at fault. Sending again with the same identifier, `ifNoneExist` or id is safe; `entered-in-error` "
        "takes a reading back; a `corrected` or `amended` Observation takes back the value that it corrects.\n\n"
        "写入单个资源（观察、诊断、用药、就诊、患者）或 Bundle；出错时 OperationOutcome 指明具体元素。"
        "以相同标识重发是安全的。"
    ),
    openapi_extra={"requestBody": BODY},
    responses=problems(403, 413, 415)
    | {
        status: {"description": "OperationOutcome", "content": {fhir_answer.MEDIA_TYPE: {}}}
        for status in (200, 400, 409)
    }
    | {422: fhir_answer.EITHER},
)
async def post(
    request: Request,
    who: EventWriter,
    backend: BackendDependency,
    institution: Annotated[
        str | None, Query(pattern=SUBJECT, description="of residents who are not registered yet 未登记居民所属机构")
    ] = None,
    content_type: Annotated[str, Header(include_in_schema=False)] = "",
    if_none_exist: Annotated[
        str | None, Header(description="FHIR conditional create, `identifier=system|value`")
    ] = None,
) -> Response:
    """Check and append resources."""
    if content_type.partition(";")[0].strip().lower() not in TYPES:
        raise Problem(415, f"content type {content_type!r} is not one of {', '.join(TYPES)}")
    body = await request.body()
    try:
        kind, sent = await asyncio.to_thread(_read, body, if_none_exist)
        sent = [one for each in sent for one in _spelled_out(each)]
    except Undecodable as error:
        return await _refuse(backend, who, body, error)
    homes = await _homes(backend, sent)
    checked = await asyncio.to_thread(lambda: [_check(who, each, homes, institution) for each in sent])
    outcomes = [one.outcome for one in checked]
    await person_rules.look_up(backend, who, outcomes)
    checked = [one._replace(outcome=outcome) for one, outcome in zip(checked, outcomes, strict=True)]
    # nothing is taken back for a value that is refused
    idle = {n for n, one in enumerate(sent) if one.implied and isinstance(outcomes[n + 1], Refused)}
    sent = [one for n, one in enumerate(sent) if n not in idle]
    checked = [one for n, one in enumerate(checked) if n not in idle]
    judged = await judge(backend, checked)
    if kind == "transaction" and judged.refused:
        places = {one.where.get("institution") for one in checked}
        institution = places.pop() if len(places) == 1 else None
        return await _refuse_whole(backend, who, body, institution, list(zip(judged.results, sent, strict=True)))
    results = await carry_out(backend, who.actor, judged)
    await _name(backend, who, sent, checked, results.results)
    if kind is None:
        one = results.results[-1]
        status = {"accepted": 201, "duplicate": 200}.get(one.status, one.problem or 422)
        return fhir_answer.answer(status, fhir_answer.outcome([fhir_answer.issue_of(one)]), results.position)
    entries = [
        fhir_answer.entry(one, each.inside, each.entry.resource)
        for one, each in zip(results.results, sent, strict=True)
        if not each.implied
    ]
    of = "transaction-response" if kind == "transaction" else "batch-response"
    return fhir_answer.answer(200, {"resourceType": "Bundle", "type": of, "entry": entries}, results.position)


def _read(body: bytes, condition: str | None) -> tuple[str | None, list[Sent]]:
    """The Bundle's type (None for a single resource) and the resources. Raises `Undecodable`."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Undecodable("unreadable", "payload", body[:60], str(error)) from error
    if not isinstance(value, dict):
        raise Undecodable("invalid", "payload", value, "a JSON object is needed")
    if value.get("resourceType") != "Bundle":
        one = Entry(value, condition)
        return None, [Sent(one, body if condition is None else one.raw())]
    kind, entries = value.get("type"), value.get("entry") or []
    _check_bundle(value)
    if kind not in BUNDLES:
        raise Undecodable("not-supported", "Bundle.type", kind)
    if len(entries) > MOST:
        raise Undecodable("too-large", "Bundle.entry", len(entries), str(MOST))
    raws = elements_of(body, "entry")
    if len(raws) != len(entries):
        raws = [orjson.dumps(each) for each in entries]
    return kind, [_sent(kind, number, *pair) for number, pair in enumerate(zip(entries, raws, strict=True))]


def _spelled_out(sent: Sent) -> list[Sent]:
    """A resource, after what it implies."""
    first = corrected(sent.entry)
    return [sent] if first is None else [sent._replace(entry=first, implied=True), sent]


def _check_bundle(value: dict[str, Any]) -> None:
    """Hold the Bundle itself against FHIR's model, its resources left out: each is judged by itself."""
    entries = value.get("entry") or []
    shell = value
    if isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries):
        bare = [{name: part for name, part in entry.items() if name != "resource"} for entry in entries]
        shell = value | {"entry": bare}
    try:
        Bundle.model_validate({name: part for name, part in shell.items() if name != "entry" or part})
    except ValidationError as problem:
        error = problem.errors(include_url=False)[0]
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"] if part != "root")
        raise Undecodable("invalid", f"Bundle{path}", error.get("input"), error["msg"]) from problem
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as problem:
        raise Undecodable("invalid", "Bundle", None, f"{type(problem).__name__}: {problem}"[:100]) from problem


def _sent(kind: str, number: int, entry: dict[str, Any], raw: bytes) -> Sent:
    where, request = f"Bundle.entry[{number}]", entry.get("request") or {}
    resource = entry.get("resource")
    found = Entry(resource if isinstance(resource, dict) else {}, request.get("ifNoneExist"))
    fault = None
    if not isinstance(resource, dict):
        fault = Undecodable("invalid", "resource", resource, "a JSON object is needed")
    elif len(raw) > EVENT_BYTES:
        fault = Undecodable("too-large", "resource", f"{len(raw)} bytes", str(EVENT_BYTES))
    elif kind != "collection" and request.get("method") not in METHODS:
        fault = Undecodable("not-supported", "request.method", request.get("method"))
    return Sent(found, raw, f"{where}.resource", fault)


async def _homes(backend: Backend, sent: list[Sent]) -> dict[str, str | None]:
    """The institutions of the residents whom the tables know; none when the tables are away."""
    names = set()
    for each in sent:
        try:
            names.add(resident(each.entry.resource))
        except Undecodable:
            continue  # is answered with the other faults of its resource
    if not names:
        return {}
    try:
        rows = await backend.tables.rows(HOMES, {"residents": sorted(names)})
    except Problem:
        return {}
    return {row["resident"]: row["institution"] or None for row in rows}


def _check(who: Caller, sent: Sent, homes: dict[str, str | None], asked: str | None) -> Checked:
    """The event of a resource, or why it is refused."""
    resource, institution = sent.entry.resource, None
    id = resource.get("id") if isinstance(resource.get("id"), str) else None
    outcome: Event | Refused
    try:
        if sent.fault is not None:
            raise sent.fault
        institution = _institution(who, resource, homes, asked)
        outcome = _event(who, sent.entry, institution, homes)
        if outcome.time > clock().now() + AHEAD:
            element = TIMES[str(resource["resourceType"])] if outcome.type != fhir_patient.DIED else "deceased"
            outcome = Refused(422, "future", f"{resource['resourceType']}.{element}", rfc3339(outcome.time))
    except Undecodable as error:
        outcome = Refused(422, error.code, error.field, error.value, error.detail)
    except Refused as refused:
        outcome = refused
    return Checked(sent.raw, outcome, id, None, {"kind": KIND, "institution": institution})


def _event(who: Caller, entry: Entry, institution: str, homes: dict[str, str | None]) -> Event:
    resource, now, zone = entry.resource, clock().now(), settings().zone
    if resource["resourceType"] != "Patient":
        return event_of(entry, who.actor, institution, zone, now)
    event = fhir_patient.event_of(resource, who.actor, institution, resource["id"] in homes, now, zone)
    if fhir_patient.identity_of(resource) is not None and not who.may("identify"):
        raise Refused(403, "not-allowed", "Patient.name", "…")
    return event


async def _name(backend: Backend, who: Caller, sent: list[Sent], checked: list[Checked], results: list[Result]) -> None:
    """Seal who the Patients are that were taken; sent again it is sealed again, and the latest counts."""
    for one, judged, result in zip(sent, checked, results, strict=True):
        resource = one.entry.resource
        if resource.get("resourceType") == "Patient" and result.status != "rejected":
            identity = fhir_patient.identity_of(resource)
            if identity is not None:
                institution = str(judged.where["institution"])
                await identity_door.put(backend, who, resource["id"], identity, institution, str(result.identity))


def _institution(who: Caller, resource: dict[str, Any], homes: dict[str, str | None], asked: str | None) -> str:
    """The resident's institution, which the token must cover; of somebody unknown the one asked for or the only one."""
    what = resource.get("resourceType")
    if not isinstance(what, str) or what not in TIMES:
        raise Undecodable("not-supported", str(what or "resourceType"), resource.get("id"))
    name = resident(resource)
    where = f"{what}.id" if what == "Patient" else f"{what}.subject"
    only = next(iter(who.institutions)) if len(who.institutions) == 1 else None
    institution = homes.get(name) or asked or only
    if institution is None or institution == EVERYWHERE:
        raise Undecodable("invalid", where, name, "required: ?institution= of a resident not known yet")
    if not who.covers(institution):
        raise Refused(403, "wrong-institution", where, name)
    return institution


async def _refuse(backend: Backend, who: Caller, body: bytes, error: Undecodable) -> Response:
    """The answer to a request that cannot be read at all."""
    why = Refused(400 if error.code == "unreadable" else 422, error.code, error.field, error.value, error.detail)
    if body:
        async with kafka():
            await keep(backend.log, who.actor, [Kept(body, why, {"kind": KIND})])
    return fhir_answer.answer(
        why.status, fhir_answer.outcome([fhir_answer.issue(error.code, error.field, why.message)])
    )


async def _refuse_whole(
    backend: Backend, who: Caller, body: bytes, institution: str | None, judged: list[tuple[Result, Sent]]
) -> Response:
    """The answer to a transaction of which nothing is taken because of some of its entries."""
    faults = [(result, sent) for result, sent in judged if result.status == "rejected"]
    first, where = faults[0]
    why = Refused(422, first.reason or "invalid", where.inside, first.value)
    async with kafka():
        await keep(backend.log, who.actor, [Kept(body, why, {"kind": KIND, "institution": institution})])
    statuses = {result.problem for result, _ in faults}
    status = statuses.pop() if len(statuses) == 1 else 422
    issues = [fhir_answer.issue_of(result, sent.inside) for result, sent in faults]
    return fhir_answer.answer(status or 422, fhir_answer.outcome(issues))
