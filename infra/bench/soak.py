"""Twenty minutes at 200 readings/s: memory of each part, lag, delays, and what a million readings cost.

The first third of the time is for warming up: caches fill, engines learn. What the last minutes hold is then compared
with what the minutes after the first third held. ``MAILIU_SOAK_MINUTES`` (`mailiu bench soak --minutes`) shortens it.
"""

import asyncio
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import psutil

from infra.bench.latency import INSTITUTION, _follow, _register
from infra.gateway import Gateway
from infra.observe.stack import size
from infra.settings import settings
from infra.stack.status import GROUPS, lags
from infra.stack.supervisor import read_status

needs = ("kafka", "clickhouse", "mosquitto", "writer", "worker", "carrier", "bridge", "sender", "api")
RATE = 200  #: readings a second
RESIDENTS = 5_000  #: each measures about as often in 20 minutes as in 12 days of its life
EVERY = 200  #: one reading in so many is a resident's first crisis value
SAMPLE = 5.0  #: seconds between two looks
STORES = ("kafka", "clickhouse")


@dataclass
class Look:
    """What one look at the stack found; ``when`` in seconds since the start."""

    when: float
    memory: dict[str, float]  #: MiB by part
    lag: dict[str, int]  #: records by part


@dataclass
class Soak:
    """Everything seen."""

    looks: list[Look] = field(default_factory=list)
    receipts: list[tuple[float, float]] = field(default_factory=list)  #: seconds since the start, seconds it took
    published: dict[str, float] = field(default_factory=dict)  #: crisis resident -> when
    seen: dict[str, float] = field(default_factory=dict)


