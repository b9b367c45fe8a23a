"""Everything that Kafka's log decides is made anew aside and compared with what is served.

An end offset is pinned for each partition first; nothing above it is looked at, so that writes may go on meanwhile.
Derived events are compared by identity and content, never by offset.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
from aiokafka import TopicPartition
from clickhouse_connect.driver import Client

from infra.clients import clickhouse, consumer
from infra.settings import settings
from projections import rebuild, refold
from projections.compare import Difference, Pins, compare, newest
from projections.fill import backfill
from projections.schema import declared
from schemas.topics import DERIVED, DEVICES, EVENTS, REJECTED

#: Told what is being done, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]
PATIENCE = 60.0


class Behind(RuntimeError):
    """The writer has not yet projected what was pinned."""


def verify(progress: Progress = lambda *_: None, patience: float = PATIENCE) -> list[Difference]:
    """Compare `log` with Kafka, derived events with a straight fold, every table with one built aside.

    Raises `Behind` when the writer does not reach the pinned offsets within ``patience`` seconds.
    """
    return asyncio.run(_verify(progress, patience))


async def _verify(progress: Progress, patience: float) -> list[Difference]:
    reader = consumer()
    await reader.start()
    try:
        pins = await pin(reader)
        with clickhouse() as client:
            await _projected(client, pins, patience, progress)
            read, total = 0, sum(pins.values())

            def seen(more: int) -> None:
                nonlocal read
                read += more
                progress("Kafka, log and fold", read, total)

            return [*await refold.check(reader, client, pins, seen), *projections(client, pins, progress)]
    finally:
        await reader.stop()


async def pin(reader: object) -> Pins:
    """The end of every partition that the writer mirrors."""
    from infra.clients import admin

    client = admin()
    await client.start()
    try:
        topics = await client.describe_topics([EVENTS, DERIVED, REJECTED, DEVICES])
    finally:
        await client.close()
    partitions = [TopicPartition(t["topic"], p["partition"]) for t in topics for p in t["partitions"]]
    ends = await reader.end_offsets(partitions)  # type: ignore[attr-defined]
    return {(at.topic, at.partition): end for at, end in sorted(ends.items()) if end}


async def _projected(client: Client, pins: Pins, patience: float, progress: Progress) -> None:
    """Wait until the writer has projected everything below ``pins``."""
    deadline, total = time.monotonic() + patience, sum(pins.values())
    exists = "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'positions'"
    while True:
        here = newest(client) if client.query(exists).result_rows[0][0] else {}
        lag = {at: end - here.get(at, 0) for at, end in pins.items() if here.get(at, 0) < end}
        if not lag:
            return
        if time.monotonic() > deadline:
            (topic, partition), missing = next(iter(lag.items()))
            raise Behind(
                f"the writer is {sum(lag.values()):,} records behind ({topic}/{partition}: {missing:,});"
                " is it running? `mailiu status` says"
            )
        progress("waiting for the writer", total - sum(lag.values()), total)
        await asyncio.sleep(0.2)


def projections(client: Client, pins: Pins, progress: Progress) -> list[Difference]:
    """Build every projection aside from `log` and compare it, table by table."""
    database, results = settings().clickhouse_database, []
    with aside(client) as (scratch, name):
        for each in declared():
            for statement in each.fixed:
                scratch.command(statement.text)
        for each in declared():
            if not each.tables or (version := rebuild.live(client, each)) is None:
                continue
            rebuild.create(scratch, each, 1)
            label = f"projection {each.name}"
            backfill(scratch, each, 1, f"{database}.log", pins, lambda n, of, label=label: progress(label, n, of))  # type: ignore[misc]
            for base in each.bases:
                served, copy = f"{database}.{base}_v{version}", f"{name}.{base}_v1"
                results.append(compare(client, base, served, copy, pins))
    return results


@contextmanager
def aside(client: Client) -> Iterator[tuple[Client, str]]:
    """A database of this process, dropped at the end; those of processes that died are dropped before."""
    prefix = f"{settings().clickhouse_database}_verify_"
    for (left,) in client.query("SHOW DATABASES").result_rows:
        if left.startswith(prefix) and not psutil.pid_exists(int(left.removeprefix(prefix))):
            client.command(f"DROP DATABASE {left} SYNC")
    name = f"{prefix}{os.getpid()}"
    client.command(f"CREATE DATABASE {name}")
    try:
        with clickhouse(database=name) as scratch:
            yield scratch, name
    finally:
        client.command(f"DROP DATABASE IF EXISTS {name} SYNC")
