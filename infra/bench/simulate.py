"""A simulated district written to a file: events/s, every payload through the bridge's gate, on two processes."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from analytics.simulator.district import simulate
from infra.simulate.log_file import write

RUNS, RESIDENTS, DAYS, PROCESSES = 3, 8_000, 90, 2
REACH = 16_667  #: events/s: 1,000,000 events in 60 s


def run(progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Median of `RUNS` runs, people and truth included."""
    rates, events = [], 0
    with tempfile.TemporaryDirectory(prefix="mailiu-bench-simulate-") as folder:
        for turn in range(RUNS):
            progress(f"run {turn + 1} of {RUNS}, {RESIDENTS:,} residents for {DAYS} days")
            began = time.perf_counter()
            district = simulate(RESIDENTS, DAYS, turn)
            events = write(district, Path(folder) / "log.ndjson", PROCESSES).events
            truth = sum(1 for _ in district.truth())
            rates.append(events / (time.perf_counter() - began))
    measured = f"a district to a file through the gate ({events:,} events, {truth:,} lines of truth)"
    return [
        {
            "bench": "simulate", "measured": measured, "value": statistics.median(rates), "unit": "events/s",
            "reference": None, "reach": f"≥ {REACH:,}",
        }
    ]  # fmt: skip
