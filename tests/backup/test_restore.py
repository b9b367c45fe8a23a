"""A backup taken while readings arrive, restored into an empty home: the same log, the same offsets, and on it goes."""

import asyncio
import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from api.auth import issue
from infra.backup.manifest import Manifest, load
from infra.clients import admin, clickhouse, producer
from infra.gateway import Gateway
from infra.log import Log
from infra.settings import settings
from infra.vault import vault
from schemas.envelope import Event
from schemas.identity import Identity
from schemas.topics import DEVICES, REJECTED
from tests.stack import ROOT, Stack, wait_until

pytestmark = pytest.mark.stack
RESIDENTS = 6
WHO = Identity(name="王秀英")


def rows(query: str) -> list[tuple[Any, ...]]:
    with clickhouse() as client:
        return [tuple(row) for row in client.query(query).result_rows]


async def register() -> None:
    start = datetime.now(UTC) - timedelta(days=40)

    def event(type: str, subject: str, **data: object) -> Event:
        return Event(
            id=f"{type}/{subject}", source="test/backup", type=f"mailiu.{type}.v1", subject=subject, time=start,
            institution="I01", data=data,
        )  # fmt: skip

    async with Log() as log:
        for n in range(RESIDENTS):
            resident, device = f"R{n}", f"D{n}"
            for one in (
                event("resident.registered", resident, sex="female", birth_date="1955-05-05"),
                event("device.registered", f"device:{device}", device=device),
                event("device.bound", resident, device=device),
            ):
                await log.append(one)


async def identify() -> None:
    """Record who R0 is, and look at R0, which the audit trail keeps."""
    recorded = Event(
        id="identity/R0", source="test/backup", type="mailiu.resident.identity-recorded.v1", subject="R0",
        time=datetime.now(UTC), institution="I01", data={"sealed": vault().seal("R0", WHO)},
    )  # fmt: skip
    async with Log() as log:
        await log.append(recorded)
    token = {"Authorization": f"Bearer {issue('clinician', ['I01'])}"}
    async with httpx.AsyncClient(base_url=f"http://{settings().api}", headers=token, timeout=60) as client:
        (await client.get("/v1/residents/R0")).raise_for_status()


async def measure(count: int, unbound: bool = False) -> list[dict[str, Any]]:
    """Readings of all cuffs in turn, every fourth of them a crisis; their receipts."""
    async with Gateway(f"backup-{uuid.uuid4()}") as gateway:
        receipts = []
        for n in range(count):
            systolic = 190 if n % 4 == 0 else 128
            now = datetime.now(UTC).isoformat()
            reading = {"id": f"{uuid.uuid4()}", "time": now, "systolic": systolic, "diastolic": 82, "pulse": 70}
            device = "D-nobody" if unbound else f"D{n % RESIDENTS}"
            receipts.append(await gateway.send("I01", device, reading))
        return receipts


async def forget() -> None:
    """Let Kafka forget refusals, as age does, and leave an offset of `devices` without a record."""
    async with producer(transactional_id=f"gap-{uuid.uuid4()}") as sender, sender.transaction():
        await sender.send(DEVICES, orjson.dumps({"kind": "device", "device": "D-x", "institution": "I01"}), b"D-x")
    client = admin()
    await client.start()
    await client.delete_records({TopicPartition(REJECTED, 0): RecordsToDelete(2)})
    await client.close()


def mirrored(manifest: Manifest) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of `log` below the backup's ends, by topic."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for part in manifest.log:
        found.setdefault(part.topic, []).extend(
            rows(
                "SELECT partition, offset, key, type, identity, recordedtime, knowntime, hex(sipHash128(value))"
                f" FROM log FINAL WHERE topic = '{part.topic}' AND partition = {part.partition}"
                f" AND offset < {part.next} ORDER BY offset"
            )
        )
    return found


def served(manifest: Manifest) -> dict[str, list[tuple[Any, ...]]]:
    """Readings, alerts' beginnings, bindings and refusals, of which the backup has the records."""
    ends = {(p.topic, p.partition): p.next for p in manifest.log}
    of = {
        "readings": "SELECT topic, partition, offset, id, resident, kind, time, knowntime, systolic FROM readings",
        "bindings": "SELECT * FROM bindings",
        "refusals": "SELECT topic, partition, offset, id, received, reason FROM rejected_messages",
        "raised": "SELECT 'derived', partition, offset, identity, key, type, recordedtime FROM log FINAL"
        " WHERE topic = 'derived' AND type LIKE 'mailiu.alert.raised%'",
        "commands": "SELECT topic, partition, offset, identity, key FROM log FINAL"
        " WHERE topic = 'events' AND type LIKE 'mailiu.device.command-%'",
    }
    found = {name: sorted(rows(query), key=repr) for name, query in of.items()}
    return {
        name: [row for row in each if name == "bindings" or row[2] < ends[row[0], row[1]]]
        for name, each in found.items()
    }


