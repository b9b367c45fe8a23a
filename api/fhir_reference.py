"""Whom FHIR resources mean, where they do not say a resident's id: by an identity number, or within their Bundle.

A Patient's `ifNoneExist=identifier=urn:oid:2.16.156.10011.1.3|NUMBER` creates nobody whom the vault knows by that
number; `Patient?identifier=system|number` as a reference means that resident; and a reference to an entry's `fullUrl`
means whoever the Patient of that entry is. A number is looked up as its HMAC and repeated nowhere.
"""

import asyncio
import re
import time
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from api.append import Checked
from api.auth import Caller
from api.backend import Backend
from api.fhir_bundle import Sent
from api.fhir_patient import CITIZEN, identity_of
from api.problem import Problem
from api.rejected import Refused
from api.resident import find
from infra.vault import vault
from mqtt_ingest.decoded import Undecodable
from mqtt_ingest.topics import CODE
from schemas.envelope import Event
from schemas.identity import id_number

HIDDEN = "…"
LATE = 5.0  # s that a record made just now is waited for in the tables
ASK = re.compile(r"(.*/)?Patient\?")
#: Held from the look-up until whoever was not there is recorded: sent twice at once, a person is created once.
CREATING = asyncio.Lock()


def creating(sent: list[Sent]) -> bool:
    """Whether a Patient is to be created unless there is one."""
    return any(_condition(one) is not None for one in sent)


async def settled(backend: Backend, who: Caller, sent: list[Sent]) -> list[Sent]:
    """``sent`` with residents' ids where they were meant, and a fault where nobody, or more than one, is.

    Every look-up is in the audit trail. Raises a problem (403) for who may not identify people, if somebody has to be.
    """
    asked = any(ASK.match(_reference(one.entry.resource)) for one in sent)
    if (creating(sent) or asked) and not who.may("identify"):
        raise Problem(403, "to find a patient by a number is not for this role")
    found, means, met = [], dict[str, str](), dict[str, str]()
    for one in sent:
        one = await _patient(backend, who, one, met)
        id = one.entry.resource.get("id")
        if one.url and one.entry.resource.get("resourceType") == "Patient" and isinstance(id, str):
            means[one.url] = id
        found.append(one)
    return [await _subject(backend, who, one, means, met) for one in found]


def bereft(sent: list[Sent], checked: list[Checked]) -> list[Checked]:
    """``checked``, of which what is about a Patient that was to be created and is refused, is refused too."""
    refused = {
        name
        for each, one in zip(sent, checked, strict=True)
        if _condition(each) is not None and isinstance(one.outcome, Refused)
        for name in (each.url, each.entry.resource.get("id"))
        if name and isinstance(name, str)
    }
    return [
        one._replace(outcome=Refused(412, "unknown-patient", f"{resource['resourceType']}.subject.reference", HIDDEN))
        if isinstance(one.outcome, Event) and _reference(resource).removeprefix("Patient/") in refused
        else one
        for one, resource in zip(checked, [each.entry.resource for each in sent], strict=True)
    ]


async def _patient(backend: Backend, who: Caller, sent: Sent, met: dict[str, str]) -> Sent:
    """A Patient whose creation has a condition: who it is already, or with an id to be known by from now on.

    ``met`` are the residents of the numbers that this request has asked for.
    """
    condition = _condition(sent)
    if condition is None or sent.fault is not None:
        return sent
    resource = sent.entry.resource
    try:
        number = _number(condition, "ifNoneExist")
        identity = identity_of(resource)
        if identity is None or identity.id_number != number:
            raise Undecodable(
                "invalid", "Patient.identifier", HIDDEN, "the number of `ifNoneExist` and a name are needed"
            )
        if number in met:
            id, registered = met[number], True
        else:
            new = resource.get("id") or f"R-{uuid4().hex[:12]}"
            id, registered = await _resident(backend, who, number, "ifNoneExist") or (str(new), False)
    except (Undecodable, Refused) as fault:
        return sent._replace(fault=fault)
    met[number] = id
    return sent._replace(entry=sent.entry._replace(resource=resource | {"id": id}), known=id if registered else "")


async def _subject(backend: Backend, who: Caller, sent: Sent, means: dict[str, str], met: dict[str, str]) -> Sent:
    """A resource about somebody whom it calls by a number, or by an entry of the Bundle (``means``)."""
    resource = sent.entry.resource
    reference = _reference(resource)
    if sent.fault is not None:
        return sent
    where = f"{resource.get('resourceType')}.subject.reference"
    id = means.get(reference)
    try:
        if id is None and ASK.match(reference):
            number = _number(reference, where)
            if number not in met:
                found = await _resident(backend, who, number, where)
                if found is None:
                    raise Refused(412, "unknown-patient", where, HIDDEN)
                met[number] = found[0]
            id = met[number]
    except (Undecodable, Refused) as fault:
        return sent._replace(fault=fault)
    if id is None or not CODE.fullmatch(id):
        return sent
    told = resource | {"subject": {"reference": f"Patient/{id}"}}
    return sent._replace(entry=sent.entry._replace(resource=told))


def _condition(sent: Sent) -> str | None:
    """What a Patient's creation depends on."""
    return sent.entry.condition if sent.entry.resource.get("resourceType") == "Patient" else None


def _reference(resource: dict[str, Any]) -> str:
    """How a resource calls whom it is about; empty where it does not say."""
    subject = resource.get("subject")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    return reference if isinstance(reference, str) else ""


def _number(search: str, where: str) -> str:
    """The citizen's identity number in ``[Patient?]identifier=system|number``. Raises `Undecodable` without it."""
    asked = parse_qs(search.rpartition("?")[2])
    system, _, value = asked.get("identifier", [""])[0].rpartition("|")
    if asked.keys() != {"identifier"} or system not in CITIZEN:
        raise Undecodable("invalid", where, HIDDEN, f"identifier={CITIZEN[0]}|NUMBER is needed")
    try:
        return id_number(value)
    except ValueError as error:
        raise Undecodable("invalid", where, HIDDEN, str(error)) from None


async def _resident(backend: Backend, who: Caller, number: str, where: str) -> tuple[str, bool] | None:
    """The one resident of the caller's institutions with this number, and whether it is registered, or ``None``.

    One who is not was being created when something failed. Raises `Refused` for several.
    """
    candidates = await asyncio.to_thread(vault().lookup, "id-number", number)
    residents = {one for one in [await _covered(backend, who, each) for each in candidates] if one is not None}
    await backend.viewed(who, "lookup by id-number", sorted(id for id, _ in residents), action="looked-up")
    if len(residents) > 1:
        raise Refused(412, "several-patients", where, HIDDEN)
    return next(iter(residents), None)


async def _covered(backend: Backend, who: Caller, resident: str) -> tuple[str, bool] | None:
    """The person's id now, and whether it is registered, if the caller may see the person.

    Somebody recorded just now is waited for.
    """
    end = time.monotonic() + LATE
    while True:
        found = None
        try:
            found = await find(backend, who, resident)
            if found["registered_time"] is not None:
                return str(found["resident"]), True
        except Problem as problem:
            if problem.status_code != 404:
                raise
            if await _elsewhere(backend, resident):
                return None
        if time.monotonic() > end:
            return None if found is None else (str(found["resident"]), False)
        await asyncio.sleep(0.25)


async def _elsewhere(backend: Backend, resident: str) -> bool:
    """Whether the resident is registered somewhere."""
    sql = "SELECT 1 FROM residents WHERE resident = {resident:String}"
    return bool(await backend.tables.rows(sql, {"resident": resident}))
