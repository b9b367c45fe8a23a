"""An alert's condition and handling: escalation, snooze, closing, withdrawal, hand-over (clinical decisions 2, 3)."""

from typing import Any

import pytest

from streams.event import rfc3339
from tests.core.resident import DAY, HOUR, MINUTE, START, Resident, at


def crisis(r: Resident | None = None, time: int = START) -> tuple[Resident, dict[str, Any]]:
    r = r or Resident()
    r.bp(190, 115, time)
    return r, r.of("bp-crisis")[-1]


def test_red_goes_from_nurse_to_doctor_to_institution_to_district_desk() -> None:
    r, _ = crisis()
    seen = []
    for minute in (0, 9, 10, 19, 20, 29, 30, 59, 60, 300):
        r.tick(START + minute * MINUTE)
        alert = r.only("bp-crisis")
        seen.append((minute, alert["level"], alert["role"]))
        r.became(r.notices("alert")[-1], "delivered", START + minute * MINUTE)
    assert seen == [
        (0, 0, "nurse"), (9, 0, "nurse"), (10, 1, "doctor"), (19, 1, "doctor"), (20, 2, "institution"),
        (29, 2, "institution"), (30, 3, "district-desk"), (59, 3, "district-desk"), (60, 3, "district-desk"),
        (300, 3, "district-desk"),
    ]  # fmt: skip
    assert r.told.count("escalated") == 4
    assert r.only("bp-crisis")["unreached"] is True


def test_after_an_outage_it_goes_straight_to_whose_turn_it_is() -> None:
    r, _ = crisis()
    r.tick(START + 25 * MINUTE)
    assert r.only("bp-crisis")["role"] == "institution"
    assert r.told.count("escalated") == 1


@pytest.mark.parametrize("action", ["acknowledged", "assigned", "closed"])
def test_what_somebody_took_no_longer_escalates(action: str) -> None:
    r, alert = crisis()
    data = {"assigned": {"assignee": "N02"}, "closed": {"outcome": "referred"}}.get(action, {})
    r.act(action, alert, START + 5 * MINUTE, **data)
    r.ticks(START + 2 * HOUR)
    assert "escalated" not in r.told


def test_a_red_alert_is_snoozed_for_thirty_minutes_at_most() -> None:
    r, alert = crisis()
    r.act("snoozed", alert, START + 5 * MINUTE, until=rfc3339(START + 5 * HOUR))
    assert r.only("bp-crisis")["snoozed_until"] == rfc3339(START + 35 * MINUTE)
    r.ticks(START + 35 * MINUTE - 1)
    assert "escalated" not in r.told
    r.tick(START + 35 * MINUTE)
    assert r.only("bp-crisis")["role"] == "district-desk"


def test_orange_waits_for_the_end_of_the_working_day_and_yellow_for_three() -> None:
    thursday = Resident()
    thursday.glucose(18, START)
    thursday.ticks(at("2026-03-05 16:59"))
    assert thursday.only("glucose-high")["role"] == "nurse"
    thursday.ticks(at("2026-03-05 17:00"))
    assert thursday.only("glucose-high")["role"] == "doctor"
    friday_evening = Resident()
    friday_evening.glucose(18, at("2026-03-06 18:00"))
    friday_evening.ticks(at("2026-03-09 16:59"))  # Monday
    assert friday_evening.only("glucose-high")["role"] == "nurse"
    friday_evening.ticks(at("2026-03-09 17:00"))
    assert friday_evening.only("glucose-high")["role"] == "doctor"
    yellow = Resident()
    yellow.bp(190, 115, START - 3 * DAY, recorded=START)
    yellow.ticks(at("2026-03-05 23:00"))
    assert yellow.only("bp-crisis")["role"] == "nurse"


