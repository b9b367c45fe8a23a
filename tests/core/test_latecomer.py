"""A crisis that comes in later than 24 h is a review task, however old it is (clinical decision 17)."""

import pytest

from streams.event import rfc3339
from tests.core.resident import DAY, HOUR, START, Resident

CRISES = [
    ("reading.blood-pressure-measured.v1", {"systolic": 186, "diastolic": 100}),
    ("reading.blood-pressure-measured.v1", {"systolic": 150, "diastolic": 110}),
    ("reading.glucose-measured.v1", {"value": 16.7}),
    ("reading.glucose-measured.v1", {"value": 2.9}),
    ("chronic.symptom-reported.v1", {"symptoms": ["chest-pain"]}),
    ("device.person-unknown.v1", {"device": "D1", "kind": "blood-pressure", "systolic": 190, "diastolic": 100}),
    (
        "device.measurement-failed.v1",
        {"device": "D1", "kind": "glucose", "reason": "error-code", "flags": ["meter-low"]},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("type", "data"), CRISES)
@pytest.mark.parametrize("days", [16, 40, 300])
def test_a_crisis_of_long_ago_opens_a_review(type: str, data: dict[str, object], days: int) -> None:
    r = Resident()
    r.event(type, data, START - days * DAY, recorded=START)
    alert = r.only("crisis-late")
    assert r.rules() == {"crisis-late"}
    assert (alert["severity"], alert["judgement"]) == ("yellow", False)
    assert alert["detail"]["values"][0]["time"] == rfc3339(START - days * DAY)
    assert not r.commands()


@pytest.mark.parametrize(
    ("type", "data"),
    [
        ("reading.blood-pressure-measured.v1", {"systolic": 179, "diastolic": 109}),
        ("reading.glucose-measured.v1", {"value": 3.5}),  # no diabetes
        ("chronic.symptom-reported.v1", {"symptoms": ["headache"]}),
        ("device.measurement-failed.v1", {"device": "D1", "reason": "error-code"}),
    ],
)
def test_what_is_no_crisis_opens_nothing(type: str, data: dict[str, object]) -> None:
    r = Resident()
    r.event(type, data, START - 40 * DAY, recorded=START)
    assert not r.alerts


def test_in_pregnancy_160_is_a_crisis_of_long_ago_and_under_18_nothing_is() -> None:
    mother, child = Resident(born="1995-05-01"), Resident(born="2015-01-01")
    mother.event("maternal.pregnancy-registered.v1", {}, START - 60 * DAY)
    mother.bp(162, 90, START - 30 * DAY, recorded=START)
    child.bp(190, 110, START - 30 * DAY, recorded=START)
    assert mother.rules() == {"crisis-late"}
    assert not child.alerts


def test_a_cuffs_whole_memory_is_one_review() -> None:
    r = Resident()
    for day in range(30, 20, -1):
        r.bp(190, 100, START - day * DAY, recorded=START + (30 - day) * 1000)
    alert = r.only("crisis-late")
    assert len(alert["detail"]["values"]) == 10


def test_a_memory_that_is_sent_again_opens_nothing_twice() -> None:
    r = Resident()
    r.bp(190, 100, START, id="one")
    r.bp(191, 100, START - 20 * DAY, id="two", recorded=START + HOUR)
    assert sorted(r.rules()) == ["bp-crisis", "crisis-late"]
    told = len(r.told)
    r.ticks(START + 60 * DAY)
    told = len(r.told)
    r.bp(190, 100, START, id="one", recorded=START + 60 * DAY)
    r.bp(191, 100, START - 20 * DAY, id="two", recorded=START + 60 * DAY)
    assert len(r.told) == told


def test_imported_history_is_no_news() -> None:
    r = Resident()
    r.bp(190, 100, START - 40 * DAY, recorded=START, origin="import")
    r.ticks(START + DAY)
    assert not r.alerts
    r.bp(190, 100, START - 40 * DAY, recorded=START + DAY)
    assert not r.alerts


def test_it_enters_no_mean() -> None:
    r = Resident()
    r.bp(190, 100, START - 20 * DAY, recorded=START)
    assert "home" not in r.state
