"""Readings that flow while something breaks: cuffs that keep a reading until its receipt comes, and the reckoning."""

import asyncio
import os
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import orjson

from infra.clients import clickhouse as clickhouse_client
from infra.clients import consumer
from infra.gateway import Gateway
from infra.log import Log
from schemas.envelope import Event
from schemas.topics import EVENTS
from tests.stack import Stack, wait_until

INSTITUTION = "CHAOS"


class Reading(NamedTuple):
    """What a cuff measured."""

    device: str
    body: dict[str, object]


class Flow:
    """The residents of one test, each with a cuff, and what came of their readings."""

    def __init__(self, name: str, residents: int) -> None:
        self.run, self.residents = f"{name}{os.getpid()}", residents
        self.receipts: Counter[str] = Counter()

    def registrations(self) -> list[Event]:
        """An institution, its residents (hypertension diagnosed), one cuff each."""
        start = datetime.now(UTC) - timedelta(days=40)

        def event(type: str, subject: str, **data: object) -> Event:
            return Event(
                id=f"{type}/{subject}", source=f"test/{self.run}", type=f"mailiu.{type}.v1", subject=subject,
                time=start, institution=INSTITUTION, data=data,
            )  # fmt: skip

        events = [event("organization.institution-registered", f"{self.run}-I", institution=INSTITUTION, name="Chaos")]
        for n in range(self.residents):
            resident, device = f"{self.run}-R{n}", f"{self.run}-D{n}"
            events += [
                event("resident.registered", resident, sex="female" if n % 2 else "male", birth_date="1955-05-05"),
                event("resident.consent-given", resident, scopes=["monitoring", "messages"], text_version="2026-1"),
                event("chronic.condition-diagnosed", resident, code="I10"),
                event("device.registered", f"device:{device}", device=device),
                event("device.bound", resident, device=device),
            ]
        return events

    def readings(self, each: int) -> list[Reading]:
        """``each`` readings of every resident over the last ten days, in turns; one in fifty at crisis level."""
        now, chance = datetime.now(UTC) - timedelta(minutes=5), random.Random(20261124)
        made = []
        for k in range(each):
            for n in range(self.residents):
                when = now - timedelta(days=10) * (1 - k / each) + timedelta(seconds=n)
                systolic = chance.choice((118, 126, 133, 139, 147, 158)) if chance.random() > 0.02 else 186
                body = {
                    "id": f"{self.run}-{n}-{k}", "time": when.isoformat(timespec="seconds"), "systolic": systolic,
                    "diastolic": systolic - 55, "pulse": 70, "backlog": True,
                }  # fmt: skip
                made.append(Reading(f"{self.run}-D{n}", body))
        return made

    async def register(self) -> None:
        """Append the registrations, and wait until the bridge knows the cuffs."""
        async with Log() as log:
            await asyncio.gather(*[await log.send(event) for event in self.registrations()])
        async with Gateway(f"{self.run}-first") as gateway:
            for n in range(self.residents):
                body: dict[str, object] = {"id": f"{self.run}-first-{n}", "systolic": 121, "diastolic": 79}
                while (await gateway.send(INSTITUTION, f"{self.run}-D{n}", body))["status"] != "accepted":
                    await asyncio.sleep(0.2)

    async def publish(
        self, gateway: Gateway, readings: list[Reading], *, under_way: int = 400, pause: float = 0.0
    ) -> None:
        """Publish as careful makers' cuffs do, ``under_way`` at a time, until each reading has its receipt."""
        free = asyncio.Semaphore(under_way)

        async def send(reading: Reading) -> None:
            try:
                receipt = await gateway.send(INSTITUTION, reading.device, reading.body)
                self.receipts[receipt["status"]] += 1
            finally:
                free.release()

        async with asyncio.TaskGroup() as group:
            for reading in readings:
                await free.acquire()
                group.create_task(send(reading))
                await asyncio.sleep(pause)

    async def reckon(self, readings: list[Reading]) -> str:
        """See that each reading is accepted, in the log and once in the table; what was counted."""
        sent = {str(reading.body["id"]) for reading in readings}
        in_log = await self._ids_in_log()
        assert self.receipts["accepted"] == len(readings), self.receipts
        assert sent <= set(in_log), "each reading with a receipt is in the log"
        count = "SELECT count(), uniqExact(id) FROM readings WHERE startsWith(resident, {run:String})"
        whole = len(set(in_log))
        with clickhouse_client() as client:

            def rows() -> tuple[int, int]:
                total, different = client.query(count, {"run": f"{self.run}-R"}).result_rows[0]
                return total, different

            await asyncio.to_thread(wait_until, lambda: rows()[0] >= whole, "all readings are in the table", 240)
            assert rows() == (whole, whole), "each reading is there once"
        receipts = dict(self.receipts)
        return f"{len(readings)} readings, receipts {receipts}; with registration {len(in_log)} records, {whole} rows"

    async def _ids_in_log(self) -> list[str]:
        """The cuffs' own ids of all readings of this run on `events`, repeats included."""
        found, reader = [], consumer(EVENTS)
        await reader.start()
        try:
            ends = await reader.end_offsets(list(reader.assignment()))
            while any([await reader.position(tp) < end for tp, end in ends.items()]):
                for records in (await reader.getmany(timeout_ms=500, max_records=5000)).values():
                    found += [
                        orjson.loads(record.value)["id"].rsplit("/", 1)[-1]
                        for record in records
                        if record.value and self.run.encode() in record.value
                        and b".blood-pressure-measured." in record.value
                    ]  # fmt: skip
        finally:
            await reader.stop()
        return found


def said(stack: Stack, part: str) -> str:
    """What `mailiu status` says beside ``part``."""
    rows = orjson.loads(stack.mailiu("status", "--json").stdout)
    return str(next(row["message"] for row in rows if row["part"] == part))


def verified(stack: Stack) -> None:
    """See that a rebuild of everything equals what is served."""
    done = stack.mailiu("verify", "--json", check=False, timeout=600)
    print(done.stdout[-600:])
    assert done.returncode == 0, done.stdout + done.stderr
