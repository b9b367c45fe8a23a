"""Reaching people (clinical decisions 1 to 3, 6, 7): who is told what, by whom it was not heard, what then."""

from typing import Any

import pytest

from streams.event import rfc3339
from streams.rules import released
from tests.core.resident import DAY, HOUR, MINUTE, START, Resident, at


def willing(*scopes: str, born: str = "1960-05-01") -> Resident:
    """A resident who agreed to ``scopes``, by default to everything that a notice needs."""
    r = Resident(born=born)
    data = {"scopes": list(scopes or ("monitoring", "messages")), "text_version": "2026-01"}
    r.event("resident.consent-given.v1", data, START - DAY)
    return r


def crisis(r: Resident) -> dict[str, Any]:
    r.bp(190, 115, START)
    return r.only("bp-crisis")


def to(notice: dict[str, Any]) -> tuple[str, str]:
    return notice["to"]["kind"], notice["to"]["ref"]


def test_a_red_alert_is_told_to_the_nurse_within_five_minutes() -> None:
    r = Resident()
    alert = crisis(r)
    [notice] = r.notices("alert")
    assert to(notice) == ("role", "nurse")
    assert (notice["alert"], notice["level"], notice["deadline"]) == (alert["alert"], 0, rfc3339(START + 5 * MINUTE))
    assert set(notice["text"]) == {"zh", "en"}
    assert "R1" not in str(notice["text"])


def test_a_red_not_delivered_in_five_minutes_goes_to_the_next_level() -> None:
    r = Resident()
    crisis(r)
    r.ticks(START + 5 * MINUTE - 1)
    assert r.only("bp-crisis")["role"] == "nurse"
    r.tick(START + 5 * MINUTE)
    assert r.only("bp-crisis")["role"] == "doctor"
    assert [to(n) for n in r.notices("alert")] == [("role", "nurse"), ("role", "doctor")]


@pytest.mark.parametrize("outcome", ["delivered", "read"])
def test_a_delivered_one_has_the_time_of_its_role(outcome: str) -> None:
    r = Resident()
    crisis(r)
    r.became(r.notices("alert")[0], outcome, START + MINUTE)
    r.ticks(START + 10 * MINUTE - 1)
    assert r.only("bp-crisis")["role"] == "nurse"
    r.tick(START + 10 * MINUTE)
    assert r.only("bp-crisis")["role"] == "doctor"


def test_sent_is_not_delivered() -> None:
    r = Resident()
    crisis(r)
    r.became(r.notices("alert")[0], "sent", START + MINUTE)
    r.ticks(START + 5 * MINUTE)
    assert r.only("bp-crisis")["role"] == "doctor"


@pytest.mark.parametrize("outcome", [("failed", {"reason": "nobody-on-duty"}), ("expired", {})])
def test_what_cannot_arrive_is_the_next_roles_at_once(outcome: tuple[str, dict[str, str]]) -> None:
    r = Resident()
    crisis(r)
    first = r.notices("alert")[0]
    r.became(first, outcome[0], START + 1000, **outcome[1])
    assert r.only("bp-crisis")["role"] == "doctor"
    r.became(first, "failed", START + 2000, reason="nobody-on-duty")  # an old word changes nothing
    assert r.only("bp-crisis")["role"] == "doctor"


def nobody(r: Resident, time: int) -> None:
    """Nobody is on duty, whatever the role."""
    while not r.only("bp-crisis").get("unreached"):
        r.became(r.notices("alert")[-1], "failed", time, reason="nobody-on-duty")


def test_with_nobody_on_duty_a_confirmed_red_tells_resident_and_contact_to_call_120() -> None:
    r = willing()
    crisis(r)
    nobody(r, START + MINUTE)
    roles = ["nurse", "doctor", "institution", "district-desk"]
    assert [to(n) for n in r.notices("alert")] == [("role", role) for role in roles]
    assert r.notices("call-120") == []  # one value is not confirmed yet
    r.bp(186, 112, START + 6 * MINUTE)
    assert [to(n) for n in r.notices("call-120")] == [("resident", "R1"), ("contact", "R1")]
    for notice in r.notices("call-120"):
        assert "120" in notice["text"]["zh"]
        assert "120" in notice["text"]["en"]
    alert = r.only("bp-crisis")
    assert (alert["unreached"], alert["handling"], alert["condition"]) == (True, "new", "active")
    r.ticks(START + DAY)
    assert len(r.notices("call-120")) == 2  # said once
    r.act("acknowledged", alert, START + DAY)
    assert "unreached" not in r.only("bp-crisis")


