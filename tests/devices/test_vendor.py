"""Vendor clouds: mapping files, signatures, and what becomes of a call's readings."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqtt_ingest import vendor
from mqtt_ingest.decoded import Decoded, Undecodable
from tests.devices.data import attempt

SECRET = "it is a secret"
NOW = 1_772_352_000  # 2026-03-01T08:00:00Z
CALL = {
    "data": {
        "records": [
            {"recordId": 7, "sn": "001", "type": "BP", "sys": 150, "dia": 95, "pul": 72, "userNo": 2, "ihb": 1,
             "measuredAt": "2026-03-01 16:00:00"},
            {"recordId": "8", "sn": "002", "type": "BG", "bg": 110, "unit": "mg/dL", "meal": 1,
             "measuredAt": "2026-03-01 15:59:00", "offline": True},
            {"recordId": 9, "sn": "001", "type": "BP", "errorCode": "E2", "measuredAt": "2026-03-01 16:00:30"},
            {"recordId": 10, "sn": "0 1", "type": "BP"},
            {"recordId": 11, "sn": "001", "type": "ECG", "measuredAt": "2026-03-01 16:00:30"},
        ]
    }
}  # fmt: skip


def kangbo() -> vendor.Vendor:
    found = vendor.find("kangbo")
    assert found is not None
    return found


def test_every_mapping_of_ours_can_be_read() -> None:
    for file in sorted(vendor.FOLDER.glob("*.toml")):
        assert set(vendor.read(file).title) == {"zh", "en"}


def test_a_call_with_records() -> None:
    """110 mg/dL / 18.0156 = 6.106 mmol/L."""
    pressure, sugar, failed, nobody, other = kangbo().decode(json.dumps(CALL).encode())
    assert isinstance(pressure, Decoded)
    assert (pressure.device, pressure.id, pressure.user) == ("KB-001", "7", 2)
    assert pressure.values == {"systolic": 150, "diastolic": 95, "pulse": 72}
    assert pressure.time == datetime(2026, 3, 1, 16, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert pressure.flags == ("irregular-pulse",)
    assert isinstance(sugar, Decoded)
    assert sugar.values["value"] == pytest.approx(6.106, abs=0.0005)
    assert (sugar.about, sugar.flags) == ({"context": "fasting"}, ("backlog",))
    assert isinstance(failed, Decoded)
    assert failed.technical == "error-code"
    assert isinstance(nobody, Undecodable)
    assert (nobody.field, nobody.id) == ("sn", "10")
    assert isinstance(other, Undecodable)
    assert (other.code, other.device) == ("unknown-kind", "KB-001")


def test_a_call_with_one_reading() -> None:
    """1772352000000 ms is 2026-03-01T08:00:00Z; 154 lb * 0.45359237 = 69.853 kg."""
    call = {
        "type": "weight.measured",
        "data": {"id": "w1", "weight": 154, "unit": "lb", "taken_at_ms": NOW * 1000, "device": {"serial": "77"}},
    }
    (got,) = vendor.decode("homepulse", json.dumps(call).encode())
    assert isinstance(got, Decoded)
    assert (got.device, got.id, got.time) == ("HP-77", "w1", datetime(2026, 3, 1, 8, tzinfo=UTC))
    assert got.values["value"] == pytest.approx(69.853, abs=0.0005)


@pytest.mark.parametrize("value", ["2026-03-01", "yesterday", None, 7])
def test_a_time_of_another_form_is_refused(value: object) -> None:
    with pytest.raises(Undecodable) as error:
        kangbo().element(CALL["data"]["records"][0] | {"measuredAt": value})
    assert error.value.field == "measuredAt"


def signed(body: bytes, stamp: int = NOW, secret: str = SECRET) -> dict[str, str]:
    made = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"x-kangbo-timestamp": str(stamp), "x-kangbo-signature": f"sha256={made}"}


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        (signed(b"{}"), None),
        (signed(b"{}", NOW - 299), None),
        (signed(b"{}", NOW - 301), "X-Kangbo-Timestamp"),
        (signed(b"{}", NOW + 301), "X-Kangbo-Timestamp"),
        (signed(b"{ }"), "X-Kangbo-Signature"),
        (signed(b"{}", secret="another"), "X-Kangbo-Signature"),
        (signed(b"{}") | {"x-kangbo-timestamp": str(NOW + 1)}, "X-Kangbo-Signature"),
        (signed(b"{}") | {"x-kangbo-timestamp": "now"}, "X-Kangbo-Timestamp"),
        (signed(b"{}") | {"x-kangbo-timestamp": "١"}, "X-Kangbo-Timestamp"),
        (signed(b"{}") | {"x-kangbo-signature": "sha256=é"}, "X-Kangbo-Signature"),
        ({}, "X-Kangbo-Timestamp"),
    ],
)
def test_a_signature_is_of_this_body_now(headers: dict[str, str], fault: str | None) -> None:
    found = kangbo().signature.fault(SECRET, headers, b"{}", NOW)
    assert found is None if fault is None else found is not None and found.startswith(fault)


def test_the_scheme_of_standard_webhooks() -> None:
    """The scheme's text: base64 of HMAC-SHA256 over id.timestamp.body, as ``v1,…``."""
    found = vendor.find("homepulse")
    assert found is not None
    body, stamp = b'{"a": 1}', int(datetime.now(UTC).timestamp())
    made = hmac.new(SECRET.encode(), f"m1.{stamp}.".encode() + body, hashlib.sha256).digest()
    headers = {
        "webhook-id": "m1", "webhook-timestamp": str(stamp),
        "webhook-signature": f"v1,{base64.b64encode(made).decode()}",
    }  # fmt: skip
    assert found.signature.fault(SECRET, headers, body, 0) is None
    for change in ({"webhook-timestamp": str(stamp - 400)}, {"webhook-signature": "v1"}, {"webhook-signature": "v1,é"}):
        assert found.signature.fault(SECRET, headers | change, body, 0)
    assert found.signature.fault(SECRET, headers, b"\xff", 0)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('device = "sn"', "", "reading.device"),
        ('kind = "glucose"', 'kind = "mood"', "measure.1.kind"),
        ('unit = "mmHg"', "", "measure blood-pressure: either unit or unit_path"),
        ('header = "X-Kangbo-Signature"', "", "signature: header"),
        ('zone = "Asia/Shanghai"', 'zone = "Asia/Nowhere"', "No time zone"),
        ('signed = "{timestamp}.{body}"', 'signed = "{body}"', "signature.signed"),
        ("[reading]", "[reading", "toml"),
        ('items = "data.records"', 'item = "data.records"', "reading.item"),
    ],
)
def test_a_mapping_file_that_is_wrong_says_where(tmp_path: Path, old: str, new: str, named: str) -> None:
    text = (vendor.FOLDER / "kangbo.toml").read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "mine.toml"
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=named):
        vendor.read(file)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["recordId", "sn", "type", "sys", "dia", "userNo", "measuredAt", "errorCode", "offline", "bg"])


@given(st.dictionaries(FIELDS, JSON), st.sampled_from([0, 1]))
def test_whatever_a_record_holds_it_decodes_or_is_refused_by_name(change: dict[str, Any], which: int) -> None:
    record = CALL["data"]["records"][which] | change
    for result in attempt(kangbo().decode, json.dumps({"data": {"records": [record]}}).encode()):
        assert isinstance(result, Decoded) or result.field
