"""`GET /v1/fhir/{type}`: what is known of one patient, as a FHIR searchset; pages by the link `next`."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request, Response

from api import fhir_answer, fhir_outcome, fhir_resource, paging
from api.auth import Caller, ResidentReader
from api.backend import Backend, BackendDependency
from api.blood_pressure import summarize
from api.position import Wait
from api.problem import Problem
from api.resident import ResidentId, find
from api.tables import Row
from infra.clock import clock
from infra.settings import settings
from mqtt_ingest.fhir import LOINC, PANELS, SINGLE
from mqtt_ingest.fhir_lab import OWN
from mqtt_ingest.texts import explain
from schemas.measure import by_loinc, measures

router = APIRouter(prefix="/v1", tags=["events"])
BEGINNING, END = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
TYPES = ("Patient", "Observation", "Condition", "MedicationRequest", "MedicationStatement", "Encounter")
KINDS = tuple(fhir_resource.KINDS)
CODES = (fhir_resource.ICD10, fhir_resource.ICD10_CN, fhir_resource.ATC)

OBSERVATIONS = """
SELECT * FROM (
    SELECT id, resident, time, recordedtime, kind AS name, kind, systolic, diastolic, mean, pulse, value, unit, place,
        device, NULL AS finding
    FROM readings
    WHERE resident IN {records:Array(String)} AND NOT retracted AND kind IN {kinds:Array(String)}
        AND (kind = 'blood-pressure' OR value IS NOT NULL)
    UNION ALL
    SELECT id, resident, time, recordedtime, name, '' AS kind, NULL AS systolic, NULL AS diastolic, NULL AS mean,
        NULL AS pulse, value, unit, '' AS place, NULL AS device, finding
    FROM examinations
    WHERE resident IN {records:Array(String)} AND name IN {names:Array(String)}
)
WHERE time >= {from:DateTime64(3, 'UTC')} AND time < {until:DateTime64(3, 'UTC')}
    AND (time, id) < ({at:DateTime64(3, 'UTC')}, {after:UUID})
ORDER BY time DESC, id DESC LIMIT {limit:UInt32} WITH TIES
"""
VISITS = """
SELECT id, resident, time, institution, programme, mode FROM follow_ups
WHERE resident IN {records:Array(String)} AND time >= {from:DateTime64(3, 'UTC')}
    AND time < {until:DateTime64(3, 'UTC')} AND (time, id) < ({at:DateTime64(3, 'UTC')}, {after:UUID})
ORDER BY time DESC, id DESC LIMIT {limit:UInt32}
"""
CONDITIONS = """
SELECT resident, code, original, category, diagnoser, certainty, onset, first_diagnosed_time, diagnosed_time,
    resolved_time, reason
