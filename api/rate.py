"""Rate limits, by the library `limits`: requests a token, requests an address, refused tokens an address, look-ups.

Each process counts for itself, over a sliding window. A limit is a text of the settings such as `600/minute`.
"""

import time
from functools import cache

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problem import Problem, problem_response
from infra.settings import Settings, settings

SIGNATURE = 43  # characters of a token's HS256 signature, which tells it from any other


class Limits:
    """Counts what was done, by kind and by whom."""

    def __init__(self, config: Settings) -> None:
        self._counter = SlidingWindowCounterRateLimiter(MemoryStorage())
        given = {
            "token": config.rate_token,
            "address": config.rate_address,
            "refused": config.rate_refused,
            "lookup": config.rate_lookup,
        }
        self._items: dict[str, RateLimitItem] = {kind: parse(text) for kind, text in given.items() if text}

    def hit(self, kind: str, whose: str) -> int | None:
        """Count one; seconds to wait when that is one too many."""
        item = self._items.get(kind)
        return None if item is None or self._counter.hit(item, kind, whose) else self._wait(item, kind, whose)

    def spent(self, kind: str, whose: str) -> int | None:
        """Seconds to wait when there is no more left; counts nothing."""
        item = self._items.get(kind)
        return None if item is None or self._counter.test(item, kind, whose) else self._wait(item, kind, whose)

    def _wait(self, item: RateLimitItem, kind: str, whose: str) -> int:
        return max(1, round(self._counter.get_window_stats(item, kind, whose).reset_time - time.time()))


@cache
def limits() -> Limits:
    """The counts of this process."""
    return Limits(settings())


def within(kind: str, whose: str) -> None:
    """Count one ``kind`` for ``whose``; a 429 problem when that is one too many."""
    if (seconds := limits().hit(kind, whose)) is not None:
        raise Problem(429, f"too many requests ({kind})", {"Retry-After": str(seconds)})


class RateLimit:
    """Answers 429 with `Retry-After` to whoever asks too often, before anything else is done for them."""

    def __init__(self, app: ASGIApp, counts: Limits | None = None) -> None:
        self.app, self._given = app, counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        counts = self._given or limits()
        address = (scope.get("client") or ("",))[0]
        token = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        kind, seconds = "address", counts.hit("address", address)
        if seconds is None and token:
            kind, seconds = "token", counts.hit("token", token[-SIGNATURE:].decode("latin-1"))
        if seconds is None:
            kind, seconds = "refused tokens", counts.spent("refused", address)
        if seconds is not None:
            detail = f"too many requests ({kind})"
            await problem_response(scope["path"], 429, detail, {"Retry-After": str(seconds)})(scope, receive, send)
            return

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 401:
                counts.hit("refused", address)
            await send(message)

        await self.app(scope, receive, answered)
