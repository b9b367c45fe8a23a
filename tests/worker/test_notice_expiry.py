"""A notice that nobody takes is tried until its deadline, then the next role is told; a late one never starts."""

import asyncio
import uuid
from datetime import datetime, timedelta

import orjson
import pytest

from infra.clock import clock
from infra.log import Log
from schemas.envelope import Event, rfc3339
from schemas.registry import parse
from schemas.topics import EVENTS
from streams.event import read
from streams.sending.channels import secret
from tests.core.resident import Resident
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
        id=f"{id}/queued", source="fold", type="mailiu.notice.queued.v1", subject="R-expiry", institution="I01",
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


def staff(role: str, id: str) -> Event:
    """A rota by which ``id`` is on duty yesterday and today."""
    now = clock().now()
    span = {"start": rfc3339(now - timedelta(days=1)), "end": rfc3339(now + timedelta(days=1))}
    return Event(
        id=f"rota/I01/{role}", source="test", type="mailiu.organization.rota-set.v1", subject="I01", institution="I01",
        time=now, data={"role": role, "shifts": [{"staff": id, **span}], **span},
    )  # fmt: skip


def last_queued(resident: Resident) -> Event:
    """The latest notice that the fold queued."""
    found = [output.value for output in resident.outputs if output.type == "mailiu.notice.queued.v1"]
    return Event.model_validate_json(orjson.dumps(found[-1]))


async def become(*notices: Event) -> dict[str, list[Event]]:
    """As `outcomes`, once there is one of each notice."""
    for _ in range(600):
        found = await outcomes(*notices)
        if all(events and events[-1].type.split(".")[2] != "sent" for events in found.values()):
            return found
        await asyncio.sleep(0.2)
    raise AssertionError("nothing became of them")


async def test_with_the_service_down_a_notice_expires_and_the_next_level_is_told(
    broker: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = Receiver()
    receiver.secret, receiver.status = secret(), 503
    monkeypatch.setenv("MAILIU_NOTICE_WEBHOOK", receiver.url)
    async with Log() as log:
        await log.append(staff("nurse", "N1"))
        await log.append(staff("doctor", "D1"))
    late, resident = queued(clock().now() - timedelta(seconds=1)), Resident()
    with sending(broker):
        # A red has five minutes to be delivered; most of them are over.
        resident.bp(190, 115, round(clock().now().timestamp() * 1000) - 280_000)
        brief = last_queued(resident)
        await derive(late, brief, brief)
        found = await become(late, brief)
        tried = list(receiver.attempts)
        receiver.status = 200
        [expired] = found[brief.data["notice"]]
        resident.fold(read(0, resident.offset, expired.dumps(), str(expired.identity)))
        further = last_queued(resident)
        await derive(further)
        found |= await become(further)
    receiver.close()
    assert further.data["to"] == {"kind": "role", "ref": "doctor"}
    told = {id: [(e.type.split(".")[2], e.data.get("person")) for e in events] for id, events in found.items()}
    assert told == {
        late.data["notice"]: [("expired", None)], brief.data["notice"]: [("expired", "N1")],
        further.data["notice"]: [("sent", "D1"), ("delivered", "D1")],
    }  # fmt: skip
    assert len(tried) > 1, "tried again until then"
    assert len(set(tried)) == 1, "under one id"
    assert receiver.forged == []
