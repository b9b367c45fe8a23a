"""One stream worker, then two that share the partitions: events/s out of the same log.

Both start with empty stores. A run lasts from the first sign of progress on `derived` until every partition has come to
its end. What a second worker brings depends on the processors that are left beside Kafka.
"""

import asyncio
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import orjson
from aiokafka import TopicPartition

from infra.bench.stream import _empty_derived, _fill
from infra.clients import consumer
from infra.stack.scratch import ROOT
from schemas.topics import DERIVED
from streams.partition import PROGRESSED

needs = ("kafka",)
RUNS = 3
SECONDS = 300


def run(progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """One row: two workers against one, medians of `RUNS` alternated runs."""
    progress("appending events")
    ends = asyncio.run(_fill())
    rates: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(RUNS):
        for count in (1, 2) if turn % 2 == 0 else (2, 1):
            progress(f"{count} of 2 workers, run {turn + 1} of {RUNS}, {sum(ends.values()):,} events")
            rates[count].append(_measure(count, ends))
    one, two = (statistics.median(rates[count]) for count in (1, 2))
    return [{
        "bench": "workers", "measured": f"two workers, all rules, {os.cpu_count()} processors", "value": two,
        "reference": "one worker", "reference_value": one, "ratio": two / one, "unit": "events/s",
    }]  # fmt: skip


def _measure(count: int, ends: dict[int, int]) -> float:
    asyncio.run(_empty_derived())
    home = tempfile.mkdtemp(prefix="mailiu-bench-state-")
    environment = os.environ | {"MAILIU_HOME": home, "MAILIU_TICK_SECONDS": "86400", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "infra.cli", "part", "worker"]
    workers = [
        subprocess.Popen(
            command, cwd=ROOT, env=environment | {"MAILIU_WORKER": f"w{number}"}, stderr=subprocess.DEVNULL
        )
        for number in range(count)
    ]
    try:
        return asyncio.run(_rate(ends))
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        for worker in workers:
            worker.wait(30)
        shutil.rmtree(home, ignore_errors=True)


async def _rate(ends: dict[int, int]) -> float:
    """Events a second from the first `fold.progressed` that arrives to the one that completes the last partition."""
    folded = dict.fromkeys(ends, 0)
    begin: tuple[float, int] | None = None
    partitions = [TopicPartition(DERIVED, number) for number in ends]
    async with asyncio.timeout(SECONDS), consumer() as reader:
        reader.assign(partitions)
        await reader.seek_to_beginning(*partitions)
        while True:
            for at, records in (await reader.getmany(timeout_ms=200)).items():
                for record in records:
                    if ("ce_type", PROGRESSED.encode()) in record.headers:
                        reached = orjson.loads(record.value)["data"]["next_offset"]
                        folded[at.partition] = max(folded[at.partition], min(reached, ends[at.partition]))
            done, now = sum(folded.values()), time.perf_counter()
            if begin is None and done:
                begin = now, done
            if begin is not None and done == sum(ends.values()):
                return (done - begin[1]) / (now - begin[0])
