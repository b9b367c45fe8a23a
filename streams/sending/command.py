"""Device commands: what the fold asks of a device is published to it, at least once, never too late.

A command has a deadline. It is checked before publishing, given to the broker as the message's own expiry, so that a
device that comes back late does not get an old question, and stands in the message itself. The outcome is an event
(sent or expired); its identity is that of the command, so that a command sent twice has one outcome.
"""

import asyncio
import logging
import math
import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from infra.clients import mqtt, mqtt_address
from infra.clock import clock
from infra.log import Log
from schemas.envelope import Event, rfc3339

REQUESTED = "mailiu.device.command-requested.v1"
CLIENT = "mailiu-sender"
#: Where a device listens for each command.
TOPICS = {"re-measure": "command", "time": "time", "configuration": "config"}
#: Seconds (of the machine) within which the broker must acknowledge; then the connection is made anew.
PUBACK_SECONDS = 10.0
PAUSE_SECONDS = 0.5

log = logging.getLogger("mailiu.sender")


@dataclass(frozen=True)
class Command:
    """A command as the fold asked for it."""

    id: str
    subject: str
    institution: str
    device: str
    command: str
    expires: str
    text: dict[str, str]
    configuration: dict[str, Any] | None = None

    @classmethod
    def read(cls, value: bytes, identity: str) -> "Command":
        """The command in a record of `derived`. Raises ``KeyError``, ``ValueError`` or ``TypeError`` for none."""
        event = orjson.loads(value)
        data = event["data"]
        command = cls(
            identity, event["subject"], event["institution"], data["device"], data["command"], data["expires"],
            data.get("text", {}), data.get("configuration"),
        )  # fmt: skip
        command.left()
        TOPICS[command.command]
        return command

    @property
    def topic(self) -> str:
        """Where the device listens."""
        return f"mailiu/{self.institution}/{self.device}/down/{TOPICS[self.command]}"

    def payload(self) -> bytes:
        """What the device gets; ``id`` lets it know a repetition, ``time`` is now."""
        body: dict[str, Any] = {"command": self.command, "id": self.id, "expires": self.expires}
        if self.text:
            body["text"] = self.text
        if self.command == "time":
            body["time"] = rfc3339(clock().now())
        if self.configuration is not None:
            body["configuration"] = self.configuration
        return orjson.dumps(body)

    def left(self) -> float:
        """Seconds of the machine until the deadline. Raises ``ValueError`` when it is no time."""
        return (datetime.fromisoformat(self.expires) - clock().now()).total_seconds() / clock().speed

    def outcome(self, sent: bool) -> Event:
        """What became of it. Sent or expired, it is one event: the first to be appended counts."""
        return Event(
            id=f"{self.id}/outcome", source="sender", subject=self.subject, institution=self.institution,
            type=f"mailiu.device.command-{'sent' if sent else 'expired'}.v1", time=clock().now(), actor="sender",
            causationid=self.id, data={"command": self.id, "device": self.device},
        )  # fmt: skip


class Broker:
    """A connection to the MQTT broker on which one message at a time is published and acknowledged."""

    def __init__(self) -> None:
        self.client: Client | None = None

    def publish(self, command: Command) -> bool:
        """Publish with quality of service 1 and wait for the broker's PUBACK; False when it did not come in time.

        A message without PUBACK is forgotten with its connection, so that it is never sent later by itself.
        """
        try:
            client = self.client or self._connect()
            seconds = command.left()  # connecting may have taken long
            if seconds < 1:
                return False
            properties = Properties(PacketTypes.PUBLISH)
            properties.MessageExpiryInterval = math.floor(seconds)
            message: MQTTMessageInfo = client.publish(command.topic, command.payload(), qos=1, properties=properties)
            message.wait_for_publish(min(seconds, PUBACK_SECONDS))
            if message.is_published():
                return True
        except (OSError, RuntimeError, ValueError) as error:
            log.warning("MQTT broker: %s", error)
        self.close()
        return False

    def _connect(self) -> Client:
        client, connected = mqtt(CLIENT), threading.Event()
        refused: list[str] = []

        def on_connect(_c: Client, _u: Any, _flags: Any, reason: Any, _p: Any) -> None:
            if reason.is_failure:
                refused.append(str(reason))
            connected.set()

        client.on_connect = on_connect
        client.connect(*mqtt_address(), clean_start=True)
        client.loop_start()
        self.client = client
        if not connected.wait(PUBACK_SECONDS) or refused:
            raise OSError(refused[0] if refused else "no answer")
        return client

    def close(self) -> None:
        """Drop the connection and what is in flight on it."""
        client, self.client = self.client, None
        if client:
            client.disconnect()
            client.loop_stop()


class Commands:
    """Sends commands one after the other."""

    def __init__(self, journal: Log, broker: Broker) -> None:
        self.journal, self.broker = journal, broker
        self.turn = asyncio.Lock()
        self.done: deque[str] = deque(maxlen=1000)  #: ids of the latest; a command may lie in `derived` twice

    async def send(self, command: Command) -> None:
        """Publish ``command`` unless its deadline passes first, and append the outcome."""
        async with self.turn:
            if command.id in self.done:
                return
            sent = False
            while not sent and command.left() >= 1:
                sent = await asyncio.to_thread(self.broker.publish, command)
                if not sent:
                    await asyncio.sleep(PAUSE_SECONDS)
            await self.journal.append(command.outcome(sent))
            self.done.append(command.id)
            log.info("command %s for %s %s", command.id, command.device, "sent" if sent else "expired")
