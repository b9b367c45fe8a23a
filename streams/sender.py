"""Device commands: what the fold asks of a device is published on its `down/command`, at least once, never too late.

A command has a deadline. It is checked before publishing, given to the broker as the message's own expiry, so that a
device that comes back late does not get an old question, and stands in the message itself. The outcome is an event
(sent or expired); its identity is that of the command, so that a command sent twice has one outcome. Kafka's offset is
committed after the outcome.
"""

import asyncio
import logging
import math
import signal
import sys
import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from infra.clients import consumer, mqtt, mqtt_address
from infra.clock import clock
from infra.log import Log
from infra.part import ready
from infra.settings import settings
from schemas.envelope import Event
from schemas.topics import DERIVED

GROUP, CLIENT = "mailiu-sender", "mailiu-sender"
REQUESTED = "mailiu.device.command-requested.v1"
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

    @classmethod
    def read(cls, value: bytes, identity: str) -> "Command":
        """The command in a record of `derived`."""
        event = orjson.loads(value)
        data = event["data"]
        return cls(
            identity, event["subject"], event["institution"], data["device"], data["command"], data["expires"],
            data["text"],
        )  # fmt: skip

    @property
    def topic(self) -> str:
        """Where the device listens."""
        return f"mailiu/{self.institution}/{self.device}/down/command"

    def payload(self) -> bytes:
        """What the device gets; ``id`` lets it know a repetition."""
        return orjson.dumps({"command": self.command, "id": self.id, "expires": self.expires, "text": self.text})

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


class Sender:
    """Sends commands one after the other."""

    def __init__(self, journal: Log, broker: Broker) -> None:
        self.journal, self.broker = journal, broker
        self.done: deque[str] = deque(maxlen=1000)  #: ids of the latest; a command may lie in `derived` twice

    async def send(self, command: Command) -> bool:
        """Publish ``command`` unless its deadline passes first, and append the outcome; whether it was sent."""
        sent = False
        while not sent and command.left() >= 1:
            sent = await asyncio.to_thread(self.broker.publish, command)
            if not sent:
                await asyncio.sleep(PAUSE_SECONDS)
        await self.journal.append(command.outcome(sent))
        log.info("command %s for %s %s", command.id, command.device, "sent" if sent else "expired")
        return sent

    async def take(self, record: Any) -> None:
        """Send the command in a record of `derived`, if it is one."""
        about = dict(record.headers)
        if about.get("ce_type") != REQUESTED.encode():
            return
        try:
            command = Command.read(record.value, about["ce_id"].decode())
            command.left()
        except (KeyError, ValueError, TypeError) as error:
            log.error("derived %d:%d is no command: %r", record.partition, record.offset, error)
            return
        if command.id not in self.done:
            await self.send(command)
            self.done.append(command.id)


async def _serve(stopping: asyncio.Event) -> None:
    broker = Broker()
    # A lasting member, so that a restart need not wait for the session to end; a command may wait long for its broker.
    reader = consumer(
        DERIVED, group=GROUP, group_instance_id=f"sender-{settings().worker}", session_timeout_ms=6000,
        max_poll_interval_ms=24 * 3_600_000,
    )  # fmt: skip
    await reader.start()
    try:
        async with Log() as journal:
            sender = Sender(journal, broker)
            ready("sender")
            while not stopping.is_set():
                for partition, records in (await reader.getmany(timeout_ms=500)).items():
                    for record in records:
                        await sender.take(record)
                        if stopping.is_set():
                            break
                    await _commit(reader, partition, record.offset + 1)
    finally:
        broker.close()
        await reader.stop()


async def _commit(reader: Any, partition: TopicPartition, next: int) -> None:
    try:
        await reader.commit({partition: next})
    except (CommitFailedError, IllegalStateError) as error:
        log.info("commit of %s: %s; whoever has it now sends it again", partition, error)


async def _main() -> None:
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, stopping.set)
    await _serve(stopping)


def run() -> None:
    """Run the sender until SIGTERM."""
    try:
        asyncio.run(_main())
    except Exception as error:
        log.critical("the sender ends: %r", error, exc_info=error)
        sys.exit(1)
