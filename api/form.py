"""Forms of the national catalogue, filled from events: as data, as a page, as PDF."""

import asyncio
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from anyio import CapacityLimiter, to_process
from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from analytics import printed
from analytics.form.definition import UNITS, Form, Lang, form
from analytics.form.examination import exam_record, examinations
from analytics.form.fill import Filled, fill
from analytics.form.record import visit_record, visits
from api.auth import ResidentReader
from api.backend import Backend, BackendDependency
from api.instant import Instant
from api.named import Named, name_of
from api.position import Wait
from api.problem import problems
from api.resident import ResidentId, find
from infra.settings import settings

router = APIRouter(prefix="/v1/residents", tags=["residents"])
Format = Literal["json", "html", "pdf"]
MEDIA = {"html": "text/html; charset=utf-8", "pdf": "application/pdf"}
#: What a page in another format than JSON is, for OpenAPI.
PAGES: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {}, "application/pdf": {}}}}
COLUMNS = 4  # visits on one sheet, as on the paper; a health examination has sheets of its own

EVENTS = """
SELECT id, type, time, institution, actor, data FROM timeline
WHERE resident IN {records:Array(String)} AND context IN ('chronic', 'examination')
    AND id NOT IN (SELECT r.event FROM refused_events AS r)
    AND id NOT IN (SELECT r.reading FROM retractions AS r WHERE r.resident IN {records:Array(String)})
ORDER BY time, id
"""
KNOWN = "SELECT max(last_knowntime) AS known FROM positions WHERE topic = 'events'"


class Entry(BaseModel):
    """One field of a form."""

    field: str
    label: str
    section: str
    value: Any = Field(description="in the field's unit; words of ours for what is coded; null: not known")
    codes: list[str] = Field(description="national code numbers")
    text: str = Field(description="as printed")
    unit: str
    ws: str = Field(description="WS 363/364 data element identifier")
    rows: list[list["Entry"]] = Field(description="of a table")
    missing: bool = Field(description="the form asks for it and no event has it")


class Sheet(BaseModel):
    """One record: a visit, or an examination."""

    event: UUID | None = Field(description="identity of the event that it is filled from")
    time: Instant | None
    institution: str | None
    fields: list[Entry]


class FilledForm(BaseModel):
    """A form of one person and year. 填好的表单。"""

    form: str
    title: str
    resident: str
    name: str | None
    year: int | None = Field(description="local year of the records")
    known: Instant = Field(description="the answer knows what was accepted until then")
    sheets: list[Sheet] = Field(description="oldest first")


@router.get(
    "/{resident}/forms/{form}",
    summary="A national form, filled 国家基本公共卫生服务表单",
    description=(
        "4.3 follow-up of hypertension, 4.4 of type 2 diabetes (one record a visit of the year), 3 annual health "
        "examination. Filled from events: nothing is typed twice, what no event has stays empty. `format`: json, or "
        "html and pdf to print.\n\n"
        "由事件自动填写高血压（4.3）、2型糖尿病（4.4）随访服务记录表和健康体检表（3）；无记录的项目留空。"
        "可输出 JSON、HTML、PDF。"
    ),
    responses=problems(403, 404, 422, 504) | PAGES,
    response_model=FilledForm,
)
async def filled_form(
    who: ResidentReader,
    backend: BackendDependency,
    resident: ResidentId,
    number: Annotated[Literal["3", "4.3", "4.4"], Path(alias="form", description="number in the catalogue 表单编号")],
    year: Annotated[int | None, Query(ge=1990, le=2199, description="default: that of the latest record 年份")] = None,
    format: Annotated[Format, Query(description="输出格式")] = "json",
    lang: Annotated[Lang, Query(description="语言")] = "zh",
    purpose: Named = None,
    wait: Wait = None,
) -> Response | FilledForm:
    """Fill a form."""
    await backend.progress.wait(wait)
    found = await find(backend, who, resident)
    name = await name_of(backend, who, found["records"], purpose)
    await backend.viewed(who, f"form {number}", found["records"])
    person = {"resident": found["resident"], "name": name}
    answer, pages = await _fill(backend, form(number), found["records"], person, year, lang)
    if format == "json":
        return answer
    return await page(
        format, "form.html", form=form(number), lang=lang, person=person, pages=pages, units=UNITS[lang],
        foot=foot(answer.known, lang),
    )  # fmt: skip


async def page(format: Format, template: str, **values: Any) -> Response:
    """``template`` as a page or printed."""
    text = await asyncio.to_thread(printed.html, template, **values)
    if format == "html":
        return Response(text, media_type=MEDIA[format])
    # seconds of work: in a process of its own, so that nobody else waits
    paper = await to_process.run_sync(printed.pdf, text, cancellable=True, limiter=_presses())
    return Response(paper, media_type=MEDIA[format])


@cache
def _presses() -> CapacityLimiter:
    """How many pages are printed at once."""
    return CapacityLimiter(2)


def foot(known: datetime, lang: Lang) -> str:
    """What a page says of the state of the log that it was made from."""
    at = known.astimezone(settings().zone).strftime("%Y-%m-%d %H:%M:%S")
    return f"脉流自动生成，数据截至 {at}" if lang == "zh" else f"Made by Mailiu of what was known at {at}"


async def _fill(
    backend: Backend, asked: Form, records: list[str], person: dict[str, Any], year: int | None, lang: Lang
) -> tuple[FilledForm, list[list[dict[str, Filled]]]]:
    """The form as data, and its visits by sheets of paper."""
    rows, [known] = await asyncio.gather(backend.tables.rows(EVENTS, {"records": records}), backend.tables.rows(KNOWN))
    zone = settings().zone
    events = [{**row, "data": orjson.loads(row["data"] or b"{}")} for row in rows]
    every = visits(events, asked.programmes) if asked.programmes else examinations(events)
    record = visit_record if asked.programmes else exam_record
    if year is None and every:
        year = every[-1]["time"].astimezone(zone).year
    of_year = [visit for visit in every if visit["time"].astimezone(zone).year == year]
    filled = [fill(asked, record(visit, events, person, zone), lang) for visit in of_year]
    sheets = [
        Sheet(
            event=visit["id"], time=visit["time"], institution=visit["institution"] or None,
            fields=[_entry(each, lang) for each in fields],
        )
        for visit, fields in zip(of_year, filled, strict=True)
    ]  # fmt: skip
    by_name = [{each.field.name: each for each in fields} for fields in filled]
    answer = FilledForm(
        form=asked.number, title=asked.title.of(lang), resident=person["resident"], name=person["name"], year=year,
        known=known["known"], sheets=sheets,
    )  # fmt: skip
    columns = COLUMNS if asked.programmes else 1
    blank = {each.field.name: each for each in fill(asked, {"person": person}, lang)}
    return answer, [by_name[i : i + columns] for i in range(0, len(by_name), columns)] or [[blank]]


def _entry(filled: Filled, lang: Lang) -> Entry:
    field, value = filled.field, filled.value
    return Entry(
        field=field.name, label=field.label.of(lang), section=field.section.of(lang),
        value=value.isoformat() if isinstance(value, date) else value, codes=list(filled.codes), text=filled.text,
        unit=field.unit, ws=field.ws, rows=[[_entry(item, lang) for item in row] for row in filled.rows],
        missing=filled.missing,
    )  # fmt: skip
