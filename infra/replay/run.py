"""The replay itself: rows in, events on the log in batches, an account out.

On a real clock events are marked ``origin: import``: they build state and projections and sound no siren. On a virtual
clock they are lived at its own time and stay ``live``.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from infra.clock import clock
from infra.log import Log
from infra.replay.account import Account
from infra.replay.formats import Row, Source
from infra.replay.ledger import Ledger, content
from infra.replay.reject import Rejection
from schemas.envelope import Event, InvalidEvent
from schemas.registry import parse

BATCH = 2000  #: rows whose events are in flight before the ledger notes them


@dataclass
class Batch:
    """What became of up to `BATCH` rows."""

    events: list[Event] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    identities: dict[UUID, bytes] = field(default_factory=dict)  #: with a hash of what the event says
    position: int = 0


class Replay:
    """One file on its way to the log; without a ``log`` everything is checked and nothing written."""

    def __init__(self, source: Source, ledger: Ledger, log: Log | None) -> None:
        self.source, self.ledger, self.log = source, ledger, log
        self.origin = "import" if clock().real else "live"
        self.name = str(source.path)
        position, account = ledger.unfinished(source.key)
        self.account = Account.from_json(account, position) if position else Account(self.name, source.format)
        self.waiting: tuple[Batch, dict[str, Any], list[asyncio.Future[object]]] | None = None
        self.in_flight: dict[UUID, bytes] = {}  # of the batch that the ledger does not know yet

    async def run(self, read: Callable[[int], object] = lambda _: None) -> Account:
        """Replay every row that an earlier run has not done; ``read`` is called with the bytes gone through."""
        skip, batch = self.account.resumed_at, Batch()
        number = 0
        for number, row in enumerate(self.source.rows(read), 1):
            if number > skip:
                self._judge(row, number, batch)
                if number % BATCH == 0:
                    await self._hand_over(batch, number)
                    batch = Batch()
        await self._hand_over(batch, number)
        await self._settle(done=True)
        return self.account

    def _judge(self, row: Row, number: int, batch: Batch) -> None:
        outcomes: Counter[str] = Counter()
        for place, candidate in enumerate(row.events, 1):
            try:
                outcomes[self._admit(candidate, batch)] += 1
            except InvalidEvent as refusal:
                outcomes["rejected"] += 1
                self.account.rejected_by_reason[f"{refusal.code}: {refusal.field}"] += 1
                batch.rejected.append(Rejection(self.name, number, place, row, refusal))
        if row.unmapped is not None:
            self.account.unmapped_by_reason[row.unmapped] += 1
        self.account.row(outcomes)

    def _admit(self, candidate: dict[str, Any] | InvalidEvent, batch: Batch) -> str:
        """Put the event into ``batch`` unless it is known; whether it is accepted or a duplicate."""
        if isinstance(candidate, InvalidEvent):
            raise candidate
        event = parse(candidate | {"origin": self.origin})
        identity, told = event.identity, content(candidate)
        before = batch.identities.get(identity) or self.in_flight.get(identity) or self.ledger.seen(identity)
        if before is None:
            batch.identities[identity] = told
            batch.events.append(event)
            return "accepted"
        if before != told:
            raise InvalidEvent("id", event.id, "came before with other content", "conflict")
        return "duplicate"

    async def _hand_over(self, batch: Batch, position: int) -> None:
        """Send ``batch`` while the one before is being acknowledged, so that Kafka never waits for us."""
        batch.position = position
        pending: list[asyncio.Future[object]] = []
        if self.log is not None:
            recorded = clock().now()
            for event in batch.events:
                pending += await self.log.hand_over(event, recorded)
            pending += [await rejected.send(self.log) for rejected in batch.rejected]
        await self._settle()
        self.waiting = batch, self.account.as_json(), pending
        self.in_flight = batch.identities

    async def _settle(self, done: bool = False) -> None:
        """Wait until Kafka has the batch in flight, and note it."""
        if self.waiting is not None:
            batch, account, pending = self.waiting
            for acknowledged in pending:
                await acknowledged
            self.ledger.commit(self.source.key, self.name, batch.position, done, account, batch.identities)
            self.waiting = None
