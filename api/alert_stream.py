"""The alert stream: server-sent events from the topic `derived`, filtered by the token's institutions."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Query
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.auth import AlertReader, Caller
from api.backend import Backend, BackendDependency
from api.feed import Step, text
from api.problem import Problem, problems
from schemas.alert import Severity

router = APIRouter(prefix="/v1/alerts", tags=["alerts"])
STREAMS = 50  # open streams an actor may have in one process
SEND_SECONDS = 30  # a client that takes nothing for so long is let go; it resumes by Last-Event-ID
AGAIN_SECONDS = 3600.0  # a stream that shows somebody again so much later is another view of them
TOGETHER = 200  # changes that are written to the audit trail at once

_open: Counter[str] = Counter()


@router.get(
    "/stream",
    summary="Alert stream 告警流",
    description=(
        "Server-sent events, one `alert` event a change, each with the whole alert and `change` (raised, "
        "severity-changed, escalated, extended, condition-cleared, withdrawn, handling-changed). Its id is a position "
        "in the log: send it back as `Last-Event-ID` (or `last_event_id`) and the stream goes on without loss or "
        "repeat; start it with `stream_position` of `GET /v1/alerts` to join list and stream without a gap.\n\n"
        "以 SSE 推送告警变化，每条含完整告警及 `change`。断线后以 `Last-Event-ID` 续传，不丢失、不重复；"
        "以 `GET /v1/alerts` 返回的 `stream_position` 开始可与列表无缝衔接。"
    ),
    response_class=EventSourceResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "The stream"},
        **problems(400, 403, 422, 429),
    },
)
async def stream(
    who: AlertReader,
    backend: BackendDependency,
    institution: Annotated[str | None, Query(max_length=64, description="only this institution 仅此机构")] = None,
    severity: Annotated[list[Severity] | None, Query(description="only these 仅这些级别")] = None,
    last_event_id: Annotated[str | None, Header(max_length=20_000)] = None,
    last_event_id_query: Annotated[
        str | None, Query(alias="last_event_id", max_length=20_000, description="as the header 同请求头")
    ] = None,
) -> EventSourceResponse:
    """Follow alerts live."""
    after = last_event_id or last_event_id_query
    position = await backend.feed.position(after) if after else list(backend.feed.next)
    if _open[who.actor] >= STREAMS:
        raise Problem(429, f"{who.actor} has {STREAMS} streams open")
    wanted = set(severity or ())

    def shown(step: Step) -> bool:
        alert = step.change.alert if step.change else None
        return alert is None or (
            who.covers(alert["institution"])
            and institution in (None, alert["institution"])
            and (not wanted or alert["severity"] in wanted)
        )

    events = _events(backend, who, position, shown)
    return EventSourceResponse(events, sep="\n", ping=0, send_timeout=SEND_SECONDS)


async def _events(
    backend: Backend, who: Caller, position: list[int], shown: Callable[[Step], bool]
) -> AsyncIterator[ServerSentEvent]:
    _open[who.actor] += 1
    known: dict[str, float] = {}
    try:
        # At once, so that the client knows that it is connected and where it stands.
        yield ServerSentEvent(comment="mailiu", id=text(position), retry=1000)
        async with aclosing(_together(backend.feed.follow(position))) as batches:
            async for batch in batches:
                if time.time() > who.expires or who.revoked:
                    return
                steps = [step for step in batch if shown(step)]
                if not await _audited(backend, who, steps, known):
                    return
                for step in steps:
                    if step.change is None:
                        yield ServerSentEvent(comment="heartbeat", id=text(step.position))
                    else:
                        data = orjson.dumps({"change": step.change.what, **step.change.alert}).decode()
                        yield ServerSentEvent(data, event="alert", id=text(step.position))
    finally:
        _open[who.actor] -= 1
        if not _open[who.actor]:
            del _open[who.actor]


async def _audited(backend: Backend, who: Caller, steps: list[Step], known: dict[str, float]) -> bool:
    """Write who is about to be seen to the audit trail; false when that cannot be, and nothing may be shown.

    Whom this stream has shown within the hour (``known``) is in the trail already.
    """
    now = time.monotonic()
    fresh = {
        resident
        for step in steps
        if step.change and known.get(resident := step.change.alert["resident"], -AGAIN_SECONDS) <= now - AGAIN_SECONDS
    }
    try:
        await backend.viewed(who, "alert-stream", fresh)
    except Problem:
        return False
    known.update(dict.fromkeys(fresh, now))
    return True


async def _together(steps: AsyncGenerator[Step, None]) -> AsyncGenerator[list[Step], None]:
    """The steps that are there at once, together: they are one view."""
    coming = asyncio.ensure_future(anext(steps, None))
    try:
        while (step := await coming) is not None:
            batch = [step]
            coming = asyncio.ensure_future(anext(steps, None))
            while len(batch) < TOGETHER:
                await asyncio.sleep(0)
                if not coming.done() or coming.exception() or (step := coming.result()) is None:
                    break
                batch.append(step)
                coming = asyncio.ensure_future(anext(steps, None))
            yield batch
    finally:
        coming.cancel()
        with suppress(asyncio.CancelledError):
            await coming
        await steps.aclose()
