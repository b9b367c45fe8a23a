"""`POST /v1/fhir`: FHIR R4 resources of chronic care, by themselves or in a Bundle, as events.

A Bundle of type batch or collection answers each entry by itself; a transaction is taken whole or not at all. Residents
are `Patient/{resident}`, pseudonyms of the token's institutions. What is refused is kept whole on `rejected`.
"""

import asyncio
from contextlib import nullcontext
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from api import fhir_answer, fhir_outcome, fhir_patient, fhir_reference, person_rules
from api import identity as identity_door
from api.append import Checked, Result, Results, carry_out, judge
from api.auth import EVERYWHERE, Caller, EventWriter
from api.backend import Backend, BackendDependency, kafka
from api.events import AHEAD
from api.fhir_bundle import Sent, read, spelled_out
from api.problem import Problem
from api.rejected import Kept, Refused, keep
from infra.clock import clock
from infra.settings import settings
from mqtt_ingest.decoded import Undecodable
from mqtt_ingest.fhir_event import Entry, event_of, resident
from schemas.envelope import SUBJECT, Event, rfc3339

router = APIRouter(prefix="/v1", tags=["events"])
TYPES = ("application/fhir+json", "application/json")
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
    responses=fhir_outcome.outcomes(200, 400, 403, 409, 410, 412, 413, 415),
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
        kind, sent = await asyncio.to_thread(read, body, if_none_exist)
        sent = [one for each in sent for one in spelled_out(each)]
    except Undecodable as error:
        return await _refuse(backend, who, body, error)
    async with fhir_reference.CREATING if fhir_reference.creating(sent) else nullcontext():
        return await _take(backend, who, body, kind, sent, institution)


async def _take(
    backend: Backend, who: Caller, body: bytes, kind: str | None, told: list[Sent], institution: str | None
) -> Response:
    """Append the resources of a request, a Bundle of ``kind`` or one by itself, and answer each."""
    told = await fhir_reference.settled(backend, who, told)
    sent = [one for one in told if not one.known]
    homes = await _homes(backend, sent)
    checked = await asyncio.to_thread(lambda: [_check(who, each, homes, institution) for each in sent])
    outcomes = [one.outcome for one in checked]
    await person_rules.look_up(backend, who, outcomes)
    checked = [one._replace(outcome=outcome) for one, outcome in zip(checked, outcomes, strict=True)]
    checked = fhir_reference.bereft(sent, checked)
    # nothing is taken back for a value that is refused
    idle = {n for n, one in enumerate(sent) if one.implied and isinstance(checked[n + 1].outcome, Refused)}
    sent = [one for n, one in enumerate(sent) if n not in idle]
    checked = [one for n, one in enumerate(checked) if n not in idle]
    judged = await judge(backend, checked)
    if kind == "transaction" and judged.refused:
        places = {one.where.get("institution") for one in checked}
        institution = places.pop() if len(places) == 1 else None
        return await _refuse_whole(backend, who, body, institution, list(zip(judged.results, sent, strict=True)))
    # who somebody is comes first: sent again after a failure, a person is found by it and not created twice
    await _name(backend, who, sent, checked, judged.results)
    results = await carry_out(backend, who.actor, judged)
    if kind is None:
        return _alone(told[-1], results)
    of = "transaction-response" if kind == "transaction" else "batch-response"
    answers = {
        each.inside: fhir_answer.entry(one, each.inside, each.entry.resource)
        for one, each in zip(results.results, sent, strict=True)
        if not each.implied
    }
    entries = [answers.get(one.inside) or fhir_answer.entry_known(one.known) for one in told if not one.implied]
    return fhir_answer.answer(200, {"resourceType": "Bundle", "type": of, "entry": entries}, results.position)


def _alone(sent: Sent, results: Results) -> Response:
    """The answer to a resource by itself."""
    if sent.known:
        issue = fhir_answer.known(sent.known)
        return fhir_answer.answer(200, fhir_outcome.outcome([issue]), location=f"Patient/{sent.known}")
    one = results.results[-1]
    status = {"accepted": 201, "duplicate": 200}.get(one.status, one.problem or 422)
    resource = sent.entry.resource
    readable = status < 300 and resource["resourceType"] == "Patient"
    location = f"Patient/{resource['id']}" if readable else ""
    return fhir_answer.answer(status, fhir_outcome.outcome([fhir_answer.issue_of(one)]), results.position, location)


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
        why.status, fhir_outcome.outcome([fhir_outcome.issue(error.code, error.field, why.message)])
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
    return fhir_answer.answer(status or 422, fhir_outcome.outcome(issues))
