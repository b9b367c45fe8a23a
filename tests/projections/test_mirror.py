"""The writer on the real Kafka and the real ClickHouse: killed, refused, doubled, fed with garbage."""

import asyncio
import os
import signal
import subprocess
import sys

import orjson
import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from infra.clients import clickhouse, producer
from infra.log import Log, Position
from projections import compare, rebuild
from projections.mirror import NIL, Batch
from projections.schema import declared
from projections.single import OneMember
from projections.writer import Writer
from schemas.envelope import identity
from schemas.registry import BROADCAST, EVENTS, parse
from tests.projections.play import Database, Record, event, pressure
from tests.stack import ROOT, Stack, wait_until


async def append(*events: dict) -> None:
    """Append events as a gateway does, and wait until they are projected."""
    async with Log() as log:
        ends = [end for sent in [await log.send(parse(each, internal=True)) for each in events] for end in await sent]
    await asyncio.to_thread(wait_until, lambda: projected(ends), "projected")


def projected(ends: list[Position]) -> bool:
    """Whether the writer of the stack has come past ``ends``."""
    with clickhouse(database="mailiu") as client:
        here = compare.newest(client)
    return all(here.get(("events", partition), 0) > offset for partition, offset in ends)


async def send(topic: str, value: bytes | None, key: bytes, **options: object) -> int:
    """Send any bytes; their offset."""
    sender = producer()
    await sender.start()
    try:
        return (await sender.send_and_wait(topic, value, key, **options)).offset
    finally:
        await sender.stop()


def count(query: str) -> int:
    """A single number of the served database."""
    with clickhouse() as client:
        return client.query(query).result_rows[0][0]


#: What carries a merged record's events to its survivor: these are in its own timeline.
CARRYING = ("absorbed", "released", "returned", "carried")


def examples() -> list[dict]:
    """Every example event that must pass, of the types that a gateway accepts; the first of each identity."""
    found: dict[str, dict] = {}
    for folder in sorted((ROOT / "schemas" / "examples").iterdir()):
        if folder.name in EVENTS:
            for file in sorted((folder / "pass").glob("*.json")):
                each = orjson.loads(file.read_bytes())
                found.setdefault(str(identity(each["source"], each["id"])), each)
    return list(found.values())


@pytest.mark.stack
def test_every_example_event_is_projected(parts: Stack) -> None:
    played = examples()
    asyncio.run(append(*played))
    wanted = {str(identity(each["source"], each["id"])): each for each in played}
    with clickhouse() as client:
        readings = dict(client.query("SELECT toString(id), kind FROM readings").result_rows)
        timeline = dict(client.query("SELECT toString(id), type FROM timeline").result_rows)
        facts = {
            row[0]
            for row in client.query(
                "SELECT toString(id) FROM organization_events_v1 UNION ALL SELECT toString(id) FROM device_events "
                "UNION ALL SELECT toString(id) FROM rotas UNION ALL SELECT toString(id) FROM leaves "
                "UNION ALL SELECT toString(id) FROM area_events UNION ALL SELECT toString(id) FROM round_events_v1 "
                "UNION ALL SELECT toString(id) FROM living_events_v1"
            ).result_rows
        }
        unparsed = client.query("SELECT toString(id), missing FROM unparsed").result_rows
    assert unparsed == []
    for id, each in wanted.items():
        _, context, name, _ = each["type"].split(".")
        if name.endswith("-measured"):
            assert readings[id] == name.removesuffix("-measured")
        elif each["type"] in BROADCAST:
            assert id in facts
        elif context != "clock" and name not in CARRYING:
            assert timeline[id] == each["type"]


