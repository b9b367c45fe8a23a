"""One alert as clients see it, the same in lists, in detail and on the stream."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel, Field

from api.instant import Instant
from schemas.alert import Condition, Handling, Severity
from streams.rules import released

#: What stands empty in a table and is absent for a client.
BLANK = ("assignee", "acknowledged_by", "outcome", "comment", "reason", "step")


class Text(BaseModel):
    """A text in both languages."""

    zh: str
    en: str


class AlertItem(BaseModel):
    """An alert in its latest revision. 告警的最新状态。"""

    id: UUID
    resident: str
    institution: str | None
    rule: str
    rule_version: int
    title: Text
    severity: Severity
    condition: Condition = Field(description="what the data say. 数据状态。")
    handling: Handling = Field(description="what people did. 处置状态。")
    revision: int
    raised_time: Instant
    updated_time: Instant
    onset: Instant = Field(description="time of the first evidence")
    latest: Instant = Field(description="time of the latest evidence")
    evidence: list[UUID] = Field(description="identities of the events it rests on")
    level: int = Field(description="escalation level reached")
    role: str = Field(description="role whose turn it is")
    judgement: bool = Field(description="rests on a limit of ours that no physician approved there")
    detail: dict[str, Any] = Field(description="the figures the rule used, with their limits")
    assignee: str | None = None
    snoozed_until: Instant | None = None
    acknowledged_time: Instant | None = None
    acknowledged_by: str | None = None
    closed_time: Instant | None = None
    outcome: str | None = None
    comment: str | None = None
    reason: str | None = None
    unreached: bool = Field(False, description="no clinician could be reached 未能联系上医护人员")
    calls: int = Field(0, description="calls to the resident that nobody answered since it became red 未接来电次数")
    step: str | None = Field(None, description="what follows unanswered calls: call-contact, home-visit 下一步")


def title(rule: str, version: int) -> dict[str, str]:
    """The rule's title in both languages; its name where no such version is released."""
    known = released().get(rule, {}).get(version)
    return dict(known.title) if known else {"zh": rule, "en": rule}


def from_row(row: Mapping[str, Any]) -> AlertItem:
    """The alert in a row of the table `alerts`."""
    detail = row["detail"]
    return AlertItem.model_validate(
        {
            **row,
            "id": row["alert"],
            "title": title(row["rule"], row["rule_version"]),
            "detail": orjson.loads(detail or b"{}") if isinstance(detail, str | bytes) else detail,
            **{name: row[name] or None for name in BLANK},
        }
    )


def from_event(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The alert in a derived event, ready for JSON."""
    data = envelope["data"]
    return {
        **{name: data.get(name) for name in AlertItem.model_fields if name in data},
        "id": data["alert"],
        "resident": envelope["subject"],
        "institution": envelope.get("institution"),
        "title": title(data["rule"], data["rule_version"]),
        "updated_time": envelope["recordedtime"],
    }
