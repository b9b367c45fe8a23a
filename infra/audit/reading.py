"""The audit trail, read from Kafka from its beginning to its end at the start."""

from collections.abc import AsyncIterator

from aiokafka import TopicPartition

from infra.clients import consumer
from schemas.topics import AUDIT


async def records() -> AsyncIterator[tuple[int, bytes]]:
    """Offset and value of every record; raises ``KafkaError``."""
    place = TopicPartition(AUDIT, 0)
    reader = consumer()
    await reader.start()
    try:
        reader.assign([place])
        await reader.seek_to_beginning(place)
        end = (await reader.end_offsets([place]))[place]
        while await reader.position(place) < end:
            for batch in (await reader.getmany(timeout_ms=500)).values():
                for record in batch:
                    if record.offset < end:
                        yield record.offset, record.value or b""
    finally:
        await reader.stop()