@pytest.mark.stack
def test_garbage_does_not_stop_it_and_refusals_lose_their_raw_bytes(parts: Stack) -> None:
    run = f"garbage{os.getpid()}"
    lame = event("reading.blood-pressure-measured.v1", run, "2026-03-02T00:00:00Z", f"{run}-lame", systolic=150)
    refusal = {
        "id": str(identity(run, "refused")), "source": "mqtt/I01/D9", "received": "2026-03-02T00:00:00Z",
        "reason": "out-of-limits", "field": "systolic", "value": "2047", "message": {"zh": "超出范围", "en": "over"},
        "device": "D9", "institution": "I01", "kind": "blood-pressure", "mqtt_topic": "mailiu/I01/D9/up/blood-pressure",
        "raw": "gAAAAA-secret", "position": None,
    }  # fmt: skip
    binding = {"kind": "binding", "device": run, "user_slot": 1, "resident": run, "institution": "I01"}
    offsets = [
        asyncio.run(send("events", value, run.encode(), headers=about))
        for value, about in (
            (b"\xfe garbage", []),
            (orjson.dumps(lame), []),
            (orjson.dumps(lame)[:-40], [("ce_type", b"mailiu.reading.weight-measured.v1"), ("ce_id", b"short")]),
        )
    ]
    asyncio.run(send("rejected", orjson.dumps(refusal), b"mqtt/I01/D9"))
    asyncio.run(send("rejected", b"not JSON, perhaps raw", b"mqtt/I01/D9"))
    asyncio.run(send("devices", None, b"gone"))
    for start, slot in ((1_000, 1), (2_000, 1), (1_500, 2)):
        fact = binding | {"from": start, "to": None, "user_slot": slot}
        asyncio.run(send("devices", orjson.dumps(fact), f"{run}/{slot}/{run}/{start}".encode()))
    asyncio.run(append(pressure(run, "2026-03-02T01:00:00Z", 131, 81, f"{run}-good")))
    wait_until(
        lambda: count(f"SELECT count() FROM readings WHERE resident = '{run}'") == 1, "the good reading is there"
    )
    wait_until(lambda: count(f"SELECT count() FROM bindings WHERE device = '{run}'") == 3, "the bindings are there")
    with clickhouse() as client:
        unparsed = client.query(
            f"SELECT offset, missing FROM unparsed WHERE key = '{run}' AND topic = 'events' ORDER BY offset"
        ).result_rows
        rejected = client.query("SELECT id, reason, field, value, message_zh FROM rejected_messages").result_rows
        quality = client.query("SELECT sum(rejected) FROM ingest_quality WHERE source = 'mqtt/I01/D9'").result_rows
        stored = client.query("SELECT value FROM log WHERE topic = 'rejected' AND key = 'mqtt/I01/D9'").result_rows
        bindings = client.query(
            "SELECT user_slot, toUnixTimestamp64Milli(from_time), toUnixTimestamp64Milli(to_time) FROM bindings"
            f" WHERE device = '{run}' ORDER BY user_slot, from_time"
        ).result_rows
    assert unparsed == [(offsets[0], "json"), (offsets[1], "data.diastolic"), (offsets[2], "json")]
    assert [(str(row[0]), *row[1:]) for row in rejected if row[1] == "out-of-limits"] == [
        (refusal["id"], "out-of-limits", "systolic", "2047", "超出范围")
    ]
    assert quality == [(1,)]
    assert all("secret" not in value and "raw" not in value for (value,) in stored)
    assert bindings == [(1, 1_000, 2_000), (1, 2_000, None), (2, 1_500, None)]


def child(*command: str, database: str) -> subprocess.Popen[str]:
    """A writer of the test's own, with its log on a pipe."""
    return subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=os.environ | {"MAILIU_CLICKHOUSE_DATABASE": database}, text=True,
        stderr=subprocess.PIPE,
    )  # fmt: skip


async def catch_up(group: str, ends: compare.Pins) -> None:
    """Run a writer until it has written, and committed, everything below ``ends``."""
    writer = Writer(group)
    running = asyncio.create_task(writer.run())
    for _ in range(1200):
        there = writer.places and all(writer.places[at].next >= end for at, end in ends.items())
        if there and not (len(writer.batch) or writer.flushing or writer.uncommitted):
            break
        assert not running.done(), running.exception()
        await asyncio.sleep(0.05)
    else:
        raise AssertionError("the writer did not come as far within 60 s")
    writer.stop()
    await running


@pytest.mark.stack
@pytest.mark.chaos
def test_killed_between_insert_and_commit_it_writes_again_and_nothing_changes(parts: Stack, database: Database) -> None:
    run = f"kill{os.getpid()}"
    asyncio.run(
        append(*(pressure(f"{run}-{n % 7}", "2026-03-02T01:00:00Z", 131, 81, f"{run}-{n}") for n in range(500)))
    )
    [name] = database.client.query("SELECT currentDatabase()").result_rows[0]
    dying = child("-m", "tests.projections.killed_before_commit", run, database=name)
    _, said = dying.communicate(timeout=120)
    assert dying.returncode == -signal.SIGKILL, said
    assert database.rows("SELECT count() AS n FROM log")[0]["n"] > 0, "it inserted before it died"
    with clickhouse(database="mailiu") as main:
        pins = compare.newest(main)
        asyncio.run(catch_up(run, pins))
        for each in declared():
            version = rebuild.live(main, each)
            for base in each.bases:
                result = compare.compare(main, base, f"mailiu.{base}_v{version}", f"{name}.{base}_v1", pins)
                assert (base, result.differing, result.keys) == (base, 0, [])
        result = compare.compare(main, "log", "mailiu.log", f"{name}.log", pins)
        assert (result.differing, result.rows) == (0, sum(pins.values()))


