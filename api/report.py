"""The comprehensive report of one resident: `GET /v1/residents/{resident}/report`, as data, page or PDF."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Response

from analytics.form.definition import Lang
from analytics.form.words import word
from analytics.report.build import build
from analytics.report.chart import draw
from analytics.report.facts import YEAR, Facts
from analytics.report.model import Report
from analytics.report.names import name
from analytics.report.sources import Sources
from api.alert_item import title
from api.auth import ResidentReader
from api.backend import BackendDependency
from api.blood_pressure import summarize
from api.form import EVENTS, KNOWN, PAGES, Format, foot, page
from api.guidance import drafted
from api.named import Named, name_of
from api.position import Wait
from api.problem import problems
from api.resident import ResidentId, find
from api.tables import Row, Tables
from infra.settings import settings
from streams.guidance.codes import codes
from streams.guidance.compose import Sentence
from streams.scores.model import initial
from streams.scores.run import newest, warning

router = APIRouter(prefix="/v1/residents", tags=["residents"])

READINGS = """
SELECT id, kind, time, systolic, diastolic, value, unit, context, place, source, clock FROM readings
WHERE resident IN {records:Array(String)} AND kind IN ('blood-pressure', 'glucose', 'weight') AND NOT retracted
    AND time >= {from:DateTime64(3, 'UTC')}
ORDER BY time, id
"""
CONTROL = """
SELECT area, status, reasons, patterns, targets, judgement, evidence FROM control
WHERE resident IN {records:Array(String)} ORDER BY indexOf(['blood-pressure', 'glucose', 'lipids', 'weight'], area)
"""
REVIEWS = """
SELECT kind, recordedtime AS since, drugs, text, evidence FROM reviews
WHERE resident IN {records:Array(String)} AND status = 'open' ORDER BY since, kind
"""
SCORES = """
SELECT model, model_version, status, value, unit, class, inputs, reason_zh, reason_en, warnings, time FROM scores
WHERE resident IN {records:Array(String)} ORDER BY model
"""
ALERTS = """
SELECT rule, rule_version, severity, condition, handling, raised_time, evidence FROM alerts
WHERE resident IN {records:Array(String)} AND condition != 'withdrawn'
    AND (raised_time >= {from:DateTime64(3, 'UTC')} OR handling != 'closed')
ORDER BY indexOf(['red', 'orange', 'yellow', 'technical'], severity), raised_time DESC, alert
"""
TASKS = """
SELECT task AS id, kind, programme, task_reason AS reason, status, due, title, cause, merged_into FROM tasks
WHERE resident IN {records:Array(String)} AND status IN ('planned', 'due', 'overdue') ORDER BY due, task
"""


@router.get(
    "/{resident}/report",
    summary="Comprehensive report 慢病综合评估报告",
    description=(
        "Summary page, course, blood pressure, glucose, target organs, scores, control, what the rules found, "
        "guidance, tasks and gaps, each figure with its source events. The same log position gives the same bytes. "
        "`style=plain`: large print in plain words for the resident.\n\n"
        "自动生成的慢病综合评估报告：首页小结、病程、血压、血糖、靶器官、评分、控制、规则发现、指导、待办与资料缺口，"
        "各数值注明来源事件；同一日志位置内容一致。`style=plain` 为大字居民版。"
    ),
    responses=problems(403, 404, 422, 504) | PAGES,
    response_model=Report,
)
async def report(
    who: ResidentReader,
    backend: BackendDependency,
    resident: ResidentId,
    format: Annotated[Format, Query(description="输出格式")] = "json",
    lang: Annotated[Lang, Query(description="语言")] = "zh",
    style: Annotated[Literal["full", "plain"], Query(description="plain: 大字居民版")] = "full",
    purpose: Named = None,
    wait: Wait = None,
) -> Response | Report:
    """Everything about one person's chronic diseases."""
    await backend.progress.wait(wait, fold=True)
    found = await find(backend, who, resident)
    named = await name_of(backend, who, found["records"], purpose)
    await backend.viewed(who, "report", found["records"])
    facts = await gather(backend.tables, {**found, "name": named}, lang)
    made = build(facts)
    if format == "json":
        return made
    return await page(format, "report.html" if style == "full" else "plain.html", **await pages(made, facts))


