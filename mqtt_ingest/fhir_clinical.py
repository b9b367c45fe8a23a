"""FHIR R4 resources of chronic care as the data of our events: Condition, MedicationRequest and -Statement, Encounter.

Each function takes a resource that fits FHIR's own model and returns the event's type, time and data, and what its id
is marked with where one resource tells several things in its life (active, then resolved). An element at fault is named
by its FHIRPath.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mqtt_ingest.decoded import Undecodable
from mqtt_ingest.fhir import LOINC
from schemas.measure import by_loinc, canonical

ICD10 = (
    "http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-cm", "http://hl7.org/fhir/sid/icd-10-cn",
    "urn:oid:2.16.840.1.113883.6.3",
)  # fmt: skip
CATEGORIES = ("problem-list-item", "encounter-diagnosis")
ATC = ("http://www.whocc.no/atc", "urn:oid:2.16.840.1.113883.6.73")
PROGRAMME, MODE = "urn:mailiu:programme", "urn:mailiu:visit-mode"
PROGRAMMES = ("hypertension", "diabetes", "both")
#: ICD-10 of the reason -> programme.
REASONS = {
    **dict.fromkeys(("I10", "I11", "I12", "I13", "I15"), "hypertension"),
    **dict.fromkeys(("E11", "E14"), "diabetes"),
}
#: HL7 v3 ActCode of the encounter's class -> how the visit was.
CLASSES = {"AMB": "clinic", "HH": "home-visit", "VR": "video"}
#: Why a drug was stopped, by words of the code or text.
STOPPED = {
    "adverse": "adverse-reaction",
    "side": "adverse-reaction",
    "ineffective": "ineffective",
    "patient": "patient-choice",
}
#: What a visit's contained Observations fill, by the measure's name.
MEASURED = {
    "weight": "weight", "height": "height", "waist": "waist", "fasting_glucose": "fasting_glucose",
    "glucose_2h": "glucose_2h", "hba1c_percent": "hba1c",
}  # fmt: skip
#: Codes of readings that a visit also has as a number.
ALSO = {"29463-7": ("weight", "kg"), "8867-4": ("heart_rate", "/min"), "1558-6": ("fasting_glucose", "mg/dL")}
PRESSURES = {"8480-6": "systolic", "8462-4": "diastolic"}
RETRACTED = "mailiu.reading.retracted.v1"


class Told(NamedTuple):
    """What a resource says: type and data of the event, FHIR's text of its time, and a mark for its id."""

    type: str
    time: str | None
    data: dict[str, Any]
    mark: str = ""
    retracts: bool = False  # the data need the identity of the resource's own event


def condition(resource: Mapping[str, Any]) -> Told:
    """A diagnosis by ICD-10, that it no longer holds (resolved, refuted …), or that it never held: entered in error."""
    code = coded(resource.get("code"), ICD10, "Condition.code")
    clinical = _code(resource.get("clinicalStatus")) or "active"
    verification = _code(resource.get("verificationStatus")) or "confirmed"
    changed = (resource.get("meta") or {}).get("lastUpdated")
    recorded = resource.get("recordedDate") or resource.get("onsetDateTime")
    if verification == "entered-in-error":
        return Told(RETRACTED, changed or recorded, {}, retracts=True)
    if verification == "refuted":
        return Told("mailiu.chronic.condition-resolved.v2", changed, {"code": code, "reason": verification}, "refuted")
    if clinical in ("resolved", "inactive", "remission"):
        ended = resource.get("abatementDateTime") or changed
        return Told("mailiu.chronic.condition-resolved.v2", ended, {"code": code, "reason": clinical}, "resolved")
    data: dict[str, Any] = {"code": code, "certainty": verification}
    if category := next((c for _, c in _codings(resource.get("category") or []) if c in CATEGORIES), None):
        data["category"] = category
    if onset := _day(resource.get("onsetDateTime")):
        data["onset"] = onset
    return Told("mailiu.chronic.condition-diagnosed.v2", recorded or changed, data)


