"""The home mean by protocol and what follows from it (guidelines 2019 and 2024; clinical decisions 8, 9, 18, 19)."""

import csv
from pathlib import Path
from typing import Any

import pytest

from streams.event import instant
from streams.summary import described
from tests.core.resident import DAY, HOUR, MINUTE, START, Resident, at

CARDX = Path(__file__).parents[3] / "shared" / "data" / "smbp_hl7_cardx_28_readings.csv"


def home(r: Resident) -> dict[str, Any]:
    """The summary in the state."""
    return described(r.state) or {"readings": 0}


def cardx(r: Resident) -> None:
    if not CARDX.exists():
        pytest.skip(f"{CARDX} is absent")
    for row in csv.DictReader(CARDX.read_text().splitlines()):
        time = instant(row["effectiveDateTime"])
        r.bp(float(row["systolic_mmhg"]), float(row["diastolic_mmhg"]), time)


@pytest.mark.parametrize(("zone", "start"), [("Etc/GMT+9", "2023-03-01"), ("Asia/Shanghai", "2023-03-01")])
def test_a_prescribed_week_drops_its_first_day(zone: str, start: str) -> None:
    r = Resident(born=None, zone=zone)
    r.event("monitoring.plan-set.v1", {"schedule": "week", "start": start}, instant("2023-02-28T00:00:00Z"))
    cardx(r)
    mean = home(r)
    assert (mean["protocol"], mean["enough"], mean["readings"], mean["days"]) == ("week", True, 24, 6)
    assert (round(mean["mean"]["systolic"], 2), round(mean["mean"]["diastolic"], 2)) == (135.42, 87.54)
    alert = r.only("bp-sustained-high")
    assert alert["severity"] == "yellow"
    assert "weekly-mean" in alert["detail"]["reasons"]


def test_a_rolling_window_never_drops_a_day() -> None:
    r = Resident(born=None, zone="Etc/GMT+9")
    cardx(r)
    mean = home(r)
    assert (mean["protocol"], mean["readings"], mean["days"]) == ("rolling", 28, 7)
    assert (round(mean["mean"]["systolic"], 2), round(mean["mean"]["diastolic"], 2)) == (134.32, 86.75)


def test_the_window_rolls_by_local_days() -> None:
    r = Resident()
    r.bp(180 - 1, 100, at("2026-03-05 00:00"))
    r.bp(120, 70, at("2026-03-11 23:59"))
    assert home(r)["readings"] == 2
    r.bp(120, 70, at("2026-03-12 00:00"))
    assert home(r)["readings"] == 2
    assert home(r)["mean"]["systolic"] == 120
    assert (home(r)["from"], home(r)["to"]) == ("2026-03-06", "2026-03-12")


def test_morning_and_evening_are_kept_apart() -> None:
    r = Resident()
    for hour, systolic in (
        ("05:59", 100),
        ("06:00", 130),
        ("09:59", 140),
        ("10:00", 100),
        ("18:00", 120),
        ("22:00", 100),
    ):
        r.bp(systolic, 70, at(f"2026-03-05 {hour}"))
    mean = home(r)
    assert mean["morning"] == {"systolic": 135, "diastolic": 70, "readings": 2}
    assert mean["evening"] == {"systolic": 120, "diastolic": 70, "readings": 1}


@pytest.mark.parametrize(
    "rest",
    [
        {"source": "self-reported"},
        {"place": "office"},
        {"place": "ambulatory"},
        {"clock": "untrusted"},
        {"flags": ["unknown-user"]},
    ],
)
def test_some_values_enter_no_mean(rest: dict[str, Any]) -> None:
    r = Resident()
    r.bp(150, 90, START)
    r.bp(170, 105, START + MINUTE, **rest)
    assert home(r)["readings"] == 1


@pytest.mark.parametrize("model", [{"validated": False}, {"site": "wrist"}, {"validated": True, "site": "upper-arm"}])
def test_an_unvalidated_or_wrist_device_may_alarm_but_enters_no_mean(model: dict[str, Any]) -> None:
    r = Resident()
    r.event(
        "device.model-registered.v1", {"model": "M1", "maker": "x", "kinds": ["blood-pressure"], **model}, START - DAY
    )
    r.event("device.bound.v1", {"device": "D1", "model": "M1"}, START - DAY)
    r.bp(190, 115, START)
    assert r.only("bp-crisis")["severity"] == "red"
    assert ("home" in r.state) is (model.get("validated") is True)


def test_the_model_that_the_gate_knows_counts_too() -> None:
    r = Resident()
    made = {"model": "M1", "maker": "x", "kinds": ["blood-pressure"], "site": "wrist"}
    r.event("device.model-registered.v1", made, START - DAY)
    r.bp(190, 115, START, model="M1")
    assert r.only("bp-crisis")["severity"] == "red"
    assert "home" not in r.state


