"""The reference of the bench `ingest`: the least a bridge can do. Takes anything, checks nothing.

paho-mqtt with manual acknowledgement in its own thread, aiokafka in the event loop; a receipt, then the
acknowledgement, in order, once Kafka holds the record.
"""

import asyncio
import sys
from typing import Any

import orjson
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from infra.clients import mqtt, mqtt_address, producer
from mqtt_ingest.session import IN_FLIGHT

CLIENT, TOPIC = "bare-bridge", "bench-bare"


def connect(client: paho.Client) -> None:
    """Connect with a session that stays, as the bridge does."""
    lasting = Properties(PacketTypes.CONNECT)
    lasting.SessionExpiryInterval, lasting.ReceiveMaximum = 0xFFFFFFFF, IN_FLIGHT
    client.connect(*mqtt_address(), clean_start=False, properties=lasting)


async def serve(count: int) -> None:
    """Move ``count`` messages from the session at the broker to Kafka."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[paho.MQTTMessage] = asyncio.Queue()
    sent: asyncio.Queue[tuple[paho.MQTTMessage, asyncio.Future[Any]]] = asyncio.Queue()
    client = mqtt(CLIENT, manual_ack=True)
    client.max_inflight_messages_set(IN_FLIGHT)

    def on_message(_c: object, _u: object, message: paho.MQTTMessage) -> None:
        loop.call_soon_threadsafe(arrived.put_nowait, message)

    client.on_message = on_message
    kafka = producer()
    await kafka.start()
    connect(client)
    client.loop_start()

    async def pump() -> None:
        while True:
            message = await arrived.get()
            key = message.topic.split("/")[2].encode()
            await sent.put((message, await kafka.send(TOPIC, message.payload, key)))

    pumping = asyncio.create_task(pump())
    for _ in range(count):
        message, future = await sent.get()
        record = await future
        receipt = {"id": "", "status": "accepted", "position": f"{record.partition}:{record.offset}"}
        client.publish(message.topic.rsplit("/", 2)[0] + "/down/receipt", orjson.dumps(receipt), qos=1)
        client.ack(message.mid, message.qos)
    pumping.cancel()
    await asyncio.sleep(0.5)
    client.disconnect()
    client.loop_stop()
    await kafka.stop()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
