"""FHIR R4: an Observation, or a Bundle of them. Components are found by code, in whatever order.

Blood pressure panels 85354-9 and the legacy 55284-4 with components 8480-6/8462-4, the home codes 8459-0/8453-3 and the
positional ones; single values of glucose, heart rate, weight, oxygen and temperature. The structure is checked by
`fhir.resources` (R4B, whose Observation is R4's). An observation that was cancelled or entered in error, or that says
why it has no data, is a technical fault: never a value.
"""

from collections.abc import Mapping
from datetime import datetime, time
from typing import Any

from fhir.resources.R4B.observation import Observation
from pydantic import ValidationError

from mqtt_ingest.decoded import (
    Decoded,
    Fault,
    Undecodable,
    choice,
    day,
    each,
    failed,
    mapping,
    parse_json,
    reading,
    representable,
    when,
)
from mqtt_ingest.units import UNITS
from schemas.device import Kind

LOINC = "http://loinc.org"
PANELS = frozenset({"85354-9", "55284-4", "35094-2"})
AVERAGES = frozenset({"96607-7"})
COMPONENTS = {
    **dict.fromkeys(("8480-6", "8459-0", "8460-8", "8461-6", "96608-5"), "systolic"),
    **dict.fromkeys(("8462-4", "8453-3", "8454-1", "8455-8", "96609-3"), "diastolic"),
    "8478-0": "mean",
    "8867-4": "pulse",
}
POSITIONS = {"8460-8": "standing", "8461-6": "lying"}
HOME = frozenset({"8459-0", "96608-5"})
SINGLE: dict[str, Kind] = {
    **dict.fromkeys(("15074-8", "2339-0", "2345-7", "14749-6", "14743-9", "41653-7", "32016-8"), "glucose"),
    "1558-6": "glucose",
    "8867-4": "heart-rate",
    **dict.fromkeys(("29463-7", "3141-9"), "weight"),
    **dict.fromkeys(("59408-5", "2708-6"), "oxygen"),
    **dict.fromkeys(("8310-5", "8331-1", "8328-7", "8332-9", "8333-7"), "temperature"),
}  # fmt: skip
CONTEXT = {"1558-6": "fasting"}
SPECIMEN = {
    "41653-7": "capillary",
    "32016-8": "capillary",
    "14743-9": "capillary",
    "2345-7": "plasma",
    "14749-6": "plasma",
}
STATUSES = (
    "registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown",
)  # fmt: skip
ABSENT = {
    "not-a-number": "not-a-number",
    "negative-infinity": "infinite",
    "positive-infinity": "infinite",
    "error": "error-code",
}


def decode(payload: bytes) -> list[Decoded | Undecodable]:
    """The readings in an Observation, a Bundle or an array of either.

    Resources of other types, and observations of other things, hold none and are passed over. Raises `Undecodable`.
    """
    value = parse_json(payload)
    if not isinstance(value, list):
        return resource(value)
    return each(value, resource)


def resource(value: object) -> list[Decoded | Undecodable]:
    """The readings in one resource. Raises `Undecodable`."""
    fields = mapping("payload", value)
    what = fields.get("resourceType")
    if what == "Observation":
        return observation(fields)
    if what != "Bundle":
        raise Undecodable("unknown-kind", "resourceType", what)
    entries = fields.get("entry", [])
    if not isinstance(entries, list):
        raise Undecodable("invalid", "entry", entries, "an array is needed")
    inner = [mapping(f"entry[{number}]", entry).get("resource") for number, entry in enumerate(entries)]
    return each([one for one in inner if one is not None], _entry)


def _entry(value: object) -> list[Decoded | Undecodable]:
    fields = mapping("entry.resource", value)
    return observation(fields) if fields.get("resourceType") == "Observation" else []


def observation(fields: dict[str, Any]) -> list[Decoded | Undecodable]:
    """The reading in an Observation, in a list; empty where it observes something else. Raises `Undecodable`."""
    id = fields.get("id")
    try:
        return _observation(fields, id if isinstance(id, str) else None)
    except Undecodable as error:
        error.id = id if isinstance(id, str) else None
        raise


def _observation(fields: dict[str, Any], id: str | None) -> list[Decoded | Undecodable]:
    try:
        Observation.model_validate(fields)
    except ValidationError as problem:
        error = problem.errors(include_url=False)[0]
        name = ".".join(map(str, error["loc"])) or "Observation"
        raise Undecodable("invalid", name, error.get("input"), error["msg"]) from None
    except (ValueError, TypeError, AttributeError, KeyError, ArithmeticError, RecursionError) as problem:
        # the library's own validators stumble over some malformed values instead of refusing them
        raise Undecodable("invalid", "Observation", id, f"{type(problem).__name__}: {problem}"[:100]) from None
    status = choice("status", fields.get("status"), STATUSES)
    codes = _codes(mapping("code", fields.get("code")))
    panel = codes & (PANELS | AVERAGES)
    single = sorted(codes & SINGLE.keys())
    if not panel and not single:
        if halves := codes & COMPONENTS.keys():
            raise Undecodable("invalid", "code", sorted(halves)[0], "half of a blood pressure: send the panel 85354-9")
        return []
    kind: Kind = "blood-pressure" if panel else SINGLE[single[0]]
    moment, approximate = effective(fields)
    rest: dict[str, Any] = {
        "id": id, "time": moment, "approximate": approximate, "subject": _reference(fields.get("subject")),
        "device": _reference(fields.get("device")), "statistic": "average" if codes & AVERAGES else None,
        "flags": ["backlog"] if approximate else [],
    }  # fmt: skip
    about = _about(fields, codes)
    if status in ("entered-in-error", "cancelled"):
        return [failed(kind, status, "status", status, about=about, **rest)]
    try:
        raw, unit = _pressures(fields, about) if panel else _value("valueQuantity", fields, kind)
    except Fault as fault:
        return [failed(kind, fault.reason, fault.field, fault.value, about=about, **rest)]
    return [reading(kind, raw, unit, about=about, **rest)]