async def gather(tables: Tables, person: Row, lang: Lang) -> Facts:
    """What the tables know of a person now."""
    [position] = await tables.rows(KNOWN)
    known = position["known"]
    asked = {"records": person["records"], "from": known - YEAR}
    home, (drafts, _), rows = await asyncio.gather(
        summarize(tables, person["records"], None, known - YEAR, known),
        drafted(tables, person["records"]),
        asyncio.gather(
            *(tables.rows(sql, asked) for sql in (EVENTS, READINGS, CONTROL, REVIEWS, SCORES, ALERTS, TASKS))
        ),
    )
    events, readings, control, reviews, scores, alerts, tasks = rows
    return Facts(
        person=person, known=known, zone=settings().zone, lang=lang,
        events=[{**row, "data": orjson.loads(row["data"] or b"{}")} for row in events],
        readings=list(readings), home=home.model_dump(),
        control=[_control(row) for row in control],
        reviews=[{**row, "text": orjson.loads(row["text"])} for row in reviews],
        scores=[_score(row, lang) for row in scores],
        alerts=[{**row, "title": title(row["rule"], row["rule_version"])} for row in alerts],
        tasks=list(tasks), guidance=[_sentence(each) for each in drafts],
    )  # fmt: skip


async def pages(made: Report, facts: Facts) -> dict[str, Any]:
    """What the templates take: the report with its charts, and numbers for the source events."""
    sources, lang = Sources(), facts.lang
    charts = await asyncio.to_thread(lambda: {each.name: draw(each.name, facts) for each in made.pictures})
    first = facts.day(facts.known - YEAR)
    return {
        "report": made, "charts": charts, "lang": lang, "zone": facts.zone, "numbers": sources.numbers,
        "listed": sources.listed, "named": lambda kind, code: name(kind, code, lang),
        "plainly": lambda frequency: word((frequency or "").lower(), lang),
        "marks": [change for change in made.changes if change.day >= first][-6:], "foot": foot(facts.known, lang),
    }  # fmt: skip


def _control(row: Row) -> dict[str, Any]:
    meant = {f"{kind}s": [codes(kind)[code] for code in row[f"{kind}s"]] for kind in ("reason", "pattern")}
    return {**row, **meant, "targets": orjson.loads(row["targets"])}


def _sentence(said: Sentence) -> dict[str, Any]:
    """A sentence of the draft; its reason in words where what calls for it is a finding of control, else its source."""
    kind, _, code = said.when.partition(":")
    meant = codes(kind) if kind in ("reason", "pattern") else {}
    reason = meant.get(code, said.source)
    return {"text": said.text, "reason": reason, "evidence": said.evidence}


def _score(row: Row, lang: Lang) -> Mapping[str, Any]:
    """A score with its texts: value and class, or why there is none; what to know of it."""
    model = newest(row["model"], row["model_version"]) or initial(row["model"])
    label = model.label(row["class"]) if row["class"] else None
    value = "" if row["value"] is None else f"{row['value']:.1f} {row['unit'] or ''}".strip()
    notes = [warning(model, code)[lang] for code in row["warnings"]]
    if reason := row[f"reason_{lang}"]:
        notes.insert(0, reason)
    inputs = orjson.loads(row["inputs"] or b"{}")
    sources = sorted({each["event"] for each in inputs.values() if each.get("event")})
    return {
        "model": row["model"], "label": model.title[lang], "text": value or (label[lang] if label else ""),
        "meaning": label[lang] if label else "", "note": "；".join(notes) if lang == "zh" else "; ".join(notes),
        "time": row["time"], "sources": sources,
    }  # fmt: skip
