"""The door to the log: where an event lands, what its record carries, and who is not let in."""

import re
import time
from datetime import UTC, datetime

import pytest
from aiokafka import TopicPartition

from infra import log as log_module
from infra.clients import consumer
from infra.log import ClockOff, Log
from schemas.envelope import Event
from schemas.topics import EVENTS, partition_of
from tests.stack import Stack

pytestmark = pytest.mark.stack


def event(type: str, subject: str, **data: object) -> Event:
    return Event(
        id=f"{time.time_ns()}", source="test/log", type=type, subject=subject, time=datetime.now(UTC),
        institution="I01", data=data,
    )  # fmt: skip


async def test_an_event_lands_in_its_residents_partition_with_type_identity_and_time(kafka: Stack) -> None:
    sent = event("mailiu.chronic.condition-resolved.v1", "LOG-R1", code="I10")
    recorded = datetime(2026, 3, 1, 8, tzinfo=UTC)
    async with Log() as log:
        (position,) = await log.append(sent, recorded)
        assert position.partition == partition_of(b"LOG-R1", log.partitions)
    reader = consumer()
    await reader.start()
    try:
        tp = TopicPartition(EVENTS, position.partition)
        reader.assign([tp])
        reader.seek(tp, position.offset)
        record = await reader.getone()
    finally:
        await reader.stop()
    assert record.key == b"LOG-R1"
    assert dict(record.headers) == {"ce_type": sent.type.encode(), "ce_id": str(sent.identity).encode()}
    assert record.timestamp == round(recorded.timestamp() * 1000)


async def test_what_concerns_many_residents_goes_to_every_partition(kafka: Stack) -> None:
    async with Log() as log:
        positions = await log.append(event("mailiu.rule.activated.v1", "rules", rule="bp-crisis", version=1))
        assert sorted(p.partition for p in positions) == list(range(log.partitions))


@pytest.mark.parametrize("off", [-5.0, 5.0])
async def test_a_gateway_whose_clock_is_off_does_not_start(
    kafka: Stack, monkeypatch: pytest.MonkeyPatch, off: float
) -> None:
    real = time.time
    monkeypatch.setattr(log_module.time, "time", lambda: real() + off)
    with pytest.raises(ClockOff, match=re.escape(f"{off:+.0f}")):
        async with Log():
            pass
