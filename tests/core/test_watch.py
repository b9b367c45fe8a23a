"""Check the person (16), a child's reading (15), adherence and silence inside a plan (19)."""

import pytest

from tests.core.resident import DAY, HOUR, MINUTE, START, Resident, at


def failure(r: Resident, time: int, reason: str = "error-code", **rest: object) -> None:
    r.event("device.measurement-failed.v1", {"device": "D1", "reason": reason, **rest}, time)


def test_three_failures_in_thirty_minutes_are_a_task_until_approved() -> None:
    r = Resident()
    failure(r, START)
    failure(r, START + 10 * MINUTE)
    assert not r.alerts
    failure(r, START + 30 * MINUTE)
    alert = r.only("check-person")
    assert (alert["severity"], alert["judgement"]) == ("yellow", True)
    approved = Resident()
    approved.event("rule.approved.v1", {"rule": "check-person", "version": 1, "physician": "P01"}, START - DAY)
    for minute in (0, 10, 30):
        failure(approved, START + minute * MINUTE)
    assert approved.only("check-person")["severity"] == "orange"


def test_three_failures_in_a_longer_time_say_nothing() -> None:
    r = Resident()
    for minute in (0, 16, 32, 48):
        failure(r, START + minute * MINUTE)
    assert not r.alerts


def test_a_hundred_technical_faults_raise_no_clinical_alert() -> None:
    r = Resident()
    for n in range(100):
        failure(r, START + n * MINUTE, reason="not-a-number", flags=["cuff-loose"])
    assert r.rules() == {"check-person"}
    assert r.told == ["raised"]


def test_a_value_outside_limits_is_orange_and_a_meters_hi_or_lo_red() -> None:
    r = Resident()
    failure(r, START, reason="out-of-limits", field="systolic", value="310")
    assert r.only("check-person")["severity"] == "orange"
    for flag in ("meter-high", "meter-low"):
        meter = Resident()
        failure(meter, START, reason="out-of-limits", kind="glucose", flags=[flag])
        assert meter.only("check-person")["severity"] == "red"


def test_a_crisis_of_nobodys_device_is_the_institutions_business() -> None:
    r = Resident("device:D9", born=None)
    data = {"device": "D9", "kind": "blood-pressure", "systolic": 210, "diastolic": 120}
    r.event("device.person-unknown.v1", data, START, institution="I07")
    assert r.only("check-person")["severity"] == "orange"
    assert r.outputs[-1].value["institution"] == "I07"
    assert r.outputs[-1].key == "device:D9"


def test_a_crisis_of_an_unknown_user_is_the_residents_and_somebody_checks_whose() -> None:
    r = Resident()
    reading = r.bp(190, 100, START, flags=["unknown-user"], user_slot=255)
    assert r.only("bp-crisis")["severity"] == "red"
    assert r.only("check-person")["severity"] == "orange"
    r.event("reading.retracted.v1", {"reading": reading.identity, "reason": "not-mine"}, START + HOUR)
    assert {alert["condition"] for alert in r.alerts.values()} == {"withdrawn"}
    r.bp(140, 90, START + 2 * HOUR, flags=["unknown-user"], user_slot=255)
    assert not r.rules()


@pytest.mark.parametrize(("kind", "value", "rule"), [("oxygen", 85, "oxygen-low"), ("heart-rate", 35, "pulse-rate")])
def test_what_only_a_judged_limit_calls_a_crisis_is_a_task_until_that_is_approved(
    kind: str, value: float, rule: str
) -> None:
    for severity in ("yellow", "orange"):
        r = Resident("device:D9", born=None)
        if severity == "orange":
            r.event("rule.approved.v1", {"rule": rule, "version": 1, "physician": "P01"}, START - DAY)
        r.event("device.person-unknown.v1", {"device": "D9", "kind": kind, "value": value}, START)
        assert r.only("check-person")["severity"] == severity


@pytest.mark.parametrize(("born", "child"), [("2008-03-06", True), ("2008-03-05", False)])
def test_under_18_adult_rules_refuse_and_a_clinician_looks(born: str, child: bool) -> None:
    r = Resident(born=born)
    r.bp(190, 115, START)
    assert r.rules() == ({"child-reading"} if child else {"bp-crisis"})
    if child:
        assert r.only("child-reading")["severity"] == "yellow"


