"""The real application in process, on a backend without parts: what it appends is kept, what it reads is given."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from api.auth import Role, issue
from api.backend import Backend
from api.main import make
from infra.audit.trail import Trail
from infra.log import Position
from schemas.envelope import Event


class StubProducer:
    """Keeps what is sent to other topics."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.fails = fails

    async def send(self, topic: str, value: bytes, key: bytes, **_: Any) -> asyncio.Future[None]:
        if self.fails:
            raise self.fails
        self.sent.append((topic, value))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def send_and_wait(self, topic: str, value: bytes, key: bytes, **_: Any) -> None:
        await (await self.send(topic, value, key))


class StubLog:
    """Numbers what is appended, all on partition 0."""

    partitions = 8

    def __init__(self, fails: Exception | None = None) -> None:
        self.events: list[Event] = []
        self.producer = StubProducer(fails)
        self.fails = fails

    async def send(self, event: Event) -> asyncio.Future[list[Position]]:
        if self.fails:
            raise self.fails
        self.events.append(event)
        done: asyncio.Future[list[Position]] = asyncio.get_running_loop().create_future()
        done.set_result([Position(0, len(self.events) - 1)])
        return done


class StubFeed:
    """A feed in which nothing happens, with the alerts given."""

    alive = True

    def __init__(self, alerts: dict[str, dict[str, Any]]) -> None:
        self.next = [0]
        self.alerts = alerts

    def recent(self, alert: str) -> dict[str, Any] | None:
        return self.alerts.get(alert)

    async def ends(self, topic: str) -> dict[int, int]:
        return {0: 0}


class StubTables:
    """Answers every query by ``answer(sql, parameters)``."""

    def __init__(self, answer: Callable[[str, dict[str, Any]], list[dict[str, Any]]]) -> None:
        self.answer = answer

    async def rows(self, sql: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        return self.answer(sql, parameters or {})


def nothing(sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Tables without a row."""
    return []


@asynccontextmanager
async def client(
    answer: Callable[[str, dict[str, Any]], list[dict[str, Any]]] = nothing,
    alerts: dict[str, dict[str, Any]] | None = None,
    kafka_fails: Exception | None = None,
) -> AsyncIterator[tuple[httpx.AsyncClient, StubLog]]:
    """A client of the application, and the log behind it."""
    app, log = make(), StubLog(kafka_fails)
    app.state.backend = backend = Backend(log, StubFeed(alerts or {}), StubTables(answer))  # type: ignore[arg-type]
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    with TemporaryDirectory() as home:  # the trail of a log that is none
        backend.trail = Trail(log.producer, "api", Path(home))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as made:
            yield made, log
        backend.trail.close()


def bearer(role: Role = "clinician", *institutions: str, actor: str | None = None) -> dict[str, str]:
    """The header of a token."""
    return {"Authorization": f"Bearer {issue(role, institutions or ['I01'], actor=actor)}"}
