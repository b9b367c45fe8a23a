"""Device commands on a real broker: once to the device, never past their deadline, the outcome in the log."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from paho.mqtt.client import Client, MQTTMessage

from infra.clients import mqtt, mqtt_address, producer
from infra.clock import clock
from infra.log import headers
from schemas.envelope import Event, rfc3339
from schemas.registry import parse
from schemas.topics import DERIVED, EVENTS
from streams.sender import REQUESTED
from tests.stack import ROOT, Stack, wait_until
from tests.worker.faults import everything

pytestmark = pytest.mark.stack
TEXT = {"zh": "请安静休息5分钟后复测血压。", "en": "Please rest for 5 minutes and measure again."}


def command(device: str, expires: datetime) -> Event:
    return Event(
        id=f"command/{device}/{uuid.uuid4()}", source="fold", type=REQUESTED, subject=f"r-{device}", institution="I01",
        time=clock().now(), recordedtime=clock().now(),
        data={"command": "re-measure", "device": device, "expires": rfc3339(expires), "text": TEXT},
    )  # fmt: skip


async def derive(*events: Event) -> None:
    sender = producer()
    await sender.start()
    for event in events:
        about = headers(event.type, str(event.identity))
        await sender.send_and_wait(DERIVED, event.dumps(), event.subject.encode(), headers=about)
    await sender.stop()


@contextmanager
def listening(*devices: str) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Devices at the broker; what they hear."""
    heard: list[tuple[str, dict[str, Any]]] = []
    subscribed = threading.Event()
    client = mqtt(f"devices-{uuid.uuid4()}")

    def on_message(_c: Client, _u: Any, message: MQTTMessage) -> None:
        heard.append((message.topic, orjson.loads(message.payload)))

    client.on_message = on_message
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(*mqtt_address())
    client.loop_start()
    client.subscribe([(f"mailiu/I01/{device}/down/command", 1) for device in devices])
    assert subscribed.wait(10)
    try:
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


@contextmanager
def sending(stack: Stack) -> Iterator["subprocess.Popen[bytes]"]:
    """The sender as the supervisor starts it."""
    with (stack.home / "sender.log").open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.cli", "part", "sender"], cwd=ROOT, env=os.environ, stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        code = process.wait(20)
        assert code in (0, -signal.SIGKILL)


async def outcomes(*commands: Event) -> dict[str, list[Event]]:
    """What the log says became of each command."""
    found: dict[str, list[Event]] = {str(c.identity): [] for c in commands}
    for records in (await everything(EVENTS)).values():
        for record in records:
            if dict(record.headers).get("ce_type", b"").startswith(b"mailiu.device.command-"):
                event = parse(record.value)
                if event.causationid in found:
                    found[event.causationid].append(event)
    return found


async def until_settled(*commands: Event) -> dict[str, list[Event]]:
    for _ in range(150):
        found = await outcomes(*commands)
        if all(found.values()):
            return found
        await asyncio.sleep(0.2)
    raise AssertionError(f"no outcome: {found}")


async def test_a_command_reaches_its_device_and_an_old_one_does_not(broker: Stack) -> None:
    now = clock().now()
    fresh, old = command("S1", now + timedelta(minutes=15)), command("S1", now - timedelta(seconds=1))
    await derive(old, fresh, fresh)
    with listening("S1") as heard, sending(broker):
        found = await until_settled(fresh, old)
        await asyncio.sleep(1)
    assert [e.type for e in found[str(fresh.identity)]] == ["mailiu.device.command-sent.v1"]
    assert [e.type for e in found[str(old.identity)]] == ["mailiu.device.command-expired.v1"]
    expected = {
        "command": "re-measure", "id": str(fresh.identity), "expires": fresh.data["expires"], "text": TEXT,
    }  # fmt: skip
    assert heard == [("mailiu/I01/S1/down/command", expected)]
    outcome = found[str(fresh.identity)][0]
    assert outcome.data == {"command": str(fresh.identity), "device": "S1"}
    assert (outcome.subject, outcome.institution) == ("r-S1", "I01")


async def test_a_killed_sender_sends_again_what_has_no_outcome_and_nothing_else(broker: Stack) -> None:
    commands = [command(f"K{n}", clock().now() + timedelta(minutes=15)) for n in range(60)]
    devices = [c.data["device"] for c in commands]
    with listening(*devices) as heard:
        with sending(broker) as process:
            await derive(*commands[:30])
            await asyncio.to_thread(wait_until, lambda: len(heard) >= 5, "some were sent")
            process.kill()
        with sending(broker):
            await derive(*commands[30:])
            found = await until_settled(*commands)
    ids = [body["id"] for _, body in heard]
    print(f"\n{len(commands)} commands, {len(ids)} published, {len(set(ids))} distinct")
    assert set(ids) == {str(c.identity) for c in commands}
    assert {e.type for events in found.values() for e in events} == {"mailiu.device.command-sent.v1"}
    assert all(len({e.identity for e in events}) == 1 for events in found.values())


async def test_a_command_waits_for_a_broker_that_is_away(broker: Stack) -> None:
    lasting = command("A1", clock().now() + timedelta(minutes=15))
    brief = command("A2", clock().now() + timedelta(seconds=3))
    pid = broker.pid("mosquitto")
    with listening("A1", "A2") as heard, sending(broker):
        os.kill(pid, signal.SIGSTOP)
        await derive(brief, lasting)
        await asyncio.sleep(4)
        os.kill(pid, signal.SIGCONT)
        found = await until_settled(lasting, brief)
        await asyncio.to_thread(wait_until, lambda: bool(heard), "the device hears")
    kinds = {c.data["device"]: [e.type for e in found[str(c.identity)]] for c in (lasting, brief)}
    print(f"\noutcomes {kinds}, heard {heard}")
    assert kinds["A2"] == ["mailiu.device.command-expired.v1"]
    assert kinds["A1"] == ["mailiu.device.command-sent.v1"]
    assert {body["id"] for _, body in heard} == {str(lasting.identity)}
