"""FHIR Observations of laboratory values, body measures and target organs, as the results of an examination.

By LOINC code, or by our own names under the system `urn:mailiu:measure` where LOINC has none; the value in any unit
that ``schemas/measures.toml`` takes, which the gate brings to the canonical one. A panel's components are its results.
"""

from collections.abc import Mapping
from typing import Any

from mqtt_ingest.decoded import Undecodable
from mqtt_ingest.fhir import LOINC
from mqtt_ingest.fhir_clinical import quantity
from schemas.measure import by_loinc, measures

OWN = "urn:mailiu:measure"


def results(resource: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The results in an Observation; none where it observes something else. Raises `Undecodable`."""
    found = [one for one in [_result(resource, "Observation")] if one is not None]
    for number, part in enumerate(resource.get("component") or []):
        one = _result(part, f"Observation.component[{number}]")
        if one is not None:
            found.append(one)
    return found


def _result(part: Mapping[str, Any], where: str) -> dict[str, Any] | None:
    name = _name(part.get("code") or {})
    if name is None:
        return None
    measure = measures()[name]
    if part.get("dataAbsentReason") is not None:
        raise Undecodable("no-value", f"{where}.dataAbsentReason", name)
    if measure.words:
        return {"name": name, "finding": _finding(part, measure.words, where)}
    units = (measure.unit, *measure.other)
    value = quantity(part, where, *units)
    given = part["valueQuantity"]
    return {"name": name, "value": value, "unit": given.get("code") or given["unit"]}


def _name(concept: Mapping[str, Any]) -> str | None:
    """Our name of what a concept measures; nothing for what we do not keep."""
    for coding in concept.get("coding") or []:
        system, code = coding.get("system", LOINC), coding.get("code")
        if system == LOINC and code in by_loinc():
            return by_loinc()[code][0]
        if system == OWN and code in measures():
            return str(code)
    return None


def _finding(part: Mapping[str, Any], words: tuple[str, ...], where: str) -> str:
    said = part.get("valueString")
    for coding in (part.get("valueCodeableConcept") or {}).get("coding") or []:
        said = coding.get("code")
    if said not in words:
        raise Undecodable("invalid", f"{where}.value", said, "one of " + ", ".join(words))
    return str(said)
