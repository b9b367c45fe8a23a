"""The bridge's lasting session at the MQTT broker, run inside the event loop: one thread, nothing to lock.

paho-mqtt is driven by the loop's readers and writers. Its callbacks only put messages into a queue. Every message
carries the generation of the connection it came on, so that an acknowledgement can never reach a later connection,
where the same message id means another message.
"""

import asyncio
import logging
import socket
from collections import deque
from typing import Any, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from infra.clients import mqtt, mqtt_address

#: Messages that the broker may have under way to us without our acknowledgement: memory and back-pressure.
IN_FLIGHT = 500
NEVER = 0xFFFFFFFF
KEEP_ALIVE = 30
logger = logging.getLogger("mailiu.bridge")


class Message(NamedTuple):
    """A message as the broker delivered it."""

    generation: int
    mid: int
    qos: int
    topic: str
    payload: bytes


class Session:
    """A session that never expires, with manual acknowledgement; reconnects by itself with back-off."""

    def __init__(self, client_id: str, topic: str, without: str) -> None:
        self.topic, self.without = topic, without
        self.generation = 0
        self.messages: deque[Message] = deque()
        self.arrived = asyncio.Event()
        self.subscribed = asyncio.Event()
        self._lost = asyncio.Event()
        self._unanswered, self._most = 0, IN_FLIGHT
        self._room = asyncio.Event()
        self._writing = False
        self._loop = asyncio.get_running_loop()
        self._client = mqtt(client_id, manual_ack=True)
        self._client.max_inflight_messages_set(0)  # paho would look through all of them at each acknowledgement
        self._client.on_publish = self._on_publish
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_socket_open = self._on_socket_open
        self._client.on_socket_close = self._on_socket_close
        self._client.on_socket_register_write = self._on_write
        self._client.on_socket_unregister_write = self._on_written

    async def keep(self) -> None:
        """Connect, and connect again whenever the connection is lost, until cancelled."""
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = NEVER
        properties.ReceiveMaximum = IN_FLIGHT
        wait = 0.1
        while True:
            self._lost.clear()
            try:
                self._client.connect(*mqtt_address(), keepalive=KEEP_ALIVE, clean_start=False, properties=properties)
            except OSError as error:
                logger.warning("no MQTT broker at %s:%d: %s", *mqtt_address(), error)
            else:
                while not self._lost.is_set():
                    self._client.loop_misc()
                    try:
                        await asyncio.wait_for(self._lost.wait(), 1)
                    except TimeoutError:
                        wait = 0.1
            await asyncio.sleep(wait)
            wait = min(2 * wait, 5.0)

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand a message of quality of service 1 to the session; it survives a reconnection, not a crash."""
        self._unanswered += 1
        self._client.publish(topic, payload, qos=1)

    async def room(self) -> None:
        """Wait until the broker has taken enough of what was published to be handed more."""
        while self._unanswered >= self._most:
            self._room.clear()
            await self._room.wait()

    def acknowledge(self, message: Message) -> None:
        """Tell the broker that ``message`` is safe; does nothing if its connection is gone: it will come again."""
        if message.qos and message.generation == self.generation:
            self._client.ack(message.mid, message.qos)

    def reset(self) -> None:
        """Drop the connection and all that is under way; the broker sends what was not acknowledged again, in order."""
        self._forget()
        sock: Any = self._client.socket()
        if sock is not None:
            sock.shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        """Send what is still to be sent and say goodbye; the session and its subscription stay at the broker."""
        await self._written()
        self._client.disconnect()
        await self._written()

    async def _written(self) -> None:
        for _ in range(100):
            if not self._client.is_connected() or not self._client.want_write():
                return
            await asyncio.sleep(0.01)

    # ---- paho's callbacks, called by the event loop

    def _on_connect(
        self, client: paho.Client, _u: object, flags: paho.ConnectFlags, code: object, properties: object
    ) -> None:
        if str(code) != "Success":
            logger.error("the MQTT broker refuses the bridge: %s", code)
            return
        self._most = min(IN_FLIGHT, getattr(properties, "ReceiveMaximum", IN_FLIGHT))
        logger.info("connected to the MQTT broker, session %s", "resumed" if flags.session_present else "made")
        if flags.session_present:
            client.unsubscribe(self.without)  # of an earlier run with another number of bridges
        only_new = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
        client.subscribe(self.topic, options=only_new)

    def _on_subscribe(self, _c: object, _u: object, _mid: int, codes: list[Any], _p: object) -> None:
        if any(getattr(code, "is_failure", False) for code in codes):
            logger.error("the MQTT broker refuses the subscription: %s", codes)
        else:
            self.subscribed.set()

    def _on_publish(self, *_: object) -> None:
        self._unanswered -= 1
        if not self._room.is_set():
            self._room.set()

    def _on_message(self, _c: object, _u: object, message: paho.MQTTMessage) -> None:
        self.messages.append(Message(self.generation, message.mid, message.qos, message.topic, bytes(message.payload)))
        self.arrived.set()

    def _on_disconnect(self, *arguments: object) -> None:
        logger.log(
            logging.INFO if str(arguments[3]) == "Normal disconnection" else logging.WARNING,
            "left the MQTT broker: %s",
            arguments[3],
        )
        self._forget()
        self._lost.set()

    def _forget(self) -> None:
        self.generation += 1
        self.messages.clear()

    def _on_socket_open(self, _c: object, _u: object, sock: Any) -> None:
        self._loop.add_reader(sock, self._client.loop_read)

    def _on_socket_close(self, _c: object, _u: object, sock: Any) -> None:
        self._writing = False
        self._loop.remove_reader(sock)
        self._loop.remove_writer(sock)

    def _on_write(self, _c: object, _u: object, sock: Any) -> None:
        if not self._writing:  # paho asks anew for every packet
            self._writing = True
            self._loop.add_writer(sock, self._client.loop_write)

    def _on_written(self, _c: object, _u: object, sock: Any) -> None:
        self._writing = False
        self._loop.remove_writer(sock)
