"""What `mailiu status` shows: each part's state, since when, its address, its lag and its memory."""

import asyncio
import shutil
import time
from dataclasses import asdict
from typing import Any

import psutil
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from infra.clients import admin, consumer
from infra.part import remarked
from infra.settings import settings
from infra.stack import broker_remark
from infra.stack.supervisor import State, read_status
from schemas.topics import DERIVED, DEVICES, EVENTS, REJECTED

#: Consumer group of each part and the topics it has to keep up with.
GROUPS = {
    "writer": (EVENTS, DERIVED, REJECTED, DEVICES),
    "worker": (EVENTS,),
    "sender": (DERIVED,),
    "carrier": (DERIVED,),
}

LITTLE = 512 << 20  #: bytes free on a part's disk below which `mailiu status` speaks of it


def memory(state: State) -> int | None:
    """Resident memory of the part's process, in MiB."""
    try:
        return round(psutil.Process(state.pid).memory_info().rss / 2**20) if state.pid else None
    except psutil.NoSuchProcess:
        return None


async def lags() -> dict[str, int]:
    """Records that writer, worker and sender have not yet committed, by part; empty when Kafka does not answer."""
    client, reader = admin(), consumer()
    try:
        async with asyncio.timeout(10):
            await client.start()
            await reader.start()
            answer = {}
            for part, topics in GROUPS.items():
                committed = await client.list_consumer_group_offsets(f"mailiu-{part}")
                mine = [
                    TopicPartition(topic, number) for topic in topics for number in await _partitions(reader, topic)
                ]
                ends = await reader.end_offsets(mine)
                done = {tp: committed[tp].offset if tp in committed else 0 for tp in mine}
                answer[part] = sum(max(0, ends[tp] - max(0, done[tp])) for tp in mine)
            return answer
    except (KafkaError, OSError, TimeoutError):
        return {}
    finally:
        await reader.stop()
        await client.close()


async def _partitions(reader: Any, topic: str) -> list[int]:
    reader.subscribe([topic])
    found = reader.partitions_for_topic(topic)
    if found is None:
        await reader._client.force_metadata_update()
        found = reader.partitions_for_topic(topic) or set()
    return sorted(found)


def status() -> list[dict[str, Any]]:
    """One row a part: part, state, since (seconds), address, lag (records), memory (MiB), restarts, message, log."""
    states = read_status()
    behind = (
        asyncio.run(lags()) if any(s.part == "kafka" and s.state in ("running", "external") for s in states) else {}
    )
    now = time.time()
    rows = [asdict(s) | {"since": round(now - s.since), "lag": behind.get(s.part), "memory": memory(s)} for s in states]
    for row in rows:
        row["message"] = _message(row, reachable=bool(behind)) or None
    return rows


def _message(row: dict[str, Any], reachable: bool) -> str:
    """What is to be said of a part: by the supervisor, by itself, and by what we see. ``reachable``: Kafka answered."""
    name = row["part"]
    said = [row["message"], remarked(name)]
    if name == "mosquitto":
        said.append(broker_remark.remark())
    if name == "kafka" and row["state"] == "running" and not reachable:
        said.append("does not answer")
    folder = settings().home / name
    if folder.is_dir() and (free := shutil.disk_usage(folder).free) < LITTLE:
        said.append(f"only {free >> 20} MiB free on its disk")
    return "; ".join(text for text in said if text)
