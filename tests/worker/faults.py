"""What the fault tests share: workers to kill, events to fold, and the comparison with a straight fold of the log."""

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition

from infra.clients import consumer
from infra.clock import clock
from infra.log import Log
from schemas.envelope import Event
from schemas.topics import DERIVED, EVENTS
from streams import fold
from streams.event import TICK, Output
from streams.partition import PROGRESSED, Partition, Plain
from streams.store import Store
from tests.stack import ROOT, Stack

WAIT = 120.0


class Worker:
    """A worker process that is started again when it ends, as the supervisor does."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.stack, self.name, self.starts, self.codes = stack, name, 0, Counter[int]()
        self.log = stack.home / f"worker-{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start the process."""
        environment = os.environ | self.stack.environment | {"MAILIU_WORKER": self.name}
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "infra.cli", "part", "worker"],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )  # fmt: skip
        self.starts += 1

    def keep(self) -> None:
        """Start the process again if it has ended."""
        assert self.process is not None
        code = self.process.poll()
        if code is not None:
            self.codes[code] += 1
            self.start()

    def kill(self, which: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(which)

    def stop(self) -> int:
        """End the process; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def readings(start: int, count: int, residents: int = 1000) -> Iterator[Event]:
    """Blood pressures of many people, every fortieth one a crisis; and who wears which device."""
    chance = random.Random(start)
    if start == 0:
        for n in range(residents):
            yield Event(
                id=f"bound-{n}", source="faults", type="mailiu.device.bound.v1", subject=f"p{n}", institution="I01",
                time=clock().now() - timedelta(days=1), data={"device": f"D{n}"},
            )  # fmt: skip
    for n in range(start, start + count):
        crisis = chance.random() < 1 / 40
        yield Event(
            id=f"r{n}", source="faults", type="mailiu.reading.blood-pressure-measured.v1",
            subject=f"p{chance.randrange(residents)}", institution="I01",
            time=clock().now() - timedelta(seconds=chance.randrange(60)),
            data={"systolic": chance.randrange(180, 220) if crisis else chance.randrange(105, 165),
                  "diastolic": chance.randrange(60, 95), "device": "D1"},
        )  # fmt: skip


async def feed(events: Iterator[Event], rate: float) -> int:
    """Append events at ``rate`` a second; how many."""
    count, started = 0, time.monotonic()
    async with Log() as log:
        waiting = []
        for event in events:
            waiting.append(await log.send(event))
            count += 1
            if count % 100 == 0:
                await asyncio.sleep(max(0.0, started + count / rate - time.monotonic()))
        await asyncio.gather(*waiting)
    return count


async def everything(topic: str) -> dict[int, list[Any]]:
    """All records of a topic by partition."""
    reader = consumer()
    await reader.start()
    try:
        reader.subscribe([topic])
        await reader._client.force_metadata_update()
        partitions = [TopicPartition(topic, n) for n in sorted(reader.partitions_for_topic(topic) or ())]
        reader.unsubscribe()
        reader.assign(partitions)
        await reader.seek_to_beginning()
        ends = await reader.end_offsets(partitions)
        found: dict[int, list[Any]] = {tp.partition: [] for tp in partitions}
        while any(len(found[tp.partition]) < end for tp, end in ends.items()):
            for tp, records in (await reader.getmany(timeout_ms=1000)).items():
                found[tp.partition] += [r for r in records if r.offset < ends[tp]]
        return found
    finally:
        await reader.stop()


def folded(stack: Stack) -> dict[int, int]:
    """The next offset of each store."""
    offsets = {}
    for file in (stack.home / "store").glob("*.sqlite"):
        db = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=1)
        with closing(db), suppress(sqlite3.OperationalError):  # being made, or being recovered
            row = db.execute("SELECT next FROM mark").fetchone()
            offsets[int(file.stem)] = row[0] if row else 0
    return offsets


async def ends_without_ticks() -> dict[int, int]:
    """For each partition of `events`, the offset behind the last record that is no tick."""
    return {
        n: max((r.offset + 1 for r in records if dict(r.headers).get("ce_type") != TICK.encode()), default=0)
        for n, records in (await everything(EVENTS)).items()
    }


@asynccontextmanager
async def kept(*workers: Worker) -> AsyncIterator[None]:
    """Keep ``workers`` running; stop them in the end."""

    async def keep() -> None:
        while True:
            for worker in workers:
                worker.keep()
            await asyncio.sleep(0.1)

    task = asyncio.create_task(keep())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for worker in workers:
            worker.codes[worker.stop()] += 1


async def until_folded(stack: Stack, ends: dict[int, int]) -> None:
    """Wait until every store is past ``ends``; fail when nothing moves any more."""
    before, moved = folded(stack), time.monotonic()
    while any((now := folded(stack)).get(n, 0) < end for n, end in ends.items()):
        if now != before:
            before, moved = now, time.monotonic()
        assert time.monotonic() - moved < WAIT, f"stalled at {now} of {ends}"
        await asyncio.sleep(0.2)


@dataclass
class Comparison:
    """What a run left behind, against a straight fold of its log."""

    events: int = 0
    bad_states: int = 0
    residents: int = 0
    outputs: int = 0  #: distinct ids in `derived`
    sent: int = 0
    missing: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)
    differing: set[str] = field(default_factory=set)  #: one id, two contents
    progress: int = 0

    def __str__(self) -> str:
        return (
            f"{self.events} events, {self.residents} residents ({self.bad_states} states wrong), "
            f"{self.outputs} outputs ({len(self.missing)} missing, {len(self.foreign)} foreign, "
            f"{len(self.differing)} differing, {self.sent - self.outputs} sent again), {self.progress} progress records"
        )

    @property
    def exact(self) -> bool:
        """Nothing lost, nothing invented, nothing folded twice."""
        return not (self.bad_states or self.missing or self.foreign or self.differing)


def derived_ids(outputs: list[Output]) -> set[str]:
    """Identities of what goes to `derived`, progress apart."""
    return {o.identity for o in outputs if o.topic == DERIVED and o.type != PROGRESSED}


async def compare(stack: Stack) -> Comparison:
    """Fold the log straight and compare states and outputs with what stopped workers left."""
    log, derived, result = await everything(EVENTS), await everything(DERIVED), Comparison()
    for number, records in log.items():
        plain = [Plain(r.offset, r.value, r.headers) for r in records]
        store, straight = Store(stack.home / "store" / f"{number}.sqlite", fold.VERSION), Store(None, fold.VERSION)
        partition = Partition(number, straight)
        must = derived_ids(partition.apply(plain[: store.mark.next]))
        states, expected = set(store.states()), set(straight.states())
        assert store.mark == straight.mark
        may = must | derived_ids(partition.apply(plain[partition.resume :]))
        got: dict[str, bytes] = {}
        for record in derived[number]:
            about = dict(record.headers)
            if about["ce_type"] == PROGRESSED.encode():
                result.progress += 1
                continue
            identity = about["ce_id"].decode()
            result.sent += 1
            if got.setdefault(identity, record.value) != record.value:
                result.differing.add(identity)
        result.events += store.mark.next
        result.residents += len(expected)
        result.bad_states += len({subject for subject, _, _ in states ^ expected})
        result.outputs += len(got)
        result.missing |= must - set(got)
        result.foreign |= set(got) - may
        store.close()
    return result


def remove_stores(stack: Stack) -> None:
    """Delete every store."""
    for file in Path(stack.home / "store").iterdir():
        file.unlink()
