"""A rule and a score change their version in the midst of the log: what was said stays, what is new says so, and a
refold from the beginning gives the same."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from infra.clients import clickhouse
from infra.log import Log
from projections.verify import verify
from schemas.envelope import rfc3339
from schemas.registry import parse
from tests.projections.play import event, pressure
from tests.stack import ROOT, Stack, own_stack, wait_until
from tests.withstand import drafts

pytestmark = pytest.mark.stack
#: Two weeks of readings; the versions change between them.
START = (datetime.now(UTC) - timedelta(days=16)).replace(hour=23, minute=0, second=0, microsecond=0)
BETWEEN, LOW = "R-between", "R-low"


async def _append(events: list[tuple[dict[str, Any], datetime]]) -> None:
    async with Log() as log:
        for each, recorded in events:
            await log.append(parse(each), recorded=recorded)


def week(first: datetime) -> Iterator[tuple[dict[str, Any], datetime]]:
    """A visit, then a week of readings: one person between the old and the new limits, one below both."""
    for resident, systolic, diastolic, weight in ((BETWEEN, 132, 78, 70.8), (LOW, 118, 70, 58)):
        form: dict[str, Any] = {"programme": "hypertension", "mode": "clinic", "weight": weight, "height": 170}
        when = first - timedelta(hours=20)
        yield event("chronic.follow-up-completed.v3", resident, rfc3339(when), **form), when
        for n in range(28):
            time = first + timedelta(days=n // 4, hours=12 * (n // 2 % 2), minutes=n % 2)
            yield pressure(resident, rfc3339(time), systolic, diastolic), time


def rows(sql: str) -> list[dict[str, Any]]:
    with clickhouse() as client:
        return [dict(row) for row in client.query(sql).named_results()]


def said() -> list[dict[str, Any]]:
    """Every alert raised and every class of body-mass index computed, in order, as derived."""
    found = rows(
        "SELECT type, key, value FROM log FINAL WHERE topic = 'derived' AND type IN "
        "('mailiu.alert.raised.v1', 'mailiu.score.computed.v1') ORDER BY partition, offset"
    )
    events = [(row["key"], row["type"], orjson.loads(row["value"])["data"]) for row in found]
    return [
        {"resident": key, "what": data.get("rule") or data.get("model"), "version": data.get("rule_version") or
         data.get("version"), "class": data.get("class"), "severity": data.get("severity")}
        for key, _, data in events
        if (data.get("rule") or data.get("model")) in (drafts.HIGH, drafts.BMI)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def parts() -> Iterator[Stack]:
    drafts.deploy()
    with own_stack("switch", partitions="2") as stack:
        stack.up("kafka", "clickhouse", "writer")
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.withstand.drafts"], cwd=ROOT, env=os.environ | stack.environment
        )
        try:
            yield stack
        finally:
            worker.terminate()
            worker.wait(30)
            drafts.withdraw()


def test_old_outputs_stay_new_ones_carry_the_new_version_and_a_refold_agrees(parts: Stack) -> None:
    long_ago = START - timedelta(days=40)
    registered = [
        (event("resident.registered.v1", resident, rfc3339(long_ago), sex="female", birth_date="1960-05-05"), long_ago)
        for resident in (BETWEEN, LOW)
    ]
    asyncio.run(_append([*registered, *week(START)]))
    first = [
        {"resident": BETWEEN, "what": drafts.BMI, "version": 1, "class": "overweight", "severity": None},
        {"resident": LOW, "what": drafts.BMI, "version": 1, "class": "normal", "severity": None},
    ]
    order = lambda found: sorted(found, key=lambda one: (one["resident"], one["what"], one["version"]))  # noqa: E731
    wait_until(lambda: order(said()) == first, "the classes of version 1, and no alert")
    before = rows("SELECT partition, offset, value FROM log FINAL WHERE topic = 'derived' ORDER BY partition, offset")
    switched = START + timedelta(days=7)
    asyncio.run(
        _append(
            [
                (event("rule.activated.v1", "rules", rfc3339(switched), id=name, rule=name, version=2), switched)
                for name in (drafts.HIGH, drafts.BMI)
            ]
        )
    )
    asyncio.run(_append(list(week(START + timedelta(days=8)))))
    second = [
        {"resident": BETWEEN, "what": drafts.BMI, "version": 2, "class": "normal", "severity": None},
        {"resident": BETWEEN, "what": drafts.HIGH, "version": 2, "class": None, "severity": "yellow"},
        {"resident": LOW, "what": drafts.BMI, "version": 2, "class": "normal", "severity": None},
    ]
    wait_until(lambda: order(said()) == order([*first, *second]), "what version 2 says")
    after = rows("SELECT partition, offset, value FROM log FINAL WHERE topic = 'derived' ORDER BY partition, offset")
    assert [row for row in after if row in before] == before
    differing = {check.table: check.keys for check in verify() if check.differing}
    assert differing == {}
