"""Management levels, and who is on the ward round and why (sources: the rules `level` and `round`)."""

from typing import Any

import pytest

from schemas.registry import parse
from streams.event import rfc3339
from tests.core.resident import DAY, HOUR, START, Resident, at


def contracted(born: str = "1960-05-01", *codes: str) -> Resident:
    r = Resident(born=born)
    r.event("resident.contracted.v1", {"team": "T1", "doctor": "D01"}, START - 399 * DAY)
    for code in codes:
        r.event("chronic.condition-diagnosed.v1", {"code": code}, START - 300 * DAY)
    return r


def places(r: Resident) -> list[dict[str, Any]]:
    """Every word on the person's place, each as the schema has it."""
    told = [o for o in r.outputs if o.type == "mailiu.round.need-assessed.v1"]
    for output in told:
        parse(output.value, derived=True)
    return [output.value["data"] for output in told]


def place(r: Resident) -> dict[str, Any]:
    return places(r)[-1]


def codes(r: Resident) -> list[str]:
    return [reason["code"] for reason in place(r)["reasons"]]


def levels(r: Resident) -> list[dict[str, Any]]:
    told = [o for o in r.outputs if o.type == "mailiu.resident.level-assessed.v1"]
    for output in told:
        parse(output.value, derived=True)
    return [output.value["data"] for output in told]


def visit(r: Resident, systolic: float, diastolic: float, time: int, **more: Any) -> None:
    data = {"programme": "hypertension", "mode": "clinic", **more}
    data["blood_pressure"] = {"systolic": systolic, "diastolic": diastolic}
    r.event("chronic.follow-up-completed.v3", data, time)


def decide(r: Resident, time: int, **more: Any) -> None:
    seen = [{"key": reason["key"], "code": reason["code"]} for reason in place(r)["reasons"]]
    data = {"decision": "reviewed", "reasons": seen, **more}
    event = {
        "id": str(time), "source": "t", "type": "mailiu.round.decided.v1", "subject": "R1", "time": rfc3339(time),
        "institution": "I01", "data": data,
    }  # fmt: skip
    parse(event)
    r.event("round.decided.v1", data, time)


def test_without_a_contract_nobody_is_on_the_round() -> None:
    r = Resident()
    r.bp(190, 100, START)
    assert not places(r)


def test_a_contract_alone_is_a_place_without_need() -> None:
    r = contracted()
    assert place(r)["contracted"]
    assert not place(r)["open"]
    assert (place(r)["team"], place(r)["doctor"], place(r)["points"]) == ("T1", "D01", 0)


def test_a_crisis_puts_a_person_at_the_head_with_its_evidence() -> None:
    r = contracted()
    first = r.bp(190, 100, START)
    reason = place(r)["reasons"][0]
    alert = r.only("bp-crisis")
    assert (reason["kind"], reason["code"], reason["grade"]) == ("alert", "bp-crisis", alert["severity"])
    assert (reason["of"], reason["evidence"]) == (alert["alert"], [first.identity])
    assert reason["new"]
    assert place(r)["open"]


def test_a_home_reading_that_changes_nothing_says_nothing() -> None:
    r = contracted("1960-05-01", "I10")
    before = len(places(r))
    r.bp(120, 75, START)
    assert len(places(r)) == before


@pytest.mark.parametrize(
    ("diagnoses", "level"),
    [
        ((), None),  # nothing known: level 0, and nobody says so
        (("I10",), 1),
        (("E11",), 1),
        (("I63",), 3),  # guideline 2010: clinical disease
        (("E11.2",), 3),  # diabetes with complications
    ],
)
def test_the_level_by_what_is_diagnosed(diagnoses: tuple[str, ...], level: int | None) -> None:
    told = levels(contracted("1960-05-01", *diagnoses))
    assert (told[-1]["level"] if told else None) == level


def test_a_diagnosis_withdrawn_lowers_the_level() -> None:
    r = contracted("1960-05-01", "I63")
    r.event("chronic.condition-resolved.v1", {"code": "I63"}, START)
    assert levels(r)[-1]["level"] == 0
    assert levels(r)[-1]["reasons"] == []


def test_the_day_to_look_again_brings_the_person_back() -> None:
    r = contracted("1980-05-01", "I10")
    visit(r, 150, 95, START)
    decide(r, START + HOUR, next="2026-03-10")
    r.ticks(at("2026-03-09 23:00"))
    assert not place(r)["open"]
    r.ticks(at("2026-03-10 00:00"))
    assert place(r)["open"]
    assert "next-date" in codes(r)


@pytest.mark.parametrize(("diagnosis", "day"), [("I10", "2026-06-03"), ("I63", "2026-04-04")])
def test_without_a_day_the_level_says_when_to_look_again(diagnosis: str, day: str) -> None:
    r = contracted("1960-05-01", diagnosis)
    decide(r, START + HOUR)
    assert place(r)["next"] == day


