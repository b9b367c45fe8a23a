"""Consent (20): no enrolment without, nothing further after its withdrawal but an emergency; a guardian's under 14."""

import pytest

from streams.consent import allows, withdrawn
from tests.core.resident import DAY, HOUR, MINUTE, START, Resident, at

MONITORING = {"scopes": ["monitoring"], "text_version": "T1"}


def consent(r: Resident, time: int, *scopes: str, given: bool = True, **more: object) -> None:
    if given:
        data = {"scopes": list(scopes), "text_version": "T1", **more}
        r.event("resident.consent-given.v1", data, time)
    else:
        r.event("resident.consent-withdrawn.v1", {"scopes": list(scopes), **more}, time)


def enrolled(*scopes: str) -> Resident:
    """Consented, enrolled, with a plan to measure every day from `START` on."""
    r = Resident()
    consent(r, START - DAY, *scopes)
    r.event("monitoring.enrolled.v1", {}, START - DAY)
    r.event("monitoring.plan-set.v1", {"schedule": "daily", "start": "2026-03-05"}, START - HOUR)
    return r


def test_without_consent_an_enrolment_has_no_effect_and_nobody_is_missed() -> None:
    r = enrolled("research")
    r.ticks(START + 20 * DAY)
    assert not r.alerts


def test_consent_that_comes_after_the_enrolment_asks_for_a_new_one() -> None:
    r = enrolled("research")
    consent(r, START, "monitoring")
    r.ticks(START + 10 * DAY)
    assert not r.alerts
    r.event("monitoring.enrolled.v1", {}, START + 10 * DAY)
    r.ticks(START + 13 * DAY)
    assert r.rules() == {"readings-silent"}


def test_consent_that_was_given_before_and_is_recorded_late_counts() -> None:
    r = enrolled("research")
    r.event("resident.consent-given.v1", MONITORING, START - 2 * DAY, recorded=START)
    r.ticks(START + 4 * DAY)
    assert r.rules() == {"readings-silent"}


def test_withdrawal_withdraws_open_tasks_at_once_and_opens_no_other() -> None:
    r = enrolled("monitoring")
    r.ticks(START + 4 * DAY)
    assert r.rules() == {"readings-silent"}
    consent(r, START + 4 * DAY, "monitoring", given=False)
    silent = r.only("readings-silent")
    assert (silent["condition"], silent["detail"]["ended"]) == ("withdrawn", "consent-withdrawn")
    r.ticks(START + 40 * DAY)
    assert not r.rules()


def test_after_a_withdrawal_only_a_new_enrolment_counts() -> None:
    r = enrolled("monitoring")
    consent(r, START + HOUR, "monitoring", given=False)
    consent(r, START + 2 * DAY, "monitoring")
    r.ticks(START + 20 * DAY)
    assert not r.alerts
    r.event("monitoring.enrolled.v1", {}, START + 20 * DAY)
    r.ticks(START + 23 * DAY)
    assert r.rules() == {"readings-silent"}


def test_what_is_measured_after_the_withdrawal_enters_no_mean_and_no_rule() -> None:
    r = enrolled("monitoring", "messages")
    r.days(150, 92, START, 3)
    assert r.rules() == {"bp-sustained-high"}
    before = r.state["home"]
    consent(r, at("2026-03-08 00:00"), "monitoring", given=False)
    assert not r.rules()
    r.days(170, 100, at("2026-03-08 00:00"), 3)
    assert r.state["home"] == before
    assert not r.rules()


def test_a_late_reading_from_before_the_withdrawal_is_not_used_for_a_task_either() -> None:
    r = enrolled("monitoring")
    consent(r, START + DAY, "monitoring", given=False)
    for day in range(3):
        for minute in range(4):
            r.bp(150, 92, START - day * DAY + minute * MINUTE, recorded=START + 2 * DAY)
    assert not r.alerts


@pytest.mark.parametrize("scope", ["monitoring", "messages"])
def test_an_emergency_reaches_clinicians_whatever_was_withdrawn_and_asks_nothing_of_the_resident(scope: str) -> None:
    r = enrolled("monitoring", "messages")
    consent(r, START + HOUR, scope, given=False)
    r.bp(190, 115, START + 2 * HOUR)
    assert r.only("bp-crisis")["severity"] == "red"
    r.event("chronic.symptom-reported.v1", {"symptoms": ["chest-pain"]}, START + 3 * HOUR)
    assert r.only("symptom-red")["severity"] == "red"
    assert not r.commands()
    told = [o.value["data"] for o in r.outputs if o.type == "mailiu.notice.queued.v1"]
    messages = [notice["purpose"] for notice in told if notice["to"]["kind"] in ("resident", "contact")]
    assert messages == ([] if scope == "messages" else ["call-120"])


def test_a_red_alert_that_is_open_stays_open_and_is_settled_by_its_repeat() -> None:
    r = enrolled("monitoring", "messages")
    r.bp(190, 115, START)
    consent(r, START + MINUTE, "monitoring", given=False)
    assert r.only("bp-crisis")["condition"] == "active"
    r.bp(165, 95, START + 6 * MINUTE)
    assert r.only("bp-crisis")["severity"] == "orange"


def test_consent_given_again_lets_later_readings_count_and_never_those_between() -> None:
    r = enrolled("monitoring")
    r.days(130, 80, START, 1)
    consent(r, at("2026-03-06 00:00"), "monitoring", given=False)
    r.days(170, 100, at("2026-03-06 00:00"), 1)
    consent(r, at("2026-03-07 00:00"), "monitoring")
    r.days(130, 80, at("2026-03-07 00:00"), 1)
    assert r.state["home"][2] == 8
    assert r.state["home"][6] == [130, 80]


def test_a_child_under_14_consents_by_a_guardian_only() -> None:
    zone = "Asia/Shanghai"
    for born, guardian, holds in (
        ("2012-03-06", None, False), ("2012-03-05", None, True), ("2012-03-06", "G1", True), (None, None, True),
    ):  # fmt: skip
        r = Resident(born=born)
        consent(r, START, "monitoring", **({"guardian": guardian} if guardian else {}))
        assert allows(r.state, "monitoring", START, zone) is holds
        assert not withdrawn(r.state, "monitoring", START, zone)


def test_consent_holds_from_its_time_on_for_its_scopes() -> None:
    r = Resident()
    consent(r, START, "messages")
    assert not allows(r.state, "messages", START - 1)
    assert allows(r.state, "messages", START)
    assert not allows(r.state, "monitoring", START)
    consent(r, START + HOUR, "messages", given=False)
    assert not allows(r.state, "messages", START + HOUR)