@pytest.mark.parametrize(("approved", "severity"), [(False, "yellow"), (True, "orange")])
def test_from_80_years_two_high_weeks_under_treatment_rest_on_a_judged_limit(approved: bool, severity: str) -> None:
    r = Resident(born="1940-05-01")
    if approved:
        r.event("rule.approved.v1", {"rule": "bp-sustained-high", "version": 1, "physician": "P01"}, START - DAY)
    r.event("chronic.medication-prescribed.v1", {"code": "C08CA01"}, START - DAY)
    r.days(148, 80, START, 14)
    assert (r.only("bp-sustained-high")["severity"], r.only("bp-sustained-high")["judgement"]) == (
        severity, not approved,
    )  # fmt: skip


@pytest.mark.parametrize(("mean", "high"), [((135, 70), True), ((120, 85), True), ((134, 84), False)])
def test_the_limit_is_135_85(mean: tuple[float, float], high: bool) -> None:
    r = Resident()
    r.days(*mean, START, 3)
    assert bool(r.of("bp-sustained-high")) is high


def test_twelve_readings_on_three_days_make_a_mean() -> None:
    r = Resident()
    r.days(150, 80, START, 2)
    assert not r.alerts
    r.days(100, 60, START + 2 * DAY, 1)
    assert home(r)["enough"] is True
    assert round(home(r)["mean"]["systolic"], 2) == 133.33


def test_three_of_seven_days_by_the_days_mean() -> None:
    r = Resident()
    for day in (0, 2, 4):
        r.bp(140, 80, START + day * DAY + 5 * HOUR)
    alert = r.only("bp-sustained-high")
    assert (alert["severity"], alert["detail"]["reasons"]) == ("yellow", ["high-days"])
    spread = Resident()
    for day in (0, 4, 7):
        spread.bp(140, 80, START + day * DAY + 5 * HOUR)
    assert not spread.alerts


def test_the_morning_mean_alone_is_enough() -> None:
    r = Resident()
    for day in range(3):
        r.bp(137, 80, at(f"2026-03-0{day + 5} 07:00"))
        for hour in (13, 19, 21):
            r.bp(118, 70, at(f"2026-03-0{day + 5} {hour}:00"))
    assert r.only("bp-sustained-high")["detail"]["reasons"] == ["morning-mean"]


def test_one_finding_between_them_and_one_telling_a_day() -> None:
    r = Resident()
    r.days(150, 90, START, 7)
    assert r.only("bp-sustained-high")["severity"] == "yellow"
    assert r.told.count("raised") == 1
    assert r.told.count("extended") <= 7


def test_a_mean_of_155_95_is_orange_only_where_a_physician_approved_it() -> None:
    r = Resident()
    r.days(156, 90, START, 4)
    alert = r.only("bp-sustained-high")
    assert (alert["severity"], alert["judgement"]) == ("yellow", True)
    approved = Resident()
    approval = {"rule": "bp-sustained-high", "version": 1, "physician": "P01"}
    approved.event("rule.approved.v1", approval, START - DAY, institution="I02")
    approved.days(156, 90, START, 4)
    assert approved.only("bp-sustained-high")["severity"] == "yellow"
    approved.event("rule.approved.v1", approval, START + 4 * DAY)
    approved.days(156, 90, START + 4 * DAY, 1)
    assert approved.only("bp-sustained-high")["severity"] == "orange"


def test_two_valid_weeks_in_a_row_under_treatment_are_orange() -> None:
    r = Resident()
    r.event("chronic.medication-prescribed.v1", {"code": "C09AA02"}, START - 30 * DAY)
    r.days(140, 80, START, 9)
    assert r.only("bp-sustained-high")["severity"] == "yellow"
    r.days(140, 80, START + 9 * DAY, 5)
    alert = r.only("bp-sustained-high")
    assert (alert["severity"], alert["judgement"]) == ("orange", False)
    untreated = Resident()
    untreated.days(140, 80, START, 14)
    assert untreated.only("bp-sustained-high")["severity"] == "yellow"


@pytest.mark.parametrize(("systolic", "high"), [(144, False), (145, True)])
def test_from_80_years_the_limit_is_145(systolic: float, high: bool) -> None:
    r = Resident(born="1940-05-01")
    r.days(systolic, 80, START, 4)
    assert bool(r.of("bp-sustained-high")) is high


def test_the_day_somebody_turns_80() -> None:
    r = Resident(born="1946-03-08")
    r.days(140, 80, START, 3)
    assert r.rules() == {"bp-sustained-high"}
    other = Resident(born="1946-03-07")
    other.days(140, 80, START, 3)  # the third day is the birthday
    assert not other.alerts


