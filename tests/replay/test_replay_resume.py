"""A replay on a real Kafka: killed and run again it loses nothing, and run once more it adds nothing."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from infra import rejected
from infra.clients import consumer
from infra.replay.run import BATCH
from infra.settings import settings
from schemas.envelope import identity
from schemas.topics import EVENTS, REJECTED
from tests.stack import Stack

pytestmark = pytest.mark.stack
ROWS = 30_000


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "infra.cli", "replay", "--json", *map(str, arguments)]


def replay(*arguments: str | Path) -> dict[str, Any]:
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    account: dict[str, Any] = json.loads(done.stdout)
    return account


async def whole_topic(topic: str) -> list[Any]:
    """Every record that is in ``topic`` now."""
    records: list[Any] = []
    async with consumer(topic) as reader:
        ends = await reader.end_offsets(reader.assignment())
        while any([await reader.position(tp) < end for tp, end in ends.items()]):
            for found in (await reader.getmany(timeout_ms=200)).values():
                records += found
    return records


def readings(path: Path, source: str) -> Path:
    with path.open("wb") as file:
        for n in range(ROWS):
            event = {
                "id": str(n), "source": source, "type": "mailiu.reading.blood-pressure-measured.v1",
                "subject": f"{source}-{n % 500}", "time": f"2026-03-{1 + n % 28:02d}T07:00:00+08:00",
                "institution": "I01", "data": {"systolic": 110 + n % 60, "diastolic": 70 + n % 20},
            }  # fmt: skip
            file.write(orjson.dumps(event) + b"\n")
    return path


@pytest.mark.chaos
async def test_killed_and_run_again_it_loses_nothing(kafka: Stack, tmp_path: Path) -> None:
    file = readings(tmp_path / "readings.ndjson", "replay-killed")
    kills = 0
    for after in (1, 3, 5):  # batches noted when the kill comes
        process = subprocess.Popen(command(file), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and noted(file) < after * BATCH:
            time.sleep(0.005)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    account = replay(file)
    assert account["rows"] == ROWS
    assert account["accepted"] + account["duplicate"] == ROWS
    assert account["resumed_at"] % BATCH == 0

    ids = Counter(
        dict(record.headers)["ce_id"].decode()
        for record in await whole_topic(EVENTS)
        if record.key.startswith(b"replay-killed-")
    )
    assert ids.keys() == {str(identity("replay-killed", str(n))) for n in range(ROWS)}
    extra = ids.total() - ROWS
    assert extra <= kills * 2 * BATCH  # at most the batches in flight, under the same identities
    print(f"{kills} kills, {ids.total()} records for {ROWS} events, went on at {account['resumed_at']}")

    again = replay(file)
    assert (again["rows"], again["duplicate"], again["accepted"]) == (ROWS, ROWS, 0)


def noted(file: Path) -> int:
    """Rows that the ledger has noted for ``file``."""
    for ledger in (settings().home / "replay").glob("*.db"):
        with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(ledger)) as db:
            if row := db.execute("SELECT position FROM file WHERE name = ?", (str(file),)).fetchone():
                return int(row[0])
    return 0


async def test_what_is_refused_is_kept_whole_and_encrypted(kafka: Stack, tmp_path: Path) -> None:
    file = tmp_path / "refused.csv"
    file.write_text(
        "resident,time,systolic,diastolic\nRJ,2026-03-02T07:00:00Z,2047,2047\nRJ,2026-03-02T07:00:00Z,120,80\n"
    )
    account = replay(file, "--institution", "I01")
    assert (account["accepted"], account["rejected"]) == (1, 1)
    assert account["rejected_by_reason"] == {"out-of-limits: data.systolic": 1}
    (record,) = [record for record in await whole_topic(REJECTED) if record.key == b"replay/refused.csv"]
    value = orjson.loads(record.value)
    assert (value["reason"], value["field"], value["value"]) == ("out-of-limits", "data.systolic", "2047")
    assert value["message"].keys() == {"zh", "en"}
    assert "2047" in value["message"]["zh"]
    assert b"RJ" not in record.value
    assert rejected.raw(value).decode().splitlines() == file.read_text().splitlines()[:2]  # under its header


async def test_an_import_is_marked_as_one(kafka: Stack, tmp_path: Path) -> None:
    file = tmp_path / "marked.csv"
    file.write_text("resident,time,systolic,diastolic\nRM,2026-03-02T07:00:00Z,126,81\n")
    replay(file, "--institution", "I01")
    (record,) = [record for record in await whole_topic(EVENTS) if record.key == b"RM"]
    event = orjson.loads(record.value)
    assert event["origin"] == "import"
    assert event["recordedtime"] > event["time"]


def test_without_a_server_there_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("resident,time,systolic,diastolic\nRM,2026-03-02T07:00:00Z,126,81\n")
    environment = os.environ | {"MAILIU_KAFKA": "127.0.0.1:9", "MAILIU_HOME": str(tmp_path)}
    done = subprocess.run(command(file), capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 1
    assert "mailiu up" in done.stderr.splitlines()[-1]
