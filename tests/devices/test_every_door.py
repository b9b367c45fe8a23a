"""Every door to readings on the whole stack: Bluetooth and a gateway by MQTT, FHIR, a vendor's cloud; the registry."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.auth import Role
from infra.clients import clickhouse
from infra.clock import clock
from infra.settings import settings
from infra.stack.scratch import Stack, wait_until
from mqtt_ingest import vendor
from schemas.envelope import rfc3339
from tests.api.people import House, bearer
from tests.devices.wire import Devices, refusals, unique

pytestmark = pytest.mark.stack
DONE = {"id": "c", "status": "done"}


@pytest.fixture(scope="module")
def house(kafka: Stack, mosquitto: Stack) -> Iterator[House]:
    """An institution on a stack with every part that readings pass."""
    kafka.up("bridge", "worker", "writer", "api")
    with httpx.Client(base_url=f"http://{settings().api}", timeout=30) as api:
        yield House(api)


def stock(house: House, device: str, resident: str | None = None, **more: Any) -> None:
    """Put a device into the institution's stock and, with ``resident``, bind it, for a year."""
    events = [house.event("mailiu.device.registered.v1", f"device:{device}", {"device": device, **more}, 400)]
    if resident:
        events.append(house.event("mailiu.device.bound.v1", resident, {"device": device}, 365))
    house.post(*events)


def ask(house: House, devices: Devices, device: str, payload: Any, kind: str) -> dict[str, Any]:
    """Publish until the bridge knows the device; the receipt."""
    receipt: dict[str, Any] = {}

    def known() -> bool:
        receipt.update(devices.ask(device, payload, kind, house.id))
        return receipt["reason"] not in ("unknown-device", "unbound-device", "not-authorized")

    wait_until(known, f"the bridge knows {device}")
    return receipt


