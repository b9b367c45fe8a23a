"""FHIR R4: samples of HL7, US Core and Synthea; order of components, absent data, withdrawn observations, mutations."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqtt_ingest.decoded import Decoded, Undecodable
from mqtt_ingest.fhir import decode
from tests.devices.data import attempt, need, rows

SAMPLES = rows("fhir_bp_samples.jsonl")


def coded(code: str, **value: Any) -> dict[str, Any]:
    return {"code": {"coding": [{"system": "http://loinc.org", "code": code}]}, **value}


def quantity(value: float, unit: str = "mm[Hg]") -> dict[str, Any]:
    return {"valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": unit, "unit": unit}}


BP: dict[str, Any] = {
    "resourceType": "Observation", "id": "o1", "status": "final", "effectiveDateTime": "2026-03-01T08:00:00+08:00",
    **coded("85354-9"), "component": [coded("8480-6", **quantity(150)), coded("8462-4", **quantity(95))],
}  # fmt: skip


def one(resource: object) -> Decoded:
    (result,) = decode(json.dumps(resource).encode())
    assert isinstance(result, Decoded), result
    return result


def expected(resource: dict[str, Any], codes: set[str]) -> float | None:
    """The value of the component with one of ``codes``, read from the sample itself."""
    for component in resource["component"]:
        if codes & {coding["code"] for coding in component["code"]["coding"]}:
            return component.get("valueQuantity", {}).get("value")
    return None


def test_every_sample() -> None:
    cancelled = 0
    for sample in need(SAMPLES):
        resource = sample["resource"]
        got = one(resource)
        if resource["status"] in ("cancelled", "entered-in-error"):
            cancelled += 1
            assert got.technical == resource["status"]
            assert got.values == {}
            continue
        assert got.values["systolic"] == expected(resource, {"8480-6", "8459-0"})
        assert got.values["diastolic"] == expected(resource, {"8462-4", "8453-3"})
        assert got.subject == resource["subject"]["reference"]
    assert cancelled == sum(s["resource"]["status"] == "cancelled" for s in SAMPLES)


@pytest.mark.parametrize(("panel", "high", "low"), [("85354-9", "8480-6", "8462-4"), ("55284-4", "8459-0", "8453-3")])
def test_components_are_found_by_code_in_any_order(panel: str, high: str, low: str) -> None:
    parts = [coded(low, **quantity(95)), coded("8867-4", **quantity(70, "/min")), coded(high, **quantity(150))]
    got = one(BP | coded(panel) | {"component": parts})
    assert got.values == {"systolic": 150, "diastolic": 95, "pulse": 70}
    assert (got.about.get("place") == "home") == (high == "8459-0")


@pytest.mark.parametrize(
    ("absent", "reason"), [("not-asked", "no-value"), ("not-a-number", "not-a-number"), ("error", "error-code")]
)
def test_absent_data_is_no_value(absent: str, reason: str) -> None:
    none = {"dataAbsentReason": {"coding": [{"code": absent}]}}
    got = one(BP | {"component": [coded("8480-6", **quantity(190)), coded("8462-4", **none)]})
    assert (got.technical, got.fault, got.values) == (reason, ("diastolic", absent), {})


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled"])
def test_a_withdrawn_observation_has_no_value(status: str) -> None:
    got = one(BP | {"status": status})
    assert (got.technical, got.values) == (status, {})


@pytest.mark.parametrize(
    ("code", "kind", "value", "unit", "kept"),
    [
        ("15074-8", "glucose", 6.3, "mmol/L", 6.3),
        ("2339-0", "glucose", 100, "mg/dL", 5.551),  # 100 / 18.0156
        ("8867-4", "heart-rate", 72, "/min", 72),
        ("29463-7", "weight", 70, "kg", 70),
        ("59408-5", "oxygen", 97, "%", 97),
        ("8310-5", "temperature", 36.5, "Cel", 36.5),
    ],
)
def test_single_values(code: str, kind: str, value: float, unit: str, kept: float) -> None:
    got = one({"resourceType": "Observation", "status": "final", **coded(code), **quantity(value, unit)})
    assert got.kind == kind
    assert got.values["value"] == pytest.approx(kept, abs=0.001)


def test_an_average_is_marked() -> None:
    """HL7 CardX: code 96607-7 with components 96608-5 and 96609-3."""
    parts = [coded("96608-5", **quantity(135)), coded("96609-3", **quantity(87))]
    assert one(BP | coded("96607-7") | {"component": parts}).statistic == "average"


def test_a_bundle_gives_its_readings_in_order_and_its_bad_entries_in_place() -> None:
    bundle = {
        "resourceType": "Bundle", "type": "collection",
        "entry": [
            {"resource": {"resourceType": "Patient", "id": "p"}},
            {"resource": BP},
            {"resource": BP | {"id": "bad", "effectiveDateTime": "2026-13-01"}},
            {"resource": BP | {"id": "o2"} | coded("72166-2", valueString="never smoker")},
            {"resource": BP | {"id": "o3"}},
        ],
    }  # fmt: skip
    got = decode(json.dumps(bundle).encode())
    assert [result.id for result in got] == ["o1", "bad", "o3"]
    assert isinstance(got[1], Undecodable)
    assert got[1].field == "effectiveDateTime"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"component": [coded("8480-6", **quantity(150))]}, "diastolic"),
        ({"component": []}, "systolic"),
        ({"component": [coded("8480-6", **quantity(150, "psi")), coded("8462-4", **quantity(95))]}, "systolic.unit"),
        ({"component": [coded("8480-6", **quantity(150, "kPa")), coded("8462-4", **quantity(95))]}, "diastolic.unit"),
        (coded("8480-6"), "code"),
        ({"code": None}, "code"),
        ({"status": "done"}, "status"),
    ],
)
def test_a_refusal_names_the_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Undecodable) as error:
        decode(json.dumps(BP | change).encode())
    assert error.value.field == field


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += _places(inner, (*path, key))
    return found


PLACES = _places(BP)


@given(
    st.sampled_from(PLACES),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.just([])
    | st.just({})
    | st.just([None]),
)
def test_a_mutated_observation_decodes_or_is_refused(place: tuple[Any, ...], value: object) -> None:
    mutated = copy.deepcopy(BP)
    inner: Any = mutated
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    assert all(
        result.field for result in attempt(decode, json.dumps(mutated).encode()) if isinstance(result, Undecodable)
    )
