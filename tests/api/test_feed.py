"""The feed on a real broker, on a topic of its own: nothing lost, nothing repeated, wherever one cuts in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from api import feed as module
from api.feed import Feed, Step, text
from api.problem import Problem
from infra.clients import admin, producer
from infra.log import headers
from schemas.envelope import Event
from tests.api.test_counts import alert
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session")]

PARTITIONS = 3
WHEN = "2026-01-01T00:00:00.000Z"


class Derived:
    """A topic like `derived`, and a hand to write to it."""

    def __init__(self, topic: str, producer: AIOKafkaProducer) -> None:
        self.topic, self.producer = topic, producer

    async def write(self, event: Event, partition: int) -> None:
        await self.producer.send_and_wait(
            self.topic, event.dumps(), event.subject.encode(), partition=partition,
            headers=headers(event.type, str(event.identity)),
        )  # fmt: skip

    async def alerts(self, first: int, last: int) -> list[str]:
        """Raise alerts ``first`` to ``last`` - 1, spread over the partitions, among records that are none."""
        ids = []
        for number in range(first, last):
            raised = alert(f"{self.topic}-{number}", "raised", WHEN)
            await self.write(raised, number % PARTITIONS)
            progressed = Event(
                id=f"{number}", source="fold", type="mailiu.fold.progressed.v1", subject="clock", time=WHEN,
                data={"next_offset": number},
            )  # fmt: skip
            await self.write(progressed, (number + 1) % PARTITIONS)
            ids.append(raised.data["alert"])
        return ids

    def feed(self) -> Feed:
        return Feed(PARTITIONS, self.topic)


@pytest.fixture
async def derived(kafka: Stack) -> AsyncIterator[Derived]:
    topic = f"derived-{uuid4().hex[:8]}"
    maker = admin()
    await maker.start()
    await maker.create_topics([NewTopic(topic, PARTITIONS, 1)])
    async with producer() as sender:
        while len(await sender.partitions_for(topic)) < PARTITIONS:
            await asyncio.sleep(0.05)
        yield Derived(topic, sender)
    await maker.delete_topics([topic])
    await maker.close()


@asynccontextmanager
async def follow(feed: Feed, position: list[int] | None = None) -> AsyncIterator["Reader"]:
    async with aclosing(feed.follow(position)) as steps:
        yield Reader(steps)


class Reader:
    """Takes steps one by one, each within a bounded time."""

    def __init__(self, steps: AsyncIterator[Step]) -> None:
        self.steps = steps

    async def take(self, n: int) -> list[Step]:
        taken: list[Step] = []
        async with asyncio.timeout(30):
            while len(taken) < n:
                step = await anext(self.steps)
                if step.change is not None:
                    taken.append(step)
        return taken

    async def nothing_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The next thing is a heartbeat."""
        monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.2)
        async with asyncio.timeout(30):
            assert (await anext(self.steps)).change is None


def ids(steps: list[Step]) -> list[str]:
    return [step.change.alert["id"] for step in steps if step.change]


async def test_a_follower_gets_what_comes_after_it_joined(derived: Derived) -> None:
    before = await derived.alerts(0, 5)
    async with derived.feed() as feed, follow(feed) as reader:
        joining = asyncio.create_task(reader.take(4))
        await asyncio.sleep(0.1)
        after = await derived.alerts(5, 9)
        assert sorted(ids(await joining)) == sorted(after)
        assert not set(before) & set(after)