@pytest.mark.parametrize(("target", "high"), [((130, 80), True), ((150, 90), False)])
def test_a_personal_target_replaces_the_limit(target: tuple[int, int], high: bool) -> None:
    r = Resident()
    data = {"systolic": target[0], "diastolic": target[1], "reason": "kidney disease", "review": "2026-09-01"}
    r.event("chronic.target-set.v1", data, START - DAY)
    r.days(132, 78, START, 4)
    assert bool(r.of("bp-sustained-high")) is high
    r.days(140, 88, START + 4 * DAY, 7)
    assert bool(r.of("bp-sustained-high")) is high


def test_a_new_target_is_applied_to_what_is_there() -> None:
    r = Resident()
    r.days(140, 80, START, 4)
    assert r.rules() == {"bp-sustained-high"}
    data = {"systolic": 150, "diastolic": 90, "reason": "frail", "review": "2026-09-01"}
    r.event("chronic.target-set.v1", data, START + 4 * DAY)
    assert not r.rules()


def test_it_clears_five_under_the_limit_over_a_valid_window_and_not_before() -> None:
    r = Resident()
    r.days(140, 86, START, 4)
    r.days(131, 81, START + 4 * DAY, 7)
    assert r.only("bp-sustained-high")["condition"] == "active"
    assert r.only("bp-sustained-high")["detail"]["reasons"] == ["not-yet-clear"]
    r.days(129, 79, START + 11 * DAY, 7)
    assert r.only("bp-sustained-high")["condition"] == "cleared"


def test_silence_does_not_clear_it() -> None:
    r = Resident()
    r.days(140, 86, START, 4)
    r.ticks(START + 90 * DAY)
    assert r.only("bp-sustained-high")["condition"] == "active"
    r.bp(120, 70, START + 91 * DAY)
    assert r.only("bp-sustained-high")["condition"] == "active"
    r.days(120, 70, START + 92 * DAY, 3)
    assert r.only("bp-sustained-high")["condition"] == "cleared"


def test_closed_and_still_high_is_a_new_alert_after_28_days() -> None:
    r = Resident()
    r.days(140, 86, START, 4)
    closed = START + 4 * DAY
    r.act("closed", r.only("bp-sustained-high"), closed, outcome="advice")
    r.days(140, 86, START + 5 * DAY, 26)
    assert r.only("bp-sustained-high")["handling"] == "closed"
    r.days(140, 86, START + 32 * DAY, 1)
    assert [a["condition"] for a in r.of("bp-sustained-high")] == ["cleared", "active"]


def test_a_stable_plan_is_valid_by_its_schedule() -> None:
    r = Resident()
    plan = {"schedule": "weekly", "start": "2026-03-01", "morning": 2, "evening": 2}
    r.event("monitoring.plan-set.v1", plan, START - 5 * DAY)
    r.days(140, 80, START, 1)
    assert home(r)["enough"] is True
    assert r.rules() == {"bp-sustained-high"}


def test_a_late_reading_reopens_its_window() -> None:
    r = Resident()
    r.days(130, 80, START, 4)
    assert not r.alerts
    for day in range(4):
        for minute in range(4):
            r.bp(160, 80, START + day * DAY + minute * MINUTE, recorded=START + 6 * DAY)
    assert r.rules() == {"bp-sustained-high"}


def test_retracted_readings_no_longer_count() -> None:
    r = Resident()
    ids = [r.bp(160, 80, START + day * DAY + minute * MINUTE).identity for day in range(3) for minute in range(4)]
    assert r.rules() == {"bp-sustained-high"}
    for id in ids:
        r.event("reading.retracted.v1", {"reading": id, "reason": "not-mine"}, START + 3 * DAY)
    assert r.only("bp-sustained-high")["condition"] == "withdrawn"
    assert home(r)["readings"] == 0
    assert "home" not in r.state


def test_high_again_after_a_clear_day_is_a_new_alert() -> None:
    r = Resident()
    r.days(140, 86, START, 3)
    r.days(110, 70, START + 3 * DAY, 5)
    r.days(150, 95, START + 8 * DAY, 3)
    assert [a["condition"] for a in r.of("bp-sustained-high")] == ["cleared", "active"]


def test_late_readings_that_show_it_never_cleared_continue_the_alert() -> None:
    r = Resident()
    r.days(140, 86, START, 4)
    r.days(110, 70, START + 4 * DAY, 6)
    assert r.only("bp-sustained-high")["condition"] == "cleared"
    for day in range(4, 10):
        for minute in range(12):
            r.bp(160, 95, START + day * DAY + minute * MINUTE, recorded=START + 11 * DAY)
    assert r.only("bp-sustained-high")["condition"] == "active"
