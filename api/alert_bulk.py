"""Many alerts at once: yellow ones may be acknowledged in bulk (clinical decision 3)."""

from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.alert_action import Key, action, check, find
from api.auth import AlertActor
from api.backend import BackendDependency
from api.problem import Problem, problems
from schemas.envelope import Data, Event

router = APIRouter(prefix="/v1/alerts", tags=["alerts"])
MANY = 500  # of one request


class Several(Data):
    """Which alerts."""

    ids: list[UUID] = Field(min_length=1, max_length=MANY)


class Acknowledged(BaseModel):
    """What became of one of several."""

    alert: UUID
    status: Literal["accepted", "rejected"]
    position: str | None = Field(None, description="position in `events`")
    problem: int | None = Field(None, description="rejected: the HTTP status it would have by itself")
    message: str | None = None


class AllTaken(BaseModel):
    """One result an alert, in the order sent. 逐条结果，顺序与请求一致。"""

    results: list[Acknowledged]
    position: str = Field(description="all positions of this request, for `wait`")


@router.post(
    "/acknowledge",
    status_code=202,
    summary="Acknowledge several 批量确认",
    description="Yellow and technical alerts may be acknowledged in bulk; red and orange ones are looked at one by "
    "one.\n\n黄色与技术告警可批量确认；红色、橙色告警须逐条处理。",
    responses=problems(400, 403, 413, 422),
)
async def acknowledge_several(who: AlertActor, backend: BackendDependency, body: Several, key: Key = None) -> AllTaken:
    """Somebody has seen these alerts."""
    results: dict[UUID, Acknowledged] = {}
    events: list[Event] = []
    for alert in dict.fromkeys(body.ids):
        try:
            found = await find(backend, who, alert)
            if found["severity"] in ("red", "orange"):
                raise Problem(409, f"{found['severity']} alerts are acknowledged one by one")
            await check(backend, who, found, "acknowledged", {})
        except Problem as problem:
            if problem.status_code >= 500:
                raise
            results[alert] = Acknowledged(
                alert=alert, status="rejected", problem=problem.status_code, message=problem.detail
            )
            continue
        events.append(action(who, alert, found, "acknowledged", {}, key))
        results[alert] = Acknowledged(alert=alert, status="accepted")
    positions = [place for places in await backend.append(events) for place in places] if events else []
    for event, place in zip(events, positions, strict=True):
        results[UUID(event.data["alert"])].position = str(place)
    latest = {place.partition: place.offset for place in sorted(positions)}
    return AllTaken(
        results=[results[alert] for alert in body.ids],
        position=",".join(f"{partition}:{offset}" for partition, offset in latest.items()),
    )
