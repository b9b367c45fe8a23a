"""A FHIR Patient: sex and birth date as events of the resident, names and numbers sealed in the vault.

What names the person never reaches an event, an answer or a log line; a fault in it is told without its value.
"""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any, get_args

from fhir.resources.R4B.patient import Patient
from pydantic import ValidationError

from mqtt_ingest.decoded import Undecodable
from mqtt_ingest.fhir_event import fits, instant
from schemas.envelope import Event, InvalidEvent, rfc3339
from schemas.identity import Identity, Relationship
from schemas.registry import parse

#: Systems of a citizen's identity number: GB/T 39784's object identifier, and HL7's type of a national identifier.
CITIZEN = ("urn:oid:2.16.156.10011.1.3",)
NATIONAL = "NI"
SEX = {"male": "male", "female": "female", "other": "unknown", "unknown": "unknown"}
DIED = "mailiu.resident.died.v1"
RELATIONSHIPS = get_args(Relationship)
#: Where in the Patient a field of the identity stands.
ELEMENTS = {
    "name": "Patient.name",
    "id_number": "Patient.identifier",
    "phone": "Patient.telecom",
    "contacts": "Patient.contact",
    "data.birth_date": "Patient.birthDate",
    "time": "Patient.meta.lastUpdated",
}


def event_of(
    resource: Mapping[str, Any], actor: str, institution: str, known: bool, now: datetime, zone: tzinfo
) -> Event:
    """The resident is registered, or one already ``known`` has died or is corrected. Raises `Undecodable`.

    Its id says when, for a Patient's identifiers name the person; sent again it says the same once more. Days alone
    are of ``zone``.
    """
    fits(Patient, resource, "Patient")
    died = resource.get("deceasedDateTime")
    if died is not None or resource.get("deceasedBoolean"):
        if died is None:
            raise Undecodable("invalid", "Patient.deceased", True, "deceasedDateTime is needed")
        if not known:
            raise Undecodable(
                "invalid", "Patient.deceased", died, "somebody not registered yet has to be registered first"
            )
        about = {"type": DIED, "data": {}, "time": instant(died, zone)}
        return _event(resource, about, f"deceased/{died}", actor, institution)
    gender = resource.get("gender")
    if gender is not None and gender not in SEX:
        raise Undecodable("invalid", "Patient.gender", gender, "one of " + ", ".join(SEX))
    data = {"sex": SEX.get(str(gender)), "birth_date": resource.get("birthDate")}
    if not known:
        data["sex"] = data["sex"] or "unknown"
        if data["birth_date"] is None:
            raise Undecodable("invalid", "Patient.birthDate", None, "required")
    said = {name: value for name, value in data.items() if value is not None}
    time = (resource.get("meta") or {}).get("lastUpdated") or rfc3339(now)
    type = f"mailiu.resident.{'details-changed' if known else 'registered'}.v1"
    return _event(resource, {"type": type, "data": said, "time": time}, time, actor, institution)


def _event(resource: Mapping[str, Any], about: dict[str, Any], mark: str, actor: str, institution: str) -> Event:
    id = str(resource["id"])
    event = about | {
        "id": f"Patient/{id}/{mark}"[:200], "source": f"fhir/{actor}"[:200], "subject": id, "institution": institution,
        "actor": actor[:100],
    }  # fmt: skip
    try:
        return parse(event)
    except InvalidEvent as error:
        raise Undecodable(error.code, ELEMENTS.get(error.field, "Patient"), error.value, error.reason) from error


def identity_of(resource: Mapping[str, Any]) -> Identity | None:
    """Who the Patient is, or ``None`` for a Patient without a name. Raises `Undecodable` without the value at fault."""
    name = _name(next(iter(resource.get("name") or []), {}))
    if name is None:
        return None
    told = {
        "name": name, "id_number": _citizen(resource.get("identifier") or []),
        "phone": _phone(resource.get("telecom") or []), "contacts": _contacts(resource.get("contact") or []),
    }  # fmt: skip
    try:
        return Identity.model_validate(told)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = str(first["loc"][0]) if first["loc"] else "name"
        raise Undecodable("invalid", ELEMENTS.get(field, "Patient"), "…", first["msg"]) from None


def _name(name: Mapping[str, Any]) -> str | None:
    """A name as it is written: the text, else family and given names, Chinese ones without a space."""
    if text := name.get("text"):
        return str(text)
    parts = [str(part) for part in (name.get("family"), *(name.get("given") or [])) if part]
    space = " " if all(part.isascii() for part in parts) else ""
    return space.join(reversed(parts) if space else parts) or None


def _citizen(identifiers: list[Mapping[str, Any]]) -> str | None:
    for one in identifiers:
        codes = [coding.get("code") for coding in (one.get("type") or {}).get("coding") or []]
        if one.get("system") in CITIZEN or NATIONAL in codes:
            return str(one.get("value"))
    return None


def _phone(telecom: list[Mapping[str, Any]]) -> str | None:
    phones = [one for one in telecom if one.get("system") in ("phone", "sms") and one.get("use") != "old"]
    return str(phones[0].get("value")) if phones else None


def _contacts(contacts: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Whom to call, those with a phone number."""
    found = []
    for number, one in enumerate(contacts, 1):
        phone, name = _phone(one.get("telecom") or []), _name(one.get("name") or {})
        codes = [coding.get("code") for kind in one.get("relationship") or [] for coding in kind.get("coding") or []]
        relationship = next((code for code in codes if code in RELATIONSHIPS), "FAMMEMB")
        if phone is not None and name is not None:
            found.append({"id": f"c{number}", "name": name, "phone": phone, "relationship": relationship})
    return found
