"""Analysts' statements wait on disk until the trail has them; names and numbers in them are masked."""

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from infra.audit import heads, shipping
from infra.audit.chain import check
from infra.audit.spool import Spool, told
from infra.audit.trail import Trail
from tests.audit.test_chain import Kafka


@pytest.mark.parametrize(
    ("sql", "kept"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT * FROM readings WHERE resident = 'R-1'", "SELECT * FROM readings WHERE resident = 'R-1'"),
        ("SELECT '王小明', 'it''s 王', broken('王", "SELECT '***', 'it''s ***', broken('***"),
        ("SELECT '13800138000', 11010519491231002", "SELECT '***********', 11010519491231002"),
    ],
)
def test_a_statement_is_kept_without_names_and_numbers_of_persons(sql: str, kept: str) -> None:
    assert told(sql) == kept


def test_what_waits_survives_the_process_and_goes_to_the_trail_once_kafka_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "EVERY", 0.01)
    writing = Spool(tmp_path)
    for number in range(3):
        writing.put("analyst", "queried", "sql", query=f"SELECT {number}", query_id=str(number))
    writing.close()
    kafka = Kafka(fails={0, 2})  # the first opening of a chain, and the first record of the next

    async def run() -> None:
        trail = Trail(kafka, "api", tmp_path)
        shipped = asyncio.create_task(shipping.ship(trail, tmp_path))
        while Spool(tmp_path).first():
            await asyncio.sleep(0.01)
        shipped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await shipped
        trail.close()

    asyncio.run(asyncio.wait_for(run(), 30))
    records = [json.loads(value) for _, value in kafka.sent]
    queried = [record for record in records if record["action"] == "queried"]
    assert [record["query"] for record in queried] == ["SELECT 0", "SELECT 1", "SELECT 2"]
    assert len({record["id"] for record in queried}) == 3
    assert check(kafka.sent, heads.read(tmp_path)) == []


def test_one_process_ships_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "EVERY", 0.01)
    spool = Spool(tmp_path)
    for number in range(50):
        spool.put("analyst", "queried", "sql", query=f"SELECT {number}")
    kafka = Kafka()

    async def run() -> None:
        trails = [Trail(kafka, "api", tmp_path) for _ in range(2)]
        shipped = [asyncio.create_task(shipping.ship(trail, tmp_path)) for trail in trails]
        while spool.first():
            await asyncio.sleep(0.01)
        for task in shipped:
            task.cancel()
        await asyncio.gather(*shipped, return_exceptions=True)

    asyncio.run(asyncio.wait_for(run(), 30))
    assert len([value for _, value in kafka.sent if b'"queried"' in value]) == 50


def test_what_cannot_be_noted_says_so(tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "waiting.db").write_bytes(b"not a database, " * 100)
    with pytest.raises(sqlite3.Error):
        Spool(tmp_path).put("analyst", "queried", "sql")
