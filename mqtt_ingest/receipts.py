"""What a device reads on `down/receipt`: one receipt for every reading it sent."""

import contextlib
import os
from typing import Any

import orjson
import paho.mqtt.client as paho

from infra.clients import mqtt, mqtt_address
from mqtt_ingest.gate import Answer


def receipt(answer: Answer, position: str | None) -> bytes:
    """Accepted with the position in the log, or rejected with reason, field, value and a message in both languages.

    ``id`` is the reading's own where it had one; ``seq`` stands beside it where the device counts its readings, and
    ``device`` where another one published for it.
    """
    refusal = answer.refusal
    out: dict[str, Any] = {
        "id": answer.id,
        "status": "accepted" if refusal is None else "rejected",
        "position": position,
        "reason": refusal and refusal.reason,
        "field": refusal and refusal.field,
        "value": refusal and refusal.value,
        "message": refusal and refusal.message,
    }
    if answer.seq is not None:
        out["seq"] = answer.seq
    if answer.at.via is not None or answer.at.vendor:
        out["device"] = answer.at.device or None
    return orjson.dumps(out)


class Publishing:
    """A short connection that publishes receipts, for who is no bridge; without a broker they are left out."""

    def __init__(self) -> None:
        self._client = mqtt(f"mailiu-receipts-{os.getpid()}")
        self._last: paho.MQTTMessageInfo | None = None
        self._open = False

    def __enter__(self) -> "Publishing":
        with contextlib.suppress(OSError):
            self._client.connect(*mqtt_address())
            self._client.loop_start()
            self._open = True
        return self

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish with quality of service 1."""
        if self._open:
            self._last = self._client.publish(topic, payload, qos=1)

    async def room(self) -> None:
        """There always is: paho queues what the broker has not taken."""

    def __exit__(self, *_: object) -> None:
        if self._open:
            if self._last is not None:
                with contextlib.suppress(RuntimeError, ValueError):
                    self._last.wait_for_publish(5)
            self._client.disconnect()
            self._client.loop_stop()