def run(progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Rows: memory, lag and delays after a third of the time and at its end; cost of a million readings."""
    seconds = 60 * float(os.environ.get("MAILIU_SOAK_MINUTES", 20))
    soak = Soak()
    return asyncio.run(_soak(soak, seconds, progress))


async def _soak(soak: Soak, seconds: float, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    from api.auth import issue

    progress(f"registering {RESIDENTS:,} residents and cuffs")
    await _register(RESIDENTS)
    while (await lags()).get("worker", 1) > 50:  # ticks come all the time
        await asyncio.sleep(1)
    used, held = _processor(), _bytes()
    headers = {"Authorization": f"Bearer {issue('clinician', [INSTITUTION])}"}
    base = f"http://{settings().api}"
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=60) as client, Gateway("soak") as gateway:
        following = asyncio.create_task(_follow(client, soak.seen))
        await asyncio.sleep(1)
        start = time.perf_counter()
        looking = asyncio.create_task(_look(soak, start, seconds, progress))
        await _publish(soak, gateway, start, round(seconds * RATE))
        deadline = time.perf_counter() + 60
        while len(soak.seen) < len(soak.published) and time.perf_counter() < deadline:
            await asyncio.sleep(0.2)
        for task in (looking, following):
            task.cancel()
        await asyncio.gather(looking, following, return_exceptions=True)
    if len(soak.seen) < len(soak.published):
        raise RuntimeError(f"{len(soak.seen)} of {len(soak.published)} alerts arrived")
    return [*_growth(soak, seconds), *_delays(soak, start, seconds), *_costs(used, held, len(soak.receipts))]


async def _publish(soak: Soak, gateway: Gateway, start: float, count: int) -> None:
    async def send(who: int, reading: dict[str, Any]) -> None:
        began = time.perf_counter()
        receipt = await gateway.send(INSTITUTION, f"BD{who}", reading)
        if receipt["status"] != "accepted":
            raise RuntimeError(f"a reading was refused: {receipt}")
        soak.receipts.append((began - start, time.perf_counter() - began))

    async with asyncio.TaskGroup() as group:
        for n in range(count):
            await asyncio.sleep(max(0.0, start + n / RATE - time.perf_counter()))
            crisis = n % EVERY == 0 and n // EVERY < RESIDENTS
            who = n // EVERY if crisis else n % RESIDENTS
            if crisis:
                soak.published[f"BR{who}"] = time.perf_counter()
            now = datetime.now(UTC).isoformat()
            values = {"systolic": 188 if crisis else 128, "diastolic": 112 if crisis else 78, "pulse": 66}
            group.create_task(send(who, {"id": f"{n}", "time": now, **values}))


async def _look(soak: Soak, start: float, seconds: float, progress: Callable[[str], None]) -> None:
    while True:
        await asyncio.sleep(SAMPLE)
        memory = {
            state.part: psutil.Process(state.pid).memory_info().rss / 2**20 for state in read_status() if state.pid
        }
        behind = await lags()
        now = time.perf_counter() - start
        soak.looks.append(Look(now, memory, behind))
        left = max(0, round(seconds - now))
        progress(f"{left} s left, {len(soak.receipts):,} receipts, {sum(memory.values()):.0f} MiB, lag {behind}")


def _window(seconds: float) -> float:
    """Length of what is compared, in seconds: a minute, less in a short soak."""
    return min(60.0, seconds / 6)


def _growth(soak: Soak, seconds: float) -> list[dict[str, Any]]:
    width = _window(seconds)
    early = [look for look in soak.looks if seconds / 3 <= look.when < seconds / 3 + width]
    late = [look for look in soak.looks if seconds - width <= look.when < seconds]
    rows = []
    for part in soak.looks[0].memory:
        before = statistics.median(look.memory[part] for look in early)
        after = statistics.median(look.memory[part] for look in late)
        grows = after > 1.1 * before and after - before > 20
        rows.append(_row(f"memory of {part}: {'GROWS' if grows else 'stands'}", after, before, "MiB", "≤ 1.10"))
    for part in GROUPS:
        before, after = (max(look.lag.get(part, 0) for look in some) for some in (early, late))
        rows.append(_row(f"largest lag of {part}", after, before, "records", None))
    return rows


def _delays(soak: Soak, start: float, seconds: float) -> list[dict[str, Any]]:
    alerts = [(when - start, soak.seen[who] - when) for who, when in soak.published.items()]
    rows = []
    for what, taken in (("publish → receipt", soak.receipts), ("publish → alert on SSE", alerts)):
        thirds = [[took for when, took in taken if k <= 3 * when / seconds < k + 1] for k in range(3)]
        before, after = (1000 * statistics.quantiles(third, n=100)[98] for third in (thirds[1], thirds[2]))
        rows.append(_row(f"{what}, p99 (n {len(thirds[2]):,})", after, before, "ms", None))
    return rows


def _row(measured: str, value: float, before: float, unit: str, reach: str | None) -> dict[str, Any]:
    return {
        "bench": "soak", "measured": measured, "value": value, "reference": "earlier in the same run",
        "reference_value": before, "ratio": value / before if before else None, "unit": unit, "reach": reach,
    }  # fmt: skip


def _costs(used: dict[str, float], held: dict[str, int], readings: int) -> list[dict[str, Any]]:
    """What a million readings cost, ticks and the stack's idling included."""
    million = readings / 1e6
    spent = {part: (seconds - used.get(part, 0.0)) / million for part, seconds in _processor().items()}
    rows = [_cost("processor time, all parts", sum(spent.values()), "s")]
    rows += [_cost(f"processor time of {part}", seconds, "s") for part, seconds in spent.items()]
    rows += [_cost(f"bytes in {name}", (now - held[name]) / million / 1e6, "MB") for name, now in _bytes().items()]
    return rows


def _cost(what: str, value: float, unit: str) -> dict[str, Any]:
    return {
        "bench": "soak", "measured": f"a million readings: {what}", "value": value, "unit": unit, "reference": None,
    }  # fmt: skip


def _processor() -> dict[str, float]:
    """Processor seconds that each part has used so far."""
    times = {state.part: psutil.Process(state.pid).cpu_times() for state in read_status() if state.pid}
    return {part: spent.user + spent.system for part, spent in times.items()}


def _bytes() -> dict[str, int]:
    return {name: size(settings().home / name) for name in STORES}
