"""Kill, pause and rob workers while events flow: nothing without effect, nothing with two. On a real broker."""

import asyncio
import os
import random
import signal
import time
from typing import Any

import orjson
import pytest

from infra.clients import producer
from infra.rejected import raw
from schemas.topics import DEVICES, EVENTS, REJECTED
from tests.stack import Stack
from tests.worker.faults import (
    Worker,
    compare,
    ends_without_ticks,
    everything,
    feed,
    folded,
    kept,
    readings,
    remove_stores,
    until_folded,
)  # fmt: skip

pytestmark = [pytest.mark.stack, pytest.mark.chaos]
POISON = [b"{", b"\xff\xfe no text", b'{"type":"mailiu.reading.blood-pressure-measured.v1"}', b"[]", b"1"]
LONG = bool(os.environ.get("MAILIU_LONG"))


async def test_a_worker_killed_again_and_again(broker: Stack) -> None:
    count, rate = (300_000, 3000) if LONG else (30_000, 2000)
    worker, kills, chance = Worker(broker, "w1"), 0, random.Random(1)
    async with kept(worker):
        feeding = asyncio.create_task(feed(readings(0, count, count // 50), rate))
        poisoned = await poison(POISON)
        while not feeding.done():
            await moved(broker)
            await asyncio.sleep(chance.uniform(0, 1.5))
            worker.kill(signal.SIGKILL)
            kills += 1
        fed = await feeding
        await until_folded(broker, await ends_without_ticks())
    result, refused = await compare(broker), await rejected()
    print(f"\n{fed} events, {kills} kills, exit codes {dict(worker.codes)}: {result}, {len(refused)} unfoldable")
    assert result.exact
    assert result.outputs > 100
    assert {r["position"]: raw(r) for r in refused} == poisoned
    assert {r["reason"] for r in refused} == {"unfoldable"}


async def test_a_lost_store_is_refolded_in_silence(broker: Stack) -> None:
    before, refused = await compare(broker), await rejected()
    commands = await everything(DEVICES)
    remove_stores(broker)
    async with kept(Worker(broker, "w1")):
        await until_folded(broker, await ends_without_ticks())
    after = await compare(broker)
    print(f"\nbefore: {before}\nafter:  {after}")
    assert after.exact
    assert after.sent - after.outputs == before.sent - before.outputs
    assert await rejected() == refused
    assert [len(r) for r in (await everything(DEVICES)).values()] == [len(r) for r in commands.values()]


async def test_two_workers_one_killed_one_paused(broker: Stack) -> None:
    rounds, rate = (8, 1500) if LONG else (1, 600)
    one, two = Worker(broker, "w1"), Worker(broker, "w2")
    async with kept(one, two):
        feeding = asyncio.create_task(feed(readings(1_000_000, rounds * 20 * rate), rate))
        watching = asyncio.create_task(longest_stand(broker))
        await moved(broker)
        for _ in range(rounds):
            one.kill(signal.SIGKILL)
            await asyncio.sleep(5)
            two.kill(signal.SIGSTOP)
            await asyncio.sleep(8)  # its session ends after 6
            two.kill(signal.SIGCONT)
            await asyncio.sleep(5)
            one, two = two, one
        fed = await feeding
        await until_folded(broker, await ends_without_ticks())
        watching.cancel()
    result, (stand,) = await compare(broker), await asyncio.gather(watching)
    print(f"\n{fed} events, exit codes {dict(one.codes)} and {dict(two.codes)}, longest stand {stand:.1f} s: {result}")
    assert result.exact


async def poison(values: list[bytes]) -> dict[str, bytes]:
    """Append records that are no events, past all gates; by position."""
    sender = producer()
    await sender.start()
    sent = [await sender.send_and_wait(EVENTS, value, b"poison") for value in values]
    await sender.stop()
    return {f"{r.partition}:{r.offset}": value for r, value in zip(sent, values, strict=True)}


async def rejected() -> list[dict[str, Any]]:
    """What lies in `rejected`, each id once."""
    found = [orjson.loads(r.value) for records in (await everything(REJECTED)).values() for r in records]
    return list({record["id"]: record for record in found}.values())


async def moved(broker: Stack) -> None:
    """Wait until some store has moved."""
    before, deadline = folded(broker), time.monotonic() + 30
    while folded(broker) == before and time.monotonic() < deadline:
        await asyncio.sleep(0.02)


async def longest_stand(broker: Stack) -> float:
    """Until cancelled: the longest time in which some partition did not move."""
    since, at, longest = {}, {}, 0.0
    try:
        while True:
            for number, next in folded(broker).items():
                now = time.monotonic()
                if at.get(number) != next:
                    at[number], since[number] = next, now
                longest = max(longest, now - since[number])
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        return longest
