"""What the endpoints stand on: the log to append to, the feed, the tables, and how far these have come."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Annotated

from aiokafka.errors import KafkaError
from fastapi import Depends, FastAPI, Request

from api import audit
from api.auth import Caller
from api.feed import Feed
from api.position import Progress
from api.problem import Problem, invalid_field
from api.tables import Tables
from infra.audit.shipping import ship
from infra.audit.trail import Trail
from infra.log import ClockOff, Log, Position
from infra.settings import settings
from infra.vault.prose import personal
from schemas.envelope import Event
from schemas.topics import EVENTS

KAFKA_SECONDS = 15
PERSONAL = "names the resident, or holds a phone or ID number: these belong in the resident's identity"


class Backend:
    """Log, feed and tables of this process."""

    def __init__(self, log: Log, feed: Feed, tables: Tables) -> None:
        self.log, self.feed, self.tables = log, feed, tables
        self.progress = Progress(tables, log.partitions)
        assert log.producer is not None
        self.trail = Trail(log.producer, "api", settings().home)
        self._ends: dict[str, tuple[float, dict[int, int]]] = {}

    async def append(self, events: list[Event], looked_at: bool = False) -> list[list[Position]]:
        """Append ``events`` in order; their positions once Kafka holds all of them. 503 when it does not answer.

        422 for one in whose texts a person's name or number stands, unless that was ``looked_at`` before.
        """
        for event in () if looked_at else events:
            if (field := personal(event)) is not None:
                raise invalid_field(field, None, PERSONAL)
        async with kafka():
            futures = []
            for number, event in enumerate(events):
                futures.append(await self.log.send(event))
                if number % 100 == 99:  # let others have their turn
                    await asyncio.sleep(0)
            return list(await asyncio.gather(*futures))

    async def viewed(
        self, who: Caller, what: str, residents: str | Iterable[str], purpose: str | None = None, action: str = "viewed"
    ) -> None:
        """Write the view of a person, or of several, to the audit trail; without that there is no view (503)."""
        async with kafka():
            await audit.viewed(self.trail, who, what, residents, purpose, action)

    async def ends(self, topic: str = EVENTS, max_age: float = 1.0) -> dict[int, int]:
        """Next offset to be written of each partition of ``topic``, at most ``max_age`` seconds old."""
        read_at, ends = self._ends.get(topic, (-1e9, {}))
        if time.monotonic() - read_at > max_age:
            read_at = time.monotonic()
            async with kafka():
                ends = await self.feed.ends(topic)
            self._ends[topic] = read_at, ends
        return ends


@asynccontextmanager
async def kafka() -> AsyncIterator[None]:
    """Turns what Kafka can't do now into a 503; what was sent may still arrive, and sent again it is the same event."""
    try:
        async with asyncio.timeout(KAFKA_SECONDS):
            yield
    except (KafkaError, TimeoutError, ClockOff) as error:
        detail = "the log cannot be reached now; send it again with the same id"
        raise Problem(503, detail, {"Retry-After": "2"}) from error


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open log, feed and tables for the app's life."""
    tables = Tables()
    async with Log() as log, Feed(log.partitions) as feed:
        app.state.backend = backend = Backend(log, feed, tables)
        shipping = asyncio.create_task(ship(backend.trail, settings().home))
        try:
            yield
        finally:
            shipping.cancel()
            with suppress(asyncio.CancelledError):
                await shipping
            backend.trail.close()
            await tables.close()


async def backend(request: Request) -> Backend:
    """Dependency: what the app stands on."""
    found: Backend = request.app.state.backend
    return found


BackendDependency = Annotated[Backend, Depends(backend)]
