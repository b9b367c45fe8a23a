"""Fault 1: everything is killed at random while readings flow, and nothing that has a receipt is lost."""

import asyncio
import os
import random
import time
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from infra.clients import clickhouse as clickhouse_client
from infra.clients import consumer
from infra.gateway import Gateway
from infra.log import Log
from schemas.envelope import Event
from schemas.topics import EVENTS
from tests.stack import Stack, wait_until

READINGS = 20_000
RESIDENTS = 100
VICTIMS = ("bridge", "worker", "writer", "clickhouse", "api", "mosquitto")
KILLS = 10
UNDER_WAY = 400
INSTITUTION = "CHAOS"


def registrations(run: str) -> list[Event]:
    """An institution, its residents (hypertension diagnosed), one cuff each."""
    start = datetime.now(UTC) - timedelta(days=40)

    def event(type: str, subject: str, **data: object) -> Event:
        return Event(
            id=f"{type}/{subject}", source=f"test/{run}", type=f"mailiu.{type}.v1", subject=subject, time=start,
            institution=INSTITUTION, data=data,
        )  # fmt: skip

    events = [event("organization.institution-registered", f"{run}-I", institution=INSTITUTION, name="Chaos")]
    for n in range(RESIDENTS):
        resident, device = f"{run}-R{n}", f"{run}-D{n}"
        events += [
            event("resident.registered", resident, sex="female" if n % 2 else "male", birth_date="1955-05-05"),
            event("chronic.condition-diagnosed", resident, code="I10"),
            event("device.registered", f"device:{device}", device=device),
            event("device.bound", resident, device=device),
        ]
    return events


def readings(run: str, chance: random.Random) -> list[tuple[str, dict[str, object]]]:
    """Readings of the last ten days, the cuffs taking turns; about one in fifty at crisis level."""
    now = datetime.now(UTC) - timedelta(minutes=5)
    each = READINGS // RESIDENTS
    made = []
    for k in range(each):
        for n in range(RESIDENTS):
            when = now - timedelta(days=10) * (1 - k / each) + timedelta(seconds=n)
            systolic = chance.choice((118, 126, 133, 139, 147, 158)) if chance.random() > 0.02 else 186
            reading = {
                "id": f"{run}-{n}-{k}", "time": when.isoformat(timespec="seconds"), "systolic": systolic,
                "diastolic": systolic - 55, "pulse": 70, "backlog": True,
            }  # fmt: skip
            made.append((f"{run}-D{n}", reading))
    return made


async def publish(made: list[tuple[str, dict[str, object]]], killing: "asyncio.Task[None]") -> list[dict[str, object]]:
    """Publish as careful makers' cuffs do, `UNDER_WAY` readings at a time; the receipt of each."""
    free = asyncio.Semaphore(UNDER_WAY)

    async def send(device: str, reading: dict[str, object]) -> dict[str, object]:
        async with free:
            return await gateway.send(INSTITUTION, device, reading)

    async with Gateway(f"chaos-{os.getpid()}", resend=4.0) as gateway, asyncio.timeout(500):
        receipts = await asyncio.gather(*(send(device, reading) for device, reading in made))
        await killing
    return receipts


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
    run, chance = f"chaos{os.getpid()}", random.Random(20261124)
    await append(registrations(run))
    made = readings(run, chance)
    killed: list[str] = []
    killing = asyncio.create_task(asyncio.to_thread(kill, stack, chance, killed))
    receipts = await publish(made, killing)
    statuses = [receipt["status"] for receipt in receipts]
    sent = {str(reading["id"]) for _, reading in made}
    in_log = await ids_in_log(run)
    print(
        f"\nkilled {len(killed)}: {', '.join(killed)}; {len(made)} readings, {statuses.count('accepted')} accepted, "
        f"{len(in_log)} records of them in the log"
    )
    assert statuses.count("accepted") == READINGS
    assert set(in_log) == sent, "each reading with a receipt is in the log"

    with clickhouse_client() as client:
        count = "SELECT count(), uniqExact(id) FROM readings WHERE startsWith(resident, {run:String})"
        parameters = {"run": f"{run}-R"}
        wait_until(
            lambda: client.query(count, parameters).result_rows[0][0] >= READINGS, "all readings in the table", 120
        )
        assert client.query(count, parameters).result_rows == [(READINGS, READINGS)], "each reading is there once"
    verified = stack.mailiu("verify", "--json", check=False, timeout=600)
    print(verified.stdout[-2000:])
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def append(events: list[Event]) -> None:
    """Append ``events`` to the log."""
    async with Log() as log:
        await asyncio.gather(*[await log.send(event) for event in events])


async def ids_in_log(run: str) -> list[str]:
    """The devices' own ids of all readings of this run on `events`, repeats included."""
    found = []
    reader = consumer(EVENTS)
    await reader.start()
    try:
        ends = await reader.end_offsets(list(reader.assignment()))
        while any([await reader.position(tp) < end for tp, end in ends.items()]):
            for records in (await reader.getmany(timeout_ms=500, max_records=5000)).values():
                for record in records:
                    if record.value and run.encode() in record.value and b".blood-pressure-measured." in record.value:
                        found.append(orjson.loads(record.value)["id"].rsplit("/", 1)[-1])
    finally:
        await reader.stop()
    return found
