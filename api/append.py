"""What every REST door does with what it has checked: find earlier copies, append, and keep what is refused.

Each event is answered by itself: accepted, duplicate or rejected with the field, the value and the reason. What is
rejected is kept whole on the topic `rejected`. ``duplicate`` is a look-up and advisory: the event is appended all the
same, and the fold and the projections count it once.
"""

import asyncio
import dataclasses
import hashlib
from collections import Counter, OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from uuid import UUID

import orjson
from pydantic import BaseModel, Field

from api import metrics
from api.alert_item import Text
from api.backend import Backend, kafka
from api.problem import Problem
from api.rejected import Kept, Refused, keep
from infra.vault.prose import personal
from schemas.envelope import Event, milliseconds

REMEMBERED = 100_000  # identities of latest events kept in memory, since the tables are a moment behind

Status = Literal["accepted", "duplicate", "rejected"]


class Result(BaseModel):
    """What became of one event."""

    status: Status
    id: str | None = Field(None, description="the event's id as sent")
    source: str | None = None
    identity: UUID | None = Field(None, description="UUIDv5 of (source, id)")
    position: str | None = Field(None, description="position in `events`; several for what goes to every partition")
    first_position: str | None = Field(None, description="duplicate: position of the earliest copy that was seen")
    problem: int | None = Field(None, description="rejected: the HTTP status it would have by itself")
    reason: str | None = Field(None, description="rejected: the kind of fault")
    field: str | None = None
    value: str | None = Field(None, description="the value at fault, at most 200 characters")
    message: Text | None = None


class Results(BaseModel):
    """One result an event, in the order sent. 逐条结果，顺序与请求一致。"""

    accepted: int
    duplicate: int
    rejected: int
    position: str = Field(description="all positions of this request, for `wait`")
    results: list[Result]


class Checked(NamedTuple):
    """One event of a request: its bytes, what became of it, and how its sender calls it."""

    raw: bytes
    outcome: Event | Refused
    id: str | None = None
    source: str | None = None
    where: Mapping[str, str | None] = {}  #: goes into its record on `rejected`


@dataclass
class Judged:
    """What will become of a request: a result for each event, the events to append, and what is refused."""

    results: list[Result] = dataclasses.field(default_factory=list)
    taken: list[tuple[int, Event]] = dataclasses.field(default_factory=list)
    refused: list[Kept] = dataclasses.field(default_factory=list)


async def judge(backend: Backend, checked: list[Checked]) -> Judged:
    """Tell new events from those seen before, from those whose id stands for something else, and from those whose
    texts name their resident."""
    checked = await asyncio.to_thread(_unnamed, checked)
    return _judge(
        checked, await _look_up(backend, [each.outcome for each in checked if isinstance(each.outcome, Event)])
    )


async def carry_out(backend: Backend, actor: str, judged: Judged) -> Results:
    """Append what is taken and keep what is refused. Raises a problem (503) when Kafka does not take something."""
    results = judged.results
    positions = await backend.append([event for _, event in judged.taken], looked_at=True)
    for (index, event), places in zip(judged.taken, positions, strict=True):
        results[index].position = ",".join(map(str, places))
        _remember(event, str(places[0]))
    if judged.refused:
        async with kafka():
            await keep(backend.log, actor, judged.refused)
    counts = Counter(result.status for result in results)
    for status, count in counts.items():
        metrics.EVENTS.labels(status).inc(count)
    return Results(
        accepted=counts["accepted"], duplicate=counts["duplicate"], rejected=counts["rejected"], results=results,
        position=_latest([place for places in positions for place in places]),
    )  # fmt: skip


class Earlier(BaseModel):
    """An event seen before: where its earliest copy lies, and its content."""

    position: str
    content: bytes = Field(description="hash of what must be equal in two copies")


_remembered: OrderedDict[UUID, Earlier] = OrderedDict()


