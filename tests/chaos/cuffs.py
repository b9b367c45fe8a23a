"""Cuffs as a careful maker would build them: a reading is kept and sent again until its receipt has come."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field

import orjson

from infra.clients import mqtt, mqtt_address

RESEND = 4.0  #: seconds without a receipt after which a reading is sent again


@dataclass
class Cuffs:
    """One gateway that speaks for many cuffs. ``receipts`` holds every receipt by the reading's id."""

    institution: str
    window: int = 400
    receipts: dict[str, dict[str, object]] = field(default_factory=dict)
    sent: dict[str, float] = field(default_factory=dict)
    payloads: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    resent: int = 0

    def __post_init__(self) -> None:
        self.queue: deque[str] = deque()
        self.lock = threading.Lock()
        self.client = mqtt(f"cuffs-{self.institution}", "gateway")
        self.client.reconnect_delay_set(1, 2)
        self.client.max_queued_messages_set(0)
        self.client.on_connect = self._on_connect
        self.client.on_message = self._on_message
        self.client.connect_async(*mqtt_address())
        self.client.loop_start()

    def _on_connect(self, *_: object) -> None:
        self.client.subscribe(f"mailiu/{self.institution}/+/down/receipt", qos=1)

    def _on_message(self, _client: object, _userdata: object, message: object) -> None:
        receipt = orjson.loads(message.payload)  # type: ignore[attr-defined]
        with self.lock:
            self.receipts.setdefault(receipt["id"], receipt)

    def measure(self, device: str, kind: str, reading: dict[str, object]) -> None:
        """Put a reading (with its own ``id``) in the queue of its device."""
        id = str(reading["id"])
        self.payloads[id] = (f"mailiu/{self.institution}/{device}/up/{kind}", orjson.dumps(reading))
        self.queue.append(id)

    def work(self) -> None:
        """Send what may be sent now: new readings while the window is open, and old ones without a receipt."""
        now = time.monotonic()
        with self.lock:
            for id in [id for id in self.sent if id in self.receipts]:
                del self.sent[id]
        if not self.client.is_connected():
            return
        for id, when in self.sent.items():
            if now - when > RESEND:
                self.resent += 1
                self.sent[id] = now
                self.client.publish(*self.payloads[id], qos=1)
        while self.queue and len(self.sent) < self.window:
            id = self.queue.popleft()
            self.sent[id] = now
            self.client.publish(*self.payloads[id], qos=1)

    @property
    def done(self) -> bool:
        """Whether every reading has its receipt."""
        return not self.queue and not any(id not in self.receipts for id in self.payloads)

    def close(self) -> None:
        """Disconnect."""
        self.client.disconnect()
        self.client.loop_stop()
