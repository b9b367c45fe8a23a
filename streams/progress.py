"""How far `derived` already goes: the newest `fold.progressed` of a partition.

What the fold derives from events below that offset is in `derived`; a worker that folds them again stays silent.
"""

from collections.abc import Iterable
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.clients import consumer
from schemas.topics import DERIVED
from streams.partition import PROGRESSED

#: Records read from the end at first; most often the last record is the one.
WINDOW = 64


async def newest_progress(numbers: Iterable[int]) -> dict[int, int]:
    """For each partition, the offset below which every event's outputs are in `derived`; 0 where nothing says so."""
    found: dict[int, int] = dict.fromkeys(numbers, 0)
    if not found:
        return found
    reader = consumer()
    await reader.start()
    try:
        partitions = [TopicPartition(DERIVED, number) for number in found]
        reader.assign(partitions)
        starts, ends = await reader.beginning_offsets(partitions), await reader.end_offsets(partitions)
        for tp in partitions:
            start, end, window = starts[tp], ends[tp], WINDOW
            while end > start and not found[tp.partition]:
                begin = max(start, end - window)
                found[tp.partition] = await _newest(reader, tp, begin, end)
                end, window = begin, window * 16
    finally:
        await reader.stop()
    return found


async def _newest(reader: AIOKafkaConsumer, tp: TopicPartition, begin: int, end: int) -> int:
    """The highest `next_offset` among the records from ``begin`` to ``end``."""
    reader.seek(tp, begin)
    newest, position = 0, begin
    while position < end:
        records: list[Any] = (await reader.getmany(tp, timeout_ms=1000)).get(tp, [])
        for record in records:
            if record.offset < end and _type(record) == PROGRESSED:
                newest = max(newest, orjson.loads(record.value)["data"]["next_offset"])
        if records:
            position = records[-1].offset + 1
    return newest


def _type(record: Any) -> str | None:
    return next((value.decode() for name, value in record.headers if name == "ce_type"), None)
