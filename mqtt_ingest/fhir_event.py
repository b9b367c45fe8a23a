"""A FHIR resource as an event of its resident, or why it is none, said in FHIR's own terms.

Its identity: what the sender makes its creation conditional on (`ifNoneExist`), else its first identifier, else its id,
else its content; so that a resource sent again is the same event. An observation entered in error takes back the one
that it was. Whose institution the resident is, the caller knows.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import orjson
from fhir.resources.R4B.condition import Condition
from fhir.resources.R4B.encounter import Encounter
from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.medicationstatement import MedicationStatement
from pydantic import ValidationError

from mqtt_ingest import fhir_clinical, fhir_lab
from mqtt_ingest.decoded import Decoded, Undecodable, mapping, parse_json, plain
from mqtt_ingest.fhir import COMPONENTS, effective, observation
from mqtt_ingest.topics import CODE
from schemas.envelope import Event, InvalidEvent, identity, rfc3339
from schemas.examination import RECORDED
from schemas.registry import parse

#: Names of choice elements: FHIRPath calls valueQuantity and valueString both value.
#: Resources of chronic care: FHIR's model of each, and what it says.
CLINICAL: dict[str, tuple[type[Any], Callable[[Mapping[str, Any]], fhir_clinical.Told]]] = {
    "Condition": (Condition, fhir_clinical.condition),
    "MedicationRequest": (MedicationRequest, fhir_clinical.medication),
    "MedicationStatement": (MedicationStatement, fhir_clinical.medication),
    "Encounter": (Encounter, fhir_clinical.encounter),
}
#: What fields of those events are called in FHIR.
ELEMENTS = {"code": "code", "time": "period", "onset": "onset", "start": "authoredOn", "programme": "reasonCode"}
CHOICE = re.compile(r"^(value|effective)[A-Z]\w*$")


class Entry(NamedTuple):
    """A resource as it was sent: by itself, or in an entry of a Bundle with its condition."""

    resource: dict[str, Any]
    condition: str | None = None

    def raw(self) -> bytes:
        """What `rejected` keeps: the resource, in an entry where there is a condition."""
        if self.condition is None:
            return orjson.dumps(self.resource)
        what = self.resource.get("resourceType", "Observation")
        request = {"method": "POST", "url": what, "ifNoneExist": self.condition}
        return orjson.dumps({"resource": self.resource, "request": request})

    @classmethod
    def read(cls, fields: dict[str, Any]) -> "Entry":
        """The entry of a Bundle, or a resource by itself. Raises `Undecodable`."""
        if "resource" not in fields:
            return cls(fields)
        request = mapping("request", fields.get("request") or {})
        return cls(mapping("resource", fields["resource"]), request.get("ifNoneExist"))


def kept(raw: bytes) -> list[Entry]:
    """The resources in what `rejected` kept: one, or those of a transaction, each after what it implies.

    Raises `Undecodable`.
    """
    fields = mapping("payload", parse_json(raw))
    entries = [fields] if fields.get("resourceType") != "Bundle" else fields.get("entry")
    if not isinstance(entries, list):
        raise Undecodable("invalid", "Bundle.entry", entries, "an array is needed")
    read = [Entry.read(mapping("Bundle.entry", entry)) for entry in entries]
    return [one for entry in read for one in (corrected(entry), entry) if one is not None]


def resident(resource: Mapping[str, Any]) -> str:
    """The pseudonym in ``subject``, the last part of ``Patient/{resident}``; a Patient's id. Raises `Undecodable`."""
    if resource.get("resourceType") == "Patient":
        own = resource.get("id")
        if not isinstance(own, str) or not CODE.fullmatch(own):
            raise Undecodable("invalid", "Patient.id", own, "the resident's id (a pseudonym) is needed")
        return own
    subject, where = resource.get("subject"), f"{resource.get('resourceType', 'Observation')}.subject.reference"
    reference = subject.get("reference") if isinstance(subject, dict) else None
    if not isinstance(reference, str):
        raise Undecodable("invalid", where, reference, "required")
    what, _, id = reference.removeprefix("urn:uuid:").rpartition("/")
    if what.rpartition("/")[2] not in ("", "Patient") or not CODE.fullmatch(id):
        raise Undecodable("invalid", where, reference, "Patient/ID is needed")
    return id