def medication(resource: Mapping[str, Any]) -> Told:
    """A drug by ATC that is taken from now on, or no longer."""
    what, status = str(resource["resourceType"]), str(resource.get("status"))
    concept, where = _drug(resource, what)
    code = coded(concept, ATC, where)
    period = resource.get("effectivePeriod") or {}
    changed = (resource.get("meta") or {}).get("lastUpdated")
    start = resource.get("authoredOn") or resource.get("effectiveDateTime") or period.get("start")
    if status in ("active", "on-hold", "intended"):
        data = {"code": code, "name": concept.get("text") or _display(concept), **_dosage(resource)}
        if day := _day(period.get("start") or start):
            data["start"] = day
        kept = {name: value for name, value in data.items() if value is not None}
        return Told("mailiu.chronic.medication-prescribed.v1", start or resource.get("dateAsserted"), kept)
    if status == "entered-in-error":
        return Told(RETRACTED, changed or start, {}, retracts=True)
    if status not in ("completed", "stopped", "cancelled", "not-taken"):
        raise Undecodable("not-supported", f"{what}.status", status)
    reasons = resource.get("statusReason") or []
    told = " ".join(_words(reasons if isinstance(reasons, list) else [reasons])).lower()
    reason = "completed" if status == "completed" else next((r for w, r in STOPPED.items() if w in told), "other")
    ended = period.get("end") or changed
    return Told("mailiu.chronic.medication-stopped.v1", ended, {"code": code, "reason": reason}, status)


def encounter(resource: Mapping[str, Any]) -> Told:
    """A follow-up visit: programme by type or reason, how by class, figures by contained Observations."""
    status = str(resource.get("status"))
    start = (resource.get("period") or {}).get("start")
    if status == "entered-in-error":
        return Told(RETRACTED, (resource.get("meta") or {}).get("lastUpdated") or start, {}, retracts=True)
    if status != "finished":
        raise Undecodable("not-supported", "Encounter.status", status)
    types = list(_codings(resource.get("type") or []))
    kind = (resource.get("class") or {}).get("code")
    mode = next((code for system, code in types if system == MODE), None) or CLASSES.get(str(kind))
    if mode is None:
        raise Undecodable("invalid", "Encounter.class.code", kind, "one of AMB, HH, VR")
    data: dict[str, Any] = {"programme": _programme(resource, types), "mode": mode}
    for number, one in enumerate(resource.get("contained") or []):
        if one.get("resourceType") == "Observation":
            _figure(data, one, f"Encounter.contained[{number}]")
    return Told("mailiu.chronic.follow-up-completed.v3", start, data)


def _programme(resource: Mapping[str, Any], types: list[tuple[str | None, str]]) -> str:
    said = next((code for system, code in types if system == PROGRAMME), None)
    if said is not None and said not in PROGRAMMES:
        raise Undecodable("invalid", "Encounter.type", said, "one of " + ", ".join(PROGRAMMES))
    found = {
        REASONS[code[:3]]
        for system, code in _codings(resource.get("reasonCode") or [])
        if system in ICD10 and code[:3] in REASONS
    }
    if said is None and not found:
        raise Undecodable(
            "invalid", "Encounter.reasonCode", None, f"a reason by ICD-10, or a type of {PROGRAMME}, is needed"
        )
    return said or ("both" if len(found) == 2 else found.pop())


def _figure(data: dict[str, Any], observation: Mapping[str, Any], where: str) -> None:
    """Put what a visit's Observation measured into its place."""
    codes = [code for system, code in _codings([observation.get("code")]) if system in (LOINC, None)]
    components = observation.get("component") or []
    if any(code in ("85354-9", "55284-4") for code in codes):
        pair = {}
        for number, part in enumerate(components):
            for _, code in _codings([part.get("code")]):
                if code in PRESSURES:
                    pair[PRESSURES[code]] = quantity(part, f"{where}.component[{number}]", "mm[Hg]")
        data["blood_pressure"] = pair
        return
    for code in codes:
        name, unit = ALSO.get(code) or by_loinc().get(code) or ("", "")
        field = MEASURED.get(name) or (name if name == "heart_rate" else None)
        if field is not None:
            value = quantity(observation, where, unit)
            data[field] = value if name == "heart_rate" else _canonical(name, value, unit, where)
            return
    raise Undecodable("not-supported", f"{where}.code", codes[0] if codes else None)