def test_holidays_and_make_up_workdays_are_data() -> None:
    r = Resident()
    calendar = {"year": 2026, "holidays": ["2026-03-05", "2026-03-06"], "workdays": ["2026-03-07"]}
    r.event("organization.holiday-calendar-set.v1", calendar, START - DAY)
    r.glucose(18, START)
    r.ticks(at("2026-03-07 16:59"))
    assert r.only("glucose-high")["role"] == "nurse"
    r.ticks(at("2026-03-07 17:00"))
    assert r.only("glucose-high")["role"] == "doctor"


def test_handling_follows_people() -> None:
    r, alert = crisis()
    steps: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("acknowledged", {}, {"handling": "acknowledged", "acknowledged_by": "N01"}),
        ("commented", {"text": "rang, no answer"}, {"comment": "rang, no answer", "handling": "acknowledged"}),
        ("assigned", {"assignee": "N02"}, {"handling": "in-follow-up", "assignee": "N02"}),
        ("closed", {"outcome": "drug-changed"}, {"handling": "closed", "outcome": "drug-changed"}),
    ]
    for minute, (action, data, expected) in enumerate(steps):
        r.act(action, alert, START + minute * MINUTE, **data)
        assert r.new[0].type == "mailiu.alert.handling-changed.v1"
        assert expected.items() <= r.only("bp-crisis").items()
    assert r.only("bp-crisis")["condition"] == "active"


@pytest.mark.parametrize("action", ["acknowledged", "assigned", "closed"])
def test_a_second_time_changes_nothing(action: str) -> None:
    r, alert = crisis()
    data = {"assigned": {"assignee": "N02"}, "closed": {"outcome": "referred"}}.get(action, {})
    r.act(action, alert, START + MINUTE, **data)
    r.act(action, alert, START + 2 * MINUTE, **data)
    assert not r.new


@pytest.mark.parametrize(
    ("data", "closes"),
    [
        ({"outcome": "no-action"}, False),
        ({"outcome": "no-action", "reason": "cuff over a coat"}, True),
        ({"outcome": "improved"}, False),
        ({"outcome": "not-reached"}, True),
    ],
)
def test_red_closes_only_with_an_outcome_of_its_list_and_a_reason_for_none(data: dict[str, Any], closes: bool) -> None:
    r, alert = crisis()
    r.act("closed", alert, START + MINUTE, **data)
    assert (r.only("bp-crisis")["handling"] == "closed") is closes


def test_actions_on_unknown_alerts_change_nothing() -> None:
    r, alert = crisis()
    r.act("acknowledged", {"alert": "00000000-0000-5000-8000-000000000000"}, START + MINUTE)
    assert not r.new
    assert r.only("bp-crisis") == alert


def test_evidence_after_closing_is_a_new_episode_and_before_it_the_same() -> None:
    r, first = crisis()
    r.act("closed", first, START + HOUR, outcome="advice")
    r.bp(188, 112, START + 30 * MINUTE, recorded=START + 2 * HOUR)
    assert len(r.of("bp-crisis")) == 1
    assert r.only("bp-crisis")["handling"] == "closed"
    r.bp(188, 112, START + 3 * HOUR)
    assert len(r.of("bp-crisis")) == 2


def test_what_gets_worse_after_somebody_handled_it_is_open_again() -> None:
    r = Resident()
    r.bp(190, 115, START)
    r.bp(150, 90, START + 6 * MINUTE)
    r.act("closed", r.only("bp-crisis"), START + HOUR, outcome="advice")
    r.bp(185, 112, START + 5 * MINUTE, recorded=START + 2 * HOUR)  # late: the repeat had confirmed it
    alert = r.only("bp-crisis")
    assert (alert["severity"], alert["handling"], alert.get("closed_time")) == ("red", "new", None)


