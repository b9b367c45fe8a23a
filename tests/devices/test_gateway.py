"""Gateways that publish for other devices, what devices say of themselves, and the answers to commands."""

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from mqtt_ingest.bindings import Bindings
from mqtt_ingest.gate import Answer, Gate
from mqtt_ingest.receipts import receipt
from mqtt_ingest.rejected import Rejected, records
from schemas.registry import parse

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
BP = {"id": "1", "time": "2026-03-01T08:00:00Z", "systolic": 150, "diastolic": 95}


def facts(*more: tuple[str, dict[str, Any]]) -> Gate:
    """Device D1 of resident R1, registered at I01 with a model, and ``more`` facts."""
    bindings = Bindings()
    known: list[tuple[str, dict[str, Any]]] = [
        ("D1", {"kind": "device", "device": "D1", "institution": "I01", "model": "M1"}),
        ("D1/*/R1/0", {"kind": "binding", "device": "D1", "user_slot": None, "resident": "R1", "institution": "I01",
                       "from": 0, "to": None}),
        *more,
    ]  # fmt: skip
    for key, fact in known:
        bindings.apply(key, orjson.dumps(fact))
    return Gate(bindings, ZoneInfo("Asia/Shanghai"))


def gateway(authorized: bool = True, device: str = "D1") -> tuple[str, dict[str, Any]]:
    fact = {"kind": "gateway", "device": device, "gateway": "GW", "institution": "I01", "authorized": authorized}
    return f"{device}/gateway/GW", fact


def sent(gate: Gate, payload: object, kind: str = "json", device: str = "GW", institution: str = "I01") -> Answer:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    (answer,) = gate.take(f"mailiu/{institution}/{device}/up/{kind}", body, NOW)
    if answer.event is not None:
        assert parse(answer.event.dumps()) == answer.event
    return answer


def reason(answer: Answer) -> str:
    assert answer.refusal is not None
    return answer.refusal.reason


def test_a_gateway_publishes_for_the_device_that_its_payload_names() -> None:
    answer = sent(facts(gateway()), BP | {"device": "D1"})
    assert answer.event is not None
    assert (answer.event.source, answer.event.subject) == ("mqtt/I01/D1", "R1")
    assert answer.event.data["device"] == "D1"
    assert orjson.loads(receipt(answer, "0:1"))["device"] == "D1"


def test_it_is_the_same_reading_that_the_device_sends_itself() -> None:
    gate = facts(gateway())
    own, through = sent(gate, BP, device="D1"), sent(gate, BP | {"device": "D1"})
    assert own.event is not None
    assert through.event is not None
    assert own.event.identity == through.event.identity
    assert own.content == through.content


@pytest.mark.parametrize(
    ("gate", "institution", "expected"),
    [
        (facts(), "I01", "not-authorized"),
        (facts(gateway(False)), "I01", "not-authorized"),
        (facts(gateway(device="D2")), "I01", "not-authorized"),
        (facts(gateway()), "I02", "wrong-institution"),
    ],
)
def test_a_gateway_publishes_for_no_other(gate: Gate, institution: str, expected: str) -> None:
    answer = sent(gate, BP | {"device": "D1"}, institution=institution)
    assert reason(answer) == expected
    assert answer.also == ()


def test_what_a_gateway_was_refused_waits_for_the_device_and_comes_again_as_it_came() -> None:
    refused = Rejected(orjson.loads(next(records(sent(facts(), BP | {"device": "D1"}), NOW))))
    assert refused.waiting
    assert refused.device == "D1"
    assert refused.at is not None
    (again,) = facts(gateway()).take(refused.at.topic, refused.raw(), refused.received, refused.verdict)
    assert again.event is not None
    assert again.event.subject == "R1"


def test_each_device_of_an_array_has_a_clock_of_its_own() -> None:
    gate = facts(gateway(), gateway(device="D2"), (
        "D2/*/R2/0",
        {"kind": "binding", "device": "D2", "user_slot": None, "resident": "R2", "institution": "I01", "from": 0,
         "to": None},
    ))  # fmt: skip
    payload = [BP | {"device": "D1"}, BP | {"device": "D2", "time": "2000-01-01T00:00:00Z"}]
    right, wrong = gate.take("mailiu/I01/GW/up/json", json.dumps(payload).encode(), NOW)
    assert right.event is not None
    assert wrong.event is not None
    assert [(a.event.subject, a.event.data["clock"]) for a in (right, wrong) if a.event] == [
        ("R1", "trusted"), ("R2", "untrusted"),
    ]  # fmt: skip


