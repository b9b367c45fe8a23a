"""The bridge on a real Mosquitto and a real Kafka: receipts, identities, bindings, kills, arbitrary payloads."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from infra.clients import mqtt, mqtt_address
from infra.rejected import fernet
from infra.stack.scratch import ROOT, Stack, wait_until
from mqtt_ingest.gate import LARGEST
from mqtt_ingest.rejected import WAITING
from schemas.envelope import from_milliseconds, identity
from tests.devices.wire import Devices, bound, events, mosquitto_pub, refusals, registered, tell, unique

pytestmark = pytest.mark.stack
BP = {"systolic": 150, "diastolic": 95, "pulse": 72}


@pytest.fixture(scope="module")
def bridge(kafka: Stack, mosquitto: Stack) -> Stack:
    """A running bridge."""
    kafka.up("bridge")
    return kafka


@pytest.fixture
def devices(bridge: Stack) -> Iterator[Devices]:
    """The devices' side."""
    with Devices() as connected:
        yield connected


def mine(devices: Devices, device: str, resident: str) -> str:
    """Bind ``device`` and wait until the bridge knows it; the events' source.

    What it said before is answered twice, the second time as accepted: no receipt of it is left for the test.
    """
    tell(bound(device, resident), registered(device))
    devices.publish(device, {"battery": 50, "id": "known"}, "status")
    while devices.answers(1)[0][1]["status"] != "accepted":
        pass
    return f"mqtt/I01/{device}"


def now() -> str:
    return from_milliseconds(round(time.time() * 1000))


def test_a_reading_published_by_mosquitto_pub_is_in_the_log_and_has_a_receipt(devices: Devices) -> None:
    device, resident = unique("D"), unique("R")
    source = mine(devices, device, resident)
    reading = BP | {"id": "m1", "time": now()}
    mosquitto_pub(f"mailiu/I01/{device}/up/blood-pressure", "-m", json.dumps(reading))
    ((where, receipt),) = devices.answers(1)
    assert where == f"{device}/receipt"
    assert (receipt["id"], receipt["status"]) == ("m1", "accepted")
    (event,) = [e for e in events([source]) if e["id"] == "m1"]
    assert (event["subject"], event["_key"]) == (resident, resident)
    assert event["data"]["systolic"] == 150
    assert receipt["position"].count(":") == 1


def test_raw_bluetooth_bytes_are_taken_as_bytes_and_as_hex(devices: Devices) -> None:
    device = unique("D")
    source = mine(devices, device, unique("R"))
    assert (
        devices.ask(device, bytes.fromhex("1678005000ff07ea07030f061e2d48000400"), "ble-2a35")["status"] == "accepted"
    )
    assert devices.ask(device, b"167a005000ff07ea07030f061e2d48000400", "ble-2a35")["status"] == "accepted"
    measured = [e for e in events([source]) if "reading" in e["type"]]
    assert [(e["data"]["systolic"], e["data"]["flags"]) for e in measured] == [
        (120, ["irregular-pulse"]), (122, ["irregular-pulse"]),
    ]  # fmt: skip


def test_a_resent_reading_is_one_event_even_after_the_bridge_was_killed(bridge: Stack, devices: Devices) -> None:
    device = unique("D")
    source = mine(devices, device, unique("R"))
    named, unnamed = BP | {"id": "x", "time": now()}, BP | {"seq": 3, "time": now()}
    first = [devices.ask(device, reading) for reading in (named, unnamed)]
    assert [devices.ask(device, reading) for reading in (named, unnamed)] == first
    bridge.wait_restarted("bridge", bridge.kill("bridge"))
    again = [devices.ask(device, reading) for reading in (named, unnamed)]
    assert [receipt["id"] for receipt in again] == [receipt["id"] for receipt in first]
    measured = [e for e in events([source]) if "reading" in e["type"]]
    assert len({identity(e["source"], e["id"]) for e in measured}) == 2


def test_the_same_id_with_other_content_is_refused_and_kept(devices: Devices) -> None:
    device = unique("D")
    source = mine(devices, device, unique("R"))
    devices.ask(device, BP | {"id": "x"})
    receipt = devices.ask(device, BP | {"id": "x", "systolic": 151})
    assert (receipt["status"], receipt["reason"], receipt["field"]) == ("rejected", "conflict", "id")
    (refusal,) = refusals([source])
    assert orjson.loads(fernet().decrypt(refusal["raw"]))["systolic"] == 151


