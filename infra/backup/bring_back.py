"""Restore a backup into an empty home: every record at its old partition and offset, under its old time.

Positions matter: they are evidence, the resume points of streams, and what decides which copy of an event counts. A new
partition numbers its records from 0, and nothing is ever deleted from `events` and `derived`, so that appending in
order gives each record its offset again; each acknowledgement is compared with it. Where neither Kafka nor the table
`log` knew a record any more, an empty one takes its place.

Only the broker, ClickHouse and the writer run meanwhile. A restore that was interrupted goes on where the log ends.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import OffsetAndMetadata

from infra import clients
from infra.backup import home
from infra.backup.manifest import Manifest, Partition, Unusable, check, load
from infra.backup.segments import Record, read
from infra.backup.take import TOPICS as RESTORED
from infra.backup.take import Progress
from infra.settings import settings
from infra.vault.rebuild import rebuild
from projections.compare import newest
from schemas.topics import AUDIT, TOPICS

#: Records under way to Kafka at once.
WINDOW = 5_000
#: Seconds in which the writer must get on.
PATIENCE = 120.0
#: The parts that run meanwhile: the writer and what it needs.
PARTS = ["writer"]
#: While old records come back, age and newer keys must not take them away again.
KEEP_ALL = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}


def restore(
    folder: Path, passphrase: str | None, start: Callable[[list[str]], None], progress: Progress = lambda *_: None
) -> Manifest:
    """Restore ``folder``; ``start`` starts parts. Nothing is written before every file was found undamaged.

    Raises `Unusable` where the backup, the passphrase or the home does not serve.
    """
    manifest = load(folder)
    _claim(manifest)
    read_bytes, total = 0, sum(file.bytes for file in manifest.files)

    def seen(size: int) -> None:
        nonlocal read_bytes
        read_bytes += size
        progress("checking every file", read_bytes, total)

    check(folder, manifest, seen)
    seal = home.cipher(passphrase, manifest.salt)
    home.bring_back(settings().home, folder, manifest.home, seal)
    os.environ["MAILIU_PARTITIONS"] = str(manifest.partitions)  # for who makes the topics
    start(PARTS)
    asyncio.run(_log(folder, manifest, progress))
    progress("letting the vault follow the log", 0, 1)
    asyncio.run(rebuild())  # who was erased since is erased again, if the log says so
    (settings().home / home.MARKER).unlink()
    return manifest


def _claim(manifest: Manifest) -> None:
    """Mark an empty home as being restored; one that was marked for the same backup goes on."""
    place = settings().home
    marker = place / home.MARKER
    if marker.exists():
        if marker.read_text() != manifest.identity:
            raise Unusable(f"{place} is half restored from another backup: empty it first")
        return
    if place.exists() and (found := next(iter(sorted(place.iterdir())), None)):
        raise Unusable(f"{place} is not empty ({found.name}): a backup is only restored into an empty MAILIU_HOME")
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    marker.write_text(manifest.identity)


async def _log(folder: Path, manifest: Manifest, progress: Progress) -> None:
    reader, producer = clients.consumer(), clients.producer()
    await reader.start()
    await producer.start()
    try:
        await _keep_all(True)
        done, total = 0, sum(partition.next for partition in manifest.log)
        for partition in manifest.log:
            async for more in _append(reader, producer, folder, partition):
                done += more
                progress(f"{partition.topic}/{partition.partition}", done, total)
        await _projected(manifest, progress)
        await _forget(manifest)
        await _groups(manifest)
        await _keep_all(False)
    finally:
        await producer.stop()
        await reader.stop()


async def _append(reader: AIOKafkaConsumer, producer: AIOKafkaProducer, folder: Path, partition: Partition) -> Any:
    """Append what is not there yet; yields how many offsets are done."""
    at = TopicPartition(partition.topic, partition.partition)
    begin = (await reader.end_offsets([at]))[at]
    if begin > partition.next or (begin and not await _same(reader, at, begin, folder, partition)):
        raise Unusable(f"Kafka already holds other records in {at.topic}/{at.partition}: give it an empty Kafka")
    yield begin
    waiting: list[Any] = []

    async def settle() -> None:
        for expected, sent in waiting:
            if (offset := (await sent).offset) != expected:
                raise Unusable(f"somebody else writes to {at.topic}/{at.partition}: offset {offset}, not {expected}")
        waiting.clear()

    for record in _records(folder, partition, begin):
        sent = await producer.send(
            at.topic, record.value, record.key, partition=at.partition, timestamp_ms=record.timestamp,
            headers=list(record.headers),
        )  # fmt: skip
        waiting.append((record.offset, sent))
        if len(waiting) >= WINDOW:
            yield len(waiting)
            await settle()
    yield len(waiting)
    await settle()


def _records(folder: Path, partition: Partition, begin: int) -> Iterator[Record]:
    """The partition's records from offset ``begin`` on, an empty one for each offset of which nothing is known."""
    next, time = begin, 0
    for segment in partition.segments:
        if segment.next <= begin:
            continue
        for record in read(folder / segment.name, begin):
            for missing in range(next, record.offset):
                yield Record(missing, record.timestamp, b"", None)
            yield record
            next, time = record.offset + 1, record.timestamp
    for missing in range(next, partition.next):
        yield Record(missing, time, b"", None)


async def _same(reader: AIOKafkaConsumer, at: TopicPartition, end: int, folder: Path, partition: Partition) -> bool:
    """Whether the record before ``end`` is that of the backup."""
    reader.assign([at])
    reader.seek(at, end - 1)
    return Record.of(await reader.getone(at)) == next(_records(folder, partition, end - 1))


async def _projected(manifest: Manifest, progress: Progress) -> None:
    """Wait until the writer has mirrored everything."""
    wanted = {(p.topic, p.partition): p.next for p in manifest.log if p.next and p.topic != AUDIT}
    total, before, moved = sum(wanted.values()), -1, time.monotonic()
    with clients.clickhouse() as client:
        while True:
            here = newest(client)
            done = sum(min(end, here.get(at, 0)) for at, end in wanted.items())
            progress("filling the tables", done, total)
            if done >= total:
                return
            if done > before:
                before, moved = done, time.monotonic()
            if time.monotonic() - moved > PATIENCE:
                raise Unusable(f"the writer stands at {done:,} of {total:,} records; `mailiu status` says why")
            await asyncio.sleep(0.3)


async def _forget(manifest: Manifest) -> None:
    """Let Kafka hold no more than it did: the rest came from the table `log` and is there again."""
    old = {TopicPartition(p.topic, p.partition): RecordsToDelete(p.start) for p in manifest.log if 0 < p.start < p.next}
    if old:
        async with clients.started_admin() as admin:
            await admin.delete_records(old)


async def _groups(manifest: Manifest) -> None:
    """Let consumers go on where they were: what they sent is not sent again."""
    for group, offsets in manifest.groups.items():
        places = {}
        for name, offset in offsets.items():
            topic, _, number = name.rpartition("/")
            places[TopicPartition(topic, int(number))] = OffsetAndMetadata(offset, "")
        if places:
            member = clients.consumer(group=group)
            await member.start()
            try:
                member.assign(list(places))
                await member.commit(places)
            finally:
                await member.stop()


async def _keep_all(everything: bool) -> None:
    """Suspend what lets Kafka forget, or put the topics' own settings in force again."""
    changed = []
    for topic in TOPICS:
        if topic.name in RESTORED:
            config = KEEP_ALL if everything else topic.config
            changed.append(ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=config))
    async with clients.started_admin() as admin:
        await admin.alter_configs(changed)
