"""Device commands end to end: ordered by REST, published in time, answered by the device."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from paho.mqtt.client import Client, MQTTMessage

from infra.clients import mqtt, mqtt_address
from infra.clock import clock
from schemas.envelope import rfc3339
from tests.notice.conftest import Centre, wait_until
from tests.notice.receiver import Receiver
from tests.stack import Stack

pytestmark = pytest.mark.stack


@contextmanager
def a_device(institution: str, device: str) -> Iterator[tuple[Client, list[tuple[str, dict[str, Any]]]]]:
    """A device at the broker, and what it hears."""
    heard: list[tuple[str, dict[str, Any]]] = []
    subscribed = threading.Event()
    client = mqtt(f"device-{device}", "gateway")

    def on_message(_c: Client, _u: Any, message: MQTTMessage) -> None:
        heard.append((message.topic.rsplit("/", 1)[1], orjson.loads(message.payload)))

    client.on_message = on_message
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(*mqtt_address())
    client.loop_start()
    client.subscribe([(f"mailiu/{institution}/{device}/down/{what}", 1) for what in ("command", "time", "config")])
    assert subscribed.wait(10)
    try:
        yield client, heard
    finally:
        client.disconnect()
        client.loop_stop()


def commands(centre: Centre, device: str) -> dict[str, dict[str, Any]]:
    """The device's commands by kind, as they stand now."""
    answer = centre.api.get(f"/v1/devices/{device}/commands", headers=centre.token())
    return {item["kind"]: item for item in answer.json()["items"]} if answer.status_code == 200 else {}


def test_what_is_ordered_reaches_the_device_and_its_answer_the_table(
    centre: Centre, receiver: Receiver, sending: Stack
) -> None:
    sending.up("bridge")
    device, resident = f"D-{uuid4().hex[:8]}", centre.willing()
    about = {"device": device, "kind": "blood-pressure"}
    centre.post(
        centre.event("mailiu.device.registered.v1", f"device:{device}", about, days=9),
        centre.event("mailiu.device.bound.v1", resident, {"device": device}, days=9),
    )
    path, settings = f"/v1/devices/{device}/commands", {"volume": 3, "reminder": "07:00"}
    centre.get(path)
    with a_device(centre.id, device) as (client, heard):
        for body in ({"command": "time"}, {"command": "configuration", "configuration": settings}):
            answer = centre.api.post(path, json=body, headers=centre.token(actor="D1"))
            assert answer.status_code == 202, answer.text
        centre.post(centre.event(READING, resident, {"systolic": 190, "diastolic": 112, "device": device}))
        wait_until(lambda: len(heard) == 3, "three commands")
        told = dict(heard)
        assert set(told) == {"command", "time", "config"}
        assert told["config"]["configuration"] == settings
        assert told["time"]["time"] <= rfc3339(clock().now())
        assert told["command"]["command"] == "re-measure"
        for what, result in (("time", {"status": "done"}), ("config", {"status": "failed", "reason": "no such name"})):
            answer_of = {"id": told[what]["id"], **result}
            client.publish(f"mailiu/{centre.id}/{device}/up/command-result", orjson.dumps(answer_of), qos=1)
        wait_until(
            lambda: (
                {k: c["state"] for k, c in commands(centre, device).items()}
                == {"time": "acknowledged", "configuration": "failed", "re-measure": "sent"}
            ),
            "each has its outcome",
        )
    found = commands(centre, device)
    assert (found["configuration"]["reason"], found["configuration"]["configuration"]) == ("no such name", settings)
    assert found["time"]["command"] == told["time"]["id"]
    assert found["re-measure"]["subject"] == resident


def test_an_order_is_refused_with_the_field_at_fault(centre: Centre) -> None:
    device = f"D-{uuid4().hex[:8]}"
    centre.post(centre.event("mailiu.device.registered.v1", f"device:{device}", {"device": device}))
    path, now = f"/v1/devices/{device}/commands", clock().now()
    assert centre.get(path)["items"] == []
    for body, field in (
        ({"command": "explode"}, "body.command"),
        ({"command": "configuration"}, "configuration"),
        ({"command": "time", "configuration": {"a": 1}}, "configuration"),
        ({"command": "time", "expires": rfc3339(now - timedelta(minutes=1))}, "expires"),
        ({"command": "time", "expires": rfc3339(now + timedelta(days=31))}, "expires"),
    ):
        answer = centre.api.post(path, json=body, headers=centre.token())
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"].endswith(field.removeprefix("body."))
    stranger = Centre(centre.api)
    assert centre.api.post(path, json={"command": "time"}, headers=stranger.token()).status_code == 404


READING = "mailiu.reading.blood-pressure-measured.v1"
