"""A FHIR Observation as an event of its resident, or why it is none, said in FHIR's own terms.

Its identity: what the sender makes its creation conditional on (`ifNoneExist`), else its first identifier, else its id,
else its content; so that a resource sent again is the same event. An observation entered in error takes back the one
that it was. Whose institution the resident is, the caller knows.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import orjson

from mqtt_ingest.decoded import Decoded, Undecodable, mapping, parse_json, plain
from mqtt_ingest.fhir import COMPONENTS, observation
from mqtt_ingest.topics import CODE
from schemas.envelope import Event, InvalidEvent, identity, rfc3339
from schemas.registry import parse

#: Names of choice elements: FHIRPath calls valueQuantity and valueString both value.
CHOICE = re.compile(r"^(value|effective)[A-Z]\w*$")


class Entry(NamedTuple):
    """A resource as it was sent: by itself, or in an entry of a Bundle with its condition."""

    resource: dict[str, Any]
    condition: str | None = None

    def raw(self) -> bytes:
        """What `rejected` keeps: the resource, in an entry where there is a condition."""
        if self.condition is None:
            return orjson.dumps(self.resource)
        request = {"method": "POST", "url": "Observation", "ifNoneExist": self.condition}
        return orjson.dumps({"resource": self.resource, "request": request})

    @classmethod
    def read(cls, fields: dict[str, Any]) -> "Entry":
        """The entry of a Bundle, or a resource by itself. Raises `Undecodable`."""
        if "resource" not in fields:
            return cls(fields)
        request = mapping("request", fields.get("request") or {})
        return cls(mapping("resource", fields["resource"]), request.get("ifNoneExist"))


def kept(raw: bytes) -> list[Entry]:
    """The resources in what `rejected` kept: one, or those of a transaction. Raises `Undecodable`."""
    fields = mapping("payload", parse_json(raw))
    if fields.get("resourceType") != "Bundle":
        return [Entry.read(fields)]
    entries = fields.get("entry")
    if not isinstance(entries, list):
        raise Undecodable("invalid", "Bundle.entry", entries, "an array is needed")
    return [Entry.read(mapping("Bundle.entry", entry)) for entry in entries]


def resident(resource: Mapping[str, Any]) -> str:
    """The pseudonym in ``subject``: the last part of ``Patient/{resident}``. Raises `Undecodable`."""
    subject = resource.get("subject")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    if not isinstance(reference, str):
        raise Undecodable("invalid", "Observation.subject.reference", reference, "required")
    what, _, id = reference.removeprefix("urn:uuid:").rpartition("/")
    if what.rpartition("/")[2] not in ("", "Patient") or not CODE.fullmatch(id):
        raise Undecodable("invalid", "Observation.subject.reference", reference, "Patient/ID is needed")
    return id


def event_of(entry: Entry, actor: str, institution: str, zone: tzinfo) -> Event:
    """The event of an Observation of a resident of ``institution``; local times are of ``zone``.

    Raises `Undecodable` whose field is the FHIRPath expression of the element at fault, with the code `not-supported`
    for resources and observations that Mailiu does not keep.
    """
    resource = entry.resource
    what = resource.get("resourceType")
    if what != "Observation":
        raise Undecodable("not-supported", str(what or "resourceType"), what)
    try:
        found = observation(resource)
    except Undecodable as error:
        raise Undecodable(error.code, expression(error.field, resource), error.value, error.detail) from error
    if not found:
        raise Undecodable("not-supported", "Observation.code", _code(resource))
    (one,) = found
    assert isinstance(one, Decoded)
    source, id = named(entry, actor)
    envelope: dict[str, Any] = {
        "source": source, "subject": resident(resource), "institution": institution, "actor": actor[:100],
    }  # fmt: skip
    if one.technical == "entered-in-error":
        if id.startswith("content/"):
            raise Undecodable("invalid", "Observation.identifier", None, "required")
        data: dict[str, Any] = {"reading": str(identity(source, id)), "reason": "entered-in-error"}
        issued = resource.get("issued")
        time = _instant(issued if isinstance(issued, str) else one.time, zone)
        envelope |= {"id": f"retracted/{id}"[:200], "type": "mailiu.reading.retracted.v1", "time": time, "data": data}
        return _parsed(envelope, resource)
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
    return _parsed(envelope | {"id": id, "type": type, "time": _instant(one.time, zone), "data": data}, resource)


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
        return f"fhir/{actor}"[:200], f"Observation/{id}"
    digest = hashlib.blake2b(orjson.dumps(entry.resource, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
    return f"fhir/{actor}"[:200], f"content/{digest}"


def _named(system: str | None, value: str, actor: str) -> tuple[str, str]:
    """A system's values are unique wherever they come from; without one they are unique for their sender."""
    if len(value) > 150 or len(system or "") > 190:
        raise Undecodable("invalid", "Observation.identifier", value, "a text of 1 to 150 characters is needed")
    return (f"fhir/{system}", value) if system else (f"fhir/{actor}"[:200], f"identifier/{value}")


def expression(field: str, resource: Mapping[str, Any]) -> str:
    """The FHIRPath of what a check calls ``field``: element names and indices only."""
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


def _instant(time: datetime | str | None, zone: tzinfo) -> str:
    if time is None:
        raise Undecodable("invalid", "Observation.effective", None, "required")
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    return rfc3339(moment if moment.tzinfo else moment.replace(tzinfo=zone))


def _code(resource: Mapping[str, Any]) -> str:
    code = resource.get("code") or {}
    return ", ".join(str(one.get("code")) for one in code.get("coding") or []) or str(code.get("text", "-"))
