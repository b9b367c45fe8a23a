"""Rebuild while writes go on; verify says clean when it is, and names what is not."""

import asyncio
import os
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from infra.clients import clickhouse
from infra.log import Log, headers
from projections import rebuild
from projections.schema import declared, projection
from projections.verify import Behind, verify
from schemas.envelope import identity, rfc3339
from schemas.registry import parse
from tests.projections.play import Database, event, pressure
from tests.projections.test_mirror import append, count, send
from tests.stack import Stack, wait_until

pytestmark = pytest.mark.stack
RUN = f"rv{os.getpid()}"


def crisis(resident: str, n: int) -> dict:
    """A reading of just now that is a crisis, or one that is not."""
    time = rfc3339(datetime.now(UTC) - timedelta(minutes=30) + timedelta(minutes=n))
    return pressure(
        resident, time, 190 if n % 2 else 128, 95 if n % 2 else 80, f"{resident}-{n}", device=f"D-{resident}"
    )


@pytest.fixture(scope="module")
def lived(parts: Stack) -> Stack:
    """The stack after some residents had alerts, devices and a retraction."""
    long_ago = "2026-01-01T00:00:00Z"
    residents = [f"{RUN}-R{n}" for n in range(8)]
    trace = {"sha256": "ab" * 32, "media_type": "application/dicom", "bytes": 100}
    events = [event("rule.activated.v1", RUN, f"2026-01-0{n}T00:00:00Z", rule="bp-crisis", version=1) for n in (1, 2)]
    for resident in residents:
        events += [
            event("resident.registered.v1", resident, long_ago, sex="female", birth_date="1955-05-05"),
            event("device.registered.v1", f"device:D-{resident}", long_ago, device=f"D-{resident}"),
            event("device.bound.v1", resident, long_ago, device=f"D-{resident}"),
            *(crisis(resident, n) for n in range(6)),
            event("reading.oxygen-measured.v1", resident, rfc3339(datetime.now(UTC)), value=85, pulse=135),
            event(
                "reading.ecg-measured.v1",
                resident,
                rfc3339(datetime.now(UTC)),
                leads=1,
                duration=30,
                sampling_rate=300,
                trace=trace,
            ),
        ]
    asyncio.run(append(*events))
    wait_until(
        lambda: count(f"SELECT uniqExact(resident) FROM alerts WHERE startsWith(resident, '{RUN}')") == 8, "alerts"
    )
    wait_until(lambda: count(f"SELECT count() FROM bindings WHERE startsWith(resident, '{RUN}')") == 8, "bindings")
    told = "SELECT count() FROM log WHERE topic = 'devices' AND key = 'rule/bp-crisis'"
    wait_until(lambda: count(told) >= 2, "the activated rule for gateways")
    return parts


def differing(checks: list) -> dict[str, list[str]]:
    """Keys that differ, by table."""
    return {check.table: check.keys for check in checks if check.differing}


def test_verify_is_clean_after_all_that_the_other_tests_did(lived: Stack) -> None:
    checks = {check.table: check for check in verify()}
    assert differing(list(checks.values())) == {}
    tables = {base for each in declared() for base in each.bases}
    assert checks.keys() >= tables | {"log events", "log derived", "log devices", "fold derived", "fold devices"}
    for name in ("log events", "log derived", "fold derived", "fold devices", "readings", "alerts", "device_facts"):
        assert checks[name].rows > 0, name
    with clickhouse() as client:
        assert checks["log events"].rows >= client.command("SELECT count() FROM readings")
        assert client.query("SHOW DATABASES LIKE '%verify%'").result_rows == []


def test_rebuild_while_writing_loses_and_doubles_nothing(lived: Stack) -> None:
    stop, sent = threading.Event(), []

    async def feed() -> None:
        async with Log() as log:
            while not stop.is_set():
                n = len(sent)
                each = pressure(
                    f"{RUN}-busy{n % 40}", f"2026-03-02T01:{n // 60 % 60:02}:{n % 60:02}Z", 131, 81, f"{RUN}-b{n}"
                )
                await log.append(parse(each))
                sent.append(n)
                await asyncio.sleep(0.002)

    feeder = threading.Thread(target=lambda: asyncio.run(feed()))
    feeder.start()
    shown = []
    try:
        wait_until(lambda: len(sent) > 50, "events flow")
        with clickhouse() as client:
            before = rebuild.live(client, projection("reading"))
            for _ in range(2):
                done = rebuild.rebuild(client, projection("reading"), lambda n, of: shown.append((n, of)))
            others = [rebuild.rebuild(client, each) for each in declared() if each.name not in ("reading",)]
    finally:
        stop.set()
        feeder.join()
    busy = f"startsWith(resident, '{RUN}-busy')"
    wait_until(lambda: count(f"SELECT count() FROM readings WHERE {busy}") == len(sent), "every reading is there once")
    with clickhouse() as client:
        assert rebuild.versions(client, projection("reading")) == {done.version} == {before + 2}
        assert rebuild.live(client, projection("reading")) == done.version
        [(distinct,)] = client.query(f"SELECT uniqExact(id) FROM readings WHERE {busy}").result_rows
    assert distinct == len(sent)
    assert [(table.table, table.keys) for result in [done, *others] for table in result.tables if table.keys] == []
    assert shown[-1][0] == shown[-1][1] > 0
    assert differing(verify()) == {}


