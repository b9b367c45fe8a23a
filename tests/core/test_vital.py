"""Pulse, oxygen, temperature and weight (clinical decision 13): all limits are (M)."""

import pytest

from tests.core.resident import DAY, HOUR, MINUTE, START, Resident

ALL = ("pulse-rate", "oxygen-low", "fever-diabetes", "weight-gain-heart-failure")


def resident(*, approved: bool = True, born: str = "1960-05-01") -> Resident:
    r = Resident(born=born)
    if approved:
        for rule in ALL:
            r.event("rule.approved.v1", {"rule": rule, "version": 1, "physician": "P01"}, START - 300 * DAY)
    return r


def with_condition(code: str, **rest: bool) -> Resident:
    r = resident(**rest)
    r.event("chronic.condition-diagnosed.v1", {"code": code}, START - 200 * DAY)
    return r


@pytest.mark.parametrize(
    ("first", "second", "severity"),
    [
        (39, 39, "red"),
        (131, 132, "red"),
        (39, 40, "red"),  # mean 39.5 is below 40
        (39, 41, "orange"),  # mean 40 is not below 40; both below 50
        (130, 130, "orange"),
        (49, 49, "orange"),
        (111, 112, "orange"),
        (50, 50, None),
        (110, 110, None),
        (49, 60, None),  # mean 54.5
    ],
)
def test_a_pulse_is_judged_once_it_is_confirmed(first: float, second: float, severity: str | None) -> None:
    r = resident()
    r.bp(120, 75, START, pulse=first)
    assert not r.of("pulse-rate")
    r.bp(120, 75, START + 6 * MINUTE, pulse=second)
    if severity is None:
        assert not r.of("pulse-rate")
    else:
        assert r.only("pulse-rate")["severity"] == severity


def test_an_unconfirmed_pulse_asks_for_a_repeat() -> None:
    r = resident()
    r.bp(120, 75, START, pulse=38)
    assert [command["device"] for command in r.commands()] == ["D1"]


def test_pulses_come_from_cuff_oximeter_and_heart_rate() -> None:
    r = resident()
    r.bp(120, 75, START, pulse=135)
    r.reading("oxygen", {"value": 97, "pulse": 136}, START + MINUTE)
    assert r.only("pulse-rate")["severity"] == "red"
    other = resident()
    other.reading("heart-rate", {"value": 135}, START)
    other.reading("heart-rate", {"value": 136}, START + MINUTE)
    assert other.only("pulse-rate")["severity"] == "red"


@pytest.mark.parametrize(("activity", "found"), [("rest", True), ("unknown", False), ("active", False)])
def test_the_milder_limits_hold_at_rest_only(activity: str, found: bool) -> None:
    r = resident()
    for minute in (0, 6):
        r.reading("heart-rate", {"value": 120, "activity": activity}, START + minute * MINUTE)
    assert bool(r.of("pulse-rate")) is found


def test_an_effort_is_no_finding() -> None:
    r = resident()
    for minute in (0, 6):
        r.reading("heart-rate", {"value": 150, "activity": "active"}, START + minute * MINUTE)
    assert not r.alerts


@pytest.mark.parametrize("why", ["beta-blocker", "usual"])
def test_a_slow_pulse_is_skipped_under_a_beta_blocker_and_where_it_is_usual(why: str) -> None:
    r = resident()
    if why == "beta-blocker":
        r.event("chronic.medication-prescribed.v1", {"code": "C07AB02"}, START - 90 * DAY)
    else:
        for day in range(1, 11):
            r.bp(120, 75, START - day * DAY, pulse=47, recorded=START - HOUR + (11 - day) * 1000)
    for minute in (0, 6):
        r.bp(120, 75, START + minute * MINUTE, pulse=46)
    assert not r.of("pulse-rate") or r.only("pulse-rate")["condition"] != "active"
    for minute in (10, 16):
        r.bp(120, 75, START + minute * MINUTE, pulse=38)
    assert [a["severity"] for a in r.of("pulse-rate") if a["condition"] == "active"] == ["red"]


def test_a_childs_pulse_is_a_review() -> None:
    r = resident(born="2015-01-01")
    for minute in (0, 6):
        r.reading("heart-rate", {"value": 140, "activity": "rest"}, START + minute * MINUTE)
    assert r.rules() == {"child-reading"}


@pytest.mark.parametrize(
    ("value", "severity"), [(89, "red"), (90, "orange"), (92, "orange"), (92.9, "orange"), (93, None)]
)
def test_oxygen_below_90_is_red_and_to_92_orange(value: float, severity: str | None) -> None:
    r = resident()
    r.reading("oxygen", {"value": value}, START)
    if severity is None:
        assert not r.alerts
    else:
        assert r.only("oxygen-low")["severity"] == severity
        assert len(r.commands()) == 1


