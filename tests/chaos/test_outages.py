"""Faults 2 to 4: a part stands still, is killed or refuses while cuffs publish; what has a receipt is never lost.

`MAILIU_CHAOS_BACKLOG` is the number of messages that wait in the MQTT broker when it is killed (default 20,000).
"""

import asyncio
import os
import signal

import httpx
import pytest

from api.auth import issue
from infra.clients import clickhouse as clickhouse_client
from infra.gateway import Gateway
from infra.settings import settings
from tests.chaos.flow import INSTITUTION, Flow, said, verified
from tests.stack import Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.chaos]
BACKLOG = int(os.environ.get("MAILIU_CHAOS_BACKLOG", "20000"))
STANDS_STILL = (20.0, 32.0)  #: seconds; the second is beyond the worker's own patience


async def test_kafka_stands_still_while_cuffs_publish(stack: Stack) -> None:
    flow = Flow("still", 20)
    await flow.register()
    readings = flow.readings(150)
    workers = stack.status("worker")["restarts"]
    stack.pid("api")  # serves again, whatever killed it before
    async with Gateway(flow.run, resend=15.0) as gateway, asyncio.timeout(300):
        flowing = asyncio.create_task(flow.publish(gateway, readings, pause=0.02))
        for seconds in STANDS_STILL:
            before = flow.receipts.total()
            while flow.receipts.total() <= before:
                await asyncio.sleep(0.1)
            kafka = stack.pid("kafka")
            os.kill(kafka, signal.SIGSTOP)
            try:
                await asyncio.sleep(2)  # what was on its way has arrived
                stopped = flow.receipts.total()
                status, code, _ = await asyncio.gather(
                    asyncio.to_thread(said, stack, "kafka"), post(flow), asyncio.sleep(seconds - 2)
                )
                during = flow.receipts.total() - stopped
            finally:
                os.kill(kafka, signal.SIGCONT)
            print(f"\nKafka stood still for {seconds:.0f} s: {during} receipts, POST {code}, status: {status}")
            assert during == 0, "no receipt without Kafka"
            assert code == 503
            assert "does not answer" in status
        await flowing
    print(f"{await flow.reckon(readings)}; restarts of the worker {workers} → {stack.status('worker')['restarts']}")


async def test_clickhouse_refuses_writes_while_cuffs_publish(stack: Stack) -> None:
    flow = Flow("refused", 20)
    await flow.register()
    readings = flow.readings(50)
    with clickhouse_client() as client:
        client.command("ALTER TABLE log MODIFY SETTING parts_to_throw_insert = 1")
        try:
            async with Gateway(flow.run) as gateway, asyncio.timeout(120):
                await flow.publish(gateway, readings)
            await asyncio.to_thread(wait_until, lambda: "refuses" in said(stack, "writer"), "the writer says so")
            status, held = said(stack, "writer"), rows(flow)
            assert held < len(readings), "the tables are behind"
        finally:
            client.command("ALTER TABLE log RESET SETTING parts_to_throw_insert")
    print(f"\n{len(readings)} receipts while ClickHouse held {held} rows; status: {status}")
    print(await flow.reckon(readings))
    await asyncio.to_thread(wait_until, lambda: "refuses" not in said(stack, "writer"), "the writer is content")


async def test_the_mqtt_broker_is_killed_with_a_backlog(stack: Stack) -> None:
    flow = Flow("backlog", 200)
    await flow.register()
    readings = flow.readings(BACKLOG // 200)
    held = 0

    def on_publish(*_: object) -> None:
        nonlocal held
        held += 1

    async with Gateway(flow.run, resend=60.0) as gateway, asyncio.timeout(540):
        gateway.client.on_publish = on_publish
        bridge = stack.pid("bridge")
        os.kill(bridge, signal.SIGSTOP)
        try:
            flowing = asyncio.create_task(flow.publish(gateway, readings, under_way=len(readings)))
            while held < len(readings):
                await asyncio.sleep(0.1)
            assert not flow.receipts, "acknowledged by the broker is not accepted"
            waiting = held
            stack.wait_restarted("mosquitto", stack.kill("mosquitto"))
        finally:
            os.kill(bridge, signal.SIGCONT)
        await flowing
    print(f"\n{waiting} messages were acknowledged and waited when Mosquitto was killed; {await flow.reckon(readings)}")


def test_everything_is_as_a_rebuild_would_have_it(stack: Stack) -> None:
    verified(stack)


async def post(flow: Flow) -> int:
    """The status with which the API answers an event now."""
    body = {
        "id": f"{flow.run}-post", "source": "rest/chaos", "type": "mailiu.chronic.condition-diagnosed.v1",
        "subject": f"{flow.run}-R0", "institution": INSTITUTION, "time": "2026-03-01T08:00:00+08:00",
        "data": {"code": "E11"},
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {issue('integrator', [INSTITUTION])}"}
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        return (await client.post(f"http://{settings().api}/v1/events", json=body, headers=headers)).status_code


def rows(flow: Flow) -> int:
    """Readings of the run that ClickHouse holds."""
    with clickhouse_client() as client:
        found = client.query("SELECT count() FROM readings WHERE startsWith(resident, {r:String})", {"r": flow.run})
        return int(found.result_rows[0][0])
