"""The one clock of gateways, tickers and simulator: real, or a start and a speed (`MAILIU_CLOCK`).

All parts of one home share the same virtual clock: the real instant at which it was first asked is its origin, kept
in ``home/clock``, so that a restarted part goes on at the same virtual time.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from infra.settings import Settings, settings, write_once


@dataclass(frozen=True)
class Clock:
    """Mailiu's time as a function of the machine's: ``start + (real - origin) * speed``, in seconds since 1970."""

    origin: float = 0.0
    start: float = 0.0
    speed: float = 1.0

    @property
    def real(self) -> bool:
        """Whether this is the machine's own clock."""
        return self.origin == self.start and self.speed == 1.0

    def now(self) -> datetime:
        """The current instant, aware, UTC."""
        return datetime.fromtimestamp(self.start + (time.time() - self.origin) * self.speed, UTC)

    async def sleep(self, seconds: float) -> None:
        """Sleep for ``seconds`` of this clock."""
        await asyncio.sleep(seconds / self.speed)


def read_clock(config: Settings) -> Clock:
    """The clock that ``config.clock`` describes; raises ``ValueError`` for a text that describes none."""
    if config.clock == "real":
        return Clock()
    text, _, speed = config.clock.partition("@")
    try:
        start = datetime.fromisoformat(text)
        pace = float(speed or 1)
    except ValueError as error:
        raise ValueError(f"MAILIU_CLOCK is {config.clock!r}: use `real` or `2019-04-01T00:00:00Z@600`") from error
    if start.tzinfo is None or pace <= 0:
        raise ValueError(f"MAILIU_CLOCK is {config.clock!r}: the start needs an offset, the speed must be above 0")
    origin = float(write_once(config.home / "clock", repr(time.time())))
    return Clock(origin, start.timestamp(), pace)


@cache
def clock() -> Clock:
    """The clock of this process."""
    return read_clock(settings())
