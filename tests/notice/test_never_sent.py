"""Replay, rebuild, verify, refold and a restart send nothing: counted at the receiver, on the running parts."""

import shutil
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from infra.clients import clickhouse
from infra.clock import clock
from schemas.envelope import rfc3339
from tests.notice.conftest import Centre, wait_until
from tests.notice.receiver import Receiver
from tests.stack import Stack

pytestmark = pytest.mark.stack
READING = "mailiu.reading.blood-pressure-measured.v1"


def settled(centre: Centre, receiver: Receiver) -> int:
    """Calls so far, once a new red alert has gone all the way: whatever came before it has gone too."""
    probe = centre.willing()
    centre.post(centre.crisis(probe))
    wait_until(lambda: len(receiver.of(probe)) == 2, "the probe is told")
    return len(receiver.attempts)


def test_a_deleted_store_is_folded_anew_without_a_call(centre: Centre, receiver: Receiver, sending: Stack) -> None:
    centre.staff("nurse")
    before = settled(centre, receiver)
    pid = sending.pid("worker")
    sending.kill("worker")
    shutil.rmtree(sending.home / "store")
    sending.wait_restarted("worker", pid)
    assert settled(centre, receiver) == before + 2  # the probe's own


def test_rebuild_and_verify_call_nobody(centre: Centre, receiver: Receiver, sending: Stack) -> None:
    centre.staff("nurse")
    before = settled(centre, receiver)
    sending.mailiu("rebuild")
    done = sending.mailiu("verify", "--json", check=False)
    print(done.stdout[-2000:], done.stderr[-2000:])
    assert done.returncode == 0
    assert settled(centre, receiver) == before + 2


def test_a_replay_calls_nobody_and_asks_no_device(
    centre: Centre, receiver: Receiver, sending: Stack, tmp_path: Path
) -> None:
    centre.staff("nurse")
    residents = [centre.willing() for _ in range(5)]
    before = settled(centre, receiver)
    now = clock().now()
    readings = [
        centre.event(READING, resident, {"systolic": 192, "diastolic": 114, "device": f"D-{resident}"})
        | {"time": rfc3339(now - timedelta(minutes=minutes))}
        for resident in residents
        for minutes in (20, 10, 1)
    ]
    file = tmp_path / "history.ndjson"
    file.write_bytes(b"\n".join(map(orjson.dumps, readings)))
    account = sending.mailiu("replay", str(file), "--json")
    print(account.stdout)

    def raised() -> bool:
        items = centre.api.get("/v1/alerts", headers=centre.token(), params={"limit": 100}).json()["items"]
        return {item["resident"] for item in items} >= set(residents)

    wait_until(raised, "open work is on the list")
    assert settled(centre, receiver) == before + 2
    assert all(receiver.of(resident) == [] for resident in residents)
    assert all(centre.notices(resident) == [] for resident in residents)
    with clickhouse() as tables:
        asked = tables.query("SELECT device FROM commands WHERE startsWith(device, 'D-R-')").result_rows
    assert asked == []


def test_a_sender_without_its_ledger_goes_on_where_kafka_says(
    centre: Centre, receiver: Receiver, sending: Stack
) -> None:
    nurse = centre.staff("nurse")
    settled(centre, receiver)
    before = set(receiver.attempts)
    pid = sending.pid("sender")
    sending.kill("sender")
    shutil.rmtree(sending.home / "sender")
    sending.wait_restarted("sender", pid)
    settled(centre, receiver)
    assert len(set(receiver.attempts) - before) == 2  # what was not committed yet may come again, under its old id
    assert receiver.calls[-1][1]["person"] in (nurse, None)  # the rota was read again
