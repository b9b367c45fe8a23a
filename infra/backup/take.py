"""Take a backup while everything runs: whole up to the offsets at which each partition ended when it began.

The order in which ends are noted makes them fit together. `derived` comes before `events`: every event that something
was derived from is there, so that a restored worker goes on behind the newest `fold.progressed` and misses nothing.
What lies above in the other topics is made again under the same identities. The home follows `events`, so that the
vault has the key of everybody in the log; `audit` is last, so that its chain reaches as far as the home knows.

Into a folder that holds an earlier backup of the same log only what is new is written.
"""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import Error as ClickHouseError

from infra import clients
from infra.backup import home
from infra.backup.manifest import NAME, Manifest, Partition, Unusable, load
from infra.backup.segments import Record, Writer, read
from infra.clock import clock
from infra.settings import settings
from schemas.envelope import rfc3339
from schemas.topics import AUDIT, DERIVED, DEVICES, EVENTS, REJECTED
from streams import fold

#: Ends are noted in this order, and that of `audit` after the home is copied; see above.
ORDER = (DERIVED, DEVICES, REJECTED, EVENTS)
TOPICS = (*ORDER, AUDIT)
#: Topics from which Kafka itself takes records: by age, or where a newer one has the same key.
FORGETFUL = (REJECTED, DEVICES)
#: Groups that find their place by themselves: the writer by its table, the worker by `derived`.
SELF_FINDING = ("mailiu-writer", "mailiu-worker")

#: Offsets asked of the table `log` at once.
CHUNK = 10_000

#: Told what is being done, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]


