"""Delay at 200 readings/s: from a cuff's publish to the alert on the stream, and to the statistic that counts it."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import psutil

from infra.gateway import Gateway
from infra.log import Log
from infra.settings import settings
from infra.stack.supervisor import read_status
from schemas.envelope import Event

needs = ("kafka", "clickhouse", "mosquitto", "writer", "worker", "bridge", "sender", "api")
RATE = 200  #: readings a second
SECONDS = 30
RESIDENTS = 500
EVERY = 20  #: one reading in so many is the first crisis value of its resident
INSTITUTION = "BENCH"


def run(progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """p50 and p95 in ms of publish → alert on SSE and publish → statistic, with the number of samples."""
    used = _processor_seconds()
    alert, statistic = asyncio.run(_measure(progress))
    shares = {part: (seconds - used[part]) / SECONDS for part, seconds in _processor_seconds().items()}
    return [
        _row("publish → alert on SSE, p50", statistics.median(alert), None, len(alert)),
        _row("publish → alert on SSE, p95", _p95(alert), "≤ 500 ms", len(alert)),
        _row("publish → statistic, p50", statistics.median(statistic), None, len(statistic)),
        _row("publish → statistic, p95", _p95(statistic), "≤ 3,000 ms", len(statistic)),
        *(
            {"bench": "latency", "measured": f"cores used by {part}", "value": share, "unit": "", "reference": None}
            for part, share in shares.items()
        ),
    ]


def _processor_seconds() -> dict[str, float]:
    """Processor time that each part has used so far."""
    times = {state.part: psutil.Process(state.pid).cpu_times() for state in read_status()}
    return {part: spent.user + spent.system for part, spent in times.items()}


def _row(measured: str, value: float, reach: str | None, samples: int) -> dict[str, Any]:
    about = f"{measured} (n {samples})"
    return {"bench": "latency", "measured": about, "value": value, "unit": "ms", "reference": None, "reach": reach}


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


async def _measure(progress: Callable[[str], None]) -> tuple[list[float], list[float]]:
    from api.auth import issue

    progress("registering residents and cuffs")
    await _register()
    headers = {"Authorization": f"Bearer {issue('clinician', [INSTITUTION])}"}
    published: dict[str, float] = {}  # crisis resident -> when
    sent: list[float] = []  # nth reading -> when
    seen: dict[str, float] = {}
    counted: list[float] = []
    base = f"http://{settings().api}"
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=60) as client, Gateway("bench") as gateway:
        following = asyncio.create_task(_follow(client, seen))
        polling = asyncio.create_task(_poll(client, counted))
        await asyncio.sleep(1)
        waiting = []
        start = time.perf_counter()
        for n in range(RATE * SECONDS):
            await asyncio.sleep(max(0.0, start + n / RATE - time.perf_counter()))
            crisis = n % EVERY == 0 and n // EVERY < RESIDENTS
            who = n // EVERY if crisis else n % RESIDENTS
            reading = {
                "id": f"{n}", "time": datetime.now(UTC).isoformat(), "systolic": 188 if crisis else 128,
                "diastolic": 112 if crisis else 78, "pulse": 66,
            }  # fmt: skip
            now = time.perf_counter()
            if crisis:
                published[f"BR{who}"] = now
            sent.append(now)
            waiting.append(asyncio.create_task(gateway.send(INSTITUTION, f"BD{who}", reading)))
            if n % RATE == 0:
                progress(f"{n} of {RATE * SECONDS} readings, {len(seen)} alerts seen")
        await asyncio.gather(*waiting)
        deadline = time.perf_counter() + 20
        while (len(seen) < len(published) or len(counted) < len(sent)) and time.perf_counter() < deadline:
            await asyncio.sleep(0.1)
        for task in (following, polling):
            if task.done():
                task.result()  # it ended by an error only
            task.cancel()
        await asyncio.gather(following, polling, return_exceptions=True)
    if len(seen) < len(published) or len(counted) < len(sent):
        raise RuntimeError(f"{len(seen)} of {len(published)} alerts and {len(counted)} of {len(sent)} readings arrived")
    alert = [(seen[resident] - when) * 1000 for resident, when in published.items()]
    statistic = [(at - when) * 1000 for at, when in zip(counted, sent, strict=False)]
    return alert, statistic


async def _register(residents: int = RESIDENTS) -> None:
    now = datetime.now(UTC)

    def event(type: str, subject: str, **data: object) -> Event:
        return Event(
            id=f"{type}/{subject}", source="bench", type=f"mailiu.{type}.v1", subject=subject, time=now,
            institution=INSTITUTION, data=data,
        )  # fmt: skip

    async with Log() as log:
        name = event("organization.institution-registered", INSTITUTION, institution=INSTITUTION, name="Bench")
        acks = [await log.send(name)]
        for n in range(residents):
            resident, device = f"BR{n}", f"BD{n}"
            for one in (
                event("resident.registered", resident, sex="female", birth_date="1958-02-02"),
                event("device.registered", f"device:{device}", device=device),
                event("device.bound", resident, device=device),
            ):
                acks.append(await log.send(one))
        await asyncio.gather(*acks)
    await asyncio.sleep(5)  # until the bridge has the bindings


async def _follow(client: httpx.AsyncClient, seen: dict[str, float]) -> None:
    async with client.stream("GET", "/v1/alerts/stream", timeout=None) as response:
        response.raise_for_status()
        async for line in _data(response):
            alert = orjson.loads(line)
            if alert["rule"] == "bp-crisis":
                seen.setdefault(alert["resident"], time.perf_counter())


async def _data(response: httpx.Response) -> AsyncIterator[str]:
    async for line in response.aiter_lines():
        if line.startswith("data:"):
            yield line[5:]


async def _poll(client: httpx.AsyncClient, counted: list[float]) -> None:
    """When the statistic first counted the nth reading, for every n."""
    while True:
        answer = await client.get("/v1/statistics/home-readings-per-day")
        answer.raise_for_status()
        now = time.perf_counter()
        total = int(sum(row["numerator"] for row in answer.json()["rows"]))
        counted += [now] * (total - len(counted))
        await asyncio.sleep(0.1)
