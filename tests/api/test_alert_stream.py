"""What is there at once is one view; nothing is shown that is not in the audit trail."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from api import alert_stream
from api.alert_stream import _audited, _together
from api.auth import Caller
from api.feed import Change, Step
from api.problem import Problem

WHO = Caller("D1", "clinician", frozenset({"I01"}))


def step(number: int, resident: str = "R1") -> Step:
    return Step(Change(0, number, "raised", {"id": str(number), "resident": resident}), (number + 1,))


async def test_steps_that_are_there_come_together_and_in_order_and_late_ones_alone() -> None:
    gate = asyncio.Event()

    async def steps() -> AsyncGenerator[Step, None]:
        for number in range(450):
            yield step(number)
        await gate.wait()
        yield step(450)

    batches = []
    async for batch in _together(steps()):
        batches.append([each.position[0] - 1 for each in batch])
        if batch[-1].position[0] == 450:
            gate.set()
    assert [number for batch in batches for number in batch] == list(range(451))
    assert [len(batch) for batch in batches] == [200, 200, 50, 1]
    assert batches[-1] == [450]


async def test_who_stops_listening_ends_the_reading() -> None:
    ended = asyncio.Event()

    async def steps() -> AsyncGenerator[Step, None]:
        try:
            yield step(0)
            await asyncio.Event().wait()
        finally:
            ended.set()

    batches = _together(steps())
    assert len(await anext(batches)) == 1
    await batches.aclose()
    assert ended.is_set()


async def test_a_failing_feed_fails_the_stream_instead_of_stopping_it() -> None:
    async def steps() -> AsyncGenerator[Step, None]:
        yield step(0)
        raise OSError("gone")

    batches = _together(steps())
    with pytest.raises(OSError, match="gone"):
        async for _ in batches:
            pass


class Trail:
    """A backend whose trail can fail."""

    def __init__(self) -> None:
        self.seen: list[set[str]] = []
        self.fails = False

    async def viewed(self, who: Caller, what: str, residents: Any) -> None:
        if self.fails:
            raise Problem(503)
        self.seen.append(set(residents))


async def test_each_resident_is_written_before_being_shown_and_again_an_hour_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trail, known = Trail(), dict[str, float]()
    now = 1000.0
    monkeypatch.setattr(alert_stream.time, "monotonic", lambda: now)
    heartbeat = Step(None, (3,))
    assert await _audited(trail, WHO, [step(0, "R1"), step(1, "R2"), heartbeat], known)  # type: ignore[arg-type]
    assert await _audited(trail, WHO, [step(2, "R1")], known)  # type: ignore[arg-type]
    now += 3600
    assert await _audited(trail, WHO, [step(3, "R1")], known)  # type: ignore[arg-type]
    assert trail.seen == [{"R1", "R2"}, set(), {"R1"}]
    trail.fails = True
    assert not await _audited(trail, WHO, [step(4, "R3")], known)  # type: ignore[arg-type]
    assert "R3" not in known
