"""What the REST gateway refuses, kept whole on the topic `rejected`: raw bytes (encrypted), where from and why."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import orjson

from infra.log import Log
from infra.observe import metrics
from infra.rejected import record
from mqtt_ingest.decoded import shown
from mqtt_ingest.texts import explain
from schemas.envelope import InvalidEvent, identity
from schemas.topics import REJECTED

#: Reasons that only this gateway has; the others are explained as for every gateway.
TEXTS = {
    "not-allowed": ("令牌无此权限", "is not for this token"),
    "wrong-institution": ("不在令牌的机构范围内", "is not covered by the token"),
    "unknown-alert": ("没有此告警", "is no alert that the token covers"),
    "future": ("时间在未来", "lies in the future"),
    "personal": (
        "含有居民姓名、电话或证件号，应登记在身份信息中",
        "names a person, which belongs in an identity",
    ),
    "managed-elsewhere": (
        "不是管理该居民的机构；请由管理机构转出",
        "is not the institution that manages the resident; that one must transfer first",
    ),
    "unknown-resident": ("不是令牌可见的另一名居民", "is no other resident that the token covers"),
    "unknown-patient": ("没有令牌可见的居民使用此证件号", "is the number of no resident that the token covers"),
    "several-patients": (
        "有多名居民使用此证件号，请先核对合并",
        "is the number of several residents: look at duplicates first",
    ),
    "no-consent": ("居民尚未同意监测", "needs the resident's consent for monitoring at that time"),
    "guardian-needed": ("不满14周岁须由监护人同意", "is missing: under 14 years a guardian consents"),
    "forbidden-act": ("当前不允许此操作：{detail}", "cannot be done now: {detail}"),
}


class Refused(Exception):
    """An event that is not taken: the HTTP status it would have by itself, the reason, field and value."""

    def __init__(self, status: int, reason: str, field: str, value: object, detail: str = "") -> None:
        super().__init__(reason)
        self.status, self.reason, self.field, self.value = status, reason, field, shown(value)
        if reason in TEXTS:
            zh, en = (text.format(detail=detail) for text in TEXTS[reason])
            self.message = {"zh": f"{field}（{self.value}）{zh}", "en": f"{field} ({self.value}) {en}"}
        else:
            self.message = explain(reason, field, self.value, detail)

    @classmethod
    def invalid(cls, error: InvalidEvent) -> "Refused":
        """The refusal of an event that breaks its schema."""
        return cls(400 if error.code == "unreadable" else 422, error.code, error.field, error.value, error.reason)


#: A refused event that is larger, eight times what an event may have, is cut here: encrypted it must fit a record.
KEPT_BYTES = 2 << 20


class Kept(NamedTuple):
    """What goes to `rejected`: the bytes as sent, why they are refused, and what is known of kind and institution."""

    raw: bytes
    why: Refused
    where: Mapping[str, str | None] = {}


async def keep(log: Log, actor: str, refused: Iterable[Kept]) -> None:
    """Append what was refused to `rejected`; returns once Kafka holds it all. The same bytes have the same id."""
    assert log.producer is not None
    source = f"rest/{actor}"
    futures = []
    for raw, why, where in refused:
        id, cut = identity(source, hashlib.sha256(raw).hexdigest()), raw[:KEPT_BYTES]
        value = record(id, source, why.reason, why.field, why.value, why.message, cut, **where)
        futures.append(await log.producer.send(REJECTED, orjson.dumps(value), source.encode()))
        metrics.REJECTED.labels(why.reason).inc()
    for future in futures:
        await future
