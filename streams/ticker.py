"""Time enters the log: the owner of each partition appends `clock.ticked` to it, once per `MAILIU_TICK_SECONDS`.

A tick's identity is that of its instant and partition, so that two owners (one of them paused or cut off) make one
event. After an outage the gateways first bring what they kept meanwhile; a tick before that would find silence and
unanswered questions that are none. So the first tick waits until the partition is folded to its end and nothing late
has come for a while, at most ten minutes.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka.errors import KafkaError

from infra.clock import Clock
from infra.log import ClockOff, Reference, headers
from schemas.envelope import Event
from schemas.topics import EVENTS
from streams.event import TICK
from streams.shards import Shards

#: Longest wait for the gateways, in seconds of Mailiu's clock (design, law 4).
DRAIN_SECONDS = 600.0
#: Nothing late for so long (seconds of the machine) counts as drained.
QUIET_SECONDS = 5.0
#: An outage is a pause of more than so many ticks, and of more than so many seconds of the machine.
MISSED, OUTAGE_SECONDS = 3, 10.0

log = logging.getLogger("mailiu.ticker")


def instant_of(now: float, seconds: float) -> int:
    """The newest tick instant at ``now`` (s since 1970), in ms: a multiple of ``seconds``."""
    step = round(seconds * 1000)
    return int(now * 1000) // step * step


def tick(partition: int, instant: int) -> Event:
    """The tick of ``instant`` (ms) for ``partition``; the same bytes whoever makes it."""
    at = datetime.fromtimestamp(instant / 1000, UTC)
    return Event(
        id=str(instant), source=f"clock/{partition}", type=TICK, subject=f"partition-{partition}",
        time=at, recordedtime=at, data={},
    )  # fmt: skip


@dataclass
class Pace:
    """When one partition may be ticked. Instants of Mailiu's clock in ms, ``real`` in seconds of the machine."""

    outage: int  #: ms without a tick that count as an outage
    appended: int = 0  #: newest instant that this process appended
    waiting_since: int | None = None
    quiet_since: float = 0.0

    def may(self, instant: int, ticked: int, now: int, real: float, unsettled: bool) -> bool:
        """Whether the tick of ``instant`` may be appended, when ``ticked`` is the newest one folded.

        ``unsettled``: records wait to be folded, or readings came late since the last call.
        """
        newest = max(ticked, self.appended)
        if instant <= newest:
            return False
        if self.waiting_since is None:
            if not newest or instant - newest <= self.outage:
                return True
            self.waiting_since, self.quiet_since = now, real
        if unsettled:
            self.quiet_since = real
        if real - self.quiet_since < QUIET_SECONDS and now - self.waiting_since < DRAIN_SECONDS * 1000:
            return False
        self.waiting_since = None
        return True


class Ticker:
    """Ticks every partition of ``shards``; ``behind`` says whether records of a partition wait to be folded."""

    def __init__(self, shards: Shards, clock: Clock, seconds: float, behind: Callable[[int], bool]) -> None:
        self.shards, self.clock, self.seconds, self.behind = shards, clock, seconds, behind
        self.outage = round(1000 * max(MISSED * seconds, OUTAGE_SECONDS * clock.speed))
        self.paces: dict[int, Pace] = {}
        self.reference = Reference()

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            now = self.clock.now().timestamp()
            instant = instant_of(now, self.seconds)
            try:
                await self._append(instant, round(now * 1000))
            except (KafkaError, ClockOff) as error:
                log.warning("no tick: %r", error)
            left = (instant / 1000 + self.seconds - self.clock.now().timestamp()) / self.clock.speed
            await asyncio.sleep(min(max(left, 0.01), 1.0))

    async def _append(self, instant: int, now: int) -> None:
        sent = []
        for number, shard in list(self.shards.open.items()):
            pace, partition = self.paces.setdefault(number, Pace(self.outage)), shard.partition
            unsettled = self.behind(number) or partition.late
            partition.late = False
            if pace.may(instant, partition.store.mark.ticked, now, time.monotonic(), unsettled):
                sent.append(await self._send(number, instant))
                pace.appended = instant
        await asyncio.gather(*sent)

    async def _send(self, number: int, instant: int) -> Awaitable[object]:
        assert self.shards.producer is not None
        await self.reference.agree(self.shards.producer)
        event = tick(number, instant)
        about = headers(event.type, str(event.identity))
        key = event.subject.encode()
        sent: Awaitable[object] = await self.shards.producer.send(
            EVENTS, event.dumps(), key, partition=number, timestamp_ms=instant, headers=about
        )
        return sent