def test_an_alert_that_loses_its_last_evidence_is_withdrawn() -> None:
    r = Resident()
    first = r.bp(190, 115, START)
    second = r.bp(188, 112, START + HOUR)
    r.event("reading.retracted.v1", {"reading": first.identity, "reason": "not-mine"}, START + 2 * HOUR)
    alert = r.only("bp-crisis")
    assert (alert["condition"], alert["evidence"]) == ("active", [second.identity])
    r.event("reading.retracted.v1", {"reading": second.identity, "reason": "not-mine"}, START + 3 * HOUR)
    assert r.only("bp-crisis")["condition"] == "withdrawn"
    r.ticks(START + 3 * DAY)
    assert r.told[-1] == "withdrawn"


def test_a_retraction_may_come_before_its_reading() -> None:
    r = Resident()
    event = Resident("R1").bp(190, 115, START, id="x")
    r.event("reading.retracted.v1", {"reading": event.identity, "reason": "entered-in-error"}, START + HOUR)
    r.fold(event)
    assert not r.alerts


def test_a_late_reading_between_two_episodes_joins_them() -> None:
    r = Resident()
    r.bp(190, 115, START)
    r.ticks(START + 40 * HOUR)
    r.bp(190, 115, START + 40 * HOUR)
    assert len(r.of("bp-crisis")) == 2
    r.bp(190, 115, START + 20 * HOUR, recorded=START + 41 * HOUR)
    first, second = r.of("bp-crisis")
    assert (first["condition"], second["condition"]) == ("active", "cleared")
    assert second["detail"]["merged_into"] == first["alert"]
    assert first["detail"]["crisis_readings"] == 3


def test_nothing_is_asked_about_the_dead() -> None:
    r, _ = crisis()
    r.event("resident.died.v1", {}, START + MINUTE)
    assert r.only("bp-crisis")["condition"] == "cleared"
    assert r.only("bp-crisis")["detail"]["ended"] == "died"
    count = len(r.outputs)
    r.bp(190, 115, START + 30, recorded=START + 2 * MINUTE)
    r.ticks(START + 30 * DAY)
    assert r.outputs[count:] == []


def test_a_transfer_hands_open_alerts_to_the_new_institution() -> None:
    r, alert = crisis()
    r.act("acknowledged", alert, START + MINUTE)
    r.event("resident.transferred.v1", {"to_institution": "I02"}, START + 2 * MINUTE)
    handed = r.only("bp-crisis")
    assert (handed["handling"], handed["level"], handed.get("acknowledged_by")) == ("new", 0, None)
    assert r.new[-1].value["institution"] == "I02"
    r.tick(START + 12 * MINUTE)
    assert r.new[0].type == "mailiu.alert.escalated.v1"
    assert r.new[-1].value["institution"] == "I02"


def test_ticks_are_idempotent_and_only_come_when_due() -> None:
    r, _ = crisis()
    r.tick(START + 10 * MINUTE)
    told = len(r.outputs)
    before = r.state
    assert not r.tick(START + 10 * MINUTE)
    assert (len(r.outputs), r.state) == (told, before)


def test_an_import_raises_nothing_until_the_tick_and_then_once_and_no_siren() -> None:
    r = Resident()
    now = START + 10 * DAY
    for day in range(8):
        for minute in range(2):
            r.bp(150, 90, START + day * DAY + minute * MINUTE, recorded=now, origin="import")
    r.bp(190, 115, START, recorded=now, origin="import")  # long over
    r.bp(190, 115, now - HOUR, recorded=now, origin="import")
    assert not r.outputs
    r.ticks(now + MINUTE)
    assert {a["rule"]: a["severity"] for a in r.alerts.values()} == {
        "bp-crisis": "orange",
        "bp-sustained-high": "yellow",
    }
    assert not r.commands()
    told = len(r.told)
    r.ticks(now + 10 * MINUTE)
    assert len(r.told) == told


def test_a_released_version_stays_in_the_alert_and_an_unknown_one_is_not_run() -> None:
    r = Resident()
    r.event("rule.activated.v1", {"rule": "bp-crisis", "version": 99}, START - DAY)
    r.bp(190, 115, START)
    assert r.only("bp-crisis")["rule_version"] == 1
