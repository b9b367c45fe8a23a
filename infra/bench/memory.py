"""Idle memory of the whole stack, part by part."""

import time
from collections.abc import Callable
from typing import Any

needs = ("kafka", "clickhouse", "mosquitto", "writer", "worker", "bridge", "sender", "api")
REACH_MIB = 1600


def run(progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Resident memory in MiB after 20 idle seconds; the last row is the sum, to be at most 1,600."""
    from infra.stack.status import status

    for left in range(20, 0, -1):
        progress(f"idle, {left} s")
        time.sleep(1)
    parts = [(row["part"], row["memory"] or 0) for row in status()]
    rows = [
        ("idle memory, all parts", sum(size for _, size in parts), f"≤ {REACH_MIB}"),
        *((p, m, None) for p, m in parts),
    ]
    return [
        {"bench": "memory", "measured": name, "value": size, "unit": "MiB", "reference": None, "reach": reach}
        for name, size, reach in rows
    ]