def test_a_decision_is_no_visit() -> None:
    r = contracted("1960-05-01", "I10")
    before = r.state.get("tasks"), r.state.get("visits")
    decide(r, START, decision="seen")
    assert (r.state.get("tasks"), r.state.get("visits")) == before


def test_death_the_end_of_a_contract_and_a_transfer_end_the_place() -> None:
    for type, data in (
        ("resident.died.v1", {}),
        ("resident.contract-ended.v1", {"reason": "moved"}),
        ("resident.transferred.v1", {"to_institution": "I02"}),
    ):
        r = contracted("1960-05-01", "I10")
        r.bp(190, 115, START)
        r.event(type, data, START + HOUR)
        assert (place(r)["contracted"], place(r)["open"], place(r)["reasons"]) == (False, False, [])


def test_without_consent_only_a_red_alert_is_a_reason() -> None:
    r = contracted("1980-05-01", "I10")
    visit(r, 150, 95, START)
    scopes = {"scopes": ["monitoring"], "reason": "own-wish"}
    r.event("resident.consent-withdrawn.v1", scopes, START + HOUR)
    assert place(r)["reasons"] == []


def test_labels_and_conditions_are_told() -> None:
    r = contracted("1960-05-01", "I10")
    r.event("resident.labelled.v1", {"label": "lives-alone"}, START)
    assert (place(r)["labels"], place(r)["conditions"]) == (["lives-alone"], ["I10"])
    r.event("resident.unlabelled.v1", {"label": "lives-alone"}, START + HOUR)
    assert place(r)["labels"] == []


def test_an_overdue_task_weighs_more_than_a_due_one() -> None:
    r = contracted("1960-05-01", "I10")
    r.ticks(START)
    tasks = [reason for reason in place(r)["reasons"] if reason["kind"] == "task"]
    assert tasks
    assert all(reason["grade"] == "overdue" and reason["of"] for reason in tasks)


def test_an_uncontrolled_visit_raises_the_level_and_a_controlled_one_lowers_it() -> None:
    r = contracted("1980-05-01", "I10")
    visit(r, 142, 88, START)
    assert levels(r)[-1]["level"] == 2
    assert "pressure-uncontrolled" in [reason["code"] for reason in levels(r)[-1]["reasons"]]
    visit(r, 128, 78, START + 10 * DAY)
    assert (levels(r)[-1]["before"], levels(r)[-1]["level"]) == (2, 1)


def test_a_risk_stratum_of_the_guideline_is_a_level() -> None:
    r = contracted("1960-05-01", "I10")  # a man over 55 with grade 3: very high
    visit(r, 182, 95, START)
    reasons = {reason["code"]: reason["level"] for reason in levels(r)[-1]["reasons"]}
    assert reasons["stratum-very-high"] == 3


def test_a_decision_takes_the_person_off_the_list_until_news_comes() -> None:
    r = contracted("1980-05-01", "I10")
    visit(r, 150, 95, START)
    assert place(r)["open"]
    decide(r, START + HOUR, next="2026-04-20")
    assert not place(r)["open"]
    assert "blood-pressure" in codes(r)
    assert place(r)["decided_time"] == rfc3339(START + HOUR)
    r.bp(190, 115, START + 2 * DAY)
    assert place(r)["open"]
    new = {reason["code"]: reason["new"] for reason in place(r)["reasons"]}
    assert new["bp-crisis"]
    assert not new["blood-pressure"]


def test_what_went_away_since_the_decision_is_told_and_new_when_it_comes_back() -> None:
    r = contracted("1980-05-01", "I10")
    visit(r, 150, 95, START)
    decide(r, START + HOUR)
    visit(r, 128, 78, START + 10 * DAY)
    assert "blood-pressure" in place(r)["gone"]
    assert place(r)["level_before"] == 2
    visit(r, 150, 95, START + 20 * DAY)
    assert {reason["code"]: reason["new"] for reason in place(r)["reasons"]}["blood-pressure"]


def test_another_institution_does_not_decide_and_a_copy_changes_nothing() -> None:
    r = contracted("1980-05-01", "I10")
    visit(r, 150, 95, START)
    data = {"decision": "reviewed", "reasons": [{"key": "control/blood-pressure", "code": "blood-pressure"}]}
    r.event("round.decided.v1", data, START + HOUR, institution="I02")
    assert place(r)["open"]
    decide(r, START + HOUR)
    state, told = r.state, len(places(r))
    r.event("round.decided.v1", data, START - HOUR)  # an earlier decision that comes late
    assert (r.state["round"], len(places(r))) == (state["round"], told)
