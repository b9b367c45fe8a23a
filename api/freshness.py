"""`GET /v1/freshness`: how far every projection and the fold have come, and how far they are behind the log."""

import re
from collections.abc import Mapping

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.auth import Operator
from api.backend import BackendDependency
from api.instant import Instant
from api.position import text
from api.problem import problems
from api.tables import Row
from infra.clock import clock
from schemas.topics import DERIVED, DEVICES, EVENTS, REJECTED

router = APIRouter(prefix="/v1", tags=["operation"])


class Reach(BaseModel):
    """How far something has come in a topic."""

    position: str = Field(description="next offset of each partition", examples=["0:12,1:7"])
    end: str = Field(description="end of the log")
    lag: int = Field(description="records behind")


class Projection(BaseModel):
    """One projection; its views run within the insert of the records, so that it is as fresh as the topics it reads."""

    name: str
    version: int
    topics: list[str]
    lag: int


class Freshness(BaseModel):
    """Positions and lag of everything that follows the log. 各投影与计算的进度及滞后。"""

    now: Instant = Field(description="Mailiu's clock")
    known: Instant | None = Field(description="every partition of `events` is known up to this instant")
    topics: dict[str, Reach] = Field(description="the mirror of each topic in the tables")
    fold: Reach = Field(description="what the stream workers have folded, as the tables know it")
    projections: list[Projection]


VIEWS = """
SELECT name, as_select FROM system.tables
WHERE database = currentDatabase() AND engine = 'MaterializedView' ORDER BY name
"""
NAME = re.compile(r"(?P<name>\w+)_v(?P<version>\d+)_mv")
TOPIC = re.compile(r"'(\w+)'")
WORD = re.compile(r"\w+")
MIRRORED = (EVENTS, DERIVED, REJECTED, DEVICES)


@router.get(
    "/freshness",
    summary="Freshness 数据新鲜度",
    description="Log position and lag of every projection and of the fold. 各投影与流计算的日志位置及滞后。",
    responses=problems(403),
)
async def freshness(who: Operator, backend: BackendDependency) -> Freshness:
    """Position and lag of everything."""
    ends = {topic: await backend.ends(topic, max_age=0.1) for topic in MIRRORED}
    seen = await backend.progress.seen()
    topics = {topic: _reach(seen.next.get(topic, {}), ends[topic]) for topic in ends}
    projections = []
    views = await backend.tables.rows(VIEWS)
    sources = _sources(views)
    for row in views:
        if match := NAME.fullmatch(row["name"]):
            reads = sources[row["name"]]
            lag = sum(topics[topic].lag for topic in reads)
            projections.append(Projection(name=match["name"], version=int(match["version"]), topics=reads, lag=lag))
    known = min(seen.known.values()) if len(seen.known) == len(ends[EVENTS]) else None
    fold = _reach(seen.next.get("fold", {}), ends[EVENTS])
    return Freshness(now=clock().now(), known=known, topics=topics, fold=fold, projections=projections)


def _sources(views: list[Row]) -> dict[str, list[str]]:
    """The topics each materialized view reads: those it names, those of the view whose target it reads, else all."""
    named = {view["name"]: sorted(set(TOPIC.findall(view["as_select"])) & set(MIRRORED)) for view in views}
    for view in views:
        read = set(WORD.findall(view["as_select"]))
        through = next((name for name in named if name != view["name"] and name.removesuffix("_mv") in read), None)
        named[view["name"]] = named[view["name"]] or (named[through] if through else list(MIRRORED))
    return named


def _reach(following: Mapping[int, int], ends: Mapping[int, int]) -> Reach:
    reached = {partition: following.get(partition, 0) for partition in ends}
    lag = sum(max(end - reached[partition], 0) for partition, end in ends.items())
    return Reach(position=text(reached), end=text(ends), lag=lag)
