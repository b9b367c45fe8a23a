"""Home blood pressure: the worked case of the guideline, and every figure against an independent computation."""

import csv
import itertools
import statistics
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver import Client

from api.blood_pressure import HomePressure, summarize
from schemas.envelope import Event, rfc3339
from streams.rules import released
from tests.api.database import event, mirror, scratch_database
from tests.stack import ROOT, Stack

pytestmark = pytest.mark.stack

DATA = ROOT.parent / "shared" / "data"
READING = "mailiu.reading.blood-pressure-measured.v1"
PLAN = "mailiu.monitoring.plan-set.v1"
ZONE = ZoneInfo("Asia/Shanghai")


class Scratch:
    """Tables of a scratch database."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def rows(self, sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        bound = {
            name: value.strftime("%Y-%m-%d %H:%M:%S") if isinstance(value, datetime) else value
            for name, value in parameters.items()
        }
        return list(self.client.query(sql, parameters=bound, tz_mode="aware").named_results())

    async def summary(self, resident: str, *more: Any) -> HomePressure:
        return await summarize(self, [resident], *more)  # type: ignore[arg-type]


@pytest.fixture
def tables(clickhouse: Stack) -> Iterator[Scratch]:
    with scratch_database() as client:
        yield Scratch(client)


def data(name: str) -> Path:
    file = DATA / name
    if not file.exists():
        pytest.skip(f"{name} is not on this machine")
    return file


def cardx() -> list[Event]:
    """28 readings of seven days, two each morning and evening (HL7 CardX)."""
    with data("smbp_hl7_cardx_28_readings.csv").open() as file:
        return [
            reading("R1", row["effectiveDateTime"], float(row["systolic_mmhg"]), float(row["diastolic_mmhg"]))
            for row in csv.DictReader(file)
        ]


def reading(resident: str, time: str, systolic: float, diastolic: float, **more: Any) -> Event:
    return event(READING, resident, time, {"systolic": systolic, "diastolic": diastolic, **more})


async def test_the_worked_case_drops_day_1_of_a_prescribed_week(tables: Scratch) -> None:
    plan = event(PLAN, "R1", "2023-02-28T00:00:00Z", {"schedule": "week", "start": "2023-03-02"})
    mirror(tables.client, [plan, *cardx()])
    found = await tables.summary("R1")
    assert (found.protocol, found.mean.n, found.mean.days, found.enough) == ("week", 24, 6, True)
    assert (round(found.mean.systolic or 0, 2), round(found.mean.diastolic or 0, 2)) == (135.42, 87.54)
    assert found.period is not None
    assert (str(found.period.first), str(found.period.last)) == ("2023-03-02", "2023-03-08")
    assert found.period.dropped == found.period.first
    assert (round(found.whole.systolic.mean or 0, 2), round(found.whole.diastolic.mean or 0, 2)) == (134.32, 86.75)
    assert found.whole.n == 28


async def test_the_same_readings_without_a_prescribed_week_drop_nothing(tables: Scratch) -> None:
    mirror(tables.client, cardx())
    found = await tables.summary("R1")
    assert (found.protocol, found.mean.n, found.mean.days) == ("rolling", 28, 7)
    assert (round(found.mean.systolic or 0, 2), round(found.mean.diastolic or 0, 2)) == (134.32, 86.75)
    asked = await tables.summary("R1", "week")
    assert (asked.protocol, asked.mean.n, round(asked.mean.systolic or 0, 2)) == ("week", 24, 135.42)


async def test_a_diary_of_108_days_equals_an_independent_computation(tables: Scratch) -> None:
    with data("bp_jhs_home_108days.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = {name.lower(): name for name in rows[0]}
    systolic, diastolic, when = (next(names[n] for n in names if key in n) for key in ("sys", "dias", "date"))
    begin = datetime(2019, 8, 1, tzinfo=UTC)
    pairs = [(float(row[systolic]), float(row[diastolic])) for row in reversed(rows) if row[systolic] and row[when]]
    times = [begin + timedelta(hours=11 * number, minutes=number) for number in range(len(pairs))]
    mirror(tables.client, [reading("R1", rfc3339(time), *pair) for time, pair in zip(times, pairs, strict=True)])
    found = await tables.summary("R1")
    local = [time.astimezone(ZONE) for time in times]
    last = local[-1].date()
    window = [i for i, at in enumerate(local) if at.date() > last - timedelta(7)]
    limits = released()["bp-sustained-high"][1].limits
    parts = {
        "mean": window,
        "morning": [i for i in window if limits["morning_from"] <= local[i].hour < limits["morning_to"]],
        "evening": [i for i in window if limits["evening_from"] <= local[i].hour < limits["evening_to"]],
    }
    for name, chosen in parts.items():
        mean = getattr(found, name)
        assert mean.n == len(chosen)
        assert mean.days == len({local[i].date() for i in chosen})
        for which, pressure in ((0, mean.systolic), (1, mean.diastolic)):
            assert pressure == pytest.approx(statistics.fmean(pairs[i][which] for i in chosen))
    for which, spread in ((0, found.whole.systolic), (1, found.whole.diastolic)):
        values = [pair[which] for pair in pairs]
        steps = [abs(b - a) for a, b in itertools.pairwise(values)]
        mean, sd = statistics.fmean(values), statistics.stdev(values)
        expected = [mean, sd, 100 * sd / mean, statistics.fmean(steps), statistics.fmean(s * s for s in steps) ** 0.5]
        assert [spread.mean, spread.sd, spread.cv, spread.arv, spread.sv] == pytest.approx(expected)
        assert (spread.min, spread.max) == (min(values), max(values))
    share = sum(s < 135 and d < 85 for s, d in pairs) / len(pairs)
    assert found.whole.in_range == pytest.approx(share)


async def test_only_home_values_measured_at_a_known_time_and_not_retracted_count(tables: Scratch) -> None:
    at = "2026-01-10T00:00:00Z"
    wrong = reading("R1", "2026-01-10T00:05:00Z", 190, 120)
    mirror(
        tables.client,
        [
            reading("R1", at, 130, 80),
            wrong,
            event("mailiu.reading.retracted.v1", "R1", at, {"reading": str(wrong.identity), "reason": "not-mine"}),
            reading("R1", at, 190, 120, place="office"),
            reading("R1", at, 190, 120, source="self-reported"),
            reading("R1", at, 190, 120, clock="untrusted"),
            reading("R1", at, 190, 120, flags=["unknown-user"]),
            reading("R2", at, 190, 120),
        ],
    )
    found = await tables.summary("R1")
    assert (found.mean.n, found.mean.systolic, found.whole.n, found.enough) == (1, 130, 1, False)
    assert (found.whole.systolic.sd, found.whole.systolic.arv) == (None, None)


async def test_a_model_known_to_be_unvalidated_or_worn_on_the_wrist_enters_no_mean(tables: Scratch) -> None:
    models: dict[str, dict[str, Any]] = {
        "Arm-1": {"validated": True},
        "Arm-2": {"validated": False},
        "Wrist-1": {"site": "wrist"},
        "Unknown": {},
    }
    at, events = "2026-01-01T00:00:00Z", []
    for number, (model, about) in enumerate(models.items()):
        made = {"model": model, "maker": "M", "kinds": ["blood-pressure"], **about}
        device = f"D{number}"
        events += [
            event("mailiu.device.model-registered.v1", f"device:{model}", at, made),
            event("mailiu.device.bound.v1", "R1", at, {"device": device, "model": model}),
            reading("R1", f"2026-01-02T00:0{number}:00Z", 120 + number, 80, device=device),
        ]
    known_by_the_gate = reading("R1", "2026-01-02T00:08:00Z", 199, 80, device="D8", model="Wrist-1")
    mirror(tables.client, [*events, known_by_the_gate, reading("R1", "2026-01-02T00:09:00Z", 130, 80, device="D9")])
    found = await tables.summary("R1")
    assert (found.whole.n, found.whole.systolic.min, found.whole.systolic.max) == (3, 120, 130)
    assert found.mean.systolic == pytest.approx((120 + 123 + 130) / 3)


async def test_a_personal_target_is_the_limit_of_the_range(tables: Scratch) -> None:
    target = {"systolic": 145, "diastolic": 90, "reason": "frail", "review": "2026-06-01"}
    mirror(
        tables.client,
        [
            event("mailiu.chronic.target-set.v1", "R1", "2026-01-01T00:00:00Z", target),
            reading("R1", "2026-01-10T00:00:00Z", 140, 86),
            reading("R2", "2026-01-10T00:00:00Z", 140, 86),
        ],
    )
    own, guideline = await tables.summary("R1"), await tables.summary("R2")
    assert (own.whole.in_range, own.limit.systolic, own.limit.personal) == (1, 145, True)
    assert (guideline.whole.in_range, guideline.limit.systolic, guideline.limit.personal) == (0, 135, False)


@pytest.mark.parametrize(("born", "limit"), [("1946-01-11", 135), ("1946-01-10", 145)])
async def test_from_80_years_on_the_limit_is_145_85(tables: Scratch, born: str, limit: float) -> None:
    details = {"sex": "male", "birth_date": born}
    registered = event("mailiu.resident.registered.v1", "R1", "2026-01-01T00:00:00Z", details)
    mirror(tables.client, [registered, reading("R1", "2026-01-09T00:00:00Z", 140, 80)])
    found = await summarize(tables, ["R1"], None, None, datetime(2026, 1, 10, tzinfo=ZONE))  # type: ignore[arg-type]
    assert (found.limit.systolic, found.limit.diastolic) == (limit, 85)


async def test_the_limits_are_those_of_the_version_that_the_log_activated_last(
    tables: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = released()["bp-sustained-high"]
    later = replace(versions[1], version=2, limits={**versions[1].limits, "systolic": 130})
    monkeypatch.setitem(versions, 2, later)
    expected = [(None, 135), (2, 130), (7, 135), (1, 135), (2, 130)]  # nobody here knows a version 7
    for n, (version, limit) in enumerate(expected):
        if version is not None:
            data = {"rule": "bp-sustained-high", "version": version}
            mirror(tables.client, [event("mailiu.rule.activated.v1", "district", f"2026-01-01T00:00:0{n}Z", data)])
        assert (await tables.summary("R1")).limit.systolic == limit


async def test_asked_for_one_day_a_week_that_days_readings_are_enough(tables: Scratch) -> None:
    plan = event(PLAN, "R1", "2026-01-01T00:00:00Z", {"schedule": "weekly", "start": "2026-01-01"})
    day = [reading("R1", f"2026-01-10T{hour:02}:0{n}:00Z", 130, 80) for hour in (0, 11) for n in (0, 1)]
    mirror(tables.client, [plan, *day, *(e.model_copy(update={"subject": "R2", "id": e.id + "-2"}) for e in day)])
    assert (await tables.summary("R1")).enough
    assert not (await tables.summary("R2")).enough


async def test_without_a_reading_there_is_nothing_to_say(tables: Scratch) -> None:
    found = await tables.summary("R1")
    assert (found.period, found.mean.n, found.mean.systolic, found.whole.in_range) == (None, 0, None, None)
