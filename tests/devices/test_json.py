"""Mailiu JSON: fields, faults, arrays with a bad element, and arbitrary bytes."""

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqtt_ingest.decoded import Decoded, Undecodable
from mqtt_ingest.formats import FORMATS, decode
from tests.devices.data import attempt

BP = {"systolic": 150, "diastolic": 95}


def one(kind: str = "blood-pressure", **fields: Any) -> Decoded:
    (result,) = decode(kind, json.dumps(fields).encode())
    assert isinstance(result, Decoded), result
    return result


def refusal(payload: bytes, kind: str = "blood-pressure") -> Undecodable:
    (result,) = attempt(decode, kind, payload)
    assert isinstance(result, Undecodable), result
    return result


def test_every_field() -> None:
    got = one(
        id="a1", seq=7, time="2026-03-01T08:00:00+08:00", user=2, systolic=150, diastolic=95, mean=113, pulse=72,
        position="sitting", arm="left", flags=["irregular-pulse", "beeped"], backlog=True,
        source="self-reported", brand="x",
    )  # fmt: skip
    assert got.values == {"systolic": 150, "diastolic": 95, "mean": 113, "pulse": 72}
    assert (got.id, got.seq, got.user, got.flags) == ("a1", 7, 2, ("irregular-pulse", "backlog"))
    assert got.time == datetime.fromisoformat("2026-03-01T08:00:00+08:00")
    assert got.about == {"position": "sitting", "arm": "left", "source": "self-reported", "note": "flags: beeped"}


def test_local_time_stays_without_an_offset() -> None:
    assert one(**BP, time="2026-03-01T08:00:00").time == datetime(2026, 3, 1, 8)


def test_kilopascal() -> None:
    """20 kPa is 150.012 mmHg (1 mmHg = 133.322 Pa)."""
    got = one(systolic=20, diastolic=12, unit="kPa")
    assert got.values["systolic"] == pytest.approx(150.012, abs=0.001)


@pytest.mark.parametrize(
    ("kind", "fields", "value"),
    [
        ("glucose", {"value": 126, "unit": "mg/dL"}, 6.994),  # 126 / 18.0156
        ("glucose", {"value": 5.6, "context": "fasting"}, 5.6),
        ("heart-rate", {"value": 72}, 72),
        ("weight", {"value": 130, "unit": "斤"}, 65),
        ("weight", {"value": 100, "unit": "lb"}, 45.359),
        ("oxygen", {"value": 97}, 97),
        ("temperature", {"value": 98.6, "unit": "[degF]"}, 37.0),
    ],
)
def test_other_kinds(kind: str, fields: dict[str, Any], value: float) -> None:
    assert one(kind, **fields).values["value"] == pytest.approx(value, abs=0.001)


@pytest.mark.parametrize(
    ("payload", "reason", "field", "value"),
    [
        (b'{"systolic":2047,"diastolic":2047,"mean":2047}', "not-a-number", "systolic", "2047"),
        (b'{"systolic":NaN,"diastolic":80}', "not-a-number", "systolic", "NaN"),
        (b'{"systolic":120,"diastolic":"NaN"}', "not-a-number", "diastolic", "NaN"),
        (b'{"systolic":Infinity,"diastolic":80}', "infinite", "systolic", "inf"),
        (b'{"systolic":80,"diastolic":120}', "swapped-pair", "systolic/diastolic", "80/120"),
        (b'{"systolic":120,"diastolic":120}', "swapped-pair", "systolic/diastolic", "120/120"),
        (b'{"systolic":301,"diastolic":80}', "out-of-limits", "systolic", "301"),
        (b'{"systolic":120,"diastolic":19}', "out-of-limits", "diastolic", "19"),
        (b'{"systolic":0,"diastolic":0}', "out-of-limits", "systolic", "0"),
        (b'{"systolic":120,"diastolic":80,"pulse":400}', "out-of-limits", "pulse", "400"),
        (b'{"error":"E3","systolic":0}', "error-code", "error", "E3"),
    ],
)
def test_a_technical_fault_has_no_values(payload: bytes, reason: str, field: str, value: str) -> None:
    (got,) = decode("blood-pressure", payload)
    assert isinstance(got, Decoded)
    assert (got.technical, got.fault, got.values) == (reason, (field, value), {})
    assert value in got.message["zh"]
    assert value in got.message["en"]