def test_a_normal_oxygen_afterwards_is_milder() -> None:
    r = resident()
    r.reading("oxygen", {"value": 88}, START)
    r.reading("oxygen", {"value": 96}, START + 5 * MINUTE)
    alert = r.only("oxygen-low")
    assert (alert["severity"], alert["detail"]["stage"]) == ("yellow", "recovered")


def test_in_copd_the_own_baseline_counts() -> None:
    r = with_condition("J44.9")
    for day in range(5, 0, -1):
        r.reading("oxygen", {"value": 90}, START - day * DAY)
    assert not r.rules()
    r.reading("oxygen", {"value": 88}, START)
    assert not r.rules()
    r.reading("oxygen", {"value": 86}, START + HOUR)  # more than 3 below 90, not 5
    assert r.only("oxygen-low")["severity"] == "orange"
    r.reading("oxygen", {"value": 84}, START + 2 * HOUR)
    assert r.only("oxygen-low")["severity"] == "red"


def test_a_value_that_the_oximeter_doubts_is_only_asked_for_again() -> None:
    r = resident()
    r.reading("oxygen", {"value": 85, "flags": ["poor-signal"]}, START)
    assert not r.alerts
    assert len(r.commands()) == 1
    r.reading("oxygen", {"value": 86}, START + 2 * MINUTE)
    assert r.only("oxygen-low")["severity"] == "red"


@pytest.mark.parametrize(("value", "code", "found"), [(39, "E11.9", True), (38.9, "E11.9", False), (40, "I10", False)])
def test_39_degrees_in_diabetes_is_orange(value: float, code: str, found: bool) -> None:
    r = with_condition(code)
    r.reading("temperature", {"value": value}, START)
    assert bool(r.of("fever-diabetes")) is found
    if found:
        assert r.only("fever-diabetes")["severity"] == "orange"


@pytest.mark.parametrize(
    ("gain", "days", "code", "found"),
    [(2, 3, "I50.9", True), (1.9, 3, "I50.9", False), (2, 3.1, "I50.9", False), (3, 1, "I10", False)],
)
def test_two_kilograms_in_three_days_in_heart_failure_are_orange(
    gain: float, days: float, code: str, found: bool
) -> None:
    r = with_condition(code)
    r.reading("weight", {"value": 70}, START - round(days * DAY))
    r.reading("weight", {"value": 70 + gain}, START)
    assert bool(r.of("weight-gain-heart-failure")) is found
    if found:
        assert r.only("weight-gain-heart-failure")["severity"] == "orange"


def test_without_approval_all_of_it_is_a_task() -> None:
    r = with_condition("E11", approved=False)
    r.event("chronic.condition-diagnosed.v1", {"code": "I50"}, START - 200 * DAY)
    r.reading("temperature", {"value": 39.5}, START)
    r.reading("oxygen", {"value": 85}, START)
    r.reading("weight", {"value": 70}, START - DAY, recorded=START)
    r.reading("weight", {"value": 73}, START)
    for minute in (0, 6):
        r.bp(120, 75, START + minute * MINUTE, pulse=140)
    assert {name: (r.only(name)["severity"], r.only(name)["judgement"]) for name in ALL} == dict.fromkeys(
        ALL, ("yellow", True)
    )


def test_what_was_old_when_it_came_is_milder() -> None:
    r = resident()
    r.reading("oxygen", {"value": 85}, START - 3 * HOUR, recorded=START)
    assert r.only("oxygen-low")["severity"] == "orange"
    r = resident()
    r.reading("oxygen", {"value": 85}, START - 2 * DAY, recorded=START)
    assert r.only("oxygen-low")["severity"] == "yellow"


def test_a_retracted_value_takes_its_alert_back() -> None:
    r = resident()
    reading = r.reading("oxygen", {"value": 85}, START)
    r.event("reading.retracted.v1", {"reading": reading.identity, "reason": "not-mine"}, START + HOUR)
    assert r.only("oxygen-low")["condition"] == "withdrawn"


def test_a_diagnosis_learned_later_judges_what_is_there() -> None:
    r = resident()
    r.reading("temperature", {"value": 39.5}, START)
    assert not r.alerts
    r.event("chronic.condition-diagnosed.v1", {"code": "E11"}, START + HOUR)
    assert r.only("fever-diabetes")["condition"] == "active"
