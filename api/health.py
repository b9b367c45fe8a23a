"""`/health` (open to all, says nothing of persons) and `/metrics` for Prometheus (with any token)."""

import asyncio
from collections.abc import Awaitable
from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel

from api import metrics
from api.auth import Operator
from api.backend import Backend, BackendDependency
from api.problem import Problem, problems
from infra.clock import clock
from infra.observe import shared
from infra.observe.stack import StackNow
from schemas.topics import DERIVED, EVENTS

router = APIRouter(tags=["operation"])


class Health(BaseModel):
    """Whether the API serves, and whether what it stands on can be reached."""

    status: Literal["ok", "degraded"]
    log: Literal["ok", "away"]
    feed: Literal["ok", "away"]
    tables: Literal["ok", "away"]


@router.get(
    "/health",
    summary="Health 健康检查",
    description="503 when the log or the feed is away; `degraded` while only the tables are: events and the alert "
    "stream go on.\n\n日志或告警流不可用时返回 503；仅数据表不可用时为 `degraded`，写入与告警流照常。",
    responses={503: {"model": Health, "description": "Log or feed are away"}},
)
async def health(response: Response, backend: BackendDependency) -> Health:
    """Whether everything can be used."""
    log = await _reaches(backend.ends(max_age=5))
    tables = await _reaches(backend.progress.seen(max_age=1))
    feed = backend.feed.alive
    response.status_code = 200 if log and feed else 503
    status: Literal["ok", "degraded"] = "ok" if log and feed and tables else "degraded"
    return Health(status=status, log=_word(log), feed=_word(feed), tables=_word(tables))


@router.get(
    "/metrics",
    summary="Metrics 指标",
    description="For Prometheus: what every part counts, how the stack is now.\n\n供 Prometheus 抓取。",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems(403)},
)
async def prometheus(who: Operator, backend: BackendDependency) -> Response:
    """Counts of all parts of this home, lag, age of what is known, sizes."""
    found = Found(await _tables(backend) + await asyncio.to_thread(lambda: list(StackNow().collect())))
    counted: list[Collector] = [shared.everything() or metrics.REGISTRY, found]
    return Response(b"".join(map(generate_latest, counted)), media_type=CONTENT_TYPE_LATEST)


class Found(Collector):
    """Metrics that were asked for just now."""

    def __init__(self, metrics: list[Metric]) -> None:
        self.metrics = metrics

    def collect(self) -> list[Metric]:
        """The metrics."""
        return self.metrics


async def _tables(backend: Backend) -> list[Metric]:
    """How far the tables are behind; nothing where they are away, for unknown is not zero."""
    behind = GaugeMetricFamily("mailiu_lag_records", "Records not yet projected or folded.", labels=["what"])
    age = GaugeMetricFamily("mailiu_known_age_seconds", "Since the instant up to which all partitions are known.")
    try:
        for what, records in (await lag(backend)).items():
            behind.add_metric([what], records)
        seen = await backend.progress.seen(max_age=1.0)
    except Problem:
        return []
    if len(seen.known) == backend.log.partitions:
        age.add_metric([], (clock().now() - min(seen.known.values())).total_seconds() / clock().speed)
    return [behind, age]


async def lag(backend: Backend) -> dict[str, int]:
    """Records that are not yet mirrored into the tables (by topic), and events not yet folded."""
    seen = await backend.progress.seen(max_age=2.0)
    ends = {topic: await backend.ends(topic) for topic in (EVENTS, DERIVED)}
    behind = {
        topic: sum(max(end - seen.next.get(topic, {}).get(partition, 0), 0) for partition, end in offsets.items())
        for topic, offsets in ends.items()
    }
    folded = seen.next.get("fold", {})
    return behind | {"fold": sum(max(end - folded.get(p, 0), 0) for p, end in ends[EVENTS].items())}


async def _reaches(question: Awaitable[object]) -> bool:
    try:
        await question
    except Problem:
        return False
    return True


def _word(fine: bool) -> Literal["ok", "away"]:
    return "ok" if fine else "away"