def rota(r: Resident, role: str, *starts: int) -> None:
    shifts = [{"staff": "S1", "start": rfc3339(at), "end": rfc3339(at + 8 * HOUR)} for at in starts]
    span = {"start": rfc3339(START - DAY), "end": rfc3339(START + 30 * DAY)}
    r.event("organization.rota-set.v1", {"role": role, "shifts": shifts, **span}, START - HOUR)


def test_the_next_shift_is_called_by_itself_and_the_ladder_begins_again() -> None:
    r, night = willing(), START + 3 * HOUR
    rota(r, "doctor", START - 2 * HOUR, night)
    crisis(r)
    nobody(r, START + MINUTE)
    r.bp(186, 112, START + 6 * MINUTE)
    r.ticks(night - 1)
    assert len(r.notices("alert")) == 4
    r.tick(night)
    notice, alert = r.notices("alert")[-1], r.only("bp-crisis")
    assert (to(notice), notice["level"], notice["deadline"]) == (("role", "doctor"), 1, rfc3339(night + 5 * MINUTE))
    assert (alert["role"], alert["unreached"]) == ("doctor", True), "it heads the list until somebody takes it"
    r.became(notice, "failed", night + MINUTE, reason="no-channel")
    assert [to(n)[1] for n in r.notices("alert")[5:]] == ["institution"]
    for _ in range(2):
        r.became(r.notices("alert")[-1], "failed", night + 2 * MINUTE, reason="nobody-on-duty")
    assert len(r.notices("call-120")) == 2, "120 was said already"
    r.ticks(at("2026-03-06 08:00") - 1)
    assert len(r.notices("alert")) == 7
    r.tick(at("2026-03-06 08:00"))  # nobody said who works: the next working day's first hour
    assert to(r.notices("alert")[-1]) == ("role", "nurse")
    r.became(r.notices("alert")[-1], "delivered", at("2026-03-06 08:01"))
    r.act("acknowledged", r.only("bp-crisis"), at("2026-03-06 08:05"))
    assert "unreached" not in r.only("bp-crisis")
    r.ticks(at("2026-03-08 08:00"))
    assert len(r.notices("alert")) == 8


def test_nothing_is_said_to_resident_or_contact_without_consent_for_messages() -> None:
    for r in (Resident(), willing("monitoring")):
        crisis(r)
        nobody(r, START + MINUTE)
        r.bp(186, 112, START + 6 * MINUTE)
        r.event("chronic.symptom-reported.v1", {"symptoms": ["chest-pain"]}, START + 7 * MINUTE)
        assert {n["to"]["kind"] for n in r.notices()} == {"role"}


def test_a_danger_symptom_shows_120_at_once() -> None:
    r = willing()
    r.event("chronic.symptom-reported.v1", {"symptoms": ["chest-pain"]}, START)
    [notice] = r.notices("call-120")
    assert to(notice) == ("resident", "R1")
    assert notice["text"] == {"zh": "请立即拨打120！", "en": "Call 120 now!"}
    [staff] = r.notices("alert")
    assert to(staff) == ("role", "nurse")


def test_a_crisis_asks_for_a_repeat_by_device_and_by_message() -> None:
    r = willing()
    alert = crisis(r)
    [command] = r.commands()
    [notice] = r.notices("repeat")
    assert to(notice) == ("resident", "R1")
    assert (command["expires"], notice["deadline"]) == (rfc3339(START + 30 * MINUTE),) * 2
    assert (command["alert"], notice["alert"]) == (alert["alert"],) * 2
    self_reported = willing()
    self_reported.bp(190, 115, START, device=None, source="self-reported")
    assert len(self_reported.notices("repeat")) == 1


