"""Fault 1: everything is killed at random while readings flow, and nothing that has a receipt is lost."""

import asyncio
import random
import time

import pytest

from infra.gateway import Gateway
from tests.chaos.flow import Flow, verified
from tests.stack import Stack

RESIDENTS, EACH = 100, 200
VICTIMS = ("bridge", "worker", "writer", "clickhouse", "api", "mosquitto")
KILLS = 10


def kill(stack: Stack, chance: random.Random, killed: list[str]) -> None:
    """Kill every part at least once, ten kills in all, at random times."""
    victims = [*VICTIMS, *chance.choices(VICTIMS, k=KILLS - len(VICTIMS))]
    chance.shuffle(victims)
    for victim in victims:
        time.sleep(chance.uniform(1.0, 3.0))
        stack.kill(victim)
        killed.append(victim)


@pytest.mark.stack
@pytest.mark.chaos
async def test_everything_is_killed_while_20_000_readings_flow(stack: Stack) -> None:
    flow, killed = Flow("chaos", RESIDENTS), list[str]()
    await flow.register()
    readings = flow.readings(EACH)
    async with Gateway(flow.run, resend=4.0) as gateway, asyncio.timeout(500):
        killing = asyncio.create_task(asyncio.to_thread(kill, stack, random.Random(20261124), killed))
        await flow.publish(gateway, readings)
        await killing
    print(f"\nkilled {len(killed)}: {', '.join(killed)}; {await flow.reckon(readings)}")
    verified(stack)
