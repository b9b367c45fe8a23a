"""Log → readable rows, against a bare aiokafka read of the same records; and the rate of a rebuild."""

import asyncio
import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from infra.settings import settings

needs = ("kafka", "clickhouse")
EVENTS = 500_000
RESIDENTS = 20_000
RUNS = 3


def run(progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Medians of three alternated runs over half a million blood-pressure readings."""
    progress(f"appending {EVENTS:,} readings")
    asyncio.run(_append(progress))
    bare, ours, rebuilt = [], [], []
    for number in range(1, RUNS + 1):
        progress(f"bare read {number}/{RUNS}")
        bare.append(asyncio.run(_bare_read()))
        progress(f"writer {number}/{RUNS}")
        with _database(f"bench{number}"):
            ours.append(asyncio.run(_write()))
            progress(f"rebuild {number}/{RUNS}")
            rebuilt.append(_rebuild())
    return [
        _row("log → readable rows", median(ours), "bare aiokafka read", median(bare), "≥ 0.2"),
        _row("rebuild of readings", median(rebuilt), None, None, "≥ 500,000 events/s"),
    ]


def _row(measured: str, value: float, reference: str | None, its: float | None, reach: str) -> dict[str, Any]:
    return {
        "bench": "projection",
        "measured": measured,
        "value": value,
        "unit": "events/s",
        "reference": reference,
        "reference_value": its,
        "ratio": value / its if its else None,
        "reach": reach,
    }


async def _append(progress: Callable[[str], None]) -> None:
    """Readings of many residents over half a year, as the bridge writes them."""
    from infra.log import Log
    from schemas.envelope import Event, from_milliseconds
    from schemas.topics import DAY

    start = 1_767_225_600_000
    async with Log() as log:
        waiting: list[asyncio.Future[Any]] = []
        for n in range(EVENTS):
            resident, turn = n % RESIDENTS, n // RESIDENTS
            device = f"D{resident:05}"
            event = Event.model_construct(
                id=f"{device}-{turn}",
                source=f"mqtt/I{resident % 40:02}/{device}",
                type="mailiu.reading.blood-pressure-measured.v1",
                subject=f"R{resident:05}",
                time=_instant(start + turn * DAY * 7 + resident * 1000),
                data={
                    "systolic": 110 + (n * 7919) % 60,
                    "diastolic": 65 + (n * 104729) % 35,
                    "pulse": 60 + n % 30,
                    "device": device,
                    "device_time": from_milliseconds(start + turn * DAY * 7 + resident * 1000),
                    "clock": "trusted",
                    "flags": [],
                },
                institution=f"I{resident % 40:02}",
            )
            waiting.append(await log.send(event))
            if len(waiting) == 10_000:
                await asyncio.gather(*waiting)
                waiting.clear()
                progress(f"appending readings: {n + 1:,} of {EVENTS:,}")
        await asyncio.gather(*waiting)


def _instant(milliseconds: int) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(milliseconds / 1000, UTC)


async def _bare_read() -> float:
    """Events a second that a consumer takes in without looking at them."""
    from aiokafka import TopicPartition

    from infra.clients import consumer

    reader = consumer()
    await reader.start()
    try:
        reader.assign([TopicPartition("events", p) for p in range(settings().partitions)])
        await reader.seek_to_beginning()
        began, seen = time.perf_counter(), 0
        while seen < EVENTS:
            seen += sum(map(len, (await reader.getmany(timeout_ms=1000)).values()))
        return seen / (time.perf_counter() - began)
    finally:
        await reader.stop()


async def _write() -> float:
    """Events a second from Kafka to rows that a query of `readings` sees, by the writer as it is."""
    from infra.clients import async_clickhouse
    from projections.writer import Writer

    writer = Writer()
    running = asyncio.create_task(writer.run())
    while not writer.places and not running.done():
        await asyncio.sleep(0.01)
    began = time.perf_counter()
    client = await async_clickhouse()
    query = "SELECT sum(next_offset) FROM positions WHERE topic = 'events'"
    while (await client.query(query)).result_rows[0][0] < EVENTS and not running.done():
        await asyncio.sleep(0.05)
    [(readable,)] = (await client.query("SELECT count() FROM readings")).result_rows
    took = time.perf_counter() - began
    writer.stop()
    await running
    await client.close()
    assert readable == EVENTS, f"{readable} of {EVENTS} readings are readable"
    return EVENTS / took


def _rebuild() -> float:
    """Events a second of `mailiu rebuild reading`."""
    from infra.clients import clickhouse
    from projections.rebuild import rebuild
    from projections.schema import projection

    with clickhouse() as client:
        done = rebuild(client, projection("reading"))
    return done.read / done.seconds


class _database:
    """A ClickHouse database of its own, dropped at the end."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        os.environ["MAILIU_CLICKHOUSE_DATABASE"] = self.name
        settings.cache_clear()

    def __exit__(self, *_: object) -> None:
        from infra.clients import clickhouse

        with clickhouse(database="default") as client:
            client.command(f"DROP DATABASE IF EXISTS {self.name} SYNC")
        del os.environ["MAILIU_CLICKHOUSE_DATABASE"]
        settings.cache_clear()
