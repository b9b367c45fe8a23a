"""Guidance for a resident: composed, read by a physician, signed: `GET /v1/residents/{resident}/guidance`.

Until it is signed it is a draft for staff; the resident sees what was signed, word for word (clinical decision 21).
"""

import asyncio
from typing import Annotated
from uuid import UUID, uuid4

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.alert_action import Key
from api.alert_item import Text
from api.auth import AlertActor, PersonReader
from api.backend import BackendDependency
from api.control import CONTROL
from api.family import looking_in
from api.instant import Instant
from api.position import Wait
from api.problem import Problem, problems
from api.resident import ResidentId, find
from api.tables import Row, Tables
from infra.clock import clock
from schemas.envelope import Event
from schemas.guidance import GuidanceSigned
from schemas.guidance import Text as Words
from streams.guidance.compose import DRAFT, Sentence, compose, digest
from streams.guidance.triggers import triggers

router = APIRouter(prefix="/v1/residents", tags=["residents"])
SIGNED = "mailiu.chronic.guidance-signed.v1"


class Said(BaseModel):
    """One sentence, and why it is said."""

    template: str
    version: int
    text: Text
    when: str = Field(description="what it answers: a reason or pattern of control, a habit, adherence, a goal")
    rule: str | None = Field(description="rule and version that found it")
    evidence: list[UUID] = Field(description="events it rests on")
    source: Text


class Draft(BaseModel):
    """What would be said now. For staff only, until a physician signs it."""

    status: Text
    digest: str = Field(description="names these words; to be sent back when they are signed")
    sentences: list[Said]


class SignedSentence(BaseModel):
    """One sentence as it was signed."""

    template: str
    version: int
    text: Text


class Signed(BaseModel):
    """What a physician signed last."""

    by: str | None
    time: Instant
    digest: str
    current: bool = Field(description="whether it still says what would be said now")
    sentences: list[SignedSentence]
    note: Text | None


class Guidance(BaseModel):
    """Guidance for the resident. 个性化指导。"""

    resident: str
    draft: Draft | None = Field(description="null for the resident and the family")
    signed: Signed | None


class Sign(BaseModel):
    """The draft that was read, and the physician's own words after it."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    note: Words | None = None


class Done(BaseModel):
    """The event that says it."""

    identity: UUID
    position: str = Field(description="position in `events`", examples=["3:120"])


TOLD = """
SELECT id, event, time, actor, data FROM timeline
WHERE resident IN {records:Array(String)} AND context IN ('chronic', 'examination')
    AND event IN ('lifestyle-recorded', 'health-examined', 'adherence-reported', 'follow-up-completed', 'goal-set',
        'goal-ended', 'guidance-signed')
    AND id NOT IN (SELECT r.event FROM refused_events AS r)
    AND id NOT IN (SELECT r.reading FROM retractions AS r WHERE r.resident IN {records:Array(String)})
ORDER BY time, id
"""


@router.get("/{resident}/guidance", summary="Guidance 个性化指导", responses=problems(403, 404, 422, 504))
async def guidance(who: PersonReader, backend: BackendDependency, resident: ResidentId, wait: Wait = None) -> Guidance:
    """The draft with the reason of each sentence, and what was signed last; the resident sees what was signed."""
    await backend.progress.wait(wait, fold=True)
    found = await find(backend, who, resident)
    (sentences, signed), _ = await asyncio.gather(
        drafted(backend.tables, found["records"]), backend.viewed(who, "guidance", found["records"])
    )
    return Guidance(
        resident=found["resident"],
        draft=None if looking_in(who) else _draft(sentences),
        signed=_signed(signed, sentences),
    )


@router.post(
    "/{resident}/guidance/sign",
    status_code=202,
    summary="Sign guidance 签署指导",
    responses=problems(400, 403, 404, 409, 413, 422, 503),
)
async def sign(who: AlertActor, backend: BackendDependency, resident: ResidentId, body: Sign, key: Key = None) -> Done:
    """A physician stands for the draft of this digest; 409 if something else would be said by now."""
    if not who.may("close-red"):
        raise Problem(403, "guidance is signed by a clinician")
    found = await find(backend, who, resident)
    sentences, _ = await drafted(backend.tables, found["records"])
    if not sentences:
        raise Problem(409, "there is nothing to sign")
    if digest(sentences) != body.digest:
        raise Problem(409, "the draft has changed since it was read: read it again")
    said = [{"template": each.template, "version": each.version, "text": each.text} for each in sentences]
    data = GuidanceSigned.model_validate({"digest": body.digest, "sentences": said, "note": body.note})
    event = Event(
        id=f"{found['resident']}/guidance/{key or uuid4()}", source="api", type=SIGNED, subject=found["resident"],
        time=clock().now(), data=data.model_dump(mode="json", exclude_none=True), institution=found["institution"],
        actor=who.actor,
    )  # fmt: skip
    [[position]] = await backend.append([event])
    return Done(identity=event.identity, position=str(position))


async def drafted(tables: Tables, records: list[str]) -> tuple[list[Sentence], Row | None]:
    """What would be said now of the person of ``records``, and the event by which something was signed last."""
    parameters = {"records": records}
    areas, told = await asyncio.gather(tables.rows(CONTROL, parameters), tables.rows(TOLD, parameters))
    for area in areas:
        area |= {column: orjson.loads(area[column]) for column in ("targets", "values")}
    events = [{**row, "data": orjson.loads(row["data"])} for row in told]
    signed = [event for event in events if event["event"] == "guidance-signed"]
    return compose(triggers(areas, [each for each in events if each not in signed])), signed[-1] if signed else None


def _draft(sentences: list[Sentence]) -> Draft:
    said = [Said.model_validate(each._asdict()) for each in sentences]
    return Draft(status=Text(**DRAFT), digest=digest(sentences), sentences=said)


def _signed(event: Row | None, sentences: list[Sentence]) -> Signed | None:
    if event is None:
        return None
    data = event["data"]
    return Signed(
        by=event["actor"], time=event["time"], digest=data["digest"], current=data["digest"] == digest(sentences),
        sentences=data["sentences"], note=data.get("note"),
    )  # fmt: skip
