"""Danger symptoms (clinical decision 6) and low pressure (clinical decision 10)."""

import pytest

from tests.core.resident import DAY, HOUR, MINUTE, START, Resident

DANGER = [
    "chest-pain", "one-sided-weakness", "speech-trouble", "fainting", "breathlessness-at-rest", "sudden-visual-loss",
    "confusion",
]  # fmt: skip


@pytest.mark.parametrize("symptom", DANGER)
def test_a_danger_symptom_is_red_without_any_pressure(symptom: str) -> None:
    r = Resident()
    r.event("chronic.symptom-reported.v1", {"symptoms": [symptom]}, START)
    alert = r.only("symptom-red")
    assert alert["severity"] == "red"
    assert "120" in alert["detail"]["text"]["zh"]


def test_other_symptoms_raise_nothing() -> None:
    r = Resident()
    r.event("chronic.symptom-reported.v1", {"symptoms": ["headache", "nausea", "dizziness"]}, START)
    r.event("chronic.symptom-reported.v1", {"symptoms": ["none"]}, START + HOUR)
    assert not r.alerts


def test_a_childs_danger_symptom_still_says_120() -> None:
    r = Resident(born="2019-01-01")
    r.event("chronic.symptom-reported.v1", {"symptoms": ["fainting"]}, START)
    assert r.only("symptom-red")["severity"] == "red"


def test_symptoms_of_one_day_are_one_alert() -> None:
    r = Resident()
    for hour in range(0, 20, 4):
        r.event("chronic.symptom-reported.v1", {"symptoms": ["chest-pain"]}, START + hour * HOUR)
    assert len(r.only("symptom-red")["evidence"]) == 5


def test_one_low_value_asks_for_a_repeat_and_raises_nothing() -> None:
    r = Resident()
    r.bp(88, 60, START)
    assert not r.alerts
    assert len(r.commands()) == 1


def test_what_is_long_past_is_asked_for_no_repeat() -> None:
    r = Resident()
    r.event("chronic.condition-diagnosed.v1", {"code": "E11"}, START - 100 * DAY)
    r.bp(88, 60, START - DAY, recorded=START, pulse=36)
    r.glucose(3.6, START - DAY, recorded=START)
    r.glucose(17, START - 2 * DAY, recorded=START)
    r.reading("oxygen", {"value": 85}, START - DAY, recorded=START)
    mother = Resident(born="1995-05-01")
    mother.event("maternal.pregnancy-registered.v1", {}, START - 60 * DAY)
    mother.bp(165, 100, START - DAY, recorded=START)
    assert not r.commands()
    assert not mother.commands()


@pytest.mark.parametrize(("second", "low"), [((89, 60), True), ((91, 60), True), ((92, 60), False), ((110, 70), False)])
def test_low_is_confirmed_by_the_next_value_or_the_mean(second: tuple[float, float], low: bool) -> None:
    r = Resident()
    r.bp(88, 60, START)
    r.bp(*second, START + 6 * MINUTE)
    assert bool(r.of("bp-low")) is low
    if low:
        assert r.only("bp-low")["severity"] == "orange"


def test_ninety_is_not_low() -> None:
    r = Resident()
    r.bp(90, 60, START)
    r.bp(90, 60, START + 6 * MINUTE)
    assert not r.alerts


@pytest.mark.parametrize("symptom", ["fainting", "fall", "confusion", "chest-pain"])
@pytest.mark.parametrize("first", ["symptom", "reading"])
def test_low_with_a_symptom_is_red_in_either_order(symptom: str, first: str) -> None:
    r = Resident()
    for what in ("symptom", "reading") if first == "symptom" else ("reading", "symptom"):
        if what == "symptom":
            r.event("chronic.symptom-reported.v1", {"symptoms": [symptom]}, START)
        else:
            r.bp(85, 50, START + MINUTE, recorded=START + 2 * MINUTE)
    assert r.only("bp-low")["severity"] == "red"


def treated(born: str) -> Resident:
    r = Resident(born=born)
    r.event("chronic.medication-prescribed.v1", {"code": "C08CA01"}, START - 100 * DAY)
    return r


@pytest.mark.parametrize(
    ("born", "systolic", "review"),
    [
        ("1960-05-01", 109, True),  # 65 and older: weekly mean below 110
        ("1960-05-01", 110, False),
        ("1965-05-01", 105, False),  # 60 years old
        ("1940-05-01", 119, True),  # 80 and older: below 120
        ("1940-05-01", 120, False),
    ],
)
def test_a_low_weekly_mean_under_treatment_asks_for_a_review(born: str, systolic: float, review: bool) -> None:
    r = treated(born)
    r.days(systolic, 65, START, 4)
    assert bool(r.of("bp-low-treated")) is review
    if review:
        alert = r.only("bp-low-treated")
        assert (alert["severity"], alert["judgement"]) == ("yellow", True)


def test_without_treatment_the_same_mean_is_nobodys_business() -> None:
    r = Resident(born="1940-05-01")
    r.days(112, 65, START, 4)
    assert not r.alerts


def test_a_confirmed_value_below_100_under_treatment_asks_for_a_review() -> None:
    r = treated("1960-05-01")
    r.bp(98, 60, START)
    assert not r.of("bp-low-treated")
    r.bp(97, 60, START + 6 * MINUTE)
    assert r.only("bp-low-treated")["detail"]["reasons"] == ["confirmed-low"]
    r.ticks(START + 4 * DAY)
    assert r.only("bp-low-treated")["condition"] == "cleared"


def test_the_review_clears_five_above_the_limit() -> None:
    r = treated("1960-05-01")
    r.days(105, 65, START, 4)
    r.days(113, 65, START + 4 * DAY, 7)
    assert r.only("bp-low-treated")["condition"] == "active"
    r.days(117, 65, START + 11 * DAY, 6)
    assert r.only("bp-low-treated")["condition"] == "cleared"