def event_of(entry: Entry, actor: str, institution: str, zone: tzinfo, now: datetime | None = None) -> Event:
    """The event of a resource about a resident of ``institution``; local times are of ``zone``.

    ``now`` is when a change of status counts that does not say since when. Raises `Undecodable` whose field is the
    FHIRPath expression of the element at fault, with the code `not-supported` for resources and observations that
    Mailiu does not keep.
    """
    resource = entry.resource
    what = resource.get("resourceType")
    if what in CLINICAL:
        return _clinical(entry, actor, institution, zone, now)
    if what != "Observation":
        raise Undecodable("not-supported", str(what or "resourceType"), what)
    try:
        found = observation(resource)
    except Undecodable as error:
        raise Undecodable(error.code, expression(error.field, resource), error.value, error.detail) from error
    if not found:
        return _examination(entry, actor, institution, zone)
    (one,) = found
    assert isinstance(one, Decoded)
    source, id = _observed(entry, actor)
    envelope = _envelope(entry, source, actor, institution)
    if one.technical == "entered-in-error":
        issued = resource.get("issued")
        return _retracted(envelope, id, issued if isinstance(issued, str) else one.time, resource, zone)
    if one.technical is not None:
        raise Undecodable(one.technical, expression(one.fault[0], resource), one.fault[1], one.detail)
    if one.statistic is not None:
        raise Undecodable("not-supported", "Observation.code", one.statistic)
    if one.time is None:
        raise Undecodable("invalid", "Observation.effective", None, "required")
    # a record that does not say the patient took it holds what was taken at a visit
    data = {"place": "office"} | one.about | {name: plain(value) for name, value in one.values.items()}
    if one.flags:
        data["flags"] = list(one.flags)
    device = (one.device or "").removeprefix("Device/")
    if CODE.fullmatch(device):
        data["device"] = device
    type = f"mailiu.reading.{one.kind}-measured.v1"
    return _parsed(envelope | {"id": id, "type": type, "time": instant(one.time, zone), "data": data}, resource)


def _examination(entry: Entry, actor: str, institution: str, zone: tzinfo) -> Event:
    """An Observation of what examinations measure."""
    resource = entry.resource
    results = fhir_lab.results(resource) if resource["status"] != "entered-in-error" else []
    source, id = _observed(entry, actor)
    envelope = _envelope(entry, source, actor, institution)
    at, _ = effective(resource)
    if resource["status"] == "entered-in-error":
        return _retracted(envelope, id, resource.get("issued") or at, resource, zone)
    if not results:
        raise Undecodable("not-supported", "Observation.code", _code(resource))
    if resource["status"] == "cancelled":
        raise Undecodable("cancelled", "Observation.status", resource["status"])
    if at is None:
        raise Undecodable("invalid", "Observation.effective", None, "required")
    event = envelope | {"id": id, "type": RECORDED, "time": instant(at, zone), "data": {"results": results}}
    return _parsed(event, resource)


def _clinical(entry: Entry, actor: str, institution: str, zone: tzinfo, now: datetime | None) -> Event:
    """A resource of chronic care."""
    resource = entry.resource
    what = resource["resourceType"]
    model, tell = CLINICAL[what]
    fits(model, resource, what)
    told = tell(resource)
    source, id = named(entry, actor)
    envelope = _envelope(entry, source, actor, institution)
    time = told.time or now
    if time is None:
        raise Undecodable("invalid", f"{what}.meta.lastUpdated", None, "required")
    if told.retracts:
        return _retracted(envelope, id, time, resource, zone)
    # the same resource may say something else later in its life
    marked = f"{id}/{told.mark}"[:200] if told.mark else id
    event = envelope | {"id": marked, "type": told.type, "time": instant(time, zone), "data": told.data}
    return _parsed(event, resource)


def _envelope(entry: Entry, source: str, actor: str, institution: str) -> dict[str, Any]:
    return {"source": source, "subject": resident(entry.resource), "institution": institution, "actor": actor[:100]}


def _retracted(
    envelope: dict[str, Any], id: str, time: datetime | str | None, resource: Mapping[str, Any], zone: tzinfo
) -> Event:
    """What the resource said before was entered in error."""
    if id.startswith("content/"):
        raise Undecodable("invalid", f"{resource['resourceType']}.identifier", None, "required")
    data: dict[str, Any] = {"reading": str(identity(envelope["source"], id)), "reason": "entered-in-error"}
    more = {"id": f"retracted/{id}"[:200], "type": "mailiu.reading.retracted.v1", "data": data}
    return _parsed(envelope | more | {"time": instant(time, zone)}, resource)


def fits(model: type[Any], resource: Mapping[str, Any], what: str) -> None:
    """Hold a resource against FHIR's own model of it. Raises `Undecodable`."""
    try:
        model.model_validate(resource)
    except ValidationError as problem:
        error = problem.errors(include_url=False)[0]
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"] if part != "root")
        raise Undecodable("invalid", f"{what}{path}", error.get("input"), error["msg"]) from problem
    except (ValueError, TypeError, AttributeError, KeyError, ArithmeticError, RecursionError) as problem:
        # the library's own validators stumble over some malformed values instead of refusing them
        raise Undecodable("invalid", what, None, f"{type(problem).__name__}: {problem}"[:100]) from problem


