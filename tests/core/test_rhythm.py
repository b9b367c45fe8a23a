"""Irregular pulse and electrocardiograms (clinical decision 14), refused under 18 (15)."""

import pytest

from streams.event import rfc3339
from tests.core.resident import DAY, HOUR, MINUTE, START, Resident, at

TRACE = {"sha256": "ab" * 32, "media_type": "application/dicom", "bytes": 100}


def flagged(r: Resident, day: int, pattern: str) -> None:
    """Readings a minute apart on the ``day``-th day; ``x`` are flagged."""
    for minute, mark in enumerate(pattern):
        flags = ["irregular-pulse"] if mark == "x" else []
        r.bp(120, 75, START + day * DAY + minute * MINUTE, flags=flags)


@pytest.mark.parametrize(
    ("days", "found"),
    [
        ({0: "xx", 1: "xx"}, True),
        ({0: "x.x", 3: ".xx"}, True),
        ({0: "xxxx"}, False),  # one day only
        ({0: "x..x", 1: "x..x"}, False),  # never two of three in a row
        ({0: "x", 1: "x", 2: "x"}, False),
        ({0: "xx", 13: "xx"}, True),
        ({0: "xx", 14: "xx"}, False),
    ],
)
def test_two_of_three_on_two_days_in_14_ask_for_an_ecg(days: dict[int, str], found: bool) -> None:
    r = Resident()
    for day, pattern in days.items():
        flagged(r, day, pattern)
    assert bool(r.of("pulse-irregular")) is found
    if found:
        alert = r.only("pulse-irregular")
        assert (alert["severity"], alert["judgement"]) == ("yellow", True)
        title = alert["detail"]["title"]
        assert "12-lead ECG within 2 weeks" in title["en"]
        assert "fibrillation" not in title["en"]
        assert "房颤" not in title["zh"]


def test_it_is_muted_in_known_atrial_fibrillation_and_under_18() -> None:
    r = Resident()
    r.event("chronic.condition-diagnosed.v1", {"code": "I48.0"}, START - DAY)
    child = Resident(born="2015-01-01")
    for day in range(3):
        flagged(r, day, "xxx")
        flagged(child, day, "xxx")
    assert not r.alerts
    assert child.rules() == {"child-reading"}


def test_with_a_physicians_approval_it_is_no_longer_marked() -> None:
    r = Resident()
    r.event("rule.approved.v1", {"rule": "pulse-irregular", "version": 1, "physician": "P01"}, START - DAY)
    flagged(r, 0, "xx")
    flagged(r, 1, "xx")
    alert = r.only("pulse-irregular")
    assert (alert["severity"], alert["judgement"]) == ("yellow", False)


def test_it_clears_when_the_days_are_over() -> None:
    r = Resident()
    flagged(r, 0, "xx")
    flagged(r, 1, "xx")
    r.ticks(START + 13 * DAY)
    assert r.only("pulse-irregular")["condition"] == "active"
    r.ticks(START + 14 * DAY + HOUR)
    assert r.only("pulse-irregular")["condition"] == "cleared"


def ecg(r: Resident, time: int, **rest: object) -> str:
    data = {"leads": 1, "duration": 30, "sampling_rate": 300, "trace": TRACE, **rest}
    return r.event("reading.ecg-measured.v1", data, time).identity


def test_an_urgent_ecg_is_due_in_two_hours_and_says_so_when_overdue() -> None:
    r = Resident()
    ecg(r, START, urgent=True)
    alert = r.only("ecg-unread")
    assert (alert["severity"], alert["detail"]["stage"]) == ("orange", "to-read")
    assert alert["detail"]["due"] == rfc3339(START + 2 * HOUR)
    r.ticks(START + 2 * HOUR)
    assert r.only("ecg-unread")["detail"]["stage"] == "overdue"


@pytest.mark.parametrize(
    ("taken", "due"),
    [
        ("2026-03-05 08:00", "2026-03-06 17:00"),  # Thursday
        ("2026-03-06 08:00", "2026-03-09 17:00"),  # Friday: Monday
        ("2026-03-07 08:00", "2026-03-09 17:00"),  # Saturday
    ],
)
def test_any_other_is_due_on_the_next_working_day(taken: str, due: str) -> None:
    r = Resident()
    ecg(r, at(taken))
    alert = r.only("ecg-unread")
    assert (alert["severity"], alert["detail"]["due"]) == ("yellow", rfc3339(at(due)))
    assert "diagnosis" not in alert["detail"]


@pytest.mark.parametrize("first", ["ecg", "read"])
def test_a_clinicians_reading_ends_the_task_in_either_order(first: str) -> None:
    r = Resident()
    known = Resident()
    id = ecg(known, START, urgent=True)
    for what in ("ecg", "read") if first == "ecg" else ("read", "ecg"):
        if what == "ecg":
            ecg(r, START, urgent=True)
        else:
            data = {"reading": id, "conclusion": "normal"}
            r.event("reading.ecg-read.v1", data, START + HOUR, id="read", actor="doctor-1")
            r.offset = known.offset - 1  # so that both residents give the electrocardiogram the same identity
    active = [a for a in r.of("ecg-unread") if a["condition"] == "active"]
    assert not active
    assert bool(r.of("ecg-unread")) is (first == "ecg")


def test_an_ecg_waits_longer_than_other_evidence() -> None:
    r = Resident()
    ecg(r, START)
    r.ticks(START + 40 * DAY)
    r.bp(120, 75, START + 40 * DAY)
    assert r.only("ecg-unread")["condition"] == "active"


def test_each_ecg_is_a_task_of_its_own_and_a_late_one_too() -> None:
    r = Resident()
    ecg(r, START)
    ecg(r, START + MINUTE, urgent=True)
    r.event(
        "reading.ecg-measured.v1", {"leads": 1, "duration": 30, "sampling_rate": 300, "trace": TRACE}, START - 20 * DAY,
        recorded=START + HOUR,
    )  # fmt: skip
    assert sorted(a["severity"] for a in r.of("ecg-unread")) == ["orange", "yellow", "yellow"]


def test_a_childs_ecg_is_a_review() -> None:
    r = Resident(born="2015-01-01")
    ecg(r, START, urgent=True)
    assert r.rules() == {"child-reading"}