def test_a_meter_that_reads_high() -> None:
    got = one("glucose", value="HI")
    assert (got.technical, got.flags) == ("error-code", ("meter-high",))


def test_pulse_zero_means_not_measured() -> None:
    assert one(**BP, pulse=0).values == {"systolic": 150, "diastolic": 95}


@pytest.mark.parametrize(
    ("payload", "code", "field"),
    [
        (b"", "unreadable", "payload"),
        (b"\xff\x00\x01", "unreadable", "payload"),
        (b"[" * 5000, "unreadable", "payload"),
        (b"[]", "invalid", "payload"),
        (b"7", "invalid", "payload"),
        (b'{"systolic":150}', "invalid", "diastolic"),
        (b'{"systolic":"150","diastolic":95}', "invalid", "systolic"),
        (b'{"systolic":true,"diastolic":95}', "invalid", "systolic"),
        (b'{"systolic":150,"diastolic":95,"unit":"psi"}', "invalid", "unit"),
        (b'{"systolic":150,"diastolic":95,"time":"yesterday"}', "invalid", "time"),
        (b'{"systolic":150,"diastolic":95,"time":1700000000}', "invalid", "time"),
        (b'{"systolic":150,"diastolic":95,"user":256}', "invalid", "user"),
        (b'{"systolic":150,"diastolic":95,"position":"upside-down"}', "invalid", "position"),
        (b'{"systolic":150,"diastolic":95,"kind":"ecg"}', "invalid", "kind"),
        (b'{"systolic":150,"diastolic":95,"id":""}', "invalid", "id"),
    ],
)
def test_a_refusal_names_the_field(payload: bytes, code: str, field: str) -> None:
    error = refusal(payload)
    assert (error.code, error.field) == (code, field)
    assert error.message["zh"].startswith(field)
    assert error.message["en"].startswith(field)


def test_a_bad_element_spoils_none_of_the_others() -> None:
    got = decode("json", b'[{"systolic":150,"diastolic":95},{"id":"x","systolic":150},{"systolic":130,"diastolic":85}]')
    assert [isinstance(result, Decoded) for result in got] == [True, False, True]
    assert isinstance(got[1], Undecodable)
    assert got[1].id == "x"


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(Undecodable) as error:
        decode("ecg-trace", b"{}")
    assert (error.value.code, error.value.value) == ("unknown-kind", "ecg-trace")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.integers(0, 400)
NAMES = """
    id seq kind time user systolic diastolic mean pulse value unit flags backlog error position header body schema_id
    resourceType entry resource component code coding valueQuantity status effective_time_frame date_time
    systolic_blood_pressure
"""
OBJECTS = st.sampled_from(NAMES.split()) | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(OBJECTS, inner, max_size=8),
    max_leaves=20,
)


@given(
    st.sampled_from([*FORMATS, "blood-pressure", "glucose", "oxygen"]),
    st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()),
)
def test_any_bytes_decode_or_are_refused(kind: str, payload: bytes) -> None:
    for result in attempt(decode, kind, payload):
        if isinstance(result, Undecodable):
            assert json.dumps(result.message)
            assert len(result.value) <= 200
        else:
            assert json.dumps(result.as_json(), allow_nan=False)


@given(
    st.fixed_dictionaries(
        {"systolic": st.integers(40, 310) | st.just(2047), "diastolic": st.integers(10, 210)},
        optional={"pulse": st.integers(0, 310), "user": st.integers(-1, 256), "time": st.datetimes().map(str)},
    )
)
def test_what_has_values_is_plausible(fields: dict[str, Any]) -> None:
    (result,) = decode("json", b"[" + json.dumps(fields).encode() + b"]")
    if isinstance(result, Decoded) and result.values:
        assert 50 <= result.values["systolic"] <= 300
        assert 20 <= result.values["diastolic"] < result.values["systolic"]


def test_steps_with_what_they_were_counted_over() -> None:
    got = one("activity", value=4200, duration=3600, distance=2900)
    assert (got.values, got.about) == ({"value": 4200}, {"duration": 3600, "distance": 2900})