async def _look_up(backend: Backend, events: list[Event]) -> dict[UUID, Earlier]:
    """Earlier copies of ``events`` in this process's memory or in the tables; nothing when the tables are away."""
    found = {id: _remembered[id] for event in events if (id := event.identity) in _remembered}
    unknown = [event for event in events if event.identity not in found]
    if unknown:
        with suppress(Problem):
            parameters = {
                "keys": sorted({event.subject for event in unknown}),
                "ids": [str(event.identity) for event in unknown],
            }
            for row in await backend.tables.rows(LOOK_UP, parameters):
                content = _content(orjson.loads(row["value"]))
                found[row["identity"]] = Earlier(position=f"{row['partition']}:{row['offset']}", content=content)
    return found


#: The tables by resident know where an event lies, and the small ones what concerns many; the log has it there.
LOOK_UP = """
SELECT identity, partition, offset, value FROM log
WHERE topic = 'events' AND (partition, offset) IN (
    SELECT partition, offset FROM timeline WHERE resident IN {keys:Array(String)} AND id IN {ids:Array(UUID)}
    UNION ALL
    SELECT partition, offset FROM readings WHERE resident IN {keys:Array(String)} AND id IN {ids:Array(UUID)}
    UNION ALL
    SELECT partition, offset FROM organization_events WHERE id IN {ids:Array(UUID)}
    UNION ALL
    SELECT partition, offset FROM area_events WHERE id IN {ids:Array(UUID)}
    UNION ALL
    SELECT partition, offset FROM device_events WHERE device = '' AND id IN {ids:Array(UUID)}
)
"""


def _unnamed(checked: list[Checked]) -> list[Checked]:
    return [
        each._replace(outcome=Refused(422, "personal", field, "…"))
        if isinstance(each.outcome, Event) and (field := personal(each.outcome)) is not None
        else each
        for each in checked
    ]


def _judge(checked: list[Checked], seen: dict[UUID, Earlier]) -> Judged:
    judged = Judged()
    for index, (raw, event, id, source, where) in enumerate(checked):
        if isinstance(event, Event):
            content = _content(event.model_dump(exclude_none=True))
            earlier = seen.get(event.identity)
            if earlier is None or earlier.content == content:
                judged.taken.append((index, event))
                status: Status = "duplicate" if earlier else "accepted"
                place = earlier.position or None if earlier else None
                judged.results.append(_result(status, event, first_position=place))
                seen.setdefault(event.identity, Earlier(position="", content=content))
                continue
            conflict = Refused(409, "conflict", "id", event.id)
            judged.refused.append(Kept(raw, conflict, where))
            judged.results.append(_result("rejected", event, first_position=earlier.position or None, **_why(conflict)))
        else:
            judged.refused.append(Kept(raw, event, where))
            judged.results.append(Result(status="rejected", id=id, source=source, **_why(event)))
    return judged


def _result(status: Status, event: Event, **more: Any) -> Result:
    return Result(status=status, id=event.id, source=event.source, identity=event.identity, **more)


def _why(refused: Refused) -> dict[str, Any]:
    return {
        "problem": refused.status, "reason": refused.reason, "field": refused.field,
        "value": refused.value, "message": refused.message,
    }  # fmt: skip


def _content(event: Mapping[str, Any]) -> bytes:
    """A hash of what must be equal in two copies of an event: subject, type, time and data; 61 is 61.0."""
    said = [event["subject"], event["type"], milliseconds(event["time"]), _plain(event["data"])]
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).digest()


def _plain(value: Any) -> Any:
    """``value`` with every whole number an integer."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _remember(event: Event, position: str) -> None:
    if event.identity not in _remembered:
        content = _content(event.model_dump(exclude_none=True))
        _remembered[event.identity] = Earlier(position=position, content=content)
        if len(_remembered) > REMEMBERED:
            _remembered.popitem(last=False)


def _latest(positions: list[Any]) -> str:
    latest: dict[int, int] = {}
    for partition, offset in positions:
        latest[partition] = max(offset, latest.get(partition, 0))
    return ",".join(f"{partition}:{offset}" for partition, offset in sorted(latest.items()))
