"""The stream worker: Faust reads `events`, the shards fold them, the ticker lets time pass, a watchdog ends a stall.

Whatever goes wrong ends the process with exit code 1, and the supervisor starts it again from what the stores hold.
"""

import asyncio
import gc
import logging
import os
import time
from typing import Any

import faust

from infra.clients import producer
from infra.clock import clock
from infra.part import ready
from infra.settings import settings
from schemas.topics import EVENTS
from streams.batches import make_app
from streams.shards import Shards, fatal
from streams.ticker import Ticker

#: No progress for so long, with records waiting or a rebalance under way, is a stall.
STALL_SECONDS = 30.0
#: A clean end that takes longer is cut short: every point is a safe one to stop at.
STOP_SECONDS = 8.0

log = logging.getLogger("mailiu.worker")


class Watch:
    """Sees the consumer's view of each partition, notes the offsets for `mailiu status`, and ends a stall."""

    def __init__(self, app: faust.App, shards: Shards) -> None:
        self.app, self.shards = app, shards
        self.steady = time.monotonic()  #: when no rebalance was last under way

    @property
    def consumer(self) -> Any:
        """Our consumer, within Faust."""
        return self.app.consumer

    def end(self, number: int) -> int | None:
        """The end of a partition as last fetched; None before the first fetch."""
        end: int | None = self.consumer.highwater(faust.types.TP(EVENTS, number))
        return end

    def behind(self, number: int) -> bool:
        """Whether records of the partition wait to be folded (or that is not known yet)."""
        shard, end = self.shards.open.get(number), self.end(number)
        return shard is None or end is None or end > shard.partition.next

    async def run(self) -> None:
        """Watch until cancelled."""
        noted: dict[int, int] = {}
        while True:
            await asyncio.sleep(1.0)
            self._end_a_stall(time.monotonic())
            offsets = {number: shard.partition.next for number, shard in self.shards.open.items()}
            if offsets and offsets != noted and not self.app.rebalancing:
                await self.consumer.note(offsets)
                noted = offsets

    def _end_a_stall(self, now: float) -> None:
        if not self.app.rebalancing:
            self.steady = now
        if now - self.steady > STALL_SECONDS:
            fatal(f"a rebalance did not end within {STALL_SECONDS:.0f} s")
        for number, shard in self.shards.open.items():
            if not self.behind(number):
                shard.moved = now
            if now - shard.moved > STALL_SECONDS:
                fatal(f"partition {number} stands at {shard.partition.next} of {self.end(number)}")


def collect_rarely() -> None:
    """Tune the collector for many short-lived dicts without cycles."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def run() -> None:
    """Run the worker until SIGTERM."""
    collect_rarely()
    shards = Shards(settings().home / "store", producer, lambda: ready("worker"))
    app = make_app(shards)
    watch = Watch(app, shards)
    ticker = Ticker(shards, clock(), settings().tick_seconds, watch.behind)

    @app.task
    async def tick() -> None:
        await ticker.run()

    @app.task
    async def guard() -> None:
        await watch.run()

    @app.on_before_shutdown.connect(weak=False)
    async def stop(*_: Any, **__: Any) -> None:
        asyncio.get_running_loop().call_later(STOP_SECONDS, os._exit, 0)
        await shards.close()

    worker = faust.Worker(app, quiet=True, override_logging=False, redirect_stdouts=False)
    worker.spinner = None
    worker.execute_from_commandline()
