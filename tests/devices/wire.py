"""What a test needs of the real stack: a device's side of MQTT, and the topics of Kafka read from the beginning."""

import asyncio
import queue
import subprocess
import time
import uuid
from collections.abc import Iterable
from typing import Any

import orjson
import paho.mqtt.client as paho
from aiokafka import ConsumerRecord

from infra.clients import mqtt, mqtt_address, producer
from infra.settings import settings
from mqtt_ingest.rejected import everything
from schemas.topics import DEVICES, EVENTS, REJECTED


def unique(prefix: str) -> str:
    """An id of this test alone."""
    return f"{prefix}{uuid.uuid4().hex[:10]}"


def records(topic: str) -> list[ConsumerRecord]:
    """Every record of ``topic``, in order of partition and offset."""

    async def read() -> list[ConsumerRecord]:
        return [record async for record in everything(topic)]

    return sorted(asyncio.run(read()), key=lambda record: (record.partition, record.offset))


def events(sources: Iterable[str]) -> list[dict[str, Any]]:
    """The events of these sources."""
    wanted = set(sources)
    found = [orjson.loads(record.value) | {"_key": record.key.decode()} for record in records(EVENTS)]
    return [event for event in found if event["source"] in wanted]


def refusals(sources: Iterable[str]) -> list[dict[str, Any]]:
    """The records on `rejected` of these sources, resolutions too."""
    wanted = set(sources)
    return [fact for record in records(REJECTED) if (fact := orjson.loads(record.value)).get("source") in wanted]


def tell(*facts: dict[str, Any]) -> None:
    """Append registrations and bindings to `devices`, as the fold does."""

    async def send() -> None:
        async with producer() as kafka:
            for fact in facts:
                key = fact["device"]
                if fact["kind"] == "binding":
                    key += (
                        f"/{'*' if fact['user_slot'] is None else fact['user_slot']}/{fact['resident']}/{fact['from']}"
                    )
                await kafka.send_and_wait(DEVICES, orjson.dumps(fact), key.encode())

    asyncio.run(send())


def registered(device: str, institution: str = "I01") -> dict[str, Any]:
    """The fact that ``device`` is in an institution's stock."""
    return {"kind": "device", "device": device, "institution": institution, "model": None, "measures": "blood-pressure"}


def bound(device: str, resident: str, start: int = 0, slot: int | None = None) -> dict[str, Any]:
    """The fact that ``device`` (and slot) is ``resident``'s from ``start`` (ms) on."""
    fact = {"kind": "binding", "device": device, "user_slot": slot, "resident": resident, "institution": "I01"}
    return fact | {"from": start, "to": None}


class Devices:
    """Devices behind one MQTT connection, and every receipt (and time) that they were sent; commands are not kept."""

    def __init__(self) -> None:
        self.receipts: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self._subscribed = queue.Queue[int]()
        self.client = mqtt(unique("devices-"), "gateway")
        self.client.max_inflight_messages_set(500)
        self.client.on_message = self._on_message
        self.client.on_connect = lambda client, *_: client.subscribe("mailiu/+/+/down/+", qos=1)
        self.client.on_subscribe = lambda *_: self._subscribed.put(1)

    def __enter__(self) -> "Devices":
        self.client.connect(*mqtt_address())
        self.client.loop_start()
        self._subscribed.get(timeout=20)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _on_message(self, _c: object, _u: object, message: paho.MQTTMessage) -> None:
        body = orjson.loads(message.payload)
        if "command" not in body:
            self.receipts.put((message.topic, body))

    def publish(
        self, device: str, payload: bytes | dict[str, Any], kind: str = "json", institution: str = "I01"
    ) -> None:
        """Publish with quality of service 1."""
        body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
        self.client.publish(f"mailiu/{institution}/{device}/up/{kind}", body, qos=1)

    def answers(self, count: int, seconds: float = 90) -> list[tuple[str, dict[str, Any]]]:
        """The next ``count`` messages on `down/…`, as (device/what, body)."""
        deadline, found = time.monotonic() + seconds, []
        while len(found) < count:
            try:
                topic, body = self.receipts.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{len(found)} of {count} receipts within {seconds:.0f} s") from None
            found.append((topic.split("/", 2)[2].replace("/down/", "/"), body))
        return found

    def answers_to(self, ids: set[str], seconds: float = 90) -> list[dict[str, Any]]:
        """One receipt for each of ``ids``; others (of what waited until a device was known) are passed over."""
        found: dict[str, dict[str, Any]] = {}
        deadline = time.monotonic() + seconds
        while found.keys() < ids:
            ((_, body),) = self.answers(1, deadline - time.monotonic())
            if body.get("id") in ids:
                found.setdefault(body["id"], body)
        return list(found.values())

    def ask(self, device: str, payload: bytes | dict[str, Any], kind: str = "json", institution: str = "I01") -> Any:
        """Publish one message and return its one receipt."""
        self.publish(device, payload, kind, institution)
        ((_, body),) = self.answers(1)
        return body


def mosquitto_pub(topic: str, *arguments: str) -> None:
    """Publish with the Debian package's own client."""
    host, port = mqtt_address()
    subprocess.run(
        ["mosquitto_pub", "-h", host, "-p", str(port), "-u", "gateway", "-P", settings().secret("mqtt-gateway"),
         "-q", "1", "-t", topic, *arguments],
        check=True, timeout=30,
    )  # fmt: skip
