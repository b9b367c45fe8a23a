"""Devices that fell silent and devices that need looking after; limits are ours and marked."""

from typing import Any

import pytest

from streams import rules
from streams.event import rfc3339
from tests.core.resident import DAY, HOUR, MINUTE, START, Resident

SILENT, SUSPECT = "device-silent", "device-suspect"


def wearer(planned: bool = False, **bound: Any) -> Resident:
    """A resident with cuff D1 bound from `START` on; ``planned``: who measures pressure daily by a plan."""
    r = Resident()
    if planned:
        r.event("resident.consent-given.v1", {"scopes": ["monitoring"], "text_version": "2026-1"}, START - DAY)
        r.event("monitoring.enrolled.v1", {}, START - DAY)
        plan = {"schedule": "daily", "start": "2026-03-05", "kinds": ["blood-pressure"], "reason": "treatment"}
        r.event("monitoring.plan-set.v1", plan, START - DAY)
    r.event("device.bound.v1", {"device": "D1", **bound}, START)
    return r


def measured(r: Resident, time: int, clock: str = "trusted", off: int = 0, **rest: Any) -> None:
    """A reading whose device time lies ``off`` ms before its receipt."""
    r.bp(130, 80, time, clock=clock, device_time=rfc3339(time - off), **rest)


def test_the_limits_are_ours_and_say_so() -> None:
    assert rules.released()[SILENT][1].judged == {"days"}
    assert rules.released()[SUSPECT][1].judged == {
        "clock_readings", "failures", "failure_days", "battery", "again_days",
    }  # fmt: skip


# ---- silent


def test_a_device_of_which_nothing_is_heard_for_14_days() -> None:
    r = wearer(planned=True)
    measured(r, START + DAY)
    r.ticks(START + 15 * DAY - MINUTE)
    assert not r.of(SILENT)
    r.ticks(START + 15 * DAY)
    alert = r.only(SILENT)
    assert (alert["severity"], alert["judgement"]) == ("technical", True)
    assert alert["detail"]["devices"] == ["D1"]
    assert alert["onset"] == rfc3339(START + DAY)
    measured(r, START + 16 * DAY)
    assert r.only(SILENT)["condition"] == "cleared"


def test_a_status_or_a_failure_is_a_sign_of_life() -> None:
    r = wearer(planned=True)
    measured(r, START + DAY)
    r.event("device.status-reported.v1", {"device": "D1", "battery": 80}, START + 10 * DAY)
    r.event("device.measurement-failed.v1", {"device": "D1", "reason": "error-code"}, START + 20 * DAY)
    r.ticks(START + 33 * DAY)
    assert not r.of(SILENT)
    r.ticks(START + 34 * DAY)
    assert r.only(SILENT)["condition"] == "active"


def test_what_comes_late_is_a_sign_of_life_when_it_comes() -> None:
    r = wearer(planned=True)
    r.bp(130, 80, START + DAY, recorded=START + 13 * DAY)
    r.ticks(START + 26 * DAY)
    assert not r.of(SILENT)


@pytest.mark.parametrize("which", ["slot", "no plan", "another kind", "never used"])
def test_a_device_of_which_nothing_is_expected_may_be_silent(which: str) -> None:
    r = wearer(planned=which != "no plan", **({"user_slot": 1} if which == "slot" else {}))
    if which == "another kind":
        r.reading("temperature", {"value": 37.2}, START + DAY)
    elif which != "never used":
        measured(r, START + DAY)
    r.ticks(START + 60 * DAY)
    assert not r.of(SILENT)


def test_an_unbound_device_is_nobodys_silence() -> None:
    r = wearer(planned=True)
    measured(r, START)
    r.ticks(START + 14 * DAY)
    r.event("device.unbound.v1", {"device": "D1"}, START + 15 * DAY)
    assert r.only(SILENT)["condition"] == "cleared"
    r.ticks(START + 60 * DAY)
    assert r.only(SILENT)["condition"] == "cleared"


def test_silence_is_expected_while_the_plan_is_paused_or_ended() -> None:
    for what, data in (("paused", {"reason": "travel"}), ("ended", {"reason": "moved"})):
        r = wearer(planned=True)
        measured(r, START)
        r.event(f"monitoring.{what}.v1", data, START + DAY)
        r.ticks(START + 30 * DAY)
        assert not r.of(SILENT), what


