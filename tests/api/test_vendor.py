"""`POST /v1/vendor/{name}`: a signed call, the gate, receipts in the answer; without Kafka and tables."""

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest

from api import vendor as door
from mqtt_ingest import vendor
from mqtt_ingest.bindings import Bindings
from mqtt_ingest.gate import Gate
from mqtt_ingest.rejected import Rejected
from tests.api.stub import StubLog, client
from tests.devices.wire import bound, registered

Called = tuple[httpx.AsyncClient, StubLog]


@pytest.fixture
async def called(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Called]:
    """The application with device KB-001 of resident R1 at I01."""
    bindings = Bindings()
    bindings.apply("KB-001", orjson.dumps(registered("KB-001")))
    bindings.apply("KB-001/*/R1/0", orjson.dumps(bound("KB-001", "R1")))

    async def opened(_: door.Door, log: object) -> Gate:
        return gate

    gate = Gate(bindings)
    monkeypatch.setattr(door.Door, "opened", opened)
    async with client() as (api, log):
        api._transport.app.state.vendor_door = door.Door()  # type: ignore[attr-defined]
        yield api, log


def record(**changed: Any) -> dict[str, Any]:
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 8 * 3600 - 5))
    return {"recordId": 1, "sn": "001", "type": "BP", "sys": 150, "dia": 95, "measuredAt": now, **changed}


async def call(
    api: httpx.AsyncClient, *records: dict[str, Any], secret: str | None = None, name: str = "kangbo"
) -> Any:
    body, stamp = json.dumps({"data": {"records": records}}).encode(), str(int(time.time()))
    key = (secret or vendor.secret("kangbo")).encode()
    made = hmac.new(key, f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"X-Kangbo-Timestamp": stamp, "X-Kangbo-Signature": f"sha256={made}"}
    return await api.post(f"/v1/vendor/{name}", headers=headers, content=body)


async def test_each_reading_has_its_receipt(called: Called) -> None:
    api, log = called
    one, other = record(), record(recordId=2, sn="404")
    answer = await call(api, one, other, record(recordId=3, sys=999))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["accepted"], body["rejected"]) == (1, 2)
    assert [(r["id"], r["device"], r["status"], r["reason"]) for r in body["receipts"]] == [
        ("1", "KB-001", "accepted", None), ("2", "KB-404", "rejected", "unknown-device"),
        ("3", "KB-001", "rejected", "out-of-limits"),
    ]  # fmt: skip
    reading, failed = log.events
    assert (reading.source, reading.id, reading.subject, reading.institution) == (
        "vendor/kangbo/KB-001",
        "1",
        "R1",
        "I01",
    )
    assert failed.type == "mailiu.device.measurement-failed.v1"
    kept = [Rejected(orjson.loads(value)) for topic, value in log.producer.sent if topic == "rejected"]
    assert [one.value["reason"] for one in kept] == ["unknown-device", "out-of-limits"]
    assert (kept[0].value["kind"], kept[0].device, kept[0].value["mqtt_topic"]) == ("vendor/kangbo", "KB-404", None)
    assert orjson.loads(kept[0].raw()) == other


async def test_sent_again_it_is_one_reading_and_with_other_content_a_conflict(called: Called) -> None:
    api, log = called
    one = record(recordId=20)
    first, again = await call(api, one), await call(api, one)
    other = await call(api, one | {"sys": 151})
    assert [answer.json()["receipts"][0]["status"] for answer in (first, again)] == ["accepted", "accepted"]
    assert log.events[0].identity == log.events[1].identity
    assert other.json()["receipts"][0]["reason"] == "conflict"
    assert len(log.events) == 2


async def test_what_waited_for_its_device_is_read_again_by_the_same_mapping(called: Called) -> None:
    api, log = called
    await call(api, record(recordId=30, sn="405"))
    (value,) = [value for topic, value in log.producer.sent if topic == "rejected"]
    refused = Rejected(orjson.loads(value))
    assert refused.waiting
    assert refused.at is not None
    bindings = Bindings()
    bindings.apply("KB-405/*/R5/0", orjson.dumps(bound("KB-405", "R5")))
    (answer,) = Gate(bindings).take(refused.at.topic, refused.raw(), refused.received, refused.verdict)
    assert answer.event is not None
    assert (answer.event.source, answer.event.subject) == ("vendor/kangbo/KB-405", "R5")


@pytest.mark.parametrize(
    ("name", "secret", "status"), [("kangbo", "wrong", 401), ("nobody", None, 404), ("homepulse", None, 401)]
)
async def test_an_unsigned_call_and_an_unknown_vendor_are_turned_away(
    called: Called, name: str, secret: str | None, status: int
) -> None:
    api, log = called
    answer = await call(api, record(), secret=secret, name=name)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert not log.events
    assert not log.producer.sent


async def test_a_signed_call_that_is_no_json_is_refused_and_kept(called: Called) -> None:
    api, log = called
    stamp = str(int(time.time()))
    made = hmac.new(vendor.secret("kangbo").encode(), f"{stamp}.broken".encode(), hashlib.sha256).hexdigest()
    headers = {"X-Kangbo-Timestamp": stamp, "X-Kangbo-Signature": f"sha256={made}"}
    answer = await api.post("/v1/vendor/kangbo", headers=headers, content=b"broken")
    assert [(r["status"], r["reason"]) for r in answer.json()["receipts"]] == [("rejected", "unreadable")]
    (value,) = [value for topic, value in log.producer.sent if topic == "rejected"]
    assert Rejected(orjson.loads(value)).raw() == b"broken"
