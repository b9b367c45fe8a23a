"""How far the tables have come, and waiting until they have come far enough (``?wait=3:120,5:99``).

Positions that callers pass name records of `events`. ``log`` positions say what the writer has mirrored (and with it
every projection of `events`); ``fold`` positions say what `fold.progressed` has reported and the writer has projected,
so that what the fold derived from those records can be read.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from fastapi import Query

from api.problem import Problem, invalid_field
from api.tables import Tables

WAIT_SECONDS = 5.0
POLL_SECONDS = 0.05
PATTERN = re.compile(r"\d{1,4}:\d{1,18}(,\d{1,4}:\d{1,18})*", re.ASCII)

Wait = Annotated[
    str | None,
    Query(
        max_length=4000,
        description="Positions in `events` (`partition:offset`, comma separated) that the answer must have seen; 504 "
        "after 5 s. 答案须已包含的 `events` 位置；5 秒未达则返回 504。",
        examples=["3:120,5:99"],
    ),
]

SQL = """
SELECT topic, partition, next_offset, last_knowntime AS known FROM positions
UNION ALL
SELECT 'fold' AS topic, partition, next_offset, toDateTime64(0, 3, 'UTC') AS known FROM progress
"""


@dataclass(frozen=True)
class Seen:
    """What has been projected: by topic (and ``fold``) the next offset of each partition, and the time known there."""

    next: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    known: Mapping[int, datetime] = field(default_factory=dict)

    def covers(self, positions: Mapping[int, int], fold: bool) -> bool:
        """Whether every record at ``positions`` has been projected (with ``fold``: what was derived from it too)."""
        return not self.missing(positions, fold)

    def missing(self, positions: Mapping[int, int], fold: bool) -> dict[int, int]:
        """By partition, how many records are missing until ``positions`` are covered."""
        sources = ("events", "fold") if fold else ("events",)
        lag = {
            partition: max(offset + 1 - self.next.get(source, {}).get(partition, 0) for source in sources)
            for partition, offset in positions.items()
        }
        return {partition: records for partition, records in lag.items() if records > 0}


def parse(text: str) -> dict[int, int]:
    """Partition -> offset of a position text; a 422 problem for a text that is none."""
    if not PATTERN.fullmatch(text):
        raise invalid_field("wait", text, "positions look like 3:120,5:99")
    positions: dict[int, int] = {}
    for each in text.split(","):
        partition, offset = map(int, each.split(":"))
        positions[partition] = max(offset, positions.get(partition, 0))
    return positions


def text(next_offsets: Mapping[int, int]) -> str:
    """The text of next offsets, partitions in order."""
    return ",".join(f"{partition}:{offset}" for partition, offset in sorted(next_offsets.items()))


class Progress:
    """Reads how far the tables have come; many who wait share one query."""

    def __init__(self, tables: Tables, partitions: int) -> None:
        self._tables = tables
        self._partitions = partitions
        self._seen = Seen()
        self._read_at = -1e9
        self._reading: asyncio.Task[None] | None = None

    async def seen(self, max_age: float = 0.0) -> Seen:
        """What was projected at most ``max_age`` seconds ago: a lower bound of what a query sees from now on.

        Past half that age it is read anew beside the caller's own query, so that few callers wait for it.
        """
        age = time.monotonic() - self._read_at
        if age > max_age / 2 and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen, if nobody waits
        if age > max_age and self._reading is not None:
            await asyncio.shield(self._reading)
        return self._seen

    async def wait(self, positions_text: str | None, fold: bool = False) -> None:
        """Return once the positions are projected; a 504 problem with the lag after 5 s."""
        if not positions_text:
            return
        positions = parse(positions_text)
        if max(positions) >= self._partitions:
            raise invalid_field("wait", positions_text, f"the log has {self._partitions} partitions, numbered from 0")
        deadline = time.monotonic() + WAIT_SECONDS
        while not (seen := await self.seen(POLL_SECONDS / 2)).covers(positions, fold):
            if time.monotonic() > deadline:
                lag = seen.missing(positions, fold)
                raise Problem(
                    504, f"not projected within {WAIT_SECONDS:g} s", {"Retry-After": "1"},
                    lag={str(partition): records for partition, records in lag.items()},
                )  # fmt: skip
            await asyncio.sleep(POLL_SECONDS)

    async def _read(self) -> None:
        started = time.monotonic()
        following: dict[str, dict[int, int]] = {}
        known: dict[int, datetime] = {}
        for row in await self._tables.rows(SQL):
            following.setdefault(row["topic"], {})[row["partition"]] = row["next_offset"]
            if row["topic"] == "events":
                known[row["partition"]] = row["known"]
        self._seen, self._read_at = Seen(following, known), started