def test_what_an_interrupted_rebuild_left_is_removed_by_the_next(lived: Stack) -> None:
    reading = projection("reading")
    with clickhouse() as client:
        live = rebuild.live(client, reading)
        rebuild.create(client, reading, live + 1)
        assert rebuild.versions(client, reading) == {live, live + 1}
        assert rebuild.live(client, reading) == live
        assert rebuild.rebuild(client, reading).version == live + 1
        assert rebuild.versions(client, reading) == {live + 1}


@pytest.fixture
def tampered(lived: Stack) -> Iterator[dict[str, str]]:
    """A changed reading, a lost alert and a changed row of the log; put right afterwards."""
    with clickhouse() as client:
        names = {base: f"{base}_v{rebuild.live(client, projection(p))}" for base, p in
                 (("readings", "reading"), ("alerts", "alert"), ("bindings", "device"))}  # fmt: skip
        reading, alert = (
            str(
                client.query(f"SELECT {key} FROM {table} WHERE startsWith(resident, '{RUN}-R3') LIMIT 1").result_rows[
                    0
                ][0]
            )
            for key, table in (("id", "readings"), ("alert", "alerts"))
        )
        [(partition, offset, value)] = client.query(
            f"SELECT partition, offset, value FROM log WHERE topic = 'events' AND key = '{RUN}-R5' LIMIT 1"
        ).result_rows
        at = f"topic = 'events' AND partition = {partition} AND offset = {offset}"
        sync = "SETTINGS mutations_sync = 2"
        client.command(f"ALTER TABLE {names['readings']} UPDATE systolic = 99 WHERE id = '{reading}' {sync}")
        client.command(f"ALTER TABLE {names['alerts']} DELETE WHERE alert = '{alert}' {sync}")
        client.command(f"ALTER TABLE log UPDATE value = concat(value, ' ') WHERE {at} {sync}")
        yield {"readings": reading, "alerts": alert, "log events": f"{partition}:{offset}"}
        client.command(f"ALTER TABLE log UPDATE value = substring(value, 1, {len(value.encode())}) WHERE {at} {sync}")


def test_verify_names_what_differs_and_rebuild_mends_it(tampered: dict[str, str], lived: Stack) -> None:
    done = lived.mailiu("verify", "--json", check=False)
    assert done.returncode == 1, done.stderr
    answer = orjson.loads(done.stdout)
    found = {check["table"]: check["keys"] for check in answer["checks"] if check["differing"]}
    assert answer["clean"] is False
    assert found.keys() == tampered.keys()
    for table, key in tampered.items():
        assert len(found[table]) == 1
        assert key in found[table][0]
    rebuilt = orjson.loads(lived.mailiu("rebuild", "reading", "--json").stdout)
    changed = {table["table"]: table["changed"] for table in rebuilt[0]["tables"]}
    assert changed.keys() == {"readings", "retractions", "reading_remarks"}
    assert {table: rows for table, rows in changed.items() if rows} == {"readings": 1}
    lived.mailiu("rebuild", "alert")
    assert differing(verify()).keys() == {"log events"}
    assert "1 rows of `log` differed" in lived.mailiu("rebuild", "log").stderr
    assert differing(verify()) == {}


def test_a_derived_event_that_no_fold_makes_is_named(lived: Stack) -> None:
    forged = {
        "specversion": "1.0", "id": f"{RUN}-forged", "source": "fold", "type": "mailiu.alert.raised.v1",
        "subject": f"{RUN}-R1", "time": "2026-03-02T00:00:00Z", "recordedtime": "2026-03-02T00:00:00Z",
        "causepartition": 0, "causeoffset": 0, "data": {},
    }  # fmt: skip
    id = str(identity("fold", f"{RUN}-forged"))
    about = headers("mailiu.alert.raised.v1", id)
    asyncio.run(send("derived", orjson.dumps(forged), f"{RUN}-R1".encode(), headers=about, partition=0))
    assert differing(verify()) == {"fold derived": [id]}


def test_verify_says_when_the_writer_does_not_follow(lived: Stack, database: Database) -> None:
    with pytest.raises(Behind, match=r"the writer is [0-9,]+ records behind"):
        verify(patience=0)


def test_the_commands_print_tables_and_one_line_for_what_is_wrong(lived: Stack) -> None:
    shown = lived.mailiu("verify", check=False)
    assert shown.returncode == 1, "the forged event is still there"
    assert re.search(r"^ *readings +[0-9,]+ +[0-9,]+ +0 *$", shown.stdout, flags=re.M)
    assert shown.stdout.endswith("differs\n")
    done = lived.mailiu("rebuild", "nothing", check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"mailiu: no projection 'nothing'; there are log, .*reading, .*\n", done.stderr)
    listed = lived.mailiu("rebuild", "--list").stdout
    assert re.search(r"^reading +retractions, readings", listed, flags=re.M)
