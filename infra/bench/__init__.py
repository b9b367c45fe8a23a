"""Benchmarks: each measures us against a named reference in the same run, and prints ratios.

A bench is a module of this package with ``needs`` (the parts it wants running, in a stack of its own on free ports)
and ``run(progress)``, which returns rows::

    {"bench", "measured", "reference", "value", "reference_value", "ratio", "unit", "reach"}

``value`` and ``reference_value`` are medians of three or more alternated runs; ``reach`` is the ratio we mean to have.
``progress`` is called with a line of text for each step. Settings point at the bench's own stack.
"""

import importlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.stack.scratch import Stack

#: Name -> what it measures, in the order of `mailiu bench`.
BENCHES = {
    "fold": "the fold alone, all rules, events/s on one core",
    "simulate": "a simulated district to a file, every payload through the gate, events/s",
    "stream": "Kafka → fold with durable state → Kafka, against Quix Streams and an idle Faust agent",
    "workers": "one stream worker, then two",
    "ingest": "MQTT QoS 1 → Kafka → receipt, against a bare paho + aiokafka loop and against mq-bridge",
    "bridges": "one bridge, then two by $share",
    "projection": "log → readable rows, against a bare aiokafka read; rebuild rate",
    "latency": "publish → alert on SSE, and → statistic, at 200 readings/s",
    "query": "control rate at 100,000 residents over the API, against its own SQL",
    "rounds": "a page of the ward round over 100,000 contracted residents over the API, against its own SQL",
    "memory": "idle memory of the whole stack",
    "soak": "20 minutes at 200 readings/s: does anything grow; cost of a million readings",
}


def measure(name: str, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Run the bench ``name`` on a stack of its own and return its rows."""
    module = importlib.import_module(f"infra.bench.{name}")
    with scratch(getattr(module, "needs", ())):
        rows: list[dict[str, Any]] = module.run(progress)
    return rows


@contextmanager
def scratch(needs: tuple[str, ...]) -> Iterator[Stack]:
    """A stack with the parts ``needs`` in a temporary home; the settings of this process point at it."""
    with tempfile.TemporaryDirectory(prefix="mailiu-bench-", ignore_cleanup_errors=True) as home:
        stack = Stack(Path(home), partitions="12", tick_seconds="60")
        with stack.in_force():
            try:
                if needs:
                    stack.up(*needs)
                yield stack
            finally:
                if needs:
                    stack.down()