def test_no_text_tells_to_take_medicine() -> None:
    for versions in released().values():
        for rule in versions.values():
            zh, en = rule.text.get("zh", ""), rule.text.get("en", "").lower()
            for sentence in zh.replace("！", "。").split("。"):
                assert "药" not in sentence or "请勿" in sentence, rule.rule
            for sentence in en.replace("!", ".").split("."):
                assert "medicine" not in sentence or "do not" in sentence, rule.rule


def test_orange_is_told_for_the_working_day_and_does_not_climb_by_delivery() -> None:
    r = Resident()
    r.glucose(18, START)
    [notice] = r.notices("alert")
    assert (to(notice), notice["deadline"]) == (("role", "nurse"), rfc3339(at("2026-03-05 17:00")))
    r.became(notice, "failed", START + MINUTE, reason="nobody-on-duty")
    assert r.only("glucose-high")["role"] == "nurse"
    r.ticks(at("2026-03-05 17:00"))
    assert [to(n) for n in r.notices("alert")] == [("role", "nurse"), ("role", "doctor")]


def test_yellow_waits_on_the_list() -> None:
    r = Resident()
    r.bp(190, 115, START - 3 * DAY, recorded=START)
    assert r.only("bp-crisis")["severity"] == "yellow"
    assert r.notices() == []


def test_who_took_it_is_not_told_any_more() -> None:
    r = Resident()
    alert = crisis(r)
    r.act("acknowledged", alert, START + MINUTE)
    [recalled] = [o.value["data"] for o in r.outputs if o.type == "mailiu.notice.recalled.v1"]
    assert recalled == {"notice": r.notices("alert")[0]["notice"], "reason": "handled"}
    r.ticks(START + HOUR)
    assert len(r.notices("alert")) == 1


def recalled(r: Resident) -> list[tuple[str, str]]:
    """(notice, reason) of what was taken back."""
    found = [o.value["data"] for o in r.outputs if o.type == "mailiu.notice.recalled.v1"]
    return [(each["notice"], each["reason"]) for each in found]


@pytest.mark.parametrize("outcome", [None, "delivered", "expired"])
def test_an_orange_notice_is_taken_back_while_it_may_be_on_its_way(outcome: str | None) -> None:
    r = Resident()
    r.glucose(18, START)
    [notice] = r.notices("alert")
    if outcome:
        r.became(notice, outcome, START + MINUTE)
    r.act("acknowledged", r.only("glucose-high"), START + HOUR)
    assert recalled(r) == ([] if outcome else [(notice["notice"], "handled")])


def test_what_became_milder_is_told_anew_and_the_louder_word_taken_back() -> None:
    r = Resident()
    crisis(r)
    loud = r.notices("alert")[0]
    r.bp(165, 95, START + 6 * MINUTE)  # the repeat is moderate: orange, same day
    assert r.only("bp-crisis")["severity"] == "orange"
    assert recalled(r) == [(loud["notice"], "superseded")]
    assert [(n["level"], n["deadline"]) for n in r.notices("alert")[1:]] == [(0, rfc3339(at("2026-03-05 17:00")))]


def test_a_dead_resident_is_told_nothing_and_what_is_on_its_way_is_taken_back() -> None:
    r = willing()
    crisis(r)
    asked = r.notices("repeat")[0]["notice"]
    r.event("resident.died.v1", {}, START + MINUTE)
    recalled = {o.value["data"]["notice"]: o.value["data"]["reason"] for o in r.new if "recalled" in o.type}
    assert recalled[asked] == "died"
    r.ticks(START + DAY)
    assert len(r.notices()) == 2  # nurse and repeat


def test_imported_history_tells_nobody_and_asks_no_device() -> None:
    r = willing()
    for minute in (0, 6):
        r.bp(190, 115, START + minute * MINUTE, recorded=START + 10 * MINUTE, origin="import", clock="corrected")
    r.event("chronic.symptom-reported.v1", {"symptoms": ["chest-pain"]}, START, origin="import")
    r.ticks(START + 11 * MINUTE)
    assert r.rules() >= {"bp-crisis", "symptom-red"}  # open work is on the list, once
    assert r.notices() == []
    assert r.commands() == []


