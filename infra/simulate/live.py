"""A simulated district lived on a running Mailiu, at the speed of its clock: readings over MQTT, care over REST.

Each device keeps a reading until its receipt is there, as a real one does. The district begins on the clock's next
local day where the clock is virtual, else on the present one, of which the hours that are over are left out.
"""

import asyncio
import contextlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import orjson

from analytics.simulator.district import District
from infra.clock import clock
from infra.gateway import Gateway
from infra.settings import settings
from infra.simulate.clinicians import Clinicians
from infra.simulate.log_file import event

BATCH = 500  #: events of care in one request
AT_ONCE = 500  #: readings that wait for their receipts
TRIES = 60  #: seconds for which a request is tried again while the API does not answer

#: One thing to send: instant (ms since 1970), order, and either (topic, payload) or an event of care.
Item = tuple[int, int, tuple[str, bytes] | dict[str, Any]]


def first_day() -> date:
    """The day on which a live district begins."""
    today = clock().now().astimezone(settings().zone).date()
    return today if clock().real else today + timedelta(days=1)


class Unreachable(RuntimeError):
    """The API or the MQTT broker does not answer."""


class Live:
    """One district; ``counts`` tell what became of what it sent."""

    def __init__(self, district: District, clinicians: bool) -> None:
        from api.auth import issue

        self.district = district
        self.centres = [district.lives.names.centre(c) for c in range(district.lives.names.centres)]
        self.headers = {"Authorization": f"Bearer {issue('admin', self.centres, 24 * 90, 'simulator')}"}
        self.clinicians = Clinicians(self.centres) if clinicians else None
        self.counts: Counter[str] = Counter()
        self.receipts: Counter[str] = Counter()
        self._waiting: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event, advance: Callable[[int, datetime], object] = lambda *_: None) -> None:
        """Send everything in its time until the district's last day is over or ``stop`` is set.

        ``advance`` is told how many items were sent and what time it is. Raises `Unreachable`.
        """
        items = list(_merged(self.district))
        async with httpx.AsyncClient(base_url=f"http://{settings().api}", headers=self.headers, timeout=60) as client:
            begun = round(clock().now().timestamp() * 1000)
            past = [item for item in items if item[0] <= begun]
            ahead = [item for item in items if item[0] > begun]
            care = [body for _, _, body in past if isinstance(body, dict)]
            self.counts["left out"] = len(past) - len(care)
            for at in range(0, len(care), BATCH):
                await self._post(client, care[at : at + BATCH])
                advance(len(care[at : at + BATCH]), clock().now())
            duty = asyncio.create_task(self.clinicians.work()) if self.clinicians else None
            try:
                async with Gateway(f"simulate-{self.district.seed}", self._commanded) as self.gateway:
                    await self._live(client, ahead, stop, advance)
                    if self._waiting:
                        await asyncio.wait(self._waiting, timeout=60)
                    self.counts["without receipt"] = len(self._waiting)
                    for task in self._waiting:
                        task.cancel()
            finally:
                if duty is not None:
                    duty.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await duty

    async def _live(
        self, client: httpx.AsyncClient, items: list[Item], stop: asyncio.Event, advance: Callable[..., object]
    ) -> None:
        room = asyncio.Semaphore(AT_ONCE)
        for sent, _, body in items:
            while not stop.is_set() and (left := sent / 1000 - clock().now().timestamp()) > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), min(left / clock().speed, 1.0))
                advance(0, clock().now())
            if stop.is_set():
                return
            if isinstance(body, dict):
                await self._post(client, [body])
            else:
                await room.acquire()
                task = asyncio.create_task(self._publish(room, *body))
                self._waiting.add(task)
                task.add_done_callback(self._waiting.discard)
            advance(1, clock().now())

    async def _publish(self, room: asyncio.Semaphore, topic: str, payload: bytes) -> None:
        _, institution, device, *_ = topic.split("/")
        try:
            receipt = await self.gateway.send(institution, device, orjson.loads(payload))
        finally:
            room.release()
        self.counts["readings"] += 1
        self.receipts[receipt.get("reason") or receipt["status"]] += 1

    async def _post(self, client: httpx.AsyncClient, events: list[dict[str, Any]]) -> None:
        """Append events of care. An API that is away is waited for; what it refuses is counted."""
        body = b"\n".join(orjson.dumps(one) for one in events)
        for _ in range(TRIES):
            try:
                answer = await client.post("/v1/events", content=body, headers={"Content-Type": "application/x-ndjson"})
            except httpx.TransportError:
                await asyncio.sleep(1)
                continue
            if answer.status_code not in (429, 503):
                break
            await asyncio.sleep(1)
        else:
            raise Unreachable(f"the API does not answer at {settings().api}: `mailiu up`, and run this again")
        found = answer.json()
        for result in found.get("results", ()):
            self.counts[f"care {result['status']}"] += 1
            if result["status"] == "rejected":
                self.counts[f"rejected {result.get('field')}: {result.get('reason')}"] += 1
        if "results" not in found:
            raise Unreachable(f"the API answered {answer.status_code}: {str(found.get('detail', found))[:200]}")

    def _commanded(self, _institution: str, _device: str, command: dict[str, Any]) -> None:
        self.counts[f"command {command.get('command')}"] += 1


def _merged(district: District) -> Iterator[Item]:
    """Everything that is sent, in order."""
    care = (
        (one.sent + district.begin, number, event(district, number, one)) for number, one in enumerate(district.care)
    )
    readings = (
        (sent, number, (topic, payload)) for number, (sent, topic, payload) in enumerate(district.publications())
    )
    return heapq.merge(care, readings, key=lambda item: item[:2])
