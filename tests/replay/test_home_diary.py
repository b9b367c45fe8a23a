"""A home diary of 2019, lived again: 222 readings over real MQTT in a stack whose clock runs three days a second.

What is expected is computed here from the file and the text of the rules, not by Mailiu's own fold:

* the summary: the rolling seven days that end on the last measured day, and the whole diary's variability;
* the alerts: `bp-sustained-high` is the only rule that can hold (nobody is treated, pregnant, in a plan; no value is at
  crisis level or low). Clinical decision 8: three of seven days, morning mean and weekly mean at or above 135/85 are
  yellow, one finding between them. Decision 19: a weekly mean needs 12 readings on 3 days. Decision 3: it clears 5 mmHg
  under the limit over a valid window.
"""

import contextlib
import csv
import json
import math
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import polars as pl
import pytest
from zstandard import ZstdDecompressor

from schemas.envelope import identity
from streams.store import EXAMPLES
from streams.summary import described
from tests.replay.publish_diary import DEVICE, INSTITUTION, RESIDENT
from tests.replay.reading_back import Reader, data_file
from tests.stack import ROOT, Stack

pytestmark = pytest.mark.stack
SPEED = 259_200  # three days a second
START = 30  # seconds in which the parts start; the clock reaches the diary after them
SHANGHAI = ZoneInfo("Asia/Shanghai")
LIMIT_S, LIMIT_D, CLEAR = 135, 85, 5
Reading = tuple[datetime, int, int, int]  # local time, systolic, diastolic, pulse


@pytest.fixture(scope="module")
def diary() -> list[Reading]:
    with data_file("bp_jhs_home_108days.csv").open() as file:
        return sorted(
            (
                datetime.fromisoformat(row["DateTime"]), int(row["Sys.mmHg."]), int(row["Dias.mmHg."]),
                int(row["Pulse.bpm."]),
            )
            for row in csv.DictReader(file)
        )  # fmt: skip


