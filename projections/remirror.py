"""Mend `log` itself: compare it with Kafka and write the rows anew that differ.

The views pass on what is written again; what a wrong row had put into a target stays there until that projection is
rebuilt. Records that Kafka has forgotten are left as `log` holds them.
"""

import asyncio
from collections.abc import Callable

from aiokafka import TopicPartition
from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver import Client

from infra.clients import consumer
from projections.compare import newest
from projections.fill import follow
from projections.mirror import COLUMNS, Batch
from projections.refold import WHOLE, contents, held, records
from projections.writer import SETTINGS, knowntime

#: Told how many records are compared, and how many there are.
Progress = Callable[[int, int], None]


def remirror(client: Client, progress: Progress = lambda *_: None) -> int:
    """Compare everything that the writer has mirrored; how many rows were written anew."""
    return asyncio.run(_remirror(client, progress))


async def _remirror(client: Client, progress: Progress) -> int:
    ends = newest(client)
    mended, seen = 0, 0
    reader = consumer()
    await reader.start()
    try:
        for (topic, partition), end in sorted(ends.items()):
            at, known = TopicPartition(topic, partition), 0
            async for run in records(reader, at, end):
                if topic not in WHOLE:  # earlier records may be gone
                    known = knowntime(client, at, run[0].offset)
                batch = Batch()
                known = batch.add(run, known)
                mended += mend(client, topic, partition, batch)
                seen += len(run)
                progress(seen, sum(ends.values()))
    finally:
        await reader.stop()
    return mended


def mend(client: Client, topic: str, partition: int, batch: Batch) -> int:
    """Write those rows of ``batch`` anew that `log` lacks or holds otherwise; how many."""
    first, end = batch.ranges[topic, partition]
    wanted, here = contents(batch, topic), held(client, topic, partition, first, end)
    wrong = {offset for offset, row in wanted.items() if here.get(offset) != row}
    rows = [number for number, offset in enumerate(batch.columns["offset"]) if offset in wrong]
    if rows:
        client.insert(
            "log", [[column[number] for number in rows] for column in batch.columns.values()],
            column_names=list(COLUMNS), column_types=[get_from_name(type) for type in COLUMNS.values()],
            column_oriented=True, settings=SETTINGS,
        )  # fmt: skip
        follow(client, {(topic, partition): (min(wrong), max(wrong) + 1)})
    return len(wrong)
