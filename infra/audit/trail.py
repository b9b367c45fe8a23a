"""A process's writer of the audit trail: what it appends is in the log before anybody is shown anything.

Records are linked in the order in which they are handed to Kafka. When one of them may not have arrived, the chain is
given up: the next one says from where on the old one is not certain.
"""

import asyncio
import functools
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import orjson

from infra.audit import heads
from infra.audit.chain import Chain, Record
from infra.clock import clock
from schemas.envelope import rfc3339
from schemas.topics import AUDIT


class Producer(Protocol):
    """Of aiokafka's producer, what a trail needs."""

    async def send(self, topic: str, value: bytes, key: bytes, *, timestamp_ms: int) -> "asyncio.Future[Any]":
        """Hand over a record; the future is done once Kafka holds it."""


class Trail:
    """Appends to the audit trail as ``part`` (api, cli, …) of ``home``; every process has chains of its own."""

    def __init__(self, producer: Producer, part: str, home: Path) -> None:
        self._producer, self._part, self._home = producer, part, home
        self._order = asyncio.Lock()
        self._chain: Chain | None = None
        self._given_up: dict[str, int] = {}  # writers whose chains are certain up to a number only
        self._file: heads.HeadFile | None = None

    async def append(self, actor: str, action: str, what: str, residents: Iterable[str] = (), **more: Any) -> None:
        """Record that ``actor`` does ``action`` with ``what`` of ``residents``; returns once Kafka holds the record.

        Raises ``KafkaError`` when it does not. ``more`` (role, purpose …) is written where it is not None.
        """
        record = _record(actor, action, what, residents, more)
        async with self._order:
            if self._chain is None:
                await asyncio.shield(await self._open())
            sent = await self._send(record)
        await asyncio.shield(sent)

    def close(self) -> None:
        """No more records."""
        if self._file is not None:
            self._file.close()
            self._file = None

    async def _open(self) -> "asyncio.Future[Any]":
        """Begin a chain, whose first record holds the ends of the others fast."""
        self.close()
        known = heads.read(self._home)
        chain = self._chain = Chain(f"{self._part}/{uuid.uuid4()}")
        self._file = heads.HeadFile(self._home, chain.writer)
        told = dict(self._given_up)
        more: Record = {"heads": known} | ({"abandoned": told} if told else {})
        sent = await self._send(_record(self._part, "opened", "chain", (), more))

        def opened(done: "asyncio.Future[Any]") -> None:
            if not _failed(done):
                heads.forget(self._home, known)
                for writer in told:
                    self._given_up.pop(writer, None)

        _when_done(sent, opened)
        return sent

    async def _send(self, record: Record) -> "asyncio.Future[Any]":
        chain, file = self._chain, self._file
        assert chain is not None
        assert file is not None
        linked = chain.add(record)
        try:
            stamp = round(clock().now().timestamp() * 1000)
            sent = await self._producer.send(
                AUDIT, orjson.dumps(linked), str(linked["actor"]).encode(), timestamp_ms=stamp
            )
        except BaseException:
            self._give_up(chain)
            raise
        _when_done(sent, functools.partial(self._settled, chain, file, linked))
        return sent

    def _settled(self, chain: Chain, file: heads.HeadFile, record: Record, done: "asyncio.Future[Any]") -> None:
        if _failed(done):
            self._give_up(chain)
        elif chain.confirm(record) and file is self._file:
            file.note(chain.confirmed)

    def _give_up(self, chain: Chain) -> None:
        if self._chain is chain:
            self._chain = None
            self._given_up[chain.writer] = chain.confirmed[0]


def _when_done(future: "asyncio.Future[Any]", then: Callable[["asyncio.Future[Any]"], None]) -> None:
    """Call ``then`` once ``future`` is done, before whoever awaits it goes on."""
    if future.done():
        then(future)
    else:
        future.add_done_callback(then)


def _failed(done: "asyncio.Future[Any]") -> bool:
    return done.cancelled() or done.exception() is not None


def _record(actor: str, action: str, what: str, residents: Iterable[str], more: Record) -> Record:
    return {
        "id": str(uuid.uuid4()), "time": rfc3339(clock().now()), "actor": actor, "action": action, "what": what,
        "residents": sorted(set(residents)), **{name: value for name, value in more.items() if value is not None},
    }  # fmt: skip
