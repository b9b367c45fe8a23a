"""Statistics that explain themselves: definition, version, source, numerator, denominator, position seen and lag."""

import asyncio
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, Field

from analytics.indicator import Indicator, find, released
from analytics.suppression import hidden
from api.alert_item import Text
from api.auth import Caller, StatisticsReader
from api.backend import Backend, BackendDependency
from api.health import lag
from api.instant import Instant
from api.position import Seen, Wait, text
from api.problem import Problem, invalid_field, problems
from api.tables import Row
from infra.clock import clock
from infra.settings import settings
from schemas.topics import EVENTS

router = APIRouter(prefix="/v1/statistics", tags=["statistics"])
MONTHS = 48  # at most, in one answer
DAYS = 1100


class Definition(BaseModel):
    """What an indicator means, in which version, and by whose rule."""

    id: str
    version: int
    versions: list[int] = Field(description="every released version")
    title: Text
    text: Text
    source: str
    unit: str
    by: list[str] = Field(description="what it can be broken down by")
    snapshot: bool = Field(description="a state at the end of each month; else a count over the period")


class Catalogue(BaseModel):
    """Every indicator in its newest version."""

    indicators: list[Definition]


class Cell(BaseModel):
    """One figure. ``value`` is the quotient unless the definition says otherwise; null where it would be a guess."""

    month: str | None = Field(None, description="YYYY-MM")
    day: date | None = None
    institution: str | None = None
    severity: str | None = None
    numerator: float | None
    denominator: float | None
    value: float | None
    suppressed: bool = Field(False, description="a small count, hidden from this role")


class Lag(BaseModel):
    """Records that this answer has not seen."""

    events: int
    derived: int
    fold: int


class Statistic(BaseModel):
    """An answer with all that is needed to check it. 统计结果及其全部依据。"""

    definition: Definition
    from_: date = Field(alias="from")
    to: date
    by: list[str]
    institutions: list[str] | None = Field(description="the institutions counted; null: all")
    as_of: Instant | None
    position: str = Field(
        description="next offsets of `events` that the answer has seen at least", examples=["0:12,1:7"]
    )
    known: Instant | None = Field(description="every partition of `events` is known up to this instant")
    lag: Lag
    provisional: bool = Field(description="not every partition has passed the instant asked for")
    rows: list[Cell]


@router.get("", summary="Catalogue of indicators 指标目录", responses=problems(403))
async def catalogue(who: StatisticsReader) -> Catalogue:
    """Every indicator with its definition."""
    return Catalogue(indicators=[_definition(found) for id in released() if (found := find(id))])


@router.get(
    "/{indicator}",
    response_model=Statistic,
    summary="A statistic 统计指标",
    description=(
        "Figures for the institutions of the token, by month and whatever else `by` names. `as_of` answers from what "
        "was known at that instant. An analyst sees no small counts.\n\n"
        "令牌所辖机构的指标值；`as_of` 按该时刻已知的数据回答；分析员看不到小数目。"
    ),
    responses=problems(403, 404, 422, 504),
)
async def statistic(
    who: StatisticsReader,
    backend: BackendDependency,
    indicator: Annotated[str, Path(pattern="^[a-z0-9-]{1,60}$")],
    start: Annotated[
        date | None, Query(alias="from", description="local day; default: twelve months back 起始日")
    ] = None,
    to: Annotated[date | None, Query(description="local day, included; default: today 截止日（含）")] = None,
    by: Annotated[
        str | None,
        Query(max_length=60, description="comma separated: month, institution, severity, day 分组", examples=["month"]),
    ] = None,
    institution: Annotated[list[str] | None, Query(max_length=400, description="only these 仅这些机构")] = None,
    as_of: Annotated[AwareDatetime | None, Query(description="what was known at this instant 截至此刻已知")] = None,
    version: Annotated[int | None, Query(ge=1, description="of the definition; default: the newest 定义版本")] = None,
    wait: Wait = None,
) -> Response:
    """One indicator over time."""
    definition = find(indicator, version)
    if definition is None:
        raise Problem(404, f"no indicator {indicator}" + ("" if version is None else f" version {version}"))
    groups = _groups(definition, by)
    now = clock().now()
    today = now.astimezone(settings().zone).date()
    first, last = _period(definition, groups, start, to, today)
    institutions = _scope(who, institution)
    await backend.progress.wait(wait, fold=True)
    # What was projected before the query began is a lower bound of what it sees.
    seen = await backend.progress.seen(2.0)
    rows, behind = await asyncio.gather(
        backend.tables.rows(
            definition.sql,
            {
                "from": first,
                "to": last,
                "today": today,
                "as_of": as_of or datetime.fromisoformat("2199-12-31T00:00:00Z"),
                "institutions": institutions,
                "zone": settings().zone.key,
                **{f"by_{name}": name in groups for name in ("day", "month", "institution", "severity")},
            },
        ),
        lag(backend),
    )
    if definition.snapshot and "month" not in groups:
        rows = [row for row in rows if row["period"] == last.replace(day=1)]
    asked = as_of or min(now, _end(last))
    answer = Statistic(
        definition=_definition(definition),
        **{"from": first},
        to=last,
        by=groups,
        institutions=institutions or None,
        as_of=as_of,
        position=text(seen.next.get(EVENTS, {})),
        known=known(backend, seen),
        lag=Lag(**behind),
        provisional=_provisional(backend, seen, asked),
        rows=[_cell(definition, groups, row, exact=who.may("exact")) for row in rows],
    )
    # Written by the model itself: checked once, not again on the way out.
    return Response(answer.model_dump_json(by_alias=True), media_type="application/json")