@pytest.mark.stack
@pytest.mark.chaos
def test_what_clickhouse_refuses_is_kept_and_written_later(parts: Stack) -> None:
    run = f"refused{os.getpid()}"

    async def feed() -> None:
        async with Log() as log:
            for n in range(40):
                await log.append(parse(pressure(run, f"2026-03-02T01:00:{n:02}Z", 131, 81, f"{run}-{n}")))
                if n == 15:
                    parts.kill("clickhouse")
                await asyncio.sleep(0.05)

    asyncio.run(feed())

    def written() -> bool:
        try:
            return count(f"SELECT count() FROM readings WHERE resident = '{run}'") == 40
        except Exception:
            return False

    wait_until(written, "all forty are there")
    assert "refused (attempt 1, kept and tried again)" in (parts.home / "logs" / "writer.log").read_text()


@pytest.mark.stack
@pytest.mark.chaos
def test_a_second_writer_waits_and_takes_over(parts: Stack, database: Database) -> None:
    [name] = database.client.query("SELECT currentDatabase()").result_rows[0]
    group = f"two{os.getpid()}"
    script = (
        "import asyncio, projections.writer as w; w.log_to_stderr()\n"
        f"async def serve(): await w.Writer(group={group!r}).run()\nasyncio.run(serve())"
    )
    first, second = None, None
    try:
        first = child("-c", script, database=name)
        _read_until(first, "writing ")
        second = child("-c", script, database=name)
        _read_until(second, "another writer is at work")
        first.kill()
        _read_until(second, "writing ")
        run = f"taken{os.getpid()}"
        asyncio.run(append(pressure(run, "2026-03-02T01:00:00Z", 131, 81, run)))
        wait_until(
            lambda: database.rows(f"SELECT count() AS n FROM readings WHERE resident = '{run}'")[0]["n"], "written"
        )
    finally:
        for process in filter(None, (first, second)):
            process.kill()
            process.communicate()


def _read_until(process: subprocess.Popen[str], text: str) -> None:
    assert process.stderr
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return
    raise AssertionError(f"the writer ended before it said {text!r}: {''.join(lines)}")


def record(offset: int, timestamp: int, topic: str = "events", value: bytes = b"{}") -> Record:
    """A record with headers."""
    about = (("ce_type", b"mailiu.reading.weight-measured.v1"), ("ce_id", str(identity("t", str(offset))).encode()))
    return Record(topic, 3, offset, timestamp, b"R1", value, about)


def test_knowntime_is_the_running_maximum_over_batches() -> None:
    batch = Batch()
    assert batch.add([record(5, 100), record(6, 90)], 95) == 100
    assert batch.add([record(7, 99), record(8, 130)], 100) == 130
    assert batch.columns["knowntime"] == [100, 100, 100, 130]
    assert batch.columns["recordedtime"] == [100, 90, 99, 130]
    assert batch.ranges == {("events", 3): (5, 9)}


def test_type_and_identity_come_from_the_headers_else_from_the_event() -> None:
    foreign = orjson.dumps({"type": "mailiu.x.y.v1", "source": "s", "id": "1"})
    bare = Record("events", 0, 0, 1, b"R", foreign)
    batch = Batch()
    batch.add([record(0, 1), bare, bare._replace(value=b"?"), bare._replace(value=None)], 0)
    assert batch.columns["type"] == ["mailiu.reading.weight-measured.v1", "mailiu.x.y.v1", "", ""]
    assert batch.columns["identity"] == [str(identity("t", "0")), str(identity("s", "1")), NIL, NIL]


def test_the_oldest_member_has_everything() -> None:
    class Cluster:
        def partitions_for_topic(self, topic: str) -> set[int]:
            return {0, 1}

    def member(started: bytes) -> ConsumerProtocolMemberMetadata:
        return ConsumerProtocolMemberMetadata(0, ["events"], started)

    given = OneMember.assign(Cluster(), {"a": member(b"2"), "b": member(b"1"), "c": member(b"3")})  # type: ignore[arg-type]
    assert {id: list(each.assignment) for id, each in given.items()} == {"a": [], "b": [("events", [0, 1])], "c": []}
