"""One bridge, then two that share the devices (`$share`): readings/s out of the same backlog.

The broker deals each message to one of the sessions. What a second bridge brings depends on the processors that are
left beside Kafka and the broker; on a machine of two it has little to win.
"""

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from infra.bench.ingest import DEVICE_COUNT, MESSAGES, _prepare, _publish, _rate
from infra.stack.scratch import ROOT, wait_until
from schemas.topics import EVENTS

needs = ("kafka", "mosquitto")
RUNS = 3


def run(progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """One row: two bridges against one, medians of `RUNS` alternated runs."""
    asyncio.run(_prepare())
    rates: dict[int, list[float]] = {1: [], 2: []}
    total = 0
    for turn in range(RUNS):
        for count in (1, 2) if turn % 2 == 0 else (2, 1):
            progress(f"{count} of 2 bridges, run {turn + 1} of {RUNS}: {MESSAGES:,} readings of {DEVICE_COUNT} devices")
            total += MESSAGES
            rates[count].append(_drain(count, f"{turn}-{count}", total))
    one, two = (statistics.median(rates[count]) for count in (1, 2))
    return [{
        "bench": "bridges", "measured": f"two bridges by $share, {os.cpu_count()} processors", "value": two,
        "reference": "one bridge by $share", "reference_value": one, "ratio": two / one, "unit": "readings/s",
    }]  # fmt: skip


def _drain(count: int, run: str, total: int) -> float:
    """Let ``count`` bridges take a backlog that was published while they were away."""
    names = [f"bench-{run}-{number}" for number in range(count)]
    _stop([_start(name) for name in names])  # each makes its session
    _publish(run)
    bridges = [_start(name, wait=False) for name in names]
    try:
        return asyncio.run(_rate(EVENTS, total, bridges))
    finally:
        _stop(bridges)
        _forget(names)


def _start(name: str, wait: bool = True) -> "subprocess.Popen[bytes]":
    """Start the bridge ``name``; with ``wait`` return once it serves."""
    environment = os.environ | {"MAILIU_MQTT_BRIDGES": "2", "MAILIU_MQTT_BRIDGE_ID": name}
    command = [sys.executable, "-m", "infra.cli", "part", "bridge"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    if wait:
        from infra.part import serving

        wait_until(lambda: serving("bridge", process.pid), f"bridge {name} serves")
    return process


def _stop(bridges: "list[subprocess.Popen[bytes]]") -> None:
    for bridge in bridges:
        bridge.send_signal(signal.SIGTERM)
    for bridge in bridges:
        bridge.wait(30)


def _forget(names: list[str]) -> None:
    """End the sessions, so that the next run's messages are not dealt to bridges that are gone."""
    from infra.clients import mqtt, mqtt_address

    for name in names:
        client = mqtt(name)
        client.connect(*mqtt_address(), clean_start=True)
        client.loop_start()
        wait_until(client.is_connected, f"session {name} is made anew")
        time.sleep(0.1)
        client.disconnect()
        client.loop_stop()