def test_after_a_pause_the_days_are_counted_anew() -> None:
    r = wearer(planned=True)
    measured(r, START)
    r.event("monitoring.paused.v1", {"reason": "travel"}, START + DAY)
    r.event("monitoring.resumed.v1", {}, START + 10 * DAY)
    r.ticks(START + 24 * DAY - MINUTE)
    assert not r.of(SILENT)
    r.ticks(START + 24 * DAY)
    assert r.only(SILENT)["onset"] == rfc3339(START + 10 * DAY)


# ---- suspect


def test_three_readings_with_a_wrong_clock() -> None:
    """Two hours behind: offset 7,200 s."""
    r = wearer()
    for day in (1, 2):
        measured(r, START + day * DAY, "corrected", 2 * HOUR)
    assert not r.of(SUSPECT)
    measured(r, START + 3 * DAY, "corrected", 2 * HOUR)
    alert = r.only(SUSPECT)
    assert (alert["severity"], len(alert["evidence"])) == ("technical", 3)
    assert alert["detail"]["devices"] == {"D1": {"clock": {"offset_s": 7200}}}
    measured(r, START + 4 * DAY)
    assert r.only(SUSPECT)["condition"] == "cleared"


def test_a_stored_reading_says_nothing_of_the_clock() -> None:
    r = wearer()
    for day in (1, 2, 3):
        measured(r, START + day * DAY, "untrusted", 2 * HOUR, flags=["backlog"])
    assert not r.of(SUSPECT)


def test_five_failures_in_seven_days() -> None:
    r = wearer()
    for day in (0, 1, 2, 3):
        r.event("device.measurement-failed.v1", {"device": "D1", "reason": "error-code"}, START + day * DAY)
    assert not r.of(SUSPECT)
    r.event("device.measurement-failed.v1", {"device": "D1", "reason": "error-code"}, START + 4 * DAY)
    assert r.only(SUSPECT)["detail"]["devices"] == {"D1": {"failures": {"count": 5}}}
    r.ticks(START + 7 * DAY)
    assert r.only(SUSPECT)["condition"] == "cleared"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"battery": 14}, {"battery": {"percent": 14}}),
        ({"battery_low": True}, {"battery": {"percent": None}}),
        ({"battery": 15}, None),
        ({"calibration_due": "2026-03-04"}, {"calibration": {"due": "2026-03-04"}}),  # START is 2026-03-05 in Shanghai
        ({"calibration_due": "2026-03-05"}, None),
    ],
)
def test_what_a_device_says_of_itself(said: dict[str, Any], found: dict[str, Any] | None) -> None:
    r = wearer()
    r.event("device.status-reported.v1", {"device": "D1", **said}, START)
    if found is None:
        assert not r.of(SUSPECT)
    else:
        assert r.only(SUSPECT)["detail"]["devices"] == {"D1": found}
        r.event("device.status-reported.v1", {"device": "D1", "battery": 90}, START + DAY)
        assert r.only(SUSPECT)["condition"] == "cleared"


def test_a_calibration_falls_due_with_time() -> None:
    r = wearer()
    r.event("device.status-reported.v1", {"device": "D1", "calibration_due": "2026-03-08"}, START)
    r.ticks(START + 3 * DAY)
    assert not r.of(SUSPECT)
    r.ticks(START + 4 * DAY)
    assert r.only(SUSPECT)["detail"]["devices"] == {"D1": {"calibration": {"due": "2026-03-08"}}}


def test_a_device_that_nobody_wears_has_an_alert_at_its_institution() -> None:
    r = Resident("device:D9", born=None)
    r.event("device.status-reported.v1", {"device": "D9", "battery": 3}, START, institution="I02")
    assert r.only(SUSPECT)["detail"]["devices"] == {"D9": {"battery": {"percent": 3}}}
    assert r.outputs[-1].value["institution"] == "I02"


def test_another_persons_device_is_not_judged_here() -> None:
    r = wearer()
    r.event("device.status-reported.v1", {"device": "D2", "battery": 3}, START)
    assert not r.of(SUSPECT)


def test_a_copy_changes_nothing() -> None:
    r = wearer()
    for n in range(3):
        measured(r, START + DAY, "corrected", 2 * HOUR, id=f"c{n % 2}")
        r.event("device.status-reported.v1", {"device": "D1", "battery": 50}, START + DAY, id="s")
    assert not r.of(SUSPECT)
    before = r.state
    r.event("device.status-reported.v1", {"device": "D1", "battery": 50}, START + DAY, id="s")
    assert r.state == before