def test_an_age_learned_late_takes_the_alert_back() -> None:
    r = Resident(born=None)
    r.bp(190, 115, START)
    assert r.rules() == {"bp-crisis"}
    r.event("resident.registered.v1", {"sex": "male", "birth_date": "2015-01-01"}, START - DAY, recorded=START + HOUR)
    assert r.only("bp-crisis")["condition"] == "withdrawn"
    assert r.rules() == {"child-reading"}


def planned(schedule: str, start: str = "2026-03-05", **rest: object) -> Resident:
    r = Resident()
    r.event("resident.consent-given.v1", {"scopes": ["monitoring"], "text_version": "T1"}, START - DAY)
    r.event("monitoring.enrolled.v1", {}, START - DAY)
    r.event("monitoring.plan-set.v1", {"schedule": schedule, "start": start, **rest}, START - HOUR)
    return r


@pytest.mark.parametrize(("days", "low"), [(2, True), (3, False), (7, False)])
def test_fewer_than_12_readings_or_3_days_in_the_week_is_not_enough(days: int, low: bool) -> None:
    r = planned("week")
    r.days(120, 75, START, days)
    r.ticks(at("2026-03-12 00:01"))
    assert ("adherence-low" in r.rules()) is low


def test_a_plan_set_before_it_starts_is_watched_too() -> None:
    r = planned("week", "2026-03-08")
    r.ticks(at("2026-03-15 00:01"))
    assert r.only("adherence-low")["detail"]["readings"] == 0


def test_late_readings_settle_it() -> None:
    r = planned("week")
    r.ticks(at("2026-03-12 08:00"))
    assert r.only("adherence-low")["detail"]["readings"] == 0
    for day in range(3):
        for minute in range(4):
            r.bp(120, 75, START + day * DAY + minute * MINUTE, recorded=at("2026-03-12 09:00"))
    assert r.only("adherence-low")["condition"] == "cleared"


def test_a_stable_plan_needs_its_own_schedule_only() -> None:
    r = planned("weekly")
    r.days(120, 75, START, 1)
    r.ticks(at("2026-03-12 08:00"))
    assert not r.of("adherence-low")
    r.ticks(at("2026-03-19 08:00"))
    assert r.only("adherence-low")["detail"]["limits"] == {"readings": 4, "days": 1}


@pytest.mark.parametrize("what", ["paused", "ended"])
def test_neither_adherence_nor_silence_while_paused_or_ended(what: str) -> None:
    r = planned("daily")
    r.days(120, 75, START, 2)
    data = {"reason": "hospital"} if what == "paused" else {"reason": "completed"}
    r.event(f"monitoring.{what}.v1", data, START + 2 * DAY)
    r.ticks(START + 30 * DAY)
    assert not r.alerts


def test_without_a_plan_nobody_is_silent() -> None:
    r = Resident()
    r.days(120, 75, START, 2)
    r.ticks(START + 60 * DAY)
    assert not r.alerts


@pytest.mark.parametrize(("schedule", "days"), [("week", 2), ("daily", 3), ("weekly", 10)])
def test_silence_is_judged_by_the_schedule_and_ends_with_a_reading(schedule: str, days: int) -> None:
    r = planned(schedule)
    r.bp(120, 75, START + HOUR)
    r.ticks(START + HOUR + days * DAY - 1)
    assert not r.of("readings-silent")
    r.ticks(START + HOUR + days * DAY)
    alert = r.only("readings-silent")
    assert (alert["severity"], alert["judgement"]) == ("yellow", True)
    r.bp(120, 75, START + HOUR + days * DAY + MINUTE)
    assert r.only("readings-silent")["condition"] == "cleared"


def test_silence_is_per_kind_of_the_plan() -> None:
    r = planned("daily", kinds=["blood-pressure", "weight"])
    for day in range(5):
        r.days(120, 75, START + day * DAY, 1)
    r.tick(START + 4 * DAY + 12 * HOUR)
    assert r.only("readings-silent")["detail"]["kinds"] == ["weight"]
    r.reading("weight", {"value": 70}, START + 5 * DAY)
    assert r.only("readings-silent")["condition"] == "cleared"


def test_a_pause_with_an_end_starts_the_count_anew() -> None:
    r = planned("daily")
    r.event("monitoring.paused.v1", {"reason": "travel", "until": "2026-03-20"}, START + HOUR)
    r.ticks(at("2026-03-23 23:59"))
    assert not r.of("readings-silent")
    r.ticks(at("2026-03-24 00:00"))
    assert r.only("readings-silent")["condition"] == "active"