async def backup(folder: Path, passphrase: str | None, progress: Progress = lambda *_: None) -> Manifest:
    """Back up log and home to ``folder``. Raises `Unusable` for a folder that holds something else."""
    previous = _previous(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    reader = clients.consumer()
    await reader.start()
    try:
        progress("noting where the log ends", 0, 1)
        ends, groups = await _ends(reader)
        made = rfc3339(clock().now())
        salt = home.new_salt(passphrase)
        kept = home.keep(settings().home, folder, f"home-{made.replace(':', '')}", home.cipher(passphrase, salt))
        ends |= await _end(reader, AUDIT)
        partitions = [at for at in ends if at.topic == EVENTS]
        log, done, total = [], 0, sum(ends.values())
        for at, end in ends.items():
            known = previous and next((p for p in previous.log if (p.topic, p.partition) == at), None)
            writer = Writer(folder, *at)
            start = (await reader.beginning_offsets([at]))[at]
            first = await _goes_on(reader, at, folder, known, end) if known else 0
            done += first
            async for run in _whole(reader, at, first, end):
                writer.add(run)
                done += len(run)
                progress(f"{at.topic}/{at.partition}", done, total)
            writer.flush()
            segments = (*(known.segments if known else ()), *writer.done)
            log.append(Partition(topic=at.topic, partition=at.partition, start=start, next=end, segments=segments))
    finally:
        await reader.stop()
    manifest = Manifest(
        mailiu=version("mailiu"), fold=fold.VERSION, made=made, partitions=len(partitions), log=tuple(log),
        groups=groups, home=tuple(kept), salt=salt,
    )  # fmt: skip
    manifest.save(folder)
    _remove_others(folder, manifest)
    return manifest


def _previous(folder: Path) -> Manifest | None:
    if not folder.exists() or not any(folder.iterdir()):
        return None
    if (folder / NAME).exists():
        return load(folder)
    if all(path.name == "log" or path.name.startswith("home-") for path in folder.iterdir()):
        return None  # one that did not end
    raise Unusable(f"{folder} holds something else: give an empty folder, or one with an earlier backup")


async def _ends(reader: AIOKafkaConsumer) -> tuple[dict[TopicPartition, int], dict[str, dict[str, int]]]:
    """Where each partition ends, topic by topic in this `ORDER`, and the groups' offsets below these ends."""
    ends: dict[TopicPartition, int] = {}
    groups: dict[str, dict[str, int]] = {}
    for topic in ORDER:
        if topic == EVENTS:
            groups = await _groups(ends)
        ends |= await _end(reader, topic)
    return ends, groups


async def _end(reader: AIOKafkaConsumer, topic: str) -> dict[TopicPartition, int]:
    async with clients.started_admin() as admin:
        [there] = await admin.describe_topics([topic])
    numbers = sorted(each["partition"] for each in there["partitions"])
    return await reader.end_offsets([TopicPartition(topic, number) for number in numbers])


async def _groups(ends: dict[TopicPartition, int]) -> dict[str, dict[str, int]]:
    async with clients.started_admin() as admin:
        names = sorted(group[0] for group in await admin.list_consumer_groups())
        return {
            name: {
                f"{at.topic}/{at.partition}": min(committed.offset, ends[at])
                for at, committed in (await admin.list_consumer_group_offsets(name)).items()
                if at in ends and committed.offset >= 0
            }
            for name in names
            if name.startswith("mailiu-") and name not in SELF_FINDING
        }


async def _goes_on(reader: AIOKafkaConsumer, at: TopicPartition, folder: Path, known: Partition, end: int) -> int:
    """The offset from which an earlier backup of the partition goes on. Raises `Unusable` for one of another log."""
    other = Unusable(f"{folder} holds a backup of another log ({at.topic}/{at.partition} differs): give another folder")
    if known.next > end:
        raise other
    if known.segments and known.segments[-1].next > (await reader.beginning_offsets([at]))[at]:
        last = known.segments[-1]
        mine = list(read(folder / last.name, last.next - 1))
        here = [record async for run in _held(reader, at, last.next - 1, last.next) for record in run]
        if here and here != mine:  # it may have been compacted away
            raise other
    return known.next


async def _held(reader: AIOKafkaConsumer, at: TopicPartition, first: int, end: int) -> AsyncIterator[list[Record]]:
    """What Kafka holds of a partition from ``first`` to before ``end``, in runs."""
    reader.assign([at])
    begin = max(first, (await reader.beginning_offsets([at]))[at])
    reader.seek(at, begin)
    while await reader.position(at) < end:
        for run in (await reader.getmany(at, timeout_ms=500, max_records=10_000)).values():
            if kept := [Record.of(record) for record in run if record.offset < end]:
                yield kept


async def _whole(reader: AIOKafkaConsumer, at: TopicPartition, first: int, end: int) -> AsyncIterator[list[Record]]:
    """As `_held`, with what Kafka has forgotten since from the table `log`. Raises `Unusable` for a lost event."""
    next = first
    async for run in _held(reader, at, first, end):
        begin = 0
        for number, record in enumerate(run):
            if record.offset > next:
                yield run[begin:number]
                for forgotten in _forgotten(at, next, record.offset):
                    yield forgotten
                begin = number
            next = record.offset + 1
        yield run[begin:]
    for forgotten in _forgotten(at, next, end):
        yield forgotten


def _forgotten(at: TopicPartition, first: int, end: int) -> Iterator[list[Record]]:
    """What the table `log` holds from offset ``first`` to before ``end``, in runs."""
    if first < end and at.topic not in FORGETFUL:
        raise Unusable(f"Kafka has lost {at.topic}/{at.partition} from offset {first} to {end - 1}")
    for start in range(first, end, CHUNK):
        try:
            with clients.clickhouse() as client:
                yield _mirrored(client, at, start, min(start + CHUNK, end))
        except (ClickHouseError, OSError) as error:
            why = str(error).splitlines()[0]
            raise Unusable(f"{at.topic} is no longer whole in Kafka, and the table `log` is away: {why}") from error


def _mirrored(client: Client, at: TopicPartition, first: int, end: int) -> list[Record]:
    rows = client.query(
        "SELECT offset, toUnixTimestamp64Milli(recordedtime), key, value FROM log FINAL WHERE topic = {t:String}"
        " AND partition = {p:UInt32} AND offset >= {a:UInt64} AND offset < {b:UInt64} ORDER BY offset",
        {"t": at.topic, "p": at.partition, "a": first, "b": end},
        query_formats={"String": "bytes"},
    ).result_rows
    return [Record(offset, time, key, value or None) for offset, time, key, value in rows]


def _remove_others(folder: Path, manifest: Manifest) -> None:
    """Remove what an earlier backup in ``folder`` left, and one that did not end."""
    named = {folder / file.name for file in manifest.files}
    for path in [*folder.glob("log/*/*/*"), *folder.glob("home-*/**/*")]:
        if path.is_file() and path not in named:
            path.unlink()
    for path in folder.glob("home-*"):
        if not any(folder / file.name == path or path in (folder / file.name).parents for file in manifest.home):
            shutil.rmtree(path)