@pytest.fixture(scope="module")
def lived(diary: list[Reading], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Reader, dict[str, Any]]]:
    """A stack of 2019 that has lived through the diary, and the receipts of its readings."""
    begin = diary[0][0].replace(tzinfo=SHANGHAI).timestamp()
    home = tmp_path_factory.mktemp("diary")
    stack = Stack(
        home, clock=f"{datetime.fromtimestamp(begin - 3600, SHANGHAI).isoformat()}@{SPEED}", tick_seconds="21600",
        partitions="2",
    )  # fmt: skip
    try:
        stack.up("kafka", "mosquitto", "clickhouse")
        (home / "clock").write_text(repr(time.time() + START))
        stack.up()
        done = subprocess.run(
            [sys.executable, "-m", "tests.replay.publish_diary", str(data_file("bp_jhs_home_108days.csv"))],
            cwd=ROOT, env=os.environ | stack.environment, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        with Reader(stack, INSTITUTION) as reader:
            reader.until(
                lambda: reader.count(f"SELECT count() AS n FROM readings WHERE resident = '{RESIDENT}'"),
                len(diary), "readings",
            )  # fmt: skip
            yield reader, json.loads(done.stdout)
    finally:
        stack.down()


def expected_changes(diary: list[Reading]) -> list[tuple[str, int]]:
    """When the finding begins and ends, by the number of the reading that shows it."""
    changes: list[tuple[str, int]] = []
    active = False
    for number, (now, *_) in enumerate(diary):
        week = [reading for reading in diary[: number + 1] if (now.date() - reading[0].date()).days < 7]
        days: dict[date, list[Reading]] = {}
        for reading in week:
            days.setdefault(reading[0].date(), []).append(reading)
        mornings = [reading for reading in week if 6 <= reading[0].hour < 10]
        valid = len(week) >= 12 and len(days) >= 3
        high = (
            sum(at_or_above(readings) for readings in days.values()) >= 3
            or (valid and at_or_above(week))
            or (len({reading[0].date() for reading in mornings}) >= 3 and at_or_above(mornings))
        )
        systolic, diastolic = means(week)
        clear = valid and systolic < LIMIT_S - CLEAR and diastolic < LIMIT_D - CLEAR
        if high and not active:
            active = True
            changes.append(("raised", number))
        elif active and clear and not high:
            active = False
            changes.append(("condition-cleared", number))
    return changes


def means(readings: list[Reading]) -> tuple[float, float]:
    """Systolic and diastolic."""
    return sum(s for _, s, _, _ in readings) / len(readings), sum(d for _, _, d, _ in readings) / len(readings)


def at_or_above(readings: list[Reading]) -> bool:
    systolic, diastolic = means(readings)
    return systolic >= LIMIT_S or diastolic >= LIMIT_D


def test_every_reading_has_a_receipt_and_kept_its_own_time(
    lived: tuple[Reader, dict[str, Any]], diary: list[Reading]
) -> None:
    reader, receipts = lived
    assert len(receipts) == len(diary) == 222
    assert {receipt["status"] for receipt in receipts.values()} == {"accepted"}
    rows = reader.sql(
        "SELECT toUnixTimestamp(time) AS t, clock, systolic, diastolic, pulse FROM readings "
        f"WHERE resident = '{RESIDENT}' ORDER BY t"
    )
    assert {row["clock"] for row in rows} == {"trusted"}
    assert [(row["t"], row["systolic"], row["diastolic"], row["pulse"]) for row in rows] == [
        (int(at.replace(tzinfo=SHANGHAI).timestamp()), s, d, p) for at, s, d, p in diary
    ]


def test_the_summary_is_that_of_an_independent_computation(
    lived: tuple[Reader, dict[str, Any]], diary: list[Reading]
) -> None:
    reader, _ = lived
    table = pl.DataFrame(diary, schema=["time", "systolic", "diastolic", "pulse"], orient="row")
    last = table["time"].dt.date().max()
    assert isinstance(last, date)
    week = table.filter((pl.lit(last) - pl.col("time").dt.date()).dt.total_days() < 7)
    home = reader.get(f"/v1/residents/{RESIDENT}/blood-pressure")
    assert (home["protocol"], home["mean"]["n"]) == ("rolling", week.height)
    assert home["period"]["last"] == str(last)
    assert home["mean"]["days"] == week["time"].dt.date().n_unique()
    for name in ("systolic", "diastolic", "pulse"):
        assert math.isclose(home["mean"][name], week[name].mean(), rel_tol=1e-9)  # type: ignore[arg-type]
    for name, first, until in (("morning", 6, 10), ("evening", 18, 22)):
        part = week.filter(pl.col("time").dt.hour().is_between(first, until, closed="left"))
        assert home[name]["n"] == part.height
        assert home[name]["systolic"] == pytest.approx(part["systolic"].mean())
    kept = folded(reader.stack.home)
    assert (kept["readings"], kept["to"]) == (week.height, str(last))
    assert kept["mean"]["systolic"] == pytest.approx(week["systolic"].mean())
    assert kept["mean"]["diastolic"] == pytest.approx(week["diastolic"].mean())
    assert home["whole"]["n"] == table.height
    for name in ("systolic", "diastolic"):
        column, spread = table[name].cast(pl.Float64), home["whole"][name]
        steps = column.diff().drop_nulls()
        average, deviation = column.mean(), column.std()
        assert isinstance(average, float)
        assert isinstance(deviation, float)
        for measure, value in (
            ("mean", average), ("sd", deviation), ("cv", 100 * deviation / average), ("arv", steps.abs().mean()),
            ("sv", math.sqrt((steps**2).mean())), ("min", column.min()), ("max", column.max()),  # type: ignore[arg-type]
        ):  # fmt: skip
            assert math.isclose(spread[measure], value, rel_tol=1e-9), measure  # type: ignore[arg-type]
    below = table.filter((pl.col("systolic") < LIMIT_S) & (pl.col("diastolic") < LIMIT_D)).height
    assert math.isclose(home["whole"]["in_range"], below / table.height, rel_tol=1e-9)


def folded(home: Path) -> dict[str, Any]:
    """The home summary that the worker keeps in the resident's state."""
    for store in (home / "store").glob("*.sqlite"):
        with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
            if row := db.execute("SELECT state FROM states WHERE subject = ?", (RESIDENT,)).fetchone():
                return described(orjson.loads(ZstdDecompressor(EXAMPLES).decompress(row[0]))) or {}
    return {}


def test_the_alerts_are_those_that_the_rules_demand_and_none_else(
    lived: tuple[Reader, dict[str, Any]], diary: list[Reading]
) -> None:
    reader, _ = lived
    expected = expected_changes(diary)
    causes = {str(identity(f"mqtt/{INSTITUTION}/{DEVICE}", f"diary-{n}")): n for n in range(len(diary))}

    def changes() -> list[tuple[str, int | None]]:
        rows = reader.sql(
            "SELECT splitByChar('.', type)[3] AS kind, JSONExtractString(value, 'causationid') AS cause FROM log "
            f"WHERE topic = 'derived' AND key = '{RESIDENT}' AND type IN "
            "('mailiu.alert.raised.v1', 'mailiu.alert.condition-cleared.v1', 'mailiu.alert.withdrawn.v1', "
            "'mailiu.alert.severity-changed.v1') ORDER BY partition, offset LIMIT 1 BY identity"
        )
        return [(row["kind"], causes.get(row["cause"])) for row in rows]

    reader.until(changes, expected, "changes of alerts")
    alerts = sorted(reader.get("/v1/alerts")["items"], key=lambda alert: alert["raised_time"])
    raised = [number for kind, number in expected if kind == "raised"]
    assert [(alert["rule"], alert["severity"]) for alert in alerts] == [("bp-sustained-high", "yellow")] * len(raised)
    assert [alert["condition"] for alert in alerts] == ["cleared", "cleared", "cleared", "active"]
    print([(kind, str(diary[number][0])) for kind, number in expected])
