"""Glucose: BPHS 3rd ed. (<=3.9 and >=16.7 mmol/L) and clinical decision 12."""

import pytest

from tests.core.resident import DAY, HOUR, MINUTE, START, Resident


def diabetic(born: str = "1960-05-01", code: str = "E11.9") -> Resident:
    r = Resident(born=born)
    r.event("chronic.condition-diagnosed.v1", {"code": code}, START - 300 * DAY)
    return r


@pytest.mark.parametrize(("value", "low"), [(3.9, True), (4.0, False)])
def test_a_low_in_diagnosed_diabetes_asks_for_sugar_and_a_repeat(value: float, low: bool) -> None:
    r = diabetic()
    r.glucose(value, START)
    assert bool(r.of("glucose-low")) is low
    if low:
        assert r.only("glucose-low")["severity"] == "orange"
        assert "15 g" in r.commands()[0]["text"]["en"]


def test_without_diabetes_only_a_severe_low_counts() -> None:
    r = Resident()
    r.glucose(3.5, START)
    assert not r.alerts
    r.glucose(2.9, START + HOUR)
    assert r.only("glucose-low")["severity"] == "red"


@pytest.mark.parametrize("certainty", ["suspected", "resolved"])
def test_a_suspected_or_resolved_diabetes_is_none(certainty: str) -> None:
    r = Resident()
    if certainty == "suspected":
        r.event("chronic.condition-diagnosed.v1", {"code": "E11", "certainty": "suspected"}, START - DAY)
    else:
        r.event("chronic.condition-diagnosed.v1", {"code": "E11"}, START - 2 * DAY)
        r.event("chronic.condition-resolved.v1", {"code": "E11"}, START - DAY)
    r.glucose(3.5, START)
    assert not r.alerts


def test_below_3_is_red_at_once() -> None:
    r = diabetic()
    r.glucose(2.9, START)
    assert (r.only("glucose-low")["severity"], r.only("glucose-low")["detail"]["stage"]) == ("red", "severe")


def test_a_symptom_makes_it_red_and_no_repeat_too() -> None:
    r = diabetic()
    r.glucose(3.6, START)
    r.event("chronic.symptom-reported.v1", {"symptoms": ["sweating"]}, START + 5 * MINUTE)
    assert r.only("glucose-low")["severity"] == "red"
    silent = diabetic()
    silent.glucose(3.6, START)
    silent.tick(START + 15 * MINUTE)
    assert silent.only("glucose-low")["severity"] == "orange"
    silent.tick(START + 30 * MINUTE)
    assert (silent.only("glucose-low")["severity"], silent.only("glucose-low")["detail"]["stage"]) == (
        "red",
        "no-repeat",
    )


def test_a_normal_repeat_settles_it() -> None:
    r = diabetic()
    r.glucose(3.6, START)
    r.glucose(5.1, START + 15 * MINUTE)
    r.tick(START + HOUR)
    assert (r.only("glucose-low")["severity"], r.only("glucose-low")["detail"]["stage"]) == ("yellow", "recovered")


def test_neonates_are_excluded() -> None:
    r = diabetic(born="2026-02-20", code="E10.9")
    r.glucose(2.5, START)
    r.glucose(17.5, START + HOUR)
    r.glucose(2.6, START + 5 * HOUR)
    assert not r.alerts


@pytest.mark.parametrize(("value", "high"), [(16.7, True), (16.6, False)])
def test_16_7_is_high_and_called_the_same_day(value: float, high: bool) -> None:
    r = Resident()
    r.glucose(value, START, context="random")
    assert bool(r.of("glucose-high")) is high
    if high:
        assert r.only("glucose-high")["severity"] == "orange"
        assert len(r.commands()) == 1


@pytest.mark.parametrize("symptom", ["vomiting", "drowsiness", "deep-breathing", "ketones"])
def test_a_high_with_a_symptom_of_ketoacidosis_is_red(symptom: str) -> None:
    r = Resident()
    r.glucose(18, START)
    r.event("chronic.symptom-reported.v1", {"symptoms": [symptom]}, START + HOUR)
    assert r.only("glucose-high")["severity"] == "red"


def test_a_meters_hi_is_red() -> None:
    r = Resident()
    r.glucose(33.3, START, flags=["meter-high"])
    assert r.only("glucose-high")["severity"] == "red"


def test_two_lows_in_14_days_ask_for_a_review() -> None:
    r = diabetic()
    r.glucose(3.8, START)
    r.glucose(3.7, START + 20 * MINUTE)
    assert not r.of("glucose-lows-repeated")
    r.glucose(3.8, START + 13 * DAY)
    assert r.only("glucose-lows-repeated")["severity"] == "yellow"
    r.ticks(START + 15 * DAY)
    assert r.only("glucose-lows-repeated")["condition"] == "cleared"
    apart = diabetic()
    apart.glucose(3.8, START)
    apart.glucose(3.8, START + 14 * DAY + HOUR)
    assert not apart.of("glucose-lows-repeated")