def named(entry: Entry, actor: str) -> tuple[str, str]:
    """Source and id: an identifier's system and value, else the actor's own id. Raises `Undecodable`."""
    if entry.condition is not None:
        asked = parse_qs(entry.condition.rpartition("?")[2])
        token = asked.get("identifier", [""])[0]
        if asked.keys() != {"identifier"} or not token.rpartition("|")[2]:
            raise Undecodable("not-supported", "ifNoneExist", entry.condition)
        system, _, value = token.rpartition("|")
        return _named(system, value, actor)
    for one in entry.resource.get("identifier") or []:
        if one.get("value"):
            return _named(one.get("system"), one["value"], actor)
    if id := entry.resource.get("id"):
        return f"fhir/{actor}"[:200], f"{entry.resource['resourceType']}/{id}"
    digest = hashlib.blake2b(orjson.dumps(entry.resource, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
    return f"fhir/{actor}"[:200], f"content/{digest}"


def _observed(entry: Entry, actor: str) -> tuple[str, str]:
    """As `named`; a corrected value has an id of its own, for what it corrects is another event."""
    source, id = named(entry, actor)
    return source, f"{id}/corrected" if corrected(entry) is not None else id


def corrected(entry: Entry) -> Entry | None:
    """What has to be said before a corrected or amended Observation: that its first value was entered in error."""
    resource = entry.resource
    if resource.get("resourceType") != "Observation" or resource.get("status") not in ("corrected", "amended"):
        return None
    if entry.condition is None and not (resource.get("identifier") or resource.get("id")):
        return None  # nothing says what it corrects
    return entry._replace(resource=resource | {"status": "entered-in-error"})


def _named(system: str | None, value: str, actor: str) -> tuple[str, str]:
    """A system's values are unique wherever they come from; without one they are unique for their sender."""
    if len(value) > 150 or len(system or "") > 190:
        raise Undecodable("invalid", "Observation.identifier", value, "a text of 1 to 150 characters is needed")
    return (f"fhir/{system}", value) if system else (f"fhir/{actor}"[:200], f"identifier/{value}")


def expression(field: str, resource: Mapping[str, Any]) -> str:
    """The FHIRPath of what a check calls ``field``: element names and indices only."""
    what = str(resource.get("resourceType", "Observation"))
    if what != "Observation":
        return f"{what}.{ELEMENTS[field]}" if field in ELEMENTS else what
    if field.startswith("results"):
        return "Observation.value"
    name, _, rest = field.partition(".")
    tail = "" if rest in ("", "unit", "valueQuantity") else f".{rest}"
    if name in ("systolic", "diastolic", "mean", "pulse"):
        for number, part in enumerate(resource.get("component") or []):
            codings = (part.get("code") or {}).get("coding") or [] if isinstance(part, dict) else []
            if any(COMPONENTS.get(coding.get("code")) == name for coding in codings):
                return f"Observation.component[{number}].value" + (".code" if rest == "unit" else tail)
        return "Observation.component"
    if name == "systolic/diastolic":
        return "Observation.component"
    path = ""
    for part in field.removeprefix("Observation").strip(".").split("."):
        if part.isdigit():
            path += f"[{part}]"
        elif part:
            path += "." + CHOICE.sub(r"\1", part)
    return "Observation" + path


def _parsed(event: dict[str, Any], resource: Mapping[str, Any]) -> Event:
    try:
        return parse(event)
    except InvalidEvent as error:
        raise Undecodable(
            error.code, expression(error.field.removeprefix("data."), resource), error.value, error.reason
        ) from error


def instant(time: datetime | str | None, zone: tzinfo) -> str:
    """An instant of FHIR; a day, month or year alone counts from noon of its first day. Raises `Undecodable`."""
    if isinstance(time, str) and len(time) in (4, 7, 10):
        time += {4: "-01-01", 7: "-01", 10: ""}[len(time)] + "T12:00:00"
    if time is None:
        raise Undecodable("invalid", "Observation.effective", None, "required")
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    return rfc3339(moment if moment.tzinfo else moment.replace(tzinfo=zone))


def _code(resource: Mapping[str, Any]) -> str:
    code = resource.get("code") or {}
    return ", ".join(str(one.get("code")) for one in code.get("coding") or []) or str(code.get("text", "-"))
