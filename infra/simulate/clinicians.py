"""Simulated clinicians on a running Mailiu: they read the alert stream, take what is theirs, close it, over REST."""

import asyncio
import contextlib
import heapq
from collections import Counter
from typing import Any

import httpx
import orjson

from analytics.simulator.clinician import acts, turn
from analytics.simulator.score import RANK
from infra.clock import clock
from infra.settings import settings

#: What an act is called in the API, by event type.
PATHS = {"mailiu.alert.acknowledged.v1": "acknowledge", "mailiu.alert.closed.v1": "close"}
TRIES = 10  #: seconds for which an alert may not be projected yet


class Clinicians:
    """The clinicians of ``centres``; ``counts`` say what they did."""

    def __init__(self, centres: list[str]) -> None:
        from api.auth import issue

        self.headers = {"Authorization": f"Bearer {issue('clinician', centres, 24 * 90, 'simulated-clinician')}"}
        self.counts: Counter[str] = Counter()
        self.known: dict[str, dict[str, Any]] = {}
        self.agenda: list[tuple[int, str, int, str]] = []  #: instant (ms), alert, order, event type
        self.news = asyncio.Event()

    async def work(self) -> None:
        """Follow the stream and act, until cancelled."""
        timeout = httpx.Timeout(30, read=90)
        async with httpx.AsyncClient(base_url=f"http://{settings().api}", headers=self.headers, timeout=timeout) as api:
            await asyncio.gather(self._follow(api), self._act(api))

    async def _follow(self, api: httpx.AsyncClient) -> None:
        last: str | None = None
        while True:
            with contextlib.suppress(httpx.TransportError):
                headers = {} if last is None else {"Last-Event-ID": last}
                async with api.stream("GET", "/v1/alerts/stream", headers=headers) as answer:
                    async for line in answer.aiter_lines():
                        if line.startswith("id:"):
                            last = line[3:].strip()
                        elif line.startswith("data:"):
                            self._note(orjson.loads(line[5:]))
            await asyncio.sleep(1)

    def _note(self, alert: dict[str, Any]) -> None:
        before = self.known.get(alert["id"])
        self.known[alert["id"]] = alert
        worse = before is not None and RANK[alert["severity"]] > RANK[before["severity"]]
        anew = before is None or before["handling"] != "new" or worse
        if alert["handling"] == "new" and alert["condition"] == "active" and anew:
            opened = round(clock().now().timestamp() * 1000)
            heapq.heappush(self.agenda, (turn(alert["id"], alert["severity"], opened), alert["id"], 0, ""))
            self.news.set()

    async def _act(self, api: httpx.AsyncClient) -> None:
        while True:
            now = round(clock().now().timestamp() * 1000)
            while self.agenda and self.agenda[0][0] <= now:
                at, id, order, type = heapq.heappop(self.agenda)
                alert = self.known[id]
                if order == 0:
                    if alert["handling"] == "new" and alert["condition"] == "active":
                        for place, act in enumerate(acts(id, alert["severity"], at), 1):
                            heapq.heappush(self.agenda, (act.at, id, place, act.type))
                elif alert["handling"] != "closed":
                    data = next(act.data for act in acts(id, alert["severity"], at) if act.type == type)
                    await self._post(api, id, PATHS[type], data)
            left = (self.agenda[0][0] - now) / 1000 / clock().speed if self.agenda else 60.0
            self.news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.news.wait(), min(max(left, 0.01), 60))

    async def _post(self, api: httpx.AsyncClient, id: str, what: str, data: dict[str, Any]) -> None:
        body = {name: value for name, value in data.items() if name != "alert"}
        for _ in range(2 * TRIES):
            try:
                answer = await api.post(f"/v1/alerts/{id}/{what}", json=body or None)
            except httpx.TransportError:
                await asyncio.sleep(1)
                continue
            if answer.status_code not in (404, 429, 503):
                break
            await asyncio.sleep(0.5)
        else:
            self.counts[f"{what} failed"] += 1
            return
        self.counts[what if answer.status_code == 202 else f"{what} {answer.status_code}"] += 1