def test_a_restored_home_has_the_same_log_at_the_same_offsets_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    old = Stack(tmp_path / "old")
    new = Stack(tmp_path / "new", partitions="7")  # the backup's count holds
    try:
        old.up()
        with old.in_force():
            asyncio.run(register())
            wait_until(lambda: rows("SELECT uniqExact(device) FROM bindings") == [(RESIDENTS,)], "bindings")
            asyncio.run(identify())
            asyncio.run(measure(4, unbound=True))
            wait_until(lambda: rows("SELECT max(offset) FROM log WHERE topic = 'rejected'") == [(3,)], "refusals")
            asyncio.run(forget())
            backing = subprocess.Popen(
                [sys.executable, "-m", "infra.cli", "backup", str(folder)], cwd=ROOT, env=dict(os.environ),
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            receipts = asyncio.run(measure(60))
            out, err = backing.communicate(timeout=120)
            assert backing.returncode == 0, err
            assert b"events" in out
            assert b"lie open" in err
            first = load(folder)
            assert {receipt["status"] for receipt in receipts} == {"accepted"}
            wait_until(lambda: rows("SELECT count() FROM readings") == [(60,)], "readings")
            wait_until(lambda: len(rows("SELECT alert FROM alerts")) >= 3, "alerts")
            wait_until(
                lambda: (
                    rows("SELECT uniqExact(identity) FROM log WHERE type LIKE 'mailiu.device.command-sent%'")
                    >= rows("SELECT uniqExact(identity) FROM log WHERE type LIKE 'mailiu.device.command-requested%'")
                ),
                "commands are sent",
            )
            old.mailiu("backup", str(folder))  # what is new
            manifest = load(folder)
            one = {(p.topic, p.partition): p.segments for p in first.log}
            for part in manifest.log:
                assert part.segments[: len(one[part.topic, part.partition])] == one[part.topic, part.partition]
            was = mirrored(manifest)
            content = served(manifest)
            assert len(content["readings"]) == 60
            assert len(was["rejected"]) == 4
            assert next(p.start for p in manifest.log if p.topic == REJECTED) == 2
        old.down()

        restoring = subprocess.Popen(
            [sys.executable, "-m", "infra.cli", "restore", str(folder)], cwd=ROOT,
            env=os.environ | new.environment, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(lambda: (new.home / "run" / "status.json").exists(), "the restore starts Kafka")
        new.pid("kafka")
        restoring.kill()
        restoring.wait()
        refused = new.mailiu("up", check=False)
        assert refused.returncode == 1
        assert "half restored" in refused.stderr
        new.mailiu("restore", str(folder))
        again = new.mailiu("restore", str(folder), check=False)
        assert again.returncode == 1
        assert "not empty" in again.stderr

        new.up()
        with new.in_force():
            gap = [row for row in mirrored(manifest)["devices"] if row not in was["devices"]]
            assert [row[2] for row in gap] == [""]
            is_now = mirrored(manifest) | {"devices": [r for r in mirrored(manifest)["devices"] if r not in gap]}
            assert is_now == was
            assert served(manifest) == content
            verified = orjson.loads(new.mailiu("verify", "--json").stdout)
            assert verified["clean"], verified
            assert vault().open("R0") == WHO
            new.mailiu("audit", "verify")
            ends = {p.partition: p.next for p in manifest.log if p.topic == "events"}
            (receipt,) = asyncio.run(measure(1))
            partition, offset = map(int, receipt["position"].split(":"))
            assert offset >= ends[partition]
            wait_until(
                lambda: (
                    rows(f"SELECT count() FROM readings WHERE partition = {partition} AND offset = {offset}") == [(1,)]
                ),
                "a new reading is readable",
            )
            sent = "SELECT identity, uniqExact(offset) AS n FROM log WHERE type LIKE 'mailiu.device.command-%'"
            assert rows(f"{sent} AND topic = 'events' GROUP BY identity HAVING n > 1") == []
    finally:
        old.down()
        new.down()
