"""Faults 5 and 6: the machine's disk is full, its clock is set wrong; in a stack apart, on small disks of its own."""

import asyncio
import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from infra.clients import consumer
from infra.gateway import Gateway
from schemas.topics import EVENTS
from tests.chaos.flow import Flow, said, verified
from tests.chaos.test_outages import post, rows
from tests.stack import Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.chaos]
SIZE = "256m"
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def apart() -> Iterator[Stack]:
    """A stack whose Kafka and ClickHouse have small disks, and whose own parts have a clock that can be set."""
    with tempfile.TemporaryDirectory(prefix="mailiu-small-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        disks = [home / part for part in ("kafka", "clickhouse")]
        (home / "clock-ahead").write_text("0")
        stack = Stack(home)
        stack.environment |= {"STEPPED_CLOCK": str(home / "clock-ahead"), "PYTHONPATH": str(HERE / "stepping")}
        try:
            for disk in disks:
                disk.mkdir()
                mounted = subprocess.run(
                    ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(disk)],
                    capture_output=True, text=True, check=False,
                )  # fmt: skip
                if mounted.returncode:
                    pytest.skip(f"a small disk cannot be mounted here (CI runs as root): {mounted.stderr.strip()}")
            with stack.in_force():
                stack.up()
                yield stack
        finally:
            stack.down()
            for disk in disks:
                subprocess.run(["umount", "-l", str(disk)], capture_output=True, check=False)


def fill(disk: Path) -> Path:
    """Leave nothing free on ``disk``; the file that takes it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(1 << 16)):
            pass
    return ballast


async def test_kafkas_disk_is_full(apart: Stack) -> None:
    flow = Flow("kafkadisk", 20)
    await flow.register()
    readings = flow.readings(50)
    ballast = fill(apart.home / "kafka")
    async with Gateway(flow.run, resend=10.0) as gateway, asyncio.timeout(400):
        flowing = asyncio.create_task(flow.publish(gateway, readings))
        await asyncio.to_thread(
            wait_until, lambda: apart.status("kafka")["state"] == "restarting", "Kafka gives up", 120
        )
        status, receipts = said(apart, "kafka"), dict(flow.receipts)
        ballast.unlink()
        await flowing
    print(f"\nKafka's disk was full: {receipts} receipts until then; status: {status}")
    assert "free on its disk" in status
    print(await flow.reckon(readings))


async def test_clickhouses_disk_is_full(apart: Stack) -> None:
    flow = Flow("tabledisk", 20)
    await flow.register()
    readings = flow.readings(50)
    ballast = fill(apart.home / "clickhouse")
    async with Gateway(flow.run) as gateway, asyncio.timeout(200):
        await flow.publish(gateway, readings)
    await asyncio.to_thread(wait_until, lambda: "refuses" in said(apart, "writer"), "the writer says so", 120)
    status, receipts, held = said(apart, "clickhouse"), dict(flow.receipts), rows(flow)
    print(f"\nClickHouse's disk was full: {receipts} receipts, {held} rows; status: {status}; {said(apart, 'writer')}")
    assert "free on its disk" in status
    assert held < len(readings)
    ballast.unlink()
    print(await flow.reckon(readings))


@pytest.mark.parametrize("seconds", [3600, -3600])
async def test_the_clock_is_set_by_an_hour_while_gateways_run(apart: Stack, seconds: int) -> None:
    flow, ahead = Flow(f"clock{seconds}", 5), apart.home / "clock-ahead"
    await flow.register()
    readings = flow.readings(40)
    began = datetime.now(UTC)
    async with Gateway(flow.run, resend=10.0) as gateway, asyncio.timeout(200):
        ahead.write_text(str(seconds))
        try:
            flowing = asyncio.create_task(flow.publish(gateway, readings))
            await asyncio.to_thread(wait_until, lambda: "off Kafka's" in said(apart, "bridge"), "the bridge says so")
            status, receipts, code = said(apart, "bridge"), dict(flow.receipts), await post(flow)
        finally:
            ahead.write_text("0")
        await flowing
    print(f"\nthe clock was set by {seconds} s: {receipts} receipts, POST {code}; status: {status}")
    assert not receipts
    assert code == 503
    print(await flow.reckon(readings))
    known = await recorded_times(flow)
    assert began - timedelta(seconds=60) < min(known)
    assert max(known) < datetime.now(UTC) + timedelta(seconds=2)


def test_everything_is_as_a_rebuild_would_have_it(apart: Stack) -> None:
    verified(apart)


async def recorded_times(flow: Flow) -> list[datetime]:
    """When the events of the run were accepted, as the log has it."""
    found, reader = [], consumer(EVENTS)
    await reader.start()
    try:
        ends = await reader.end_offsets(list(reader.assignment()))
        while any([await reader.position(tp) < end for tp, end in ends.items()]):
            for records in (await reader.getmany(timeout_ms=500)).values():
                found += [
                    datetime.fromisoformat(orjson.loads(record.value)["recordedtime"])
                    for record in records
                    if record.value and flow.run.encode() in record.value
                ]
    finally:
        await reader.stop()
    return found