def _groups(definition: Indicator, by: str | None) -> list[str]:
    """What to break down by; a snapshot is by month where nothing is said."""
    default = ("month",) if "month" in definition.by else ()
    groups = list(dict.fromkeys(by.split(","))) if by else list(default)
    for name in groups:
        if name not in definition.by:
            raise invalid_field("by", name, f"{definition.id} can be broken down by {', '.join(definition.by)}")
    if {"day", "month"} <= set(groups):
        raise invalid_field("by", by, "day and month exclude each other")
    return list(dict.fromkeys([*groups, *definition.always]))


def _period(
    definition: Indicator, groups: list[str], start: date | None, to: date | None, today: date
) -> tuple[date, date]:
    """First and last local day; whole months for a snapshot."""
    last = to or today
    first = start or _months_back(last, 0 if definition.snapshot and "month" not in groups else 11)
    if first > last:
        raise invalid_field("from", first, f"is after {last}")
    months = (last.year - first.year) * 12 + last.month - first.month + 1
    if definition.snapshot and months > MONTHS:
        raise invalid_field("from", first, f"at most {MONTHS} months in one answer")
    if (last - first).days > DAYS * (1 if "day" in groups else 20):
        raise invalid_field("from", first, "the period is too long")
    if first.year < 1970 or last.year > 2150:
        raise invalid_field("from" if first.year < 1970 else "to", first, "years 1970 to 2150")
    return first, last


def _months_back(day: date, months: int) -> date:
    """The first day of the month that many months before ``day``'s."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(max(year, 1), month + 1, 1)


def _scope(who: Caller, wanted: list[str] | None) -> list[str]:
    """The institutions to count; empty means all. 403 for one outside the token."""
    for each in wanted or ():
        if not who.covers(each):
            raise Problem(403, f"the token does not cover {each}")
    return sorted(set(wanted)) if wanted else who.scope


def _end(last: date) -> datetime:
    """The instant at which local day ``last`` ends."""
    return datetime.combine(last, datetime.max.time(), settings().zone)


def known(backend: Backend, seen: Seen) -> datetime | None:
    return min(seen.known.values()) if len(seen.known) == backend.log.partitions else None


def _provisional(backend: Backend, seen: Seen, asked: datetime) -> bool:
    until = known(backend, seen)
    return until is None or until <= asked


def _definition(indicator: Indicator) -> Definition:
    return Definition(
        id=indicator.id, version=indicator.version, versions=sorted(released()[indicator.id]),
        title=Text(**indicator.title), text=Text(**indicator.text), source=indicator.source, unit=indicator.unit,
        by=list(indicator.by), snapshot=indicator.snapshot,
    )  # fmt: skip


def _cell(definition: Indicator, groups: list[str], row: Row, exact: bool) -> Cell:
    numerator = row[definition.numerator]
    denominator = row[definition.denominator] if definition.denominator else None
    suppressed = not exact and hidden(numerator, denominator)
    if suppressed:
        numerator = denominator = value = None
    elif definition.value:
        value = row[definition.value]
    elif not definition.denominator:
        value = numerator
    else:
        value = numerator / denominator if denominator else None
    labels: dict[str, Any] = {name: row[name] for name in ("institution", "severity") if name in groups}
    if "month" in groups:
        labels["month"] = f"{row['period']:%Y-%m}"
    if "day" in groups:
        labels["day"] = row["period"]
    return Cell(**labels, numerator=numerator, denominator=denominator, value=value, suppressed=suppressed)