def shown(house: House, path: str, role: Role = "clinician", **parameters: Any) -> dict[str, Any]:
    """The answer of ``path``, as far as the tables have come."""
    answer = house.api.get(path, headers=house.token(role), params=parameters)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def readings(house: House, resident: str, count: int) -> list[dict[str, Any]]:
    """The resident's readings, once there are so many."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        answer = house.api.get(f"/v1/residents/{resident}/readings", headers=house.token())
        found[:] = answer.json()["items"] if answer.status_code == 200 else []  # nobody of that name, so far
        return len(found) >= count

    wait_until(there, f"{count} readings of {resident}")
    return found


def ble_time() -> bytes:
    """Now, local, as Bluetooth sends it."""
    now = clock().now().astimezone(settings().zone)
    return now.year.to_bytes(2, "little") + bytes([now.month, now.day, now.hour, now.minute, now.second])


def test_bluetooth_kinds_become_readings(house: House) -> None:
    resident, device = house.resident(), unique("D")
    stock(house, device, resident)
    values = {
        "ble-2a18": b"\x02\x01\x00" + ble_time() + bytes.fromhex("5ab011"),  # 90 * 10**-5 kg/L
        "ble-2a9d": b"\x02" + bytes.fromhex("4038") + ble_time(),  # 14400 * 0.005 kg
        "ble-2a5e": b"\x01" + bytes.fromhex("61004800") + ble_time(),  # 97 %, 72 /min
        "ble-2a1c": b"\x02" + bytes.fromhex("740100ff") + ble_time(),  # 372 * 10**-1 Cel
        "ble-2a37": bytes.fromhex("0050"),  # 80 /min
    }
    with Devices() as devices:
        receipts = [ask(house, devices, device, value, kind) for kind, value in values.items()]
    assert [receipt["status"] for receipt in receipts] == ["accepted"] * 5
    found = {one["kind"]: one["value"] for one in readings(house, resident, 5)}
    assert found == {
        "glucose": pytest.approx(4.996, abs=0.001), "weight": 72, "oxygen": 97, "temperature": 37.2, "heart-rate": 80,
    }  # fmt: skip


def test_a_gateway_publishes_once_it_is_authorized_and_not_after(house: House) -> None:
    resident, device, gateway = house.resident(), unique("D"), unique("GW")
    stock(house, device, resident)
    reading = {"id": "g1", "device": device, "systolic": 150, "diastolic": 95}
    tie = {"device": device, "gateway": gateway}
    with Devices() as devices:
        ask(house, devices, device, {"battery": 70}, "status")
        devices.publish(gateway, reading, "json", house.id)
        (refused,) = devices.answers_to({"g1"})
        assert (refused["reason"], refused["device"]) == ("not-authorized", device)
        house.post(house.event("mailiu.device.gateway-authorized.v1", f"device:{device}", tie))
        (taken,) = devices.answers_to({"g1"})  # what was refused is taken by itself, and the gateway told
        assert (taken["status"], taken["device"]) == ("accepted", device)
        house.post(house.event("mailiu.device.gateway-revoked.v1", f"device:{device}", tie))
        tries = iter(range(10_000))

        def revoked() -> bool:
            id = f"g-{next(tries)}"
            devices.publish(gateway, reading | {"id": id}, "json", house.id)
            return bool(devices.answers_to({id})[0]["reason"] == "not-authorized")

        wait_until(revoked, "the bridge knows that the gateway is revoked")
    resolved = [one for one in refusals([f"mqtt/{house.id}/{device}"]) if "resolved" in one]
    assert resolved
    assert readings(house, resident, 1)[-1]["device"] == device


def test_fhir_by_rest_becomes_a_reading_and_can_be_taken_back(house: House) -> None:
    resident = house.resident()
    observation = {
        "resourceType": "Observation", "status": "final", "identifier": [{"system": "urn:his", "value": unique("o")}],
        "effectiveDateTime": rfc3339(clock().now() - timedelta(minutes=5)),
        "subject": {"reference": f"Patient/{resident}"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "valueQuantity": {"value": 154, "system": "http://unitsofmeasure.org", "code": "[lb_av]"},
    }  # fmt: skip

    def send(**change: Any) -> httpx.Response:
        return house.api.post(
            "/v1/fhir", headers=house.token("integrator") | {"content-type": "application/fhir+json"},
            json=observation | change,
        )  # fmt: skip

    assert send().status_code == 201
    assert send().status_code == 200
    (reading,) = readings(house, resident, 1)
    assert reading["value"] == pytest.approx(69.853, abs=0.001)  # 154 lb * 0.45359237
    assert send(status="entered-in-error").status_code == 201
    wait_until(lambda: readings(house, resident, 1)[0]["retracted"], "the reading is taken back")
    foreign = house.api.post("/v1/fhir", headers=bearer("integrator", "I-other"), json=observation)
    assert foreign.status_code == 403, foreign.text


def call(house: House, *records: dict[str, Any]) -> dict[str, Any]:
    """A signed call of the example vendor; its answer."""
    body, stamp = json.dumps({"data": {"records": records}}).encode(), str(int(time.time()))
    made = hmac.new(vendor.secret("kangbo").encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    answer = house.api.post(
        "/v1/vendor/kangbo", content=body,
        headers={"X-Kangbo-Timestamp": stamp, "X-Kangbo-Signature": f"sha256={made}"},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_a_vendors_reading_waits_for_its_binding_and_is_then_taken(house: House) -> None:
    resident, serial = house.resident(), unique("")
    device = f"KB-{serial}"
    stock(house, device)
    now = clock().now().astimezone(settings().zone)
    record = {"recordId": 1, "sn": serial, "type": "BP", "sys": 151, "dia": 96}
    record["measuredAt"] = (now - timedelta(seconds=30)).strftime("%Y-%m-%d %H:%M:%S")
    wait_until(lambda: call(house, record)["receipts"][0]["reason"] == "unbound-device", "the API knows the device")
    house.post(house.event("mailiu.device.bound.v1", resident, {"device": device}, 365))
    (reading,) = readings(house, resident, 1)
    assert (reading["systolic"], reading["device"]) == (151, device)
    wait_until(lambda: call(house, record)["receipts"][0]["status"] == "accepted", "the API knows the binding")
    assert len(readings(house, resident, 1)) == 1


def test_the_registry_shows_what_a_device_said_and_hides_whose_it_is(house: House) -> None:
    resident, device = house.resident(), unique("D")
    house.post(house.event("mailiu.device.model-registered.v1", "model:M", {
        "model": f"M-{device}", "maker": "maker", "kinds": ["blood-pressure"], "site": "wrist", "validated": False,
    }) | {"subject": device})  # fmt: skip
    stock(house, device, resident, model=f"M-{device}")
    with Devices() as devices:
        ask(house, devices, device, {"battery": 9, "calibration_due": "2020-01-01", "firmware": "2.1"}, "status")
        assert (
            devices.ask(device, {"id": "1", "systolic": 150, "diastolic": 95}, "json", house.id)["status"] == "accepted"
        )
        assert devices.ask(device, {"id": "c", "status": "done"}, "command-result", house.id)["status"] == "accepted"
    readings(house, resident, 1)
    (listed,) = shown(house, "/v1/devices", "integrator", battery_below=10, due_before="2021-01-01")["items"]
    assert (listed["device"], listed["battery"], listed["bound"], listed["calibration_due"]) == (
        device, 9, 1, "2020-01-01",
    )  # fmt: skip
    assert shown(house, "/v1/devices", silent_days=7, battery_below=10)["items"] == []
    whole = shown(house, f"/v1/devices/{device}")
    assert (whole["model"], whole["site"], whole["validated"]) == (f"M-{device}", "wrist", False)
    assert [binding["resident"] for binding in whole["bindings"]] == [resident]
    assert [binding["resident"] for binding in shown(house, f"/v1/devices/{device}", "integrator")["bindings"]] == [
        None
    ]
    assert house.api.get(f"/v1/devices/{device}", headers=bearer("clinician", "I-other")).status_code == 404
    wait_until(
        lambda: any(a["rule"] == "device-suspect" for a in shown(house, "/v1/alerts", severity="technical")["items"]),
        "a technical alert",
    )


def test_an_event_of_the_organization_sent_again_is_known_by_the_tables(house: House) -> None:
    """As another process would find it: the earlier copy is looked for in the tables alone."""
    from api.append import LOOK_UP

    team = house.event("mailiu.organization.team-formed.v1", house.id, {"team": unique("T"), "name": "one"})
    admin = bearer("admin", house.id)
    first = house.api.post("/v1/events", headers=admin, json=team).json()
    identity = first["results"][0]["identity"]

    def found() -> bool:
        with clickhouse() as tables:
            rows = tables.query(LOOK_UP, {"keys": [house.id], "ids": [identity]}).result_rows
        return [str(row[0]) for row in rows] == [identity]

    wait_until(found, "the event is in the tables")
    again = house.api.post("/v1/events", headers=admin, json=team).json()
    assert again["results"][0]["status"] == "duplicate"
