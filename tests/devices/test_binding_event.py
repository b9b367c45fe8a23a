"""A binding's way: an event in the log, the fold's word on `devices`, the bridge's answer to the device."""

import asyncio
from datetime import UTC, datetime

import pytest

from infra.log import Log
from infra.stack.scratch import Stack, wait_until
from schemas.envelope import Event
from tests.devices.wire import Devices, events, unique


async def _append(*all: Event) -> None:
    async with Log() as log:
        for event in all:
            await log.append(event)


@pytest.mark.stack
def test_a_device_that_is_bound_by_an_event_may_send(kafka: Stack, mosquitto: Stack) -> None:
    kafka.up("bridge", "worker")
    device, resident = unique("D"), unique("R")
    about = {"source": "rest/test", "time": datetime(2026, 1, 1, tzinfo=UTC), "institution": "I01"}
    in_stock = Event(
        id=unique("e"), type="mailiu.device.registered.v1", subject=f"device:{device}", data={"device": device}, **about
    )
    binding = Event(id=unique("e"), type="mailiu.device.bound.v1", subject=resident, data={"device": device}, **about)
    with Devices() as devices:
        assert devices.ask(device, {"id": "1", "systolic": 150, "diastolic": 95})["reason"] == "unknown-device"
        asyncio.run(_append(in_stock, binding))
        ((_, receipt),) = devices.answers(1)
        assert (receipt["id"], receipt["status"]) == ("1", "accepted")
        unbinding = binding.model_copy(
            update={"id": unique("e"), "type": "mailiu.device.unbound.v1", "time": datetime.now(UTC)}
        )
        asyncio.run(_append(unbinding))
        tries = iter(range(10_000))
        wait_until(
            lambda: (
                devices.ask(device, {"id": f"t{next(tries)}", "systolic": 150, "diastolic": 95})["reason"]
                == "unbound-device"
            ),
            "the bridge knows that the device is unbound",
        )
    assert {event["subject"] for event in events([f"mqtt/I01/{device}"])} == {resident}
