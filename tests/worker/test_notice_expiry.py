"""A notice that no message service takes is tried until its deadline and then given up; a late one never starts."""

import asyncio
import uuid
from datetime import datetime, timedelta

import pytest

from infra.clock import clock
from infra.log import Log
from schemas.envelope import Event, rfc3339
from schemas.registry import parse
from schemas.topics import EVENTS
from streams.sending.channels import secret
from tests.notice.receiver import Receiver
from tests.stack import Stack
from tests.worker.faults import everything
from tests.worker.test_sender import derive, sending

pytestmark = pytest.mark.stack


def queued(deadline: datetime) -> Event:
    """A notice for the nurse on duty, as the fold queues it."""
    id, now = str(uuid.uuid4()), clock().now()
    data = {
        "notice": id, "to": {"kind": "role", "ref": "nurse"}, "purpose": "alert", "level": 0,
        "deadline": rfc3339(deadline), "text": {"zh": "红色告警", "en": "Red alert"},
    }  # fmt: skip
    return Event(
        id=f"{id}/queued", source="fold", type="mailiu.notice.queued.v1", subject="R-expiry", institution="I09",
        time=now, recordedtime=now, data=data,
    )  # fmt: skip


async def outcomes(*notices: Event) -> dict[str, list[Event]]:
    """What the log says became of each notice."""
    found: dict[str, list[Event]] = {n.data["notice"]: [] for n in notices}
    for records in (await everything(EVENTS)).values():
        for record in records:
            if dict(record.headers).get("ce_type", b"").startswith(b"mailiu.notice."):
                event = parse(record.value)
                if event.data["notice"] in found:
                    found[event.data["notice"]].append(event)
    return found


async def test_a_notice_that_nobody_takes_expires_at_its_deadline(
    broker: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, now = Receiver(), clock().now()
    receiver.secret, receiver.status = secret(), 503
    monkeypatch.setenv("MAILIU_NOTICE_WEBHOOK", receiver.url)
    span = {"start": rfc3339(now - timedelta(days=1)), "end": rfc3339(now + timedelta(days=1))}
    rota = {"role": "nurse", "shifts": [{"staff": "N1", **span}], **span}
    set_rota = Event(
        id="rota/I09", source="test", type="mailiu.organization.rota-set.v1", subject="I09", institution="I09",
        time=now, data=rota,
    )  # fmt: skip
    async with Log() as log:
        await log.append(set_rota)
    late = queued(now - timedelta(seconds=1))
    with sending(broker):
        brief = queued(clock().now() + timedelta(seconds=20))
        await derive(late, brief, brief)
        for _ in range(600):
            found = await outcomes(late, brief)
            if all(found.values()):
                break
            await asyncio.sleep(0.2)
    receiver.close()
    told = {id: [(e.type.split(".")[2], e.data.get("person")) for e in events] for id, events in found.items()}
    assert told == {late.data["notice"]: [("expired", None)], brief.data["notice"]: [("expired", "N1")]}
    assert len(receiver.attempts) > 1, "tried again until then"
    assert len(set(receiver.attempts)) == 1, "under one id"
    assert receiver.forged == []