FROM conditions
WHERE resident IN {records:Array(String)} ORDER BY code, resident
"""
DRUGS = """
SELECT resident, code, dose, frequency, start, prescribed_time, stopped_time, reason FROM medications
WHERE resident IN {records:Array(String)} ORDER BY code, resident
"""
#: SQL, maker and the column of the time, of what a person has few of.
LISTED: dict[str, tuple[str, Callable[[Row], dict[str, Any]], str]] = {
    "Condition": (CONDITIONS, fhir_resource.condition, "diagnosed_time"),
    "MedicationRequest": (DRUGS, fhir_resource.request, "prescribed_time"),
    "MedicationStatement": (DRUGS, fhir_resource.statement, "prescribed_time"),
}
LATEST = "ffffffff-ffff-ffff-ffff-ffffffffffff"


@router.get(
    "/fhir/{type}",
    response_class=Response,
    summary="Search FHIR 查询 FHIR 资源",
    description=(
        "Of one patient: Patient, Observation (pressures as 85354-9 panels, the home mean as 96607-7 with period and "
        "number of readings, laboratory and other values), Condition, MedicationRequest or -Statement, or Encounter. "
        "`subject`, and for a Patient `_id`, mean the same as `patient`. `code` takes "
        "`system|code`, several by comma; `date` takes eq, ge, gt, le and lt. A Patient comes without name.\n\n"
        "按患者查询；血压为 85354-9，家庭血压均值为 96607-7。患者资源不含姓名。"
    ),
    responses=fhir_outcome.outcomes(403, 404, 504)
    | {200: {"description": "a searchset Bundle", "content": {fhir_outcome.MEDIA_TYPE: {}}}},
)
async def search(
    request: Request,
    who: ResidentReader,
    backend: BackendDependency,
    type: Annotated[str, Path(pattern="^[A-Z][A-Za-z]{2,40}$", description="resource type 资源类型")],
    patient: Annotated[str, Query(description="`R-2003` or `Patient/R-2003` 居民编号")] = "",
    subject: Annotated[str, Query(description="the same as `patient` 同 `patient`")] = "",
    id: Annotated[str, Query(alias="_id", description="of a Patient, the same as `patient` 患者编号")] = "",
    code: Annotated[str | None, Query(max_length=1000, description="`system|code`, several by comma 编码")] = None,
    date: Annotated[list[str] | None, Query(max_length=4, description="`ge2026-01-01` 日期")] = None,
    count: Annotated[int, Query(alias="_count", ge=1, le=500, description="resources a page 每页数量")] = 100,
    cursor: paging.Cursor = None,
    wait: Wait = None,
) -> Response:
    """A page of resources, newest first."""
    resident = (patient or subject or (id if type == "Patient" else "")).removeprefix("Patient/")
    try:
        if type not in TYPES:
            raise _fault("not-supported", "type", type)
        if not resident:
            raise _fault("invalid", "patient", None, "required")
        span = _span(date or [])
        wanted = _codes(code)
    except Fault as fault:
        return fault.answer
    await backend.progress.wait(wait, fold=True)
    try:
        found = await _found(backend, who, resident, "patient")
    except Fault as fault:
        return fault.answer
    await backend.viewed(who, f"fhir {type}", found["records"])
    made, next = await _page(backend, type, found, wanted, span, count, cursor)
    return fhir_answer.answer(200, _bundle(request, made, next))


@router.get(
    "/fhir/Patient/{resident}",
    response_class=Response,
    summary="Read a FHIR Patient 读取患者",
    description="Without name and numbers.\n\n不含姓名与证件号。",
    responses=fhir_outcome.outcomes(403, 404, 504)
    | {200: {"description": "a Patient", "content": {fhir_outcome.MEDIA_TYPE: {}}}},
)
async def read(
    who: ResidentReader,
    backend: BackendDependency,
    resident: ResidentId,
    wait: Wait = None,
) -> Response:
    """One person; a merged record answers with the survivor's."""
    await backend.progress.wait(wait, fold=True)
    try:
        found = await _found(backend, who, resident, "id")
    except Fault as fault:
        return fault.answer
    await backend.viewed(who, "fhir Patient", found["records"])
    return fhir_answer.answer(200, fhir_resource.patient(found))


