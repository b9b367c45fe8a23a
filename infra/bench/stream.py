"""Kafka → fold with durable state → Kafka: our worker, against the same fold on Quix Streams and an idle Faust agent.

All read the same log, one after the other in turn, each as a process of its own with an empty state. A run's rate is
the log's events over the time from a contender's first record to its last; for ours the last is committed to its store.
"""

import asyncio
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from aiokafka import TopicPartition

from infra.clients import admin, consumer, producer
from infra.log import headers
from infra.stack.kafka import make_topics
from infra.stack.scratch import ROOT
from schemas.envelope import Event
from schemas.topics import DERIVED, EVENTS

needs = ("kafka",)
RUNS, RESIDENTS, DAYS, REACH = 3, 2_000, 10, 0.9
#: A district's mixture: share of residents, usual systolic pressure, its spread.
MIXTURE = ((0.45, 122, 7), (0.40, 138, 9), (0.13, 150, 10), (0.02, 168, 12))
NAMES = {
    "quix": "Quix Streams, the same fold, its state and changelog",
    "quix-plain": "Quix Streams, the same fold, its state without changelog",
    "idle": "a Faust agent that does nothing, an event a message",
}


def run(progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """A row for each reference: medians of `RUNS` alternated runs."""
    progress(f"appending {RESIDENTS * (DAYS * 4 + 2):,} events")
    ends = asyncio.run(_fill())
    count = sum(ends.values())
    rates: dict[str, list[float]] = {name: [] for name in ("ours", *NAMES)}
    cpu: dict[str, list[float]] = {name: [] for name in rates}
    for turn in range(RUNS):
        for name in list(rates)[:: 1 if turn % 2 == 0 else -1]:
            progress(f"{name}, run {turn + 1} of {RUNS}, {count:,} events")
            took = _measure(name, ends)
            rates[name].append(count / took["seconds"])
            cpu[name].append(took["cpu"] / count * 1e6)
    middle = {name: statistics.median(values) for name, values in rates.items()}
    spent = {name: statistics.median(values) for name, values in cpu.items()}
    return [
        {
            "bench": "stream",
            "measured": f"all rules, durable state ({spent['ours']:.0f} µs of processor an event)",
            "reference": f"{label} ({spent[name]:.0f} µs)",
            "value": middle["ours"],
            "reference_value": middle[name],
            "ratio": statistics.median(a / b for a, b in zip(rates["ours"], rates[name], strict=True)),
            "reach": f"≥ {REACH}" if name == "quix" else None,
            "unit": "events/s",
        }
        for name, label in NAMES.items()
    ]


def _events() -> Iterator[Event]:
    """Registration, diagnosis and `DAYS` days of readings, four a day, in the order of receipt."""
    chance, start = random.Random(7), datetime(2026, 1, 1, tzinfo=UTC)
    usual = [chance.choices(MIXTURE, [share for share, _, _ in MIXTURE])[0][1:] for _ in range(RESIDENTS)]

    def event(resident: int, when: datetime, type: str, data: dict[str, Any], late: float = 0) -> Event:
        return Event(
            id=f"{resident}/{when.isoformat()}/{type}", source="bench", type=f"mailiu.{type}.v1",
            subject=f"R{resident}", institution="I01", data=data, time=when,
            recordedtime=when + timedelta(seconds=late),
        )  # fmt: skip

    for n in range(RESIDENTS):
        yield event(n, start, "resident.registered", {"sex": "female", "birth_date": "1955-05-05"})
        yield event(n, start, "chronic.condition-diagnosed", {"code": "I10", "certainty": "confirmed"})
    for day in range(DAYS):
        for hour in (7.0, 7.02, 20.0, 20.02):
            for n in range(RESIDENTS):
                systolic = max(80, round(chance.gauss(*usual[n])))
                data = {"systolic": systolic, "diastolic": systolic * 3 // 5, "pulse": 70, "place": "home"}
                when = start + timedelta(days=day, hours=hour - 8, milliseconds=n)
                yield event(n, when, "reading.blood-pressure-measured", data, late=60)


async def _fill() -> dict[int, int]:
    sender, reader = producer(), consumer(EVENTS)
    await sender.start()
    await reader.start()
    waiting: list[Any] = []
    for event in _events():
        about = headers(event.type, str(event.identity))
        waiting.append(await sender.send(EVENTS, event.dumps(), event.subject.encode(), headers=about))
        if len(waiting) >= 5000:
            await asyncio.gather(*waiting)
            waiting.clear()
    await asyncio.gather(*waiting)
    await sender.stop()
    partitions = [TopicPartition(EVENTS, n) for n in reader.partitions_for_topic(EVENTS) or ()]
    ends = await reader.end_offsets(partitions)
    await reader.stop()
    return {tp.partition: end for tp, end in ends.items()}


async def _empty_derived() -> None:
    """Remove what was derived: a worker is silent about what `derived` already has."""
    client = admin()
    await client.start()
    try:
        await client.delete_topics([DERIVED])
        for _ in range(100):
            if DERIVED not in await client.list_topics():
                break
            await asyncio.sleep(0.1)
    finally:
        await client.close()
    await make_topics()


def _measure(name: str, ends: dict[int, int]) -> dict[str, float]:
    home = tempfile.mkdtemp(prefix="mailiu-bench-state-")
    environment = os.environ | {"MAILIU_HOME": home, "MAILIU_TICK_SECONDS": "86400", "PYTHONWARNINGS": "ignore"}
    try:
        if name == "ours":
            asyncio.run(_empty_derived())
        done = subprocess.run(
            [sys.executable, "-m", "infra.bench.contenders", name, orjson.dumps(ends, option=orjson.OPT_NON_STR_KEYS)],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr[-2000:]}")
        took: dict[str, float] = orjson.loads(done.stdout.strip().splitlines()[-1])
        return took
    finally:
        shutil.rmtree(home, ignore_errors=True)