@pytest.mark.parametrize("known", [False, True])
def test_readings_of_an_unbound_device_wait_until_it_is_bound(devices: Devices, known: bool) -> None:
    device, resident = unique("D"), unique("R")
    source = f"mqtt/I01/{device}"
    if known:
        tell(registered(device))
        wait_until(lambda: devices.ask(device, {"battery": 5}, "status")["status"] == "accepted", "the device is known")
    readings = [BP | {"id": f"u{n}", "time": now()} for n in range(5)] + [BP | {"id": "crisis", "systolic": 200}]
    for reading in readings:
        devices.publish(device, reading)
    ids = {str(reading["id"]) for reading in readings}
    receipts = devices.answers_to(ids)
    reason = "unbound-device" if known else "unknown-device"
    assert {(r["status"], r["reason"], r["field"]) for r in receipts} == {("rejected", reason, "device")}
    tell(registered(device), bound(device, resident))
    receipts = devices.answers_to(ids)
    assert [(r["id"], r["status"]) for r in receipts] == [(r["id"], "accepted") for r in readings]
    found = events([source])
    assert [e["id"] for e in found if e["subject"] == resident and "reading" in e["type"]] == [
        r["id"] for r in readings
    ]
    (unknown,) = [e for e in found if e["type"] == "mailiu.device.person-unknown.v1"]
    assert (unknown["subject"], unknown["data"]["systolic"]) == (f"device:{device}", 200)
    facts = refusals([source])
    waited = {fact["id"] for fact in facts if fact["reason"] in WAITING}
    assert {fact["id"] for fact in facts if fact.get("resolved")} == waited


def test_what_waited_is_found_again_by_a_new_bridge(bridge: Stack, devices: Devices) -> None:
    device, resident = unique("D"), unique("R")
    assert devices.ask(device, BP | {"id": "w"})["status"] == "rejected"
    bridge.wait_restarted("bridge", bridge.kill("bridge"))
    tell(bound(device, resident))
    ((_, receipt),) = devices.answers(1)
    assert (receipt["id"], receipt["status"]) == ("w", "accepted")


def test_bad_input_is_refused_with_field_and_value_and_its_bytes_are_kept(devices: Devices) -> None:
    device = unique("D")
    source = mine(devices, device, unique("R"))
    cases: list[tuple[bytes, str, str, str]] = [
        (b"\x00\xff garbage", "json", "unreadable", "payload"),
        (b'{"systolic":2047,"diastolic":2047,"pulse":2047}', "json", "not-a-number", "systolic"),
        (b'{"systolic":NaN,"diastolic":80}', "json", "not-a-number", "systolic"),
        (b'{"systolic":80,"diastolic":120}', "json", "swapped-pair", "systolic/diastolic"),
        (b'{"systolic":400,"diastolic":120}', "json", "out-of-limits", "systolic"),
        (b"x" * (LARGEST + 1), "json", "too-large", "payload"),
        (b"{}", "electrocardiogram", "unknown-kind", "kind"),
    ]
    for payload, kind, reason, field in cases:
        receipt = devices.ask(device, payload, kind)
        assert (receipt["status"], receipt["reason"], receipt["field"]) == ("rejected", reason, field)
        assert receipt["field"] in receipt["message"]["zh"]
        assert receipt["value"] in receipt["message"]["en"]
    receipt = devices.ask(device, BP, institution="I99")
    assert (receipt["reason"], receipt["value"]) == ("wrong-institution", "I99")
    kept = [fernet().decrypt(fact["raw"]) for fact in refusals([source])]
    assert sorted(kept) == sorted(payload for payload, *_ in cases)
    faults = [e["data"]["reason"] for e in events([source]) if e["type"] == "mailiu.device.measurement-failed.v1"]
    assert Counter(faults) == {"not-a-number": 2, "swapped-pair": 1, "out-of-limits": 1}


def test_a_device_may_ask_for_the_time(devices: Devices) -> None:
    devices.publish("D1", b"", "hello")
    ((where, body),) = devices.answers(1)
    assert where == "D1/time"
    assert body["time"].endswith("Z")


def _mutated(chance: random.Random, seeds: list[bytes]) -> bytes:
    """Random bytes, or a good payload with some bytes changed, cut off or doubled."""
    if chance.random() < 0.2:
        return chance.randbytes(chance.randrange(0, 80))
    payload = bytearray(chance.choice(seeds))
    for _ in range(chance.randrange(0, 4)):
        at = chance.randrange(len(payload) or 1)
        what = chance.randrange(4)
        if what == 0 and payload:
            payload[at] = chance.randrange(256)
        elif what == 1:
            del payload[at : at + chance.randrange(1, 6)]
        elif what == 2:
            payload[at:at] = payload[at : at + chance.randrange(1, 6)]
        elif payload:
            payload[at : at + 1] = chance.choice([b"1", b"9", b"null", b"-", b'"', b"NaN", b"[", b"}"])
    return bytes(payload)