def test_three_unanswered_calls_lead_to_the_contact_and_then_to_a_home_visit() -> None:
    r = willing()
    crisis(r)
    for minute in (1, 2):
        r.event("alert.contact-attempted.v1", {"result": "not-reached"}, START + minute * MINUTE, actor="N01")
        assert "step" not in r.only("bp-crisis")
    alert = r.only("bp-crisis")
    assert (alert["handling"], alert["acknowledged_by"], alert["calls"]) == ("acknowledged", "N01", 2)
    r.event("alert.contact-attempted.v1", {"result": "not-reached"}, START + 3 * MINUTE, actor="N01")
    assert (r.only("bp-crisis")["step"], r.only("bp-crisis")["calls"]) == ("call-contact", 3)
    assert [to(n) for n in r.notices("look-after")] == [("contact", "R1")]
    assert [to(n) for n in r.notices("call-contact")] == [("staff", "N01")]
    failed = {"to": "contact", "result": "not-reached"}
    r.event("alert.contact-attempted.v1", failed, START + 4 * MINUTE, actor="N01")
    assert r.only("bp-crisis")["step"] == "home-visit"
    assert [to(n) for n in r.notices("home-visit")] == [("staff", "N01")]
    r.event("alert.contact-attempted.v1", {"result": "reached"}, START + 9 * MINUTE, actor="N01")
    assert "step" not in r.only("bp-crisis")
    assert "calls" not in r.only("bp-crisis")


def test_a_call_that_was_begun_counts_for_nothing_but_taking_the_alert() -> None:
    r = Resident()
    crisis(r)
    for minute in (1, 2, 3, 4):
        r.event("alert.contact-attempted.v1", {"result": "called"}, START + minute * MINUTE, actor="N01")
    alert = r.only("bp-crisis")
    assert (alert["handling"], alert.get("calls")) == ("acknowledged", None)
    r.ticks(START + HOUR)
    assert "escalated" not in r.told


def test_a_card_moves_to_the_named_person_who_accepts() -> None:
    r = Resident()
    r.bp(190, 115, START)
    r.glucose(18, START)
    offer = r.event("alert.handover-offered.v1", {"to": "N02", "reason": "leave"}, START + MINUTE, actor="N01")
    [notice] = r.notices("handover")
    assert to(notice) == ("staff", "N02")
    assert {a.get("assignee") for a in r.alerts.values()} == {None}
    r.event("alert.handover-accepted.v1", {"offer": offer.identity}, START + 2 * MINUTE, actor="N03")
    assert {a.get("assignee") for a in r.alerts.values()} == {None}  # somebody else
    r.event("alert.handover-accepted.v1", {"offer": offer.identity}, START + 3 * MINUTE, actor="N02")
    assert {(a["assignee"], a["handling"]) for a in r.alerts.values()} == {("N02", "in-follow-up")}


def test_another_institution_neither_calls_nor_hands_over() -> None:
    r = Resident()
    crisis(r)
    stranger = {"institution": "I02", "actor": "N09"}
    r.event("alert.contact-attempted.v1", {"result": "reached"}, START + MINUTE, **stranger)
    r.event("alert.handover-offered.v1", {"to": "N02"}, START + 2 * MINUTE, **stranger)
    assert r.only("bp-crisis")["handling"] == "new"
    assert r.notices("handover") == []


def test_a_device_with_a_wrong_clock_is_told_the_time_once_a_day() -> None:
    r = Resident()
    for minute in (0, 5, 24 * 60 - 1, 24 * 60):
        r.bp(120, 75, START + minute * MINUTE, clock="corrected")
    assert [(c["command"], c["device"], c["expires"]) for c in r.commands()] == [
        ("time", "D1", rfc3339(START + HOUR)), ("time", "D1", rfc3339(START + DAY + HOUR)),
    ]  # fmt: skip


def test_an_ordered_command_goes_to_the_device_unless_it_is_too_late() -> None:
    r = Resident()
    order = {"command": "configuration", "device": "D1", "configuration": {"volume": 3}}
    r.event("device.command-ordered.v1", order | {"expires": rfc3339(START + HOUR)}, START)
    r.event("device.command-ordered.v1", order | {"expires": rfc3339(START)}, START + MINUTE)
    assert r.commands() == [order | {"expires": rfc3339(START + HOUR)}]