def _pressures(fields: Mapping[str, Any], about: dict[str, Any]) -> tuple[dict[str, object], str]:
    raw: dict[str, object] = {}
    unit: str | None = None
    parts = fields.get("component") or []
    if not parts and fields.get("dataAbsentReason"):
        raise _absent("component", fields)
    for part in parts:
        for code in sorted(_codes(part.get("code")) & COMPONENTS.keys()):
            name = COMPONENTS[code]
            if name in ("mean", "pulse") and "valueQuantity" not in part:
                continue
            value, of = _value(name, part, "heart-rate" if name == "pulse" else "blood-pressure")
            if name in raw:
                raise Undecodable("invalid", name, value["value"], "given twice")
            raw[name] = value["value"]
            if name != "pulse":
                if unit not in (None, of):
                    raise Undecodable("invalid", f"{name}.unit", of, f"unlike the other pressures' {unit}")
                unit = of
            if code in POSITIONS:
                about["position"] = POSITIONS[code]
            if code in HOME:
                about["place"] = "home"
    return raw, unit or "mm[Hg]"


def _value(name: str, part: Mapping[str, Any], kind: Kind) -> tuple[dict[str, object], str]:
    """The value of an observation or a component; raises `Fault` where it says why there is none."""
    quantity = part.get("valueQuantity")
    if quantity is None:
        if part.get("dataAbsentReason") is not None:
            raise _absent(name, part)
        raise Undecodable("invalid", f"{name}.valueQuantity", None, "required")
    unit = quantity.get("code", quantity.get("unit"))
    if unit not in UNITS[kind] and quantity.get("unit") in UNITS[kind]:
        unit = quantity["unit"]
    if not isinstance(unit, str) or unit not in UNITS[kind]:
        raise Undecodable("invalid", f"{name}.unit", unit, "one of " + ", ".join(UNITS[kind]))
    if quantity.get("comparator") is not None:
        raise Fault("infinite", name, f"{quantity['comparator']}{quantity.get('value')}")
    return {"value": quantity.get("value")}, unit


def _absent(name: str, part: Mapping[str, Any]) -> Fault:
    codings = [c.get("code") for c in part["dataAbsentReason"].get("coding") or []]
    reason = next((str(code) for code in codings if code), part["dataAbsentReason"].get("text") or "unknown")
    return Fault(ABSENT.get(reason, "no-value"), name, reason)


def _codes(concept: object) -> frozenset[str]:
    """The LOINC codes of a CodeableConcept."""
    if not isinstance(concept, dict):
        return frozenset()
    return frozenset(
        str(coding["code"])
        for coding in concept.get("coding") or []
        if coding.get("code") and coding.get("system", LOINC) == LOINC
    )


def effective(fields: Mapping[str, Any]) -> tuple[datetime | None, bool]:
    """When it was observed (the start of a period), and whether only the day is known."""
    period = fields.get("effectivePeriod")
    value = fields.get("effectiveDateTime") or fields.get("effectiveInstant") or (period or {}).get("start")
    if value is None:
        return None, False
    if isinstance(value, str) and len(value) in (4, 7, 10):
        noon = datetime.combine(day("effectiveDateTime", _first(value)), time(12))
        return representable("effectiveDateTime", noon), True
    return when("effectiveDateTime", value), False


def _first(value: str) -> str:
    """The first day of a year or a month."""
    return value + {4: "-01-01", 7: "-01", 10: ""}[len(value)]


def _about(fields: Mapping[str, Any], codes: frozenset[str]) -> dict[str, Any]:
    about: dict[str, Any] = {}
    for code in sorted(codes):
        if code in CONTEXT:
            about["context"] = CONTEXT[code]
        if code in SPECIMEN:
            about["specimen"] = SPECIMEN[code]
    performers = [_reference(performer) or "" for performer in fields.get("performer") or []]
    tags = [tag.get("code") for tag in (fields.get("meta") or {}).get("tag") or []]
    if "patient-supplied" in tags or any(p.startswith("Patient/") for p in performers):
        about["place"] = "home"
    elif performers or fields.get("encounter"):
        about["place"] = "office"
    return about


def _reference(value: object) -> str | None:
    return str(value["reference"]) if isinstance(value, dict) and value.get("reference") else None
