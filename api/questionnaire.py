"""Questionnaires in FHIR R4 shape, their answers in, and what they came to: `GET /v1/questionnaires`."""

import asyncio
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from api.alert_action import Key
from api.alert_item import Text
from api.auth import AnyCaller, PersonReader
from api.backend import BackendDependency
from api.fhir_outcome import MEDIA_TYPE
from api.guidance import Done
from api.instant import Instant
from api.position import Wait
from api.problem import Problem, invalid_field, problems
from api.resident import ResidentId, find
from api.self import tell
from schemas.questionnaires import Item, Option, Questionnaire, Words, newest, released

router = APIRouter(tags=["residents"])
LOINC = "http://loinc.org"
CANONICAL = "urn:mailiu:questionnaire:"
ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
Lang = Annotated[Literal["zh", "en"], Query(description="language of the texts 语言")]


class Known(BaseModel):
    """A questionnaire that can be answered."""

    name: str
    version: int
    title: Text
    items: int
    source: str


class Coding(BaseModel):
    """The code of an answer."""

    model_config = ConfigDict(extra="ignore")

    code: str = Field(max_length=40)


class Answer(BaseModel):
    """One answer."""

    model_config = ConfigDict(extra="ignore")

    valueCoding: Coding


class Answered(BaseModel):
    """An item with its answer."""

    model_config = ConfigDict(extra="ignore")

    linkId: str = Field(max_length=20)
    answer: list[Answer] = Field(min_length=1, max_length=1)


class Response(BaseModel):
    """A FHIR QuestionnaireResponse; what it says of subject and author is taken from the path and the token."""

    model_config = ConfigDict(extra="ignore")

    resourceType: Literal["QuestionnaireResponse"]
    questionnaire: str = Field(description="canonical, with or without |version", max_length=100)
    status: Literal["completed"]
    item: list[Answered] = Field(max_length=100)


class Came(BaseModel):
    """What the answers came to."""

    questionnaire: str
    version: int
    time: Instant
    total: int
    band: str
    text: Text = Field(description="what the total means")
    flags: list[str]
    answered: UUID = Field(description="identity of the answers")


class Results(BaseModel):
    """Answered questionnaires of a resident, newest first."""

    resident: str
    items: list[Came]


RESULTS = """
SELECT questionnaire, form_version AS version, time, total, band, flags, answered FROM questionnaires
WHERE resident IN {records:Array(String)} ORDER BY time DESC, answered LIMIT 1 BY answered LIMIT 100
"""


@router.get("/v1/questionnaires", summary="Questionnaires 量表", responses=problems(403))
async def known(who: AnyCaller) -> list[Known]:
    """Those that can be answered, in their newest version."""
    found = [versions[max(versions)] for versions in released().values()]
    return [
        Known(name=q.name, version=q.version, title=Text(**q.title), items=len(q.items), source=q.source) for q in found
    ]


class FhirResponse(JSONResponse):
    """A FHIR resource."""

    media_type = MEDIA_TYPE


@router.get(
    "/v1/questionnaires/{name}",
    summary="A questionnaire 量表（FHIR）",
    response_class=FhirResponse,
    responses=problems(403, 404, 422),
)
async def questionnaire(who: AnyCaller, name: str, lang: Lang = "zh") -> FhirResponse:
    """A questionnaire as a FHIR R4 Questionnaire with the score of every answer."""
    return FhirResponse(shape(_find(name), lang))


@router.get(
    "/v1/residents/{resident}/questionnaires", summary="Results 量表结果", responses=problems(403, 404, 422, 504)
)
async def results(who: PersonReader, backend: BackendDependency, resident: ResidentId, wait: Wait = None) -> Results:
    """What the answers of the resident came to."""
    await backend.progress.wait(wait, fold=True)
    found = await find(backend, who, resident)
    rows, _ = await asyncio.gather(
        backend.tables.rows(RESULTS, {"records": found["records"]}),
        backend.viewed(who, "questionnaires", found["records"]),
    )
    items = []
    for row in rows:
        bands = {band.code: band.text for band in released()[row["questionnaire"]][row["version"]].bands}
        items.append(Came.model_validate({**row, "text": bands[row["band"]]}))
    return Results(resident=found["resident"], items=items)


@router.post(
    "/v1/residents/{resident}/questionnaires",
    status_code=202,
    summary="Answer a questionnaire 提交量表",
    responses=problems(400, 403, 404, 409, 413, 422, 503),
)
async def answer(
    who: PersonReader, backend: BackendDependency, resident: ResidentId, body: Response, key: Key = None
) -> Done:
    """A FHIR QuestionnaireResponse, by the resident or by staff: every item answered, by the code of its option."""
    name, _, version = body.questionnaire.removeprefix(CANONICAL).rpartition("/")[2].partition("|")
    asked = _find(name)
    if version and version != str(asked.version):
        raise invalid_field("questionnaire", body.questionnaire, f"the version in use is {asked.version}")
    answers = {item.linkId: item.answer[0].valueCoding.code for item in body.item}
    if (fault := asked.fault(answers)) is not None:
        raise invalid_field(f"item.{fault[0]}", fault[1], fault[2])
    data = {"questionnaire": name, "version": asked.version, "answers": answers}
    return await tell(
        backend, who, resident, "mailiu.engagement.questionnaire-answered.v1", data, key or str(uuid4()), channel=True
    )


def _find(name: str) -> Questionnaire:
    found = newest(name)
    if found is None:
        raise Problem(404, f"no questionnaire {name}")
    return found


def shape(one: Questionnaire, lang: Literal["zh", "en"]) -> dict[str, Any]:
    """``one`` as a FHIR R4 Questionnaire in one language. 量表的FHIR形式。"""
    return {
        "resourceType": "Questionnaire", "id": one.name, "url": f"{CANONICAL}{one.name}", "version": str(one.version),
        "name": one.name.replace("-", "_"), "title": one.title[lang], "status": "active", "subjectType": ["Patient"],
        "language": "zh-CN" if lang == "zh" else "en", "copyright": one.source, "description": one.intro[lang],
        **({"code": [{"system": LOINC, "code": one.loinc}]} if one.loinc else {}),
        "item": [_item(item, lang) for item in one.items.values()],
    }  # fmt: skip


def _item(item: Item, lang: str) -> dict[str, Any]:
    return {
        "linkId": item.id, "text": item.text[lang], "type": "choice", "required": True,
        **({"code": [{"system": LOINC, "code": item.loinc}]} if item.loinc else {}),
        "answerOption": [{"valueCoding": _coding(option, item.loinc, lang)} for option in item.options.values()],
    }  # fmt: skip


def _coding(option: Option, loinc: str | None, lang: str) -> dict[str, Any]:
    words: Words = option.text
    return {
        "extension": [{"url": ORDINAL, "valueDecimal": option.score}],
        **({"system": LOINC} if loinc else {}), "code": option.code, "display": words[lang],
    }  # fmt: skip