async def test_resumed_after_any_change_the_stream_goes_on_without_loss_or_repeat(
    derived: Derived, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = await derived.alerts(0, 12)
    async with derived.feed() as feed:
        async with follow(feed, [0] * PARTITIONS) as reader:
            first = await reader.take(12)
        every += await derived.alerts(12, 20)
        for cut in range(13):
            position = list(first[cut - 1].position) if cut else [0] * PARTITIONS
            position = await feed.position(text(position))
            async with follow(feed, position) as reader:
                rest = await reader.take(20 - cut)
                await reader.nothing_more(monkeypatch)
            assert sorted(ids(first[:cut] + rest)) == sorted(every)


async def test_another_process_that_is_behind_neither_loses_nor_repeats(
    derived: Derived, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = await derived.alerts(0, 6)
    async with derived.feed() as ahead, derived.feed() as behind:
        async with follow(ahead, [0] * PARTITIONS) as reader:
            taken = await reader.take(6)
        # The other process has not read so far yet: its shared reader stands at the beginning and comes along later.
        assert behind._consumer is not None
        behind.next = [0] * PARTITIONS
        for partition in behind._partitions(derived.topic):
            behind._consumer.seek(partition, 0)
        behind._first.clear()
        async with follow(behind, list(taken[3].position)) as reader:
            rest = await reader.take(2)
            await reader.nothing_more(monkeypatch)
    assert sorted(ids(taken[:4] + rest)) == sorted(every)


async def test_a_slow_follower_loses_its_buffer_and_not_its_place(
    derived: Derived, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUFFER", 5)
    monkeypatch.setattr(module, "CHUNK", 7)
    async with derived.feed() as feed, follow(feed) as reader:
        joining = asyncio.create_task(reader.take(1))
        await asyncio.sleep(0.1)
        every = await derived.alerts(0, 1)
        taken = await joining
        every += await derived.alerts(1, 40)
        async with asyncio.timeout(30):
            while feed.next != list((await feed.ends(derived.topic)).values()):
                await asyncio.sleep(0.02)
        [follower] = feed.followers
        assert follower.overflowed
        assert len(follower.buffer) == 0
        taken += await reader.take(39)
        await reader.nothing_more(monkeypatch)
        every += await derived.alerts(40, 43)
        taken += await reader.take(3)
    assert sorted(ids(taken)) == sorted(every)


async def test_a_change_that_the_worker_sent_again_is_shown_once(
    derived: Derived, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised = alert(f"{derived.topic}-again", "raised", WHEN)
    await derived.write(raised, 1)
    await derived.write(raised, 1)
    async with derived.feed() as feed:
        async with follow(feed, [0] * PARTITIONS) as reader:
            await derived.write(raised, 1)
            assert ids(await reader.take(1)) == [raised.data["alert"]]
            await reader.nothing_more(monkeypatch)
        # Cut between the copies: the first has been seen.
        async with follow(feed, [0, 1, 0]) as reader:
            await reader.nothing_more(monkeypatch)


async def test_a_heartbeat_moves_the_place_past_what_is_not_shown(
    derived: Derived, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.2)
    async with derived.feed() as feed, follow(feed) as reader:
        await derived.write(
            Event(id="1", source="fold", type="mailiu.fold.progressed.v1", subject="clock", time=WHEN, data={}), 2
        )
        async with asyncio.timeout(30):
            while (step := await anext(reader.steps)).position != (0, 0, 1):
                assert step.change is None


async def test_what_is_no_alert_is_passed_over(derived: Derived) -> None:
    await derived.producer.send_and_wait(
        derived.topic, b"{no json", b"R1", partition=0, headers=headers("mailiu.alert.raised.v1", str(uuid4()))
    )
    [id] = await derived.alerts(0, 1)
    async with derived.feed() as feed, follow(feed, [0] * PARTITIONS) as reader:
        assert ids(await reader.take(1)) == [id]
        assert (feed.recent(id) or {})["resident"] == f"R-{derived.topic}-0"


@pytest.mark.parametrize(
    "position", ["", "1", "1-2", "1-2-3-4", "a-b-c", "1-2--3", "-1-0-0", "9-9-9", "0-0-99999999999"]
)
async def test_a_position_that_is_none_of_this_log_is_400(derived: Derived, position: str) -> None:
    async with derived.feed() as feed:
        with pytest.raises(Problem) as caught:
            await feed.position(position)
    assert caught.value.status_code == 400


async def test_an_alert_is_at_hand_before_the_tables_have_it(derived: Derived) -> None:
    async with derived.feed() as feed:
        [id] = await derived.alerts(0, 1)
        async with asyncio.timeout(30):
            while feed.recent(id) is None:
                await asyncio.sleep(0.01)
        assert UUID(id)
        assert feed.recent(str(uuid4())) is None
