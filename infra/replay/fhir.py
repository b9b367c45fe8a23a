"""FHIR R4 resources as events: patients, conditions, medication requests and observations.

Observations are read by the same decoder as a device's; the structure of the others is checked by `fhir.resources`
(R4B, whose models of these are R4's). What gives no event is named with a reason.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from infra.replay.mapping import Target, content_id, instant
from mqtt_ingest import fhir_lab
from mqtt_ingest.decoded import Undecodable, plain, shown
from mqtt_ingest.fhir import effective, observation
from schemas.chronic import DIAGNOSED, RESOLVED
from schemas.envelope import InvalidEvent
from schemas.examination import RECORDED

Made = tuple[list[dict[str, Any] | InvalidEvent], str | None]
ICD10 = ("http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-cm", "http://hl7.org/fhir/sid/icd-10-cn")
ATC = ("http://www.whocc.no/atc",)
SEX = {"male": "male", "female": "female", "other": "unknown", "unknown": "unknown"}
CERTAINTY = ("confirmed", "provisional", "differential", "unconfirmed")


def events_of(resource: dict[str, Any], target: Target) -> Made:
    """The events of ``resource`` (not yet checked), or why it gives none."""
    what = resource.get("resourceType")
    maker = MAKERS.get(what) if isinstance(what, str) else None
    if maker is None:
        return [], f"no event for {shown(what)}"
    try:
        if what != "Observation":
            _check(str(what), resource)
        return maker(resource, target)
    except InvalidEvent as refusal:
        return [refusal], None


def _check(what: str, resource: dict[str, Any]) -> None:
    try:
        get_fhir_model_class(what).model_validate(resource)
    except ValidationError as problem:
        error = problem.errors(include_url=False)[0]
        raise InvalidEvent(".".join(map(str, error["loc"])) or what, error.get("input"), error["msg"]) from problem
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as problem:
        # the library's own validators stumble over some malformed values instead of refusing them
        raise InvalidEvent(what, None, f"{type(problem).__name__}: {problem}"[:100]) from problem


def _observation(resource: dict[str, Any], target: Target) -> Made:
    try:
        found = observation(resource)
    except Undecodable as error:
        raise InvalidEvent(error.field, error.value, error.detail or error.message["en"], error.code) from error
    events: list[dict[str, Any] | InvalidEvent] = []
    for reading in found:
        if isinstance(reading, Undecodable):
            events.append(InvalidEvent(reading.field, reading.value, reading.detail, reading.code))
        elif reading.technical is not None:
            events.append(InvalidEvent(*reading.fault, reading.detail, reading.technical))
        elif reading.statistic is not None:
            return [], f"the {reading.statistic} of readings is no reading"
        elif reading.time is None:
            events.append(InvalidEvent("effectiveDateTime", None, "required"))
        else:
            # a record that does not say the patient took it holds what was taken at a visit
            data: dict[str, Any] = {"place": "office"} | reading.about
            data |= {name: plain(value) for name, value in reading.values.items()}
            if reading.flags:
                data["flags"] = list(reading.flags)
            type = f"mailiu.reading.{reading.kind}-measured.v1"
            events.append(_event(resource, type, _subject(resource, target), reading.time, data, target))
    return (events, None) if events or found else _examination(resource, target)


def _examination(resource: dict[str, Any], target: Target) -> Made:
    """A laboratory value, a body measure or a finding."""
    if resource.get("status") in ("entered-in-error", "cancelled"):
        return [], f"the observation is {resource['status']}"
    try:
        results = fhir_lab.results(resource)
        at, _ = effective(resource)
    except Undecodable as error:
        raise InvalidEvent(error.field, error.value, error.detail or error.message["en"], error.code) from error
    if not results:
        return [], "no event for what was observed"
    if at is None:
        raise InvalidEvent("effectiveDateTime", None, "required")
    return [_event(resource, RECORDED, _subject(resource, target), at, {"results": results}, target)], None


def _patient(resource: dict[str, Any], target: Target) -> Made:
    birth = resource.get("birthDate")
    subject = target.resident or resource.get("id") or ""
    data = {"sex": SEX.get(resource.get("gender") or "unknown", "unknown"), "birth_date": birth}
    # the record does not say since when the person has one: from birth
    made = [_event(resource, "mailiu.resident.registered.v1", subject, _time("birthDate", birth), data, target)]
    if died := resource.get("deceasedDateTime"):
        time = _time("deceasedDateTime", died)
        made.append(_event(resource, "mailiu.resident.died.v1", subject, time, {}, target))
    return list(made), None


def _condition(resource: dict[str, Any], target: Target) -> Made:
    code = _code(resource.get("code"), ICD10)
    if code is None:
        return [], "no ICD-10 code in the condition"
    status = _code(resource.get("verificationStatus"), None) or "confirmed"
    if status not in CERTAINTY:
        return [], f"the condition is {status}"
    onset, subject = resource.get("onsetDateTime"), _subject(resource, target)
    data: dict[str, Any] = {"code": code, "certainty": status}
    if isinstance(onset, str) and len(onset) >= 10:
        data["onset"] = onset[:10]
    since = _time("recordedDate", resource.get("recordedDate") or onset)
    made = [_event(resource, DIAGNOSED, subject, since, data, target)]
    if ended := resource.get("abatementDateTime"):
        time = _time("abatementDateTime", ended)
        made.append(_event(resource, RESOLVED, subject, time, {"code": code}, target))
    return list(made), None


def _medication(resource: dict[str, Any], target: Target) -> Made:
    code = _code(resource.get("medicationCodeableConcept"), ATC)
    if code is None:
        return [], "no ATC code in the medication request"
    if resource.get("status") in ("entered-in-error", "cancelled", "draft"):
        return [], f"the medication request is {resource['status']}"
    time = _time("authoredOn", resource.get("authoredOn"))
    type = "mailiu.chronic.medication-prescribed.v1"
    return [_event(resource, type, _subject(resource, target), time, {"code": code}, target)], None


MAKERS: dict[str, Callable[[dict[str, Any], Target], Made]] = {
    "Observation": _observation,
    "Patient": _patient,
    "Condition": _condition,
    "MedicationRequest": _medication,
}


def _event(
    resource: dict[str, Any], type: str, subject: str, time: datetime | str, data: dict[str, Any], target: Target
) -> dict[str, Any]:
    moment = instant("time", time.isoformat() if isinstance(time, datetime) else time, target.zone)
    event: dict[str, Any] = {
        "source": "replay/fhir", "type": type, "subject": subject, "time": moment, "data": data
    }  # fmt: skip
    if target.institution:
        event["institution"] = target.institution
    own = f"{subject}/{resource['resourceType']}/{resource.get('id')}/{type.split('.')[2]}"
    return event | {"id": own if resource.get("id") else content_id(event)}


def _subject(resource: dict[str, Any], target: Target) -> str:
    """The resident: the last part of the reference ``Patient/ID`` or ``urn:uuid:ID``."""
    if target.resident:
        return target.resident
    subject = resource.get("subject")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    if not isinstance(reference, str) or not reference:
        raise InvalidEvent("subject.reference", None, "no patient in the resource and none given with --resident")
    return reference.removeprefix("urn:uuid:").rsplit("/", 1)[-1]


def _time(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidEvent(field, value, "required")
    return value


def _code(concept: object, systems: tuple[str, ...] | None) -> str | None:
    codings = concept.get("coding") if isinstance(concept, dict) else None
    for coding in codings or []:
        if systems is None or coding.get("system") in systems:
            code = coding.get("code")
            return str(code) if code else None
    return None
