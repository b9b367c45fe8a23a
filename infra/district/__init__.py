"""A small district to look at: two health centres, thirty residents, thirty devices, seeded.

It registers everybody, imports five days of history, and then lets the devices publish over real MQTT: someone at
crisis level first, so that an alert is there within seconds; then everybody once; then one reading every few seconds
until it is stopped. It is a demonstration, not a simulator: nobody here gets better or worse.
"""

import asyncio
import contextlib
import random
import signal
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from rich.console import Console
from rich.progress import Progress

from infra.clock import clock
from infra.district.people import SEED, Person, founding, residents
from infra.gateway import Gateway
from infra.log import Log
from infra.settings import settings, write_once
from schemas.envelope import rfc3339

PACE = 2.0  #: seconds between two readings once everybody has sent one
QUIET = 15.0  #: seconds until a re-measure is answered (people are asked for five quiet minutes)
BAD = (
    b'{"id": "b1", "systolic": 2047, "diastolic": 2047, "mean": 2047}', b"\x00\xff garbage",
    b'{"id": "b2", "systolic": 84, "diastolic": 136}', b'{"id": "b3", "systolic": 131}',
)  # fmt: skip


class District:
    """The devices of a district, publishing through one gateway."""

    def __init__(self, seed: int = SEED) -> None:
        self.people = residents(seed)
        self.by_device = {person.device: person for person in self.people}
        self.rng = random.Random(seed)
        self.run = f"{clock().now():%Y%m%dT%H%M%S}"  # so that the readings of two runs are not the same
        self.sent = 0
        self.receipts: Counter[str] = Counter()
        self.tasks: set[asyncio.Task[None]] = set()

    async def found(self, advance: Callable[[int], object] = lambda _: None) -> None:
        """Register everybody and import their history, once in a home."""
        marker = settings().home / "district"
        if marker.exists():
            return
        async with Log() as log:
            waiting = [await log.send(event) for event in founding(self.people, clock().now())]
            for positions in waiting:
                await positions
                advance(1)
        write_once(marker, rfc3339(clock().now()))

    async def publish(self, stop: asyncio.Event, advance: Callable[[int], object] = lambda _: None) -> None:
        """Publish until ``stop`` is set: the crisis first, then everybody once, then one reading at a time."""
        async with Gateway(f"district-{self.run}", self._answer) as gateway:
            self.gateway = gateway
            active = [person for person in self.people if person.persona != "silent"]
            for person in active:
                await self._measure(person, crisis=person.persona == "crisis")
                advance(1)
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), PACE)
                    break
                await self._measure(self.rng.choice(active))
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _measure(self, person: Person, *, crisis: bool = False) -> None:
        if person.persona == "bad-payload":
            for payload in BAD:
                self.gateway.publish(person.institution, person.device, payload)
        self.sent += 1
        at = clock().now().astimezone(settings().zone)
        if person.persona == "wrong-clock":
            at = at.replace(year=at.year - 7, day=min(at.day, 28))
        reading = person.values(self.rng, crisis=crisis)
        reading |= {"id": f"{self.run}-{self.sent}", "time": at.isoformat(timespec="seconds")}
        while True:
            receipt = await self.gateway.send(person.institution, person.device, reading)
            if receipt.get("reason") not in ("unknown-device", "unbound-device"):
                break
            await asyncio.sleep(0.5)  # the bridge has not heard of the binding yet
        self.receipts[receipt["status"]] += 1

    def _answer(self, _institution: str, device: str, command: dict[str, Any]) -> None:
        """A person who is asked to measure again does so after a rest."""
        person = self.by_device.get(device)
        if person is not None and command.get("command") == "re-measure":

            async def again() -> None:
                await asyncio.sleep(QUIET)
                await self._measure(person, crisis=person.persona == "crisis")

            task = asyncio.create_task(again())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)


async def publish(stop: asyncio.Event, console: Console | None = None) -> None:
    """Found the district if this home has none, and let it publish until ``stop`` is set."""
    district = District()
    console = console or Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("registering a district", total=None)
        await district.found(partial(progress.advance, task))
        progress.update(task, description="everybody measures", completed=0, total=len(district.people))
        await district.publish(stop, partial(progress.advance, task))


def run() -> None:
    """Publish until SIGINT or SIGTERM."""

    async def until_stopped() -> None:
        stop = asyncio.Event()
        for which in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(which, stop.set)
        await publish(stop)

    asyncio.run(until_stopped())
