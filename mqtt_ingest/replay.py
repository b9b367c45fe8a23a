"""Refusals sent through their gate again, after a fix: those of devices and vendors as when they came, others anew."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from cryptography.fernet import InvalidToken

from infra.clock import clock
from infra.log import Log
from mqtt_ingest.decoded import Undecodable
from mqtt_ingest.gate import Gate
from mqtt_ingest.pipeline import Pipeline, Publisher
from mqtt_ingest.rejected import Rejected, resolution
from mqtt_ingest.waiting import Waiting
from schemas.envelope import Event, InvalidEvent
from schemas.registry import parse
from schemas.topics import REJECTED

#: A refusal for one of these reasons was a decision, not a fault of the data: sending it again must not undo it.
DECIDED = frozenset({"not-allowed", "forbidden-act", "unknown-alert", "conflict"})


class Again:
    """Sends refusals again; counts what became of them."""

    def __init__(self, log: Log, gate: Gate, publisher: Publisher) -> None:
        self.log = log
        self.pipeline = Pipeline(publisher, log, gate, Waiting())
        self.counts: Counter[str] = Counter()

    async def all(self, refusals: Iterable[Rejected], progress: Callable[[], object]) -> Counter[str]:
        """Send ``refusals`` one after the other. Raises ``KafkaError``."""
        for refused in refusals:
            self.counts[await self.one(refused)] += 1
            progress()
        return self.counts

    async def one(self, refused: Rejected) -> str:
        """What became of one: `accepted`, `rejected` (again), `decided` or `unreadable` (the key is another one)."""
        if refused.value.get("reason") in DECIDED:
            return "decided"
        try:
            if refused.at is not None:
                return "rejected" if await self.pipeline.retry(refused) is None else "accepted"
            if refused.value.get("reason") == "wrong-institution":  # the token's, not the device's
                return "decided"
            return await (self._fhir(refused) if refused.value.get("kind") == "fhir" else self._event(refused))
        except InvalidToken:
            return "unreadable"

    async def _event(self, refused: Rejected) -> str:
        """An event that came over REST or from a file, or that the fold could not take: appended if it is valid now."""
        try:
            event = parse(refused.raw(), internal=True)
        except InvalidEvent:
            return "rejected"
        return await self._append(refused, [event])

    async def _fhir(self, refused: Rejected) -> str:
        """Observations that came by FHIR, all of what was one request entry or transaction or nothing of it."""
        from mqtt_ingest.fhir_event import event_of, kept  # its models take a while to load

        institution, actor = refused.value.get("institution"), str(refused.value["source"]).removeprefix("rest/")
        if institution is None:
            return "rejected"
        try:
            events = [event_of(entry, actor, institution, self.pipeline.gate.zone) for entry in kept(refused.raw())]
        except Undecodable:
            return "rejected"
        if not events or max(event.time for event in events) > clock().now():
            return "rejected"
        return await self._append(refused, events)

    async def _append(self, refused: Rejected, events: list[Event]) -> str:
        positions: list[Any] = [place for event in events for place in await self.log.append(event)]
        assert self.log.producer is not None
        value = resolution(refused, ",".join(map(str, positions)), clock().now())
        await self.log.producer.send_and_wait(REJECTED, value, str(refused.value["source"]).encode())
        return "accepted"
