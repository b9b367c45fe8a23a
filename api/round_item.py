"""A person on the ward round as clients see it: the reasons in words, each with the way to its evidence."""

from datetime import date
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel, Field

from api.alert_item import Text
from api.backend import Backend
from api.instant import Instant
from infra.clock import clock
from infra.settings import settings
from schemas.round import Decision, Plan, ReasonKind
from streams.guidance.codes import codes
from streams.rules import released

#: What a code means, where neither a rule's title nor a medication review says so.
WORDS: dict[str, tuple[str, str]] = {
    "follow-up": ("随访", "follow-up visit"),
    "annual-check": ("年度健康检查", "annual health examination"),
    "referral": ("建议转诊", "referral advised"),
    "home-visit": ("入户访视", "home visit"),
    "confirm-status": ("核实去向", "confirm a reported death or move"),
    "ordered": ("医嘱任务", "ordered task"),
    "blood-pressure": ("血压未达标", "blood pressure not at target"),
    "glucose": ("血糖未达标", "glucose not at target"),
    "lipids": ("血脂未达标", "lipids not at target"),
    "weight": ("体重未达标", "weight not at target"),
    "next-date": ("到约定复查日", "the day to look again has come"),
    "chronic": ("慢性病在管", "chronic disease"),
    "stratum-low": ("心血管风险低危", "low cardiovascular risk"),
    "stratum-moderate": ("心血管风险中危", "moderate cardiovascular risk"),
    "stratum-high": ("心血管风险高危", "high cardiovascular risk"),
    "stratum-very-high": ("心血管风险很高危", "very high cardiovascular risk"),
    "risk-high": ("10年心血管病风险高", "high 10-year cardiovascular risk"),
    "disease": ("合并临床疾患", "clinical cardiovascular disease"),
    "diabetes-complicated": ("糖尿病伴并发症", "diabetes with complications"),
    "kidney": ("慢性肾脏病3期及以上", "chronic kidney disease, stage 3 or later"),
    "pressure-uncontrolled": ("血压未达标", "blood pressure not at target"),
    "glucose-uncontrolled": ("血糖未达标", "glucose not at target"),
    "review": ("用药需复核", "medication review open"),
}
COLUMNS = """resident, institution, open, points, level, level_before, reasons, gone, next, decided_time, team, doctor,
sex, birth_date, labels, conditions, time, offset AS revision"""
LATEST = """
SELECT resident, id, decision, plan, note, actor, session, time FROM round_decisions
WHERE resident IN {residents:Array(String)} ORDER BY time DESC, id DESC LIMIT 1 BY resident
"""


class RoundReason(BaseModel):
    """Why somebody is on the round."""

    key: str
    kind: ReasonKind
    code: str
    title: Text
    grade: str = Field(description="severity or status; empty where there is none")
    points: int
    new: bool = Field(description="came since the latest decision 上次查房后新增")
    since: Instant | None = None
    of: UUID | None = Field(None, description="the alert or task")
    evidence: list[UUID] = Field([], description="events it rests on, the latest ones")
    href: str = Field(description="where the evidence is 依据链接")


class LatestDecision(BaseModel):
    """What was decided last."""

    id: UUID
    decision: Decision
    plan: list[Plan]
    note: str | None
    actor: str | None
    session: UUID | None
    time: Instant


class RoundItem(BaseModel):
    """A contracted person with the reasons for looking at them. 查房条目。"""

    resident: str
    institution: str | None
    team: str | None
    doctor: str | None
    sex: str | None = None
    age: int | None = Field(None, description="completed years")
    open: bool = Field(description="on the list: there is a reason that no decision covers")
    points: int = Field(description="weight of the reasons that no decision covers 需求分值")
    level: int = Field(description="management level, 0 to 3 管理级别")
    level_before: int | None = Field(description="at the latest decision")
    reasons: list[RoundReason] = Field(description="the weightiest first")
    gone: list[str] = Field(description="codes of what was there at the latest decision and no longer is 已解除")
    conditions: list[str] = Field(description="ICD-10")
    labels: list[str]
    next: date | None = Field(description="day on which to look again 下次查看日")
    latest: LatestDecision | None = None
    time: Instant = Field(description="when this was said")
    revision: int = Field(description="send it back with a decision: another one says that the place has moved on")


def words(code: str) -> Text:
    """What a reason's code means."""
    if code in released():
        versions = released()[code]
        return Text.model_validate(versions[max(versions)].title)
    if code in WORDS:
        return Text(zh=WORDS[code][0], en=WORDS[code][1])
    return Text.model_validate(codes("prompt").get(code, {"zh": code, "en": code}))


def from_row(row: dict[str, Any]) -> RoundItem:
    """A row of ``COLUMNS`` as `RoundItem`."""
    resident, reasons = row["resident"], orjson.loads(row["reasons"] or b"[]")
    today, born = clock().now().astimezone(settings().zone).date(), row["birth_date"]
    age = None if born is None else today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    told = [{**each, "title": words(each["code"]), "href": _href(resident, each)} for each in reasons]
    return RoundItem.model_validate({**row, "reasons": told, "age": age})


def _href(resident: str, reason: dict[str, Any]) -> str:
    match reason["kind"]:
        case "alert" | "task" as kind:
            return f"/v1/{kind}s/{reason['of']}"
        case "control" | "review":
            return f"/v1/residents/{resident}/control"
        case _:
            return f"/v1/rounds/decisions?resident={resident}"


async def complete(backend: Backend, items: list[RoundItem]) -> None:
    """Put to each item of whom anything was decided what was decided last."""
    before = [item.resident for item in items if item.next is not None or item.level_before is not None]
    if not before:
        return
    decided = {row["resident"]: row for row in await backend.tables.rows(LATEST, {"residents": before})}
    for item in items:
        if (row := decided.get(item.resident)) is not None:
            item.latest = LatestDecision.model_validate(row)
