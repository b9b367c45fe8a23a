"""Open mHealth: every labelled payload of the standard's own test data, headers, time frames, mutations."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqtt_ingest.decoded import Decoded, Undecodable
from mqtt_ingest.open_mhealth import decode
from tests.devices.data import attempt, need, rows

SAMPLES = rows("open_mhealth_payloads.jsonl")
POINT = {
    "header": {
        "id": "123e4567-e89b-12d3-a456-426655440000",
        "creation_date_time": "2026-03-01T00:00:05Z",
        "schema_id": {"namespace": "omh", "name": "blood-pressure", "version": "4.0"},
        "acquisition_provenance": {"source_name": "cuff", "modality": "self-reported"},
    },
    "body": {
        "systolic_blood_pressure": {"value": 150, "unit": "mmHg"},
        "diastolic_blood_pressure": {"value": 95, "unit": "mmHg"},
        "effective_time_frame": {"date_time": "2026-03-01T08:00:00+08:00"},
        "body_posture": "lying down",
        "measurement_location": "left upper arm",
    },
}


def one(value: object, schema: str | None = None) -> Decoded:
    (result,) = decode(json.dumps(value).encode(), schema)
    assert isinstance(result, Decoded)
    return result


def test_every_label_of_the_standards_test_data() -> None:
    wrong = []
    for sample in need(SAMPLES):
        try:
            decode(json.dumps(sample["json"]).encode(), f"{sample['schema']}:{sample['version']}")
            label = "shouldPass"
        except Undecodable:
            label = "shouldFail"
        if label != sample["should"]:
            wrong.append(sample["source"])
    assert not wrong


def test_a_data_point() -> None:
    got = one(POINT)
    assert got.values == {"systolic": 150, "diastolic": 95}
    assert got.id == "123e4567-e89b-12d3-a456-426655440000"
    assert got.time is not None
    assert got.time.isoformat() == "2026-03-01T08:00:00+08:00"
    assert got.about["position"] == "lying"
    assert got.about["arm"] == "left"
    assert got.about["source"] == "self-reported"


def test_a_data_point_of_another_schema_holds_no_reading() -> None:
    other = copy.deepcopy(POINT)
    other["header"]["schema_id"]["name"] = "physical-activity"  # type: ignore[index]
    assert decode(json.dumps(other).encode()) == []


@pytest.mark.parametrize(
    ("frame", "time", "approximate"),
    [
        ({"date_time": "2026-03-01T08:00:00Z"}, "2026-03-01T08:00:00+00:00", False),
        ({"date_time": "2026-03-01T08:00:00"}, "2026-03-01T08:00:00+00:00", False),  # without a zone: UTC
        (
            {"time_interval": {"end_date_time": "2026-03-01T08:00:00Z", "duration": {"value": 30, "unit": "min"}}},
            "2026-03-01T07:30:00+00:00",
            False,
        ),
        ({"time_interval": {"date": "2026-03-01", "part_of_day": "morning"}}, "2026-03-01T08:00:00", True),
    ],
)
def test_time_frames(frame: dict[str, Any], time: str, approximate: bool) -> None:
    body = POINT["body"] | {"effective_time_frame": frame}
    body.pop("measurement_location")
    got = one({k: v for k, v in body.items() if k != "body_posture"}, "blood-pressure:1.0")
    assert got.time is not None
    assert (got.time.isoformat(), got.approximate) == (time, approximate)


@pytest.mark.parametrize(
    ("schema", "body", "value", "about"),
    [
        (
            "blood-glucose:4.0",
            {"blood_glucose": {"value": 95, "unit": "mg/dL"}, "temporal_relationship_to_meal": "fasting"},
            5.273,  # 95 / 18.0156
            {"context": "fasting"},
        ),
        ("heart-rate:2.0", {"heart_rate": {"value": 50, "unit": "beats/min"}}, 50, {}),
        ("body-weight:3.0", {"body_weight": {"value": 150, "unit": "lb"}}, 68.039, {}),
        ("oxygen-saturation:2.0", {"oxygen_saturation": {"value": 96, "unit": "%"}}, 96, {}),
        ("body-temperature:4.0", {"body_temperature": {"value": 97.7, "unit": "F"}}, 36.5, {}),
    ],
)
def test_other_kinds(schema: str, body: dict[str, Any], value: float, about: dict[str, str]) -> None:
    got = one(body | {"effective_time_frame": {"date_time": "2026-03-01T08:00:00Z"}}, schema)
    assert got.values["value"] == pytest.approx(value, abs=0.001)
    assert got.about == about


def _paths(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    for key, inner in value.items() if isinstance(value, dict) else ():
        found += _paths(inner, (*path, key))
    return found


@given(
    st.sampled_from([sample["json"] for sample in SAMPLES] or [POINT["body"]]) | st.just(POINT),
    st.data(),
    st.sampled_from([None, "blood-pressure:4.0", "blood-glucose:1.0", "body-weight:3.0", "data-point:1.0"]),
)
def test_a_mutated_payload_decodes_or_is_refused(value: object, data: st.DataObject, schema: str | None) -> None:
    mutated = copy.deepcopy(value)
    paths = _paths(mutated)
    if paths:
        *way, last = data.draw(st.sampled_from(paths))
        inner: Any = mutated
        for key in way:
            inner = inner[key]
        inner[last] = data.draw(st.none() | st.integers() | st.text(max_size=8) | st.lists(st.integers(), max_size=2))
    results = attempt(decode, json.dumps(mutated).encode(), schema)
    assert all(result.field for result in results if isinstance(result, Undecodable))


@pytest.mark.parametrize(
    ("effort", "kept"),
    [("at rest", "rest"), ("active", "active"), ("during exercise", "active"), ("after exercise", None)],
)
def test_what_the_body_did_while_the_heart_rate_was_taken(effort: str, kept: str | None) -> None:
    body = {
        "heart_rate": {"value": 61, "unit": "beats/min"}, "temporal_relationship_to_physical_activity": effort,
        "effective_time_frame": {"date_time": "2026-03-01T08:00:00+08:00"},
    }  # fmt: skip
    assert one(body, "heart-rate:2.0").about.get("activity") == kept


@pytest.mark.parametrize(
    ("interval", "duration"),
    [
        ({"start_date_time": "2026-03-01T07:00:00Z", "end_date_time": "2026-03-01T08:00:00Z"}, 3600),
        ({"start_date_time": "2026-03-01T07:30:00Z", "duration": {"value": 30, "unit": "min"}}, 1800),
        ({"end_date_time": "2026-03-01T08:00:00Z", "duration": {"value": 1, "unit": "h"}}, 3600),
    ],
)
def test_steps_are_counted_until_the_end_of_their_interval(interval: dict[str, Any], duration: float) -> None:
    got = one({"step_count": {"value": 4200, "unit": "steps"}, "effective_time_frame": {"time_interval": interval}},
              "step-count:3.0")  # fmt: skip
    assert (got.kind, got.values, got.about) == ("activity", {"value": 4200}, {"duration": duration})
    assert got.time is not None
    assert got.time.isoformat() == "2026-03-01T08:00:00+00:00"