def test_who_measures_people_publishes_for_itself_whatever_it_calls_itself() -> None:
    answer = sent(facts(), BP | {"device": "UA-651BLE"}, device="D1")
    assert answer.event is not None
    assert answer.event.data["device"] == "D1"


def test_the_model_is_noted_and_a_shared_device() -> None:
    slot = {"kind": "binding", "device": "D1", "resident": "R2", "user_slot": 2, "institution": "I01", "from": 0}
    alone, shared = facts(), facts(("D1/2/R2/0", slot | {"to": None}))
    for gate, flags in ((alone, None), (shared, ["shared-device"])):
        answer = sent(gate, BP, device="D1")
        assert answer.event is not None
        assert answer.event.data["model"] == "M1"
        assert answer.event.data.get("flags") == flags


# ---- status


def test_a_status_with_calibration_through_a_gateway() -> None:
    said = {
        "id": "s1",
        "device": "D1",
        "battery_low": True,
        "calibrated": "2025-03-01",
        "calibration_due": "2026-03-01",
    }
    answer = sent(facts(gateway()), said, "status")
    assert answer.event is not None
    assert answer.event.subject == "R1"
    assert answer.event.data == {k: v for k, v in said.items() if k != "id"} | {"gateway": "GW"}
    assert reason(sent(facts(), said, "status")) == "not-authorized"


def test_a_battery_level_by_bluetooth_in_bytes_and_in_hex() -> None:
    for payload in (b"\x40", b"40"):
        answer = sent(facts(), payload, "ble-2a19", device="D1")
        assert answer.event is not None
        assert answer.event.data == {"device": "D1", "battery": 64}
    assert reason(sent(facts(), b"\xff", "ble-2a19", device="D1")) == "invalid"


def test_a_battery_beside_a_reading_is_the_devices_status() -> None:
    answer = sent(facts(), BP | {"battery": 12}, device="D1")
    assert answer.event is not None
    assert "battery" not in answer.event.data
    (status,) = answer.also
    assert (status.type, status.data) == ("mailiu.device.status-reported.v1", {"device": "D1", "battery": 12})


def test_a_meters_low_battery_is_its_status() -> None:
    """Glucose 0x2A18 with sensor status bit 0."""
    value = bytes.fromhex("0a 0100 ea07 03 01 08 00 00 5ab0 11 0100")
    answer = sent(facts(), value, "ble-2a18", device="D1")
    assert answer.event is not None
    assert answer.event.data["value"] == pytest.approx(4.996, abs=0.001)
    assert [event.data for event in answer.also] == [{"device": "D1", "battery_low": True}]


# ---- answers to commands


@pytest.mark.parametrize(
    ("said", "type", "data"),
    [
        ({"id": "c1", "status": "done"}, "acknowledged", {}),
        ({"id": "c1", "status": "failed", "reason": "no such setting"}, "failed", {"reason": "no such setting"}),
    ],
)
def test_a_device_answers_a_command(said: dict[str, str], type: str, data: dict[str, str]) -> None:
    gate = facts()
    answer, again = sent(gate, said, "command-result", "D1"), sent(gate, said, "command-result", "D1")
    assert answer.event is not None
    assert again.event is not None
    assert answer.event.type == f"mailiu.device.command-{type}.v1"
    assert answer.event.subject == "R1"
    assert answer.event.data == {"command": "c1", "device": "D1", **data}
    assert answer.event.identity == again.event.identity


@pytest.mark.parametrize("said", [{"status": "done"}, {"id": "c1", "status": "soon"}, {"id": "c1", "status": "failed"}])
def test_an_answer_without_command_result_or_reason_is_refused(said: dict[str, str]) -> None:
    assert reason(sent(facts(), said, "command-result", "D1")) == "invalid"


def test_a_rules_version_is_the_activated_one() -> None:
    gate = facts(("rule/bp-crisis", {"kind": "rule", "rule": "bp-crisis", "version": 1}))
    assert gate.bindings.rules == {"bp-crisis": 1}


def test_no_number_of_a_person_enters_the_log() -> None:
    gate = facts()
    assert reason(sent(gate, BP | {"id": "13800138000"}, device="D1")) == "invalid"
    assert reason(sent(gate, {"battery": 5, "firmware": "ring 13800138000"}, "status", "D1")) == "invalid"
    told = {"id": "c1", "status": "failed", "reason": "call 138 0013 8000"}
    assert reason(sent(gate, told, "command-result", "D1")) == "invalid"
    failed = sent(gate, BP | {"error": "Zhang San"}, device="D1").also[0]
    assert "value" not in failed.data