def test_ten_thousand_random_and_mutated_payloads_are_all_accounted_for(bridge: Stack, devices: Devices) -> None:
    seed = time.time_ns()
    chance = random.Random(seed)
    owned = [unique("D") for _ in range(20)]
    sources = [mine(devices, device, unique("R")) for device in owned]
    omh = {
        "header": {
            "id": "h", "creation_date_time": now(),
            "schema_id": {"namespace": "omh", "name": "blood-pressure", "version": "4.0"},
        },
        "body": {
            "systolic_blood_pressure": {"value": 150, "unit": "mmHg"},
            "diastolic_blood_pressure": {"value": 95, "unit": "mmHg"}, "effective_time_frame": {"date_time": now()},
        },
    }  # fmt: skip
    fhir = {
        "resourceType": "Observation", "status": "final", "effectiveDateTime": now(),
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "valueQuantity": {"value": 72, "unit": "/min"},
    }  # fmt: skip
    shapes: dict[str, list[Any]] = {
        "json": [BP, BP | {"time": now(), "user": 1, "flags": ["cuff-loose"]}], "blood-pressure": [BP, omh],
        "glucose": [{"value": 6.1, "context": "fasting"}], "open-mhealth": [omh], "fhir": [fhir],
        "status": [{"battery": 5}],
    }  # fmt: skip
    seeds = {kind: [json.dumps(shape).encode() for shape in some] for kind, some in shapes.items()}
    seeds["ble-2a35"] = [bytes.fromhex("167a005000ff07ea07030f061e2d48000400"), bytes.fromhex("00780050005d00")]
    seeds["no-such-kind"] = [b"{}"]
    before = Counter(refusal["source"] for refusal in refusals(sources)).total()
    statuses = len([e for e in events(sources) if e["type"] == "mailiu.device.status-reported.v1"])
    sent = 0
    for number in range(10_000):
        kind = chance.choice(list(seeds))
        payload = _mutated(chance, seeds[kind])
        try:  # an id of its own where the payload still is an object, so that none is another's duplicate
            fields = json.loads(payload)
            if isinstance(fields, dict) and kind in ("json", "blood-pressure", "glucose", "status"):
                payload = json.dumps(fields | {"id": f"n{number}"}).encode()
        except ValueError:
            pass
        devices.publish(chance.choice(owned), payload, kind)
        sent += 1
    receipts = [body for _, body in devices.answers(sent, 300)]
    outcome = Counter(receipt["status"] for receipt in receipts)
    refused = [fact for fact in refusals(sources) if not fact.get("resolved")]
    accepted = {(e["source"], e["id"]) for e in events(sources) if "measurement-failed" not in e["type"]}
    positions = {receipt["position"] for receipt in receipts if receipt["status"] == "accepted"}
    print(f"seed {seed}: {sent} sent, {dict(outcome)}, {len(accepted)} events, {len(refused) - before} refusals")
    assert outcome.total() == sent
    assert len(refused) - before == outcome["rejected"]
    assert len(accepted) - statuses == len(positions)
    assert outcome["accepted"] >= len(positions) > 0
    assert bridge.status("bridge")["state"] == "running"


