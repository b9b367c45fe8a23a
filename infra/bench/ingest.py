"""MQTT QoS 1 → Kafka → receipt: the bridge, against a bare paho + aiokafka loop with receipts, and against mq-bridge.

All drain the same messages, from sessions of their own at the same broker, into the same Kafka, one after the other,
each in a process of its own. A run's rate is its records over the time between its first and its last in Kafka.
"""

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
from aiokafka.admin import NewTopic

from infra.bench import bare_ingest, mq_bridge_ingest
from infra.clients import admin, consumer, mqtt, mqtt_address, producer
from infra.stack.scratch import ROOT, wait_until
from mqtt_ingest.topics import UP
from schemas.topics import DEVICES, EVENTS

needs = ("kafka", "mosquitto")
RUNS, MESSAGES, DEVICE_COUNT = 3, 20_000, 500


def run(progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """A row for each reference: readings/s of the bridge and of it."""
    asyncio.run(_prepare())
    _subscribe_bare()
    _subscribe_mq_bridge()
    ours: list[float] = []
    bare: list[float] = []
    rust: list[float] = []
    for number in range(RUNS):
        progress(f"publishing {MESSAGES:,} readings, run {number + 1} of {RUNS}")
        _publish(number)
        progress(f"the bridge, run {number + 1} of {RUNS}")
        ours.append(_measure([sys.executable, "-m", "infra.cli", "part", "bridge"], EVENTS, (number + 1) * MESSAGES))
        progress(f"the bare loop, run {number + 1} of {RUNS}")
        command = [sys.executable, "-m", "infra.bench.bare_ingest", str(MESSAGES)]
        bare.append(_measure(command, bare_ingest.TOPIC, (number + 1) * MESSAGES))
        if len(rust) == number:  # at times it does not connect within its own five seconds, and is out of the race
            progress(f"mq-bridge, run {number + 1} of {RUNS}")
            command = [sys.executable, "-m", "infra.bench.mq_bridge_ingest", "0"]
            with suppress(Ended):
                rust.append(_measure(command, mq_bridge_ingest.TOPIC, (number + 1) * MESSAGES))
    value = statistics.median(ours)
    references = [("paho manual ack + aiokafka, receipts, no checks", statistics.median(bare), 0.8)]
    if rust:
        references.append(
            ("mq-bridge (Rust), the same durability, no checks, no receipts", statistics.median(rust), 1.0)
        )
    return [{
        "bench": "ingest", "measured": "bridge: MQTT QoS 1 → gate → Kafka → receipt", "value": value,
        "reference": name, "reference_value": reference, "ratio": value / reference, "unit": "readings/s",
        "reach": reach,
    } for name, reference, reach in references]  # fmt: skip


async def _prepare() -> None:
    """Topics for the others, and a resident for every device."""
    administrator = admin()
    await administrator.start()
    await administrator.create_topics([NewTopic(each.TOPIC, 12, 1) for each in (bare_ingest, mq_bridge_ingest)])
    await administrator.close()
    async with producer() as kafka:
        for device in map(_device, range(DEVICE_COUNT)):
            binding = {"kind": "binding", "device": device, "user_slot": None, "resident": f"R{device}"}
            value = orjson.dumps(binding | {"institution": "I01", "from": 0, "to": None})
            await kafka.send_and_wait(DEVICES, value, f"{device}/*/R{device}/0".encode())


def _device(number: int) -> str:
    return f"D{number:05}"


def _subscribe_bare() -> None:
    """Make the bare loop's session, so that it gets every message too."""
    client = mqtt(bare_ingest.CLIENT)
    done: list[int] = []
    client.on_subscribe = lambda _c, _u, mid, _codes, _p: done.append(mid)
    bare_ingest.connect(client)
    client.loop_start()
    client.subscribe(UP, qos=1)
    wait_until(lambda: done, "the bare loop's session is made")
    client.disconnect()
    client.loop_stop()


def _subscribe_mq_bridge() -> None:
    """Let mq-bridge make its session."""
    command = [sys.executable, "-m", "infra.bench.mq_bridge_ingest", "3"]
    subprocess.run(command, cwd=ROOT, env=dict(os.environ), stderr=subprocess.DEVNULL, check=True, timeout=60)


def _publish(run: int | str) -> None:
    """Readings of all devices, queued by the broker for both sessions."""
    client = mqtt("bench-publisher", "gateway")
    client.max_inflight_messages_set(500)
    client.connect(*mqtt_address())
    client.loop_start()
    now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    for number in range(MESSAGES):
        reading = {"id": f"{run}-{number}", "time": now, "systolic": 110 + number % 60, "diastolic": 70, "pulse": 72}
        topic = f"mailiu/I01/{_device(number % DEVICE_COUNT)}/up/blood-pressure"
        last = client.publish(topic, orjson.dumps(reading), 1)
    last.wait_for_publish(120)
    client.disconnect()
    client.loop_stop()


class Ended(RuntimeError):
    """A process that shall move messages ended by itself."""


def _measure(command: list[str], topic: str, total: int) -> float:
    """Run ``command`` until ``topic`` holds ``total`` records; records a second of the newest ``MESSAGES``.

    Raises `Ended` when the process does not live that long.
    """
    process = subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stderr=subprocess.DEVNULL)
    try:
        return asyncio.run(_rate(topic, total, [process]))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


async def _rate(topic: str, total: int, movers: "list[subprocess.Popen[bytes]]") -> float:
    async with consumer(topic, group=None) as reader:
        while sum((await reader.end_offsets(reader.assignment())).values()) < total:
            for process in movers:
                if process.poll() is not None:
                    raise Ended(f"{process.args!s} ended with {process.returncode}")
            await asyncio.sleep(0.1)
        stamps: list[int] = []
        while len(stamps) < total:
            for batch in (await reader.getmany(timeout_ms=1000)).values():
                stamps += [record.timestamp for record in batch]
    newest = sorted(stamps)[-MESSAGES:]
    return 1000 * (len(newest) - 1) / max(1, newest[-1] - newest[0])
