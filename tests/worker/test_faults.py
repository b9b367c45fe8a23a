"""Kill, pause and rob workers while events flow: nothing without effect, nothing with two. On a real broker."""

import asyncio
import os
import random
import signal
import time

import pytest

from tests.stack import Stack
from tests.worker.faults import (
    Worker,
    compare,
    ends_without_ticks,
    feed,
    folded,
    kept,
    readings,
    remove_store,
    until_folded,
)  # fmt: skip

pytestmark = [pytest.mark.stack, pytest.mark.chaos]
LONG = bool(os.environ.get("MAILIU_LONG"))


async def test_a_worker_killed_again_and_again(broker: Stack) -> None:
    count, rate = (300_000, 3000) if LONG else (30_000, 1800)
    worker, kills, chance = Worker(broker, "w1"), 0, random.Random(1)
    async with kept(worker):
        feeding = asyncio.create_task(feed(readings(0, count), rate))
        while not feeding.done():
            await moved(broker)
            await asyncio.sleep(chance.uniform(0, 1.5))
            worker.kill(signal.SIGKILL)
            kills += 1
        fed = await feeding
        await until_folded(broker, await ends_without_ticks())
    result = await compare(broker)
    print(f"\n{fed} events, {kills} kills, exit codes {dict(worker.codes)}: {result}")
    assert result.exact
    assert result.outputs > 100


async def test_a_lost_store_is_refolded_in_silence(broker: Stack) -> None:
    before = await compare(broker)
    remove_store(broker)
    async with kept(Worker(broker, "w1")):
        await until_folded(broker, await ends_without_ticks())
    after = await compare(broker)
    print(f"\nbefore: {before}\nafter:  {after}")
    assert after.exact
    assert after.sent - after.outputs == before.sent - before.outputs


async def test_two_workers_one_killed_one_paused(broker: Stack) -> None:
    count, rate = (60_000, 1500) if LONG else (24_000, 800)
    one, two = Worker(broker, "w1"), Worker(broker, "w2")
    async with kept(one, two):
        feeding = asyncio.create_task(feed(readings(1_000_000, count), rate))
        watching = asyncio.create_task(longest_stand(broker))
        await asyncio.sleep(6)
        one.kill(signal.SIGKILL)
        await asyncio.sleep(5)
        for worker in (one, two):
            worker.kill(signal.SIGSTOP)
            await asyncio.sleep(8)  # its session ends after 6
            worker.kill(signal.SIGCONT)
            await asyncio.sleep(3)
        fed = await feeding
        await until_folded(broker, await ends_without_ticks())
        watching.cancel()
    result, (stand,) = await compare(broker), await asyncio.gather(watching)
    print(f"\n{fed} events, exit codes {dict(one.codes)} and {dict(two.codes)}, longest stand {stand:.1f} s: {result}")
    assert result.exact


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
