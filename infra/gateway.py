"""A home gateway: many cuffs behind one MQTT connection, each reading kept and sent again until its receipt is there.

This is the device maker's side of the contract, as small as it gets; the demonstration district and the tests use it.
"""

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Any

import orjson
from paho.mqtt.client import Client, MQTTMessage

from infra.clients import mqtt, mqtt_address

Command = Callable[[str, str, dict[str, Any]], object]  #: called with institution, device, command
RESEND = 20.0  #: seconds after which a reading without a receipt is sent again


class Gateway:
    """``async with Gateway("g1") as gateway: receipt = await gateway.send("I01", "D1", reading)``."""

    def __init__(self, name: str, on_command: Command | None = None, resend: float = RESEND) -> None:
        self.client = mqtt(name, "gateway")
        self.on_command = on_command
        self.resend = resend
        self.kept: dict[tuple[str, str], asyncio.Future[dict[str, Any]]] = {}
        self.connected = asyncio.Event()

    async def __aenter__(self) -> "Gateway":
        self.loop = asyncio.get_running_loop()
        self.client.max_inflight_messages_set(500)
        self.client.on_connect = self._on_connect
        self.client.on_message = self._on_message
        self.client.on_subscribe = self._on_subscribe
        self.client.connect_async(*mqtt_address())
        self.client.loop_start()
        await self.connected.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)

    async def send(self, institution: str, device: str, reading: dict[str, Any]) -> dict[str, Any]:
        """Publish ``reading`` (Mailiu JSON with an ``id``) until Mailiu answers; its receipt."""
        key = device, str(reading["id"])
        receipt = self.kept.setdefault(key, self.loop.create_future())
        try:
            while True:
                self.publish(institution, device, orjson.dumps(reading))
                with contextlib.suppress(TimeoutError):
                    return await asyncio.wait_for(asyncio.shield(receipt), self.resend)
        finally:
            self.kept.pop(key, None)

    def publish(self, institution: str, device: str, payload: bytes, kind: str = "json") -> None:
        """Publish raw ``payload`` once, with quality of service 1."""
        self.client.publish(f"mailiu/{institution}/{device}/up/{kind}", payload, qos=1)

    # ---- in paho's thread

    def _on_connect(self, client: Client, *_: object) -> None:
        client.subscribe([("mailiu/+/+/down/receipt", 1), ("mailiu/+/+/down/command", 1)])

    def _on_subscribe(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.connected.set)

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self.loop.call_soon_threadsafe(self._take, message.topic, bytes(message.payload))

    # ---- in the event loop

    def _take(self, topic: str, payload: bytes) -> None:
        _, institution, device, _, what = topic.split("/")
        body = orjson.loads(payload)
        if what == "command":
            if self.on_command is not None:
                self.on_command(institution, device, body)
        elif (waiting := self.kept.get((device, str(body.get("id"))))) and not waiting.done():
            waiting.set_result(body)