def _canonical(name: str, value: float, unit: str, where: str) -> float:
    try:
        return canonical(name, value, unit)
    except ValueError as error:
        raise Undecodable("out-of-limits", f"{where}.value", value, str(error)) from error


def quantity(part: Mapping[str, Any], where: str, *units: str) -> float:
    """The number of ``valueQuantity`` in one of ``units`` (UCUM)."""
    given = part.get("valueQuantity") or {}
    unit = given.get("code") or given.get("unit")
    if unit not in units:
        raise Undecodable("invalid", f"{where}.value.code", unit, "one of " + ", ".join(units))
    if given.get("comparator") is not None:
        raise Undecodable("infinite", f"{where}.value.comparator", f"{given['comparator']}{given.get('value')}")
    value = given.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Undecodable("invalid", f"{where}.value.value", value, "a number is needed")
    return value


def coded(concept: object, systems: tuple[str, ...], where: str) -> str:
    """The code of a CodeableConcept in one of ``systems``."""
    codings = list(_codings([concept]))
    for system, code in codings:
        if system in systems:
            return code
    raise Undecodable("invalid", where, codings[0][1] if codings else None, f"a code of {systems[0]} is needed")


def _drug(resource: Mapping[str, Any], what: str) -> tuple[dict[str, Any], str]:
    """The drug's concept and where it stands: in the resource, or in a contained Medication."""
    concept = resource.get("medicationCodeableConcept")
    if isinstance(concept, dict):
        return concept, f"{what}.medication"
    reference = str((resource.get("medicationReference") or {}).get("reference"))
    for number, one in enumerate(resource.get("contained") or []):
        if reference == f"#{one.get('id')}" and isinstance(one.get("code"), dict):
            return one["code"], f"{what}.contained[{number}].code"
    raise Undecodable("not-supported", f"{what}.medication", reference, "")


def _dosage(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Dose and frequency, as texts."""
    dosages: list[dict[str, Any]] = resource.get("dosageInstruction") or resource.get("dosage") or [{}]
    dosage = dosages[0]
    rates: list[dict[str, Any]] = dosage.get("doseAndRate") or [{}]
    dose = rates[0].get("doseQuantity") or {}
    timing, repeat = dosage.get("timing") or {}, (dosage.get("timing") or {}).get("repeat") or {}
    said = (timing.get("code") or {}).get("text") or _code(timing.get("code"))
    if said is None and repeat.get("frequency") and repeat.get("period"):
        said = f"{repeat['frequency']}/{repeat['period']:g} {repeat.get('periodUnit', 'd')}"
    amount = f"{dose['value']:g} {dose.get('unit') or dose.get('code') or ''}".strip() if "value" in dose else None
    return {"dose": amount or (str(dosage["text"])[:60] if "text" in dosage else None), "frequency": said}


def _codings(concepts: Iterable[object]) -> Iterable[tuple[str | None, str]]:
    for concept in concepts:
        for coding in (concept.get("coding") or []) if isinstance(concept, dict) else ():
            if coding.get("code"):
                yield coding.get("system"), str(coding["code"])


def _code(concept: object) -> str | None:
    return next((code for _, code in _codings([concept])), None)


def _display(concept: Mapping[str, Any]) -> str | None:
    return next((str(c["display"])[:100] for c in concept.get("coding") or [] if c.get("display")), None)


def _words(concepts: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for concept in concepts:
        yield str(concept.get("text") or "")
        yield from (code for _, code in _codings([concept]))


def _day(text: object) -> str | None:
    """The day of a FHIR date or instant that says one."""
    return text[:10] if isinstance(text, str) and len(text) >= 10 else None