class Fault(Exception):
    """A parameter that cannot be followed, with its answer."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer


async def _found(backend: Backend, who: Caller, resident: str, parameter: str) -> Row:
    """The resident, whom the caller may see. Raises `Fault`."""
    try:
        return await find(backend, who, resident)
    except Problem as problem:
        if problem.status_code != 404:
            raise
        message = {"zh": "没有该居民", "en": f"no patient {resident}"}
        outcome = fhir_outcome.outcome([fhir_outcome.issue("not-found", parameter, message)])
        raise Fault(fhir_answer.answer(404, outcome)) from problem


def _fault(reason: str, parameter: str, value: object, detail: str = "") -> Fault:
    message = explain(reason, parameter, str(value), detail)
    return Fault(fhir_answer.answer(422, fhir_outcome.outcome([fhir_outcome.issue(reason, parameter, message)])))


async def _page(
    backend: Backend, type: str, found: Row, wanted: set[str] | None, span: tuple[datetime, datetime], count: int,
    cursor: str | None,
) -> tuple[list[dict[str, Any]], str | None]:  # fmt: skip
    """The resources of one page, and the cursor of the next."""
    at, after = paging.decode(cursor) if cursor else (END, LATEST)
    parameters: dict[str, Any] = {
        "records": found["records"], "from": span[0], "until": span[1], "at": at, "after": after, "limit": count + 1,
    }  # fmt: skip
    rows = backend.tables.rows
    if type == "Patient":
        return [fhir_resource.patient(found)], None
    if type in LISTED:  # few: one page
        sql, make, since = LISTED[type]
        made = [
            row for row in await rows(sql, parameters) if wanted is None or {row["code"], row.get("original")} & wanted
        ]
        return [make(row) for row in made if row[since] is None or span[0] <= row[since] < span[1]], None
    if type == "Encounter":
        visits = await rows(VISITS, parameters)
        next = paging.encode(visits[count - 1]["time"], visits[count - 1]["id"]) if len(visits) > count else None
        return [fhir_resource.encounter(row) for row in visits[:count]], next
    observed, next = _cut(await rows(OBSERVATIONS, parameters | _named(wanted)), count)
    made = [fhir_resource.reading(row) if row["kind"] else fhir_resource.examination(row) for row in observed]
    if cursor is None and (wanted is None or fhir_resource.AVERAGE in wanted):
        home = await summarize(backend.tables, found["records"], None, *span)
        mean = fhir_resource.average(found["resident"], home, clock().now())
        made = [mean, *made] if mean is not None else made
    return made, next


def _cut(rows: list[Row], count: int) -> tuple[list[Row], str | None]:
    """A page that does not part the values of one event, and the cursor behind it."""
    if len(rows) <= count:
        return rows, None
    last = rows[count - 1]
    kept = [row for n, row in enumerate(rows) if n < count or (row["time"], row["id"]) == (last["time"], last["id"])]
    return kept, paging.encode(last["time"], last["id"]) if len(rows) > len(kept) else None


def _named(wanted: set[str] | None) -> dict[str, list[str]]:
    """Kinds of readings and names of examinations that the codes ask for; without codes all."""
    if wanted is None:
        return {"kinds": ["blood-pressure", *KINDS], "names": sorted(measures())}
    kinds = {SINGLE[code] for code in wanted & SINGLE.keys()}
    kinds |= {kind for kind, (code, _) in fhir_resource.KINDS.items() if code in wanted}  # type: ignore[misc]
    kinds |= {"blood-pressure"} if wanted & PANELS else set()
    names = {by_loinc()[code][0] for code in wanted & by_loinc().keys()} | (wanted & measures().keys())
    return {"kinds": sorted(kinds), "names": sorted(names)}


def _codes(text: str | None) -> set[str] | None:
    """The codes asked for; a system that we do not speak has none of ours."""
    if text is None:
        return None
    found = set()
    for token in text.split(","):
        system, bar, code = token.rpartition("|")
        if not code:
            raise _fault("invalid", "code", text, "one of system|code, |code, code")
        if not bar or system in ("", LOINC, OWN, *CODES):
            found.add(code)
    return found


def _span(dates: list[str]) -> tuple[datetime, datetime]:
    """From the first instant that fits all of ``dates`` until the first after it that does not."""
    start, end = BEGINNING, END
    for text in dates:
        prefix, rest = (text[:2], text[2:]) if text[:2].isalpha() else ("eq", text)
        first, after = _instants(rest, text)
        match prefix:
            case "eq":
                start, end = max(start, first), min(end, after)
            case "ge":
                start = max(start, first)
            case "gt" | "sa":
                start = max(start, after)
            case "le":
                end = min(end, after)
            case "lt" | "eb":
                end = min(end, first)
            case _:
                raise _fault("invalid", "date", text, "one of eq, ge, gt, le, lt")
    return start, end


def _instants(text: str, whole: str) -> tuple[datetime, datetime]:
    """The first instant of a day or instant, and the first after it; days are local."""
    try:
        if len(text) == 10:
            day = date.fromisoformat(text)
            first = datetime.combine(day, time(), settings().zone)
            return first, datetime.combine(day + timedelta(days=1), time(), settings().zone)
        instant = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise _fault("invalid", "date", whole, "a day or an instant is needed") from error
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=settings().zone)
    return instant, instant + timedelta(milliseconds=1)


def _bundle(request: Request, made: list[dict[str, Any]], next: str | None) -> dict[str, Any]:
    """The searchset, with links to itself and to what follows."""
    here = str(request.url)
    links = [{"relation": "self", "url": here}]
    if next is not None:
        query = [(name, value) for name, value in request.query_params.multi_items() if name not in ("cursor", "wait")]
        links.append({"relation": "next", "url": f"{here.partition('?')[0]}?{urlencode([*query, ('cursor', next)])}"})
    base = here.partition("?")[0].rpartition("/")[0]
    entries = [
        {"fullUrl": f"{base}/{one['resourceType']}/{one['id']}", "resource": one, "search": {"mode": "match"}}
        for one in made
    ]
    return {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries}