@pytest.mark.chaos
def test_what_has_a_receipt_is_in_the_log_though_the_bridge_is_killed_again_and_again(
    bridge: Stack, devices: Devices
) -> None:
    owned = [unique("D") for _ in range(10)]
    sources = [mine(devices, device, unique("R")) for device in owned]
    count, kills = 6_000, 5
    for number in range(count):
        devices.publish(owned[number % len(owned)], BP | {"id": f"k{number}", "seq": number})
        if number % (count // kills) == count // kills - 1:
            bridge.wait_restarted("bridge", bridge.kill("bridge"))
    answers = devices.answers_to({f"k{n}" for n in range(count)}, 120)
    receipts = {body["id"]: body["status"] for body in answers}
    found = events(sources)
    readings = [e for e in found if "reading" in e["type"]]
    print(f"{count} sent, {kills} kills, {len(receipts)} receipts, {len(readings)} records of {count} readings")
    assert receipts == {f"k{n}": "accepted" for n in range(count)}
    assert {e["id"] for e in readings} == set(receipts)
    for source in sources:  # order per device, but for what was delivered again
        first_seen = list(dict.fromkeys(e["data"] and int(e["id"][1:]) for e in readings if e["source"] == source))
        assert first_seen == sorted(first_seen)


@pytest.mark.chaos
def test_while_kafka_is_away_nothing_is_acknowledged_and_nothing_is_lost(bridge: Stack, devices: Devices) -> None:
    device = unique("D")
    source = mine(devices, device, unique("R"))
    old = bridge.kill("kafka")
    for number in range(300):
        devices.publish(device, BP | {"id": f"o{number}", "seq": number})
    bridge.wait_restarted("kafka", old)
    receipts: set[str] = set()
    deadline = time.monotonic() + 180
    while len(receipts) < 300 and time.monotonic() < deadline:
        receipts |= {body["id"] for _, body in devices.answers(1, 180) if body["status"] == "accepted"}
    readings = {e["id"] for e in events([source]) if "reading" in e["type"]}
    print(f"300 sent while Kafka was down, {len(receipts)} receipts, {len(readings)} readings")
    assert receipts == readings == {f"o{n}" for n in range(300)}


def test_refusals_are_listed_and_replayed_by_command(bridge: Stack, devices: Devices) -> None:
    device, resident = unique("D"), unique("R")
    source = mine(devices, device, resident)
    devices.ask(device, b"broken")
    listed = json.loads(bridge.mailiu("rejected", "list", "--device", device, "--json").stdout)
    assert [(row["reason"], row["source"]) for row in listed] == [("unreadable", source)]
    again = json.loads(bridge.mailiu("rejected", "replay", "--device", device, "--json").stdout)
    assert (again["accepted"], again["rejected"]) == (0, 1)
    assert json.loads(bridge.mailiu("rejected", "list", "--since", "0m", "--device", device, "--json").stdout) == []
    assert "use 30m" in bridge.mailiu("rejected", "list", "--since", "soon", check=False).stderr


@pytest.mark.chaos
def test_what_comes_while_the_bridge_hangs_waits_at_the_broker(bridge: Stack, devices: Devices) -> None:
    """More than the broker may have under way; the bridge is stopped, then killed."""
    device = unique("D")
    source = mine(devices, device, unique("R"))
    old = bridge.kill("bridge", signal.SIGSTOP)
    for number in range(1500):
        devices.publish(device, BP | {"id": f"q{number}", "seq": number})
    time.sleep(1)
    os.kill(old, signal.SIGKILL)
    bridge.wait_restarted("bridge", old)
    assert len(devices.answers_to({f"q{n}" for n in range(1500)})) == 1500
    assert len({e["id"] for e in events([source]) if "reading" in e["type"]}) == 1500


def test_several_bridges_share_the_devices(bridge: Stack, devices: Devices, tmp_path: Path) -> None:
    """Two bridges share a subscription: each has a session of its own, together they take each message once."""
    device = unique("D")
    source = mine(devices, device, unique("R"))
    names = [unique("bridge-") for _ in range(2)]
    environment = os.environ | bridge.environment | {"MAILIU_MQTT_BRIDGES": "2"}
    old = bridge.kill("bridge", signal.SIGSTOP)  # its answers would be the same; let the two answer alone
    running = []
    for name in names:
        with (tmp_path / name).open("wb") as log:
            command = [sys.executable, "-m", "infra.cli", "part", "bridge"]
            environment["MAILIU_MQTT_BRIDGE_ID"] = name
            running.append(subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log))
    try:
        wait_until(lambda: all(b"is ready" in (tmp_path / name).read_bytes() for name in names), "both bridges serve")
        for number in range(400):
            devices.publish(device, BP | {"id": f"s{number}", "seq": number})
        ids = [body["id"] for _, body in devices.answers(400)]
    finally:
        for process in running:
            process.terminate()
        codes = [process.wait(20) for process in running]
        for name in names:
            _end_session(name)
        os.kill(old, signal.SIGCONT)
    assert sorted(ids) == sorted(f"s{n}" for n in range(400))
    assert codes == [0, 0]
    assert {e["id"] for e in events([source]) if "reading" in e["type"]} == set(ids)


def _end_session(name: str) -> None:
    client = mqtt(name)
    client.connect(*mqtt_address(), clean_start=True)
    client.loop_start()
    time.sleep(0.5)
    client.disconnect()
    client.loop_stop()
