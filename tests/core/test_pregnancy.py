"""Blood pressure in pregnancy: 2020 guideline (140/90, severe 160/110) and clinical decision 11."""

import pytest

from tests.core.resident import DAY, HOUR, MINUTE, START, Resident


def pregnant(born: str = "1995-05-01") -> Resident:
    r = Resident(born=born)
    r.event("maternal.pregnancy-registered.v1", {}, START - 60 * DAY)
    return r


@pytest.mark.parametrize("value", [(160, 90), (150, 110), (185, 115)])
def test_160_or_110_is_red_at_once_and_the_crisis_rule_stays_silent(value: tuple[float, float]) -> None:
    r = pregnant()
    r.bp(*value, START)
    assert r.only("bp-pregnancy")["severity"] == "red"
    assert r.rules() == {"bp-pregnancy"}
    assert len(r.commands()) == 1


def test_severe_for_fifteen_minutes_is_persisting() -> None:
    r = pregnant()
    r.bp(165, 105, START)
    r.bp(162, 104, START + 14 * MINUTE)
    assert r.only("bp-pregnancy")["detail"]["stage"] == "severe"
    r.bp(161, 104, START + 15 * MINUTE)
    assert r.only("bp-pregnancy")["detail"]["stage"] == "severe-persisting"


@pytest.mark.parametrize(
    ("readings", "severity", "stage"),
    [
        ([(140, 80)], "orange", "raised"),
        ([(130, 90)], "orange", "raised"),
        ([(146, 80), (134, 80)], "orange", "raised"),  # day mean 140
        ([(144, 80), (134, 80)], "yellow", "watch"),  # day mean 139: (M)
        ([(135, 80)], "yellow", "watch"),
        ([(130, 85)], "yellow", "watch"),
    ],
)
def test_the_days_mean_decides(readings: list[tuple[float, float]], severity: str, stage: str) -> None:
    r = pregnant()
    for minute, value in enumerate(readings):
        r.bp(*value, START + minute * MINUTE)
    alert = r.only("bp-pregnancy")
    assert (alert["severity"], alert["detail"]["stage"], alert["judgement"]) == (severity, stage, stage == "watch")


def test_below_135_85_is_silent() -> None:
    r = pregnant()
    r.bp(134, 84, START)
    assert not r.alerts


def test_the_judged_limit_is_a_same_day_task_once_a_physician_approved_it() -> None:
    r = pregnant()
    r.event("rule.approved.v1", {"rule": "bp-pregnancy", "version": 1, "physician": "P01"}, START - DAY)
    r.bp(136, 80, START)
    alert = r.only("bp-pregnancy")
    assert (alert["severity"], alert["judgement"]) == ("orange", False)


@pytest.mark.parametrize("symptom", ["headache", "visual-change", "upper-abdominal-pain"])
def test_140_90_with_a_symptom_is_red(symptom: str) -> None:
    r = pregnant()
    r.bp(142, 80, START)
    r.event("chronic.symptom-reported.v1", {"symptoms": [symptom]}, START + HOUR)
    assert r.only("bp-pregnancy")["severity"] == "red"
    assert r.told == ["raised", "severity-changed"]


@pytest.mark.parametrize(("day", "holds"), [(0, True), (41, True), (42, False)])
def test_the_limits_run_to_42_days_after_delivery(day: int, holds: bool) -> None:
    r = pregnant()
    r.event("maternal.delivery-recorded.v1", {}, START - 30 * DAY)
    r.bp(165, 105, START - 30 * DAY + day * DAY + HOUR)
    assert bool(r.of("bp-pregnancy")) is holds


def test_before_registration_and_after_an_end_the_adult_limits_hold() -> None:
    r = pregnant()
    r.event("maternal.pregnancy-ended.v1", {"reason": "miscarriage"}, START - HOUR)
    r.bp(165, 105, START)
    assert not r.alerts
    r.bp(185, 105, START + MINUTE)
    assert r.rules() == {"bp-crisis"}


def test_a_pregnancy_entered_in_error_never_was() -> None:
    r = pregnant()
    r.bp(145, 85, START)
    assert r.rules() == {"bp-pregnancy"}
    r.event("maternal.pregnancy-ended.v1", {"reason": "entered-in-error"}, START + HOUR)
    assert r.only("bp-pregnancy")["condition"] == "withdrawn"


def test_a_personal_target_changes_nothing_here() -> None:
    r = pregnant()
    r.event(
        "chronic.target-set.v1", {"systolic": 170, "diastolic": 115, "reason": "x", "review": "2027-01-01"}, START - DAY
    )
    r.bp(160, 90, START)
    assert r.only("bp-pregnancy")["severity"] == "red"


@pytest.mark.parametrize(
    ("days", "value", "again"),
    [(1, (136, 80), False), (7, (136, 80), False), (8, (136, 80), True), (1, (141, 80), True)],
)
def test_a_closed_watch_stays_closed_for_a_week_unless_it_is_worse(
    days: int, value: tuple[float, float], again: bool
) -> None:
    r = pregnant()
    r.bp(136, 80, START)
    r.act("closed", r.only("bp-pregnancy"), START + HOUR, outcome="advice")
    r.bp(*value, START + days * DAY)
    assert len(r.of("bp-pregnancy")) == (2 if again else 1)
