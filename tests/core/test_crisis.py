"""Crisis: >=180 and/or >=110 (BPHS 3rd ed.), the repeat loop of clinical decision 7, the age of a value of 17."""

from uuid import UUID

import pytest

from schemas.registry import DERIVED
from streams.event import rfc3339
from tests.core.resident import DAY, HOUR, MINUTE, START, Resident


@pytest.mark.parametrize(
    ("systolic", "diastolic", "crisis"),
    [(180, 80, True), (179, 109, False), (150, 110, True), (179.9, 109.9, False), (220, 130, True)],
)
def test_the_limits_are_180_or_110(systolic: float, diastolic: float, crisis: bool) -> None:
    r = Resident()
    r.bp(systolic, diastolic, START)
    assert bool(r.of("bp-crisis")) is crisis


def test_the_first_value_is_red_and_the_device_is_asked_to_measure_again() -> None:
    r = Resident()
    reading = r.bp(186, 112, START)
    alert = r.only("bp-crisis")
    assert (alert["severity"], alert["condition"], alert["handling"]) == ("red", "active", "new")
    assert alert["detail"]["stage"] == "awaiting-repeat"
    assert alert["evidence"] == [reading.identity]
    (command,) = r.commands()
    assert command["command"] == "re-measure"
    assert command["device"] == "D1"
    assert command["alert"] == alert["alert"]
    assert command["expires"] == rfc3339(START + 30 * MINUTE)
    assert set(command["text"]) == {"zh", "en"}
    assert "extra medicine" in command["text"]["en"]


@pytest.mark.parametrize(
    ("repeat", "stage", "severity"),
    [
        ((181, 95), "confirmed", "red"),
        ((150, 110), "confirmed", "red"),
        ((174, 95), "confirmed", "red"),  # mean with 186 is 180
        ((173, 95), "moderate", "orange"),  # mean 179.5
        ((160, 80), "moderate", "orange"),
        ((150, 100), "moderate", "orange"),
        ((159, 99), "downgraded", "yellow"),
    ],
)
def test_the_repeat_settles_it(repeat: tuple[float, float], stage: str, severity: str) -> None:
    r = Resident()
    r.bp(186, 100, START)
    r.bp(*repeat, START + 6 * MINUTE)
    alert = r.only("bp-crisis")
    assert (alert["detail"]["stage"], alert["severity"]) == (stage, severity)
    assert len(r.commands()) == 1


def test_a_second_value_within_five_minutes_confirms_but_never_downgrades() -> None:
    r = Resident()
    r.bp(190, 100, START)
    r.bp(140, 80, START + MINUTE)
    assert r.only("bp-crisis")["detail"]["stage"] == "awaiting-repeat"
    r.bp(140, 80, START + 5 * MINUTE)
    assert r.only("bp-crisis")["severity"] == "yellow"
    other = Resident()
    other.bp(190, 100, START)
    other.bp(182, 100, START + MINUTE)
    assert other.only("bp-crisis")["detail"]["stage"] == "confirmed"


def test_no_repeat_in_thirty_minutes_is_a_phone_call() -> None:
    r = Resident()
    r.bp(186, 112, START)
    r.tick(START + 30 * MINUTE - 1)
    assert r.only("bp-crisis")["detail"]["stage"] == "awaiting-repeat"
    r.tick(START + 30 * MINUTE)
    alert = r.only("bp-crisis")
    assert (alert["detail"]["stage"], alert["severity"]) == ("no-repeat", "red")


def test_a_late_repeat_still_counts() -> None:
    r = Resident()
    r.bp(186, 112, START)
    r.ticks(START + 2 * HOUR)
    r.bp(140, 85, START + 2 * HOUR)
    assert r.only("bp-crisis")["severity"] == "yellow"


def test_crisis_again_after_a_downgrade_is_red_again_and_asks_again() -> None:
    r = Resident()
    r.bp(186, 112, START)
    r.bp(140, 85, START + 6 * MINUTE)
    r.bp(190, 100, START + 3 * HOUR)
    alert = r.only("bp-crisis")
    assert (alert["severity"], alert["detail"]["stage"]) == ("red", "awaiting-repeat")
    assert len(r.commands()) == 2
    assert r.told == ["raised", "severity-changed", "severity-changed"]


@pytest.mark.parametrize(
    ("age", "severity", "stage"),
    [
        (0, "red", "awaiting-repeat"),
        (2 * HOUR, "red", "awaiting-repeat"),
        (2 * HOUR + 1, "orange", "call-today"),
        (24 * HOUR, "orange", "call-today"),
        (24 * HOUR + 1, "yellow", "review"),
        (3 * DAY, "yellow", "review"),
    ],
)
def test_the_age_at_receipt_decides_how_loud(age: int, severity: str, stage: str) -> None:
    r = Resident()
    r.bp(186, 112, START - age, recorded=START)
    alert = r.only("bp-crisis")
    assert (alert["severity"], alert["detail"]["stage"], alert["condition"]) == (severity, stage, "active")
    assert bool(r.commands()) is (age <= 2 * HOUR)


def test_an_untrusted_clock_without_a_backlog_counts_as_of_receipt() -> None:
    r = Resident()
    r.bp(186, 112, START - 40 * DAY, recorded=START, clock="untrusted")
    assert r.only("bp-crisis")["severity"] == "red"
    backlog = Resident()
    backlog.bp(186, 112, START - 3 * DAY, recorded=START, clock="untrusted", flags=["backlog"])
    assert backlog.only("bp-crisis")["severity"] == "yellow"


def test_a_future_time_counts_as_of_receipt() -> None:
    r = Resident()
    r.bp(186, 112, START + 300 * DAY, recorded=START)
    assert r.only("bp-crisis")["onset"] == rfc3339(START)


def test_a_thousand_crisis_readings_in_one_batch_are_one_alert() -> None:
    r = Resident()
    for minute in range(1000):
        r.bp(185 + minute % 10, 112, START - 1000 * MINUTE + minute * MINUTE, recorded=START + minute)
    alert = r.only("bp-crisis")
    assert r.told.count("raised") == 1
    assert len(alert["evidence"]) == 20
    assert alert["detail"]["crisis_readings"] == 1000


def test_self_reported_values_alarm() -> None:
    r = Resident()
    r.bp(186, 112, START, source="self-reported")
    assert r.only("bp-crisis")["severity"] == "red"
    assert "home" not in r.state


def test_crisis_readings_a_day_apart_are_two_episodes() -> None:
    r = Resident()
    r.bp(186, 112, START)
    r.ticks(START + 24 * HOUR)
    assert r.only("bp-crisis")["condition"] == "cleared"
    r.bp(186, 112, START + 25 * HOUR)
    assert [a["condition"] for a in r.of("bp-crisis")] == ["cleared", "active"]


def test_what_is_put_out_keeps_its_schema() -> None:
    r = Resident()
    r.bp(186, 112, START)
    r.ticks(START + 2 * HOUR)
    for output in r.outputs:
        DERIVED[output.type].model_validate(output.value["data"])
        UUID(output.identity)
        assert output.value["subject"] == "R1"
        assert output.value["causeoffset"] >= 0
