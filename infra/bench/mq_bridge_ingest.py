"""A reference of the bench `ingest`: mq-bridge (PyPI), a bridge in Rust, at the same durability as ours.

A session that stays, quality of service 1, a message acknowledged only when Kafka (acks=all, idempotent) holds it.
It looks at no message, knows no resident and publishes no receipt: what ours is slower, that costs, in Python.
"""

import sys
import threading

from mq_bridge import Route

from infra.clients import mqtt_address
from infra.settings import settings
from mqtt_ingest.session import IN_FLIGHT
from mqtt_ingest.topics import UP

CLIENT, TOPIC = "mq-bridge", "bench-mq-bridge"


def route() -> Route:
    """From our broker's session to a topic of its own, as its documentation has it."""
    host, port = mqtt_address()
    broker = {
        "url": f"tcp://{host}:{port}", "topic": UP, "client_id": CLIENT, "qos": 1, "clean_session": False,
        "session_expiry_interval": 0xFFFFFFFF, "username": "mailiu", "password": settings().secret("mqtt-mailiu"),
        "queue_capacity": IN_FLIGHT, "max_inflight": IN_FLIGHT,
    }  # fmt: skip
    kafka = {
        "url": settings().kafka, "topic": TOPIC, "create_topic": False,
        "producer_options": [
            ["acks", "all"], ["enable.idempotence", "true"], ["linger.ms", "2"], ["compression.type", "none"],
        ],
    }  # fmt: skip
    config = {"routes": {"ingest": {"input": {"mqtt": broker}, "output": {"kafka": kafka}, "batch_size": IN_FLIGHT}}}
    return Route.from_config(config, "ingest")


def serve(seconds: float) -> None:
    """Move messages for so long (0: until killed)."""
    moving = route()
    moving.start()
    threading.Event().wait(seconds or None)
    moving.stop()


if __name__ == "__main__":
    serve(float(sys.argv[1]))
