"""What goes wrong with what comes in: state, tasks, alerts, scores and control end as if it had gone right, or say why.

Each mishap is held against a twin to whom it did not happen.
"""

from typing import Any

import orjson
import pytest

from schemas.envelope import InvalidEvent
from schemas.measure import measures
from schemas.registry import parse
from tests.withstand.life import DAY, HOUR, MINUTE, START, Life

LATER = START + 30 * DAY


def lived(*, until: int = LATER, **rest: Any) -> tuple[Life, Life]:
    """Two lives that were the same so far: a satisfactory visit, and a week at home at 128/78."""
    both = Life(**rest), Life(**rest)
    for one in both:
        one.visit(132, 80, START - 20 * DAY, id="before")
        one.days(128, 78, START, 7)
    return both


def same(one: Life, twin: Life, until: int = LATER) -> None:
    """Facts and everything that is said are the same after as much time."""
    one.ticks(until)
    twin.ticks(until)
    assert one.stands() == twin.stands()
    assert one.facts_of() == twin.facts_of()


def refused(type: str, data: dict[str, Any]) -> str:
    """What the gate says of an event that it does not take."""
    raw = {"specversion": "1.0", "id": "1", "source": "rest/his", "type": f"mailiu.{type}", "subject": "R1"}
    with pytest.raises(InvalidEvent) as error:
        parse(orjson.dumps(raw | {"time": "2026-03-05T08:00:00Z", "data": data}))
    return str(error.value)


def test_a_swapped_pair_is_refused_with_its_field_and_changes_nothing() -> None:
    for type, data in (
        ("reading.blood-pressure-measured.v1", {"systolic": 80, "diastolic": 130}),
        ("chronic.follow-up-completed.v3",
         {"programme": "hypertension", "mode": "clinic", "blood_pressure": {"systolic": 80, "diastolic": 130}}),
    ):  # fmt: skip
        said = refused(type, data)
        assert "diastolic" in said
        assert "130" in said


def test_a_crisis_that_was_a_mistake_leaves_no_alert_and_no_mean() -> None:
    one, twin = lived()
    wrong = one.bp(205, 125, START + 8 * DAY, id="wrong")
    assert one.rules() >= {"bp-crisis"}
    one.event("reading.retracted.v1", {"reading": wrong.identity}, START + 8 * DAY + HOUR)
    assert one.rules() == set()
    same(one, twin)
    withdrawn = [a for a in one.alerts.values() if a["condition"] == "withdrawn"]
    assert "bp-crisis" in {a["rule"] for a in withdrawn}
    assert withdrawn == list(one.alerts.values())


def test_a_reading_retracted_before_it_comes_never_counts() -> None:
    one, twin = lived()
    wrong = Life().bp(205, 125, START + 8 * DAY, id="wrong")
    one.event("reading.retracted.v1", {"reading": wrong.identity}, START + 8 * DAY + HOUR)
    one.bp(205, 125, START + 8 * DAY, id="wrong", recorded=START + 8 * DAY + 2 * HOUR)
    assert not one.alerts
    same(one, twin)


def test_a_visit_sent_twice_counts_once() -> None:
    """The second copy under the same id; and under another one it is another visit, of the same day: no third one."""
    one, twin = lived()
    for _ in range(2):
        one.visit(146, 88, START + 10 * DAY, id="high")
    twin.visit(146, 88, START + 10 * DAY, id="high")
    same(one, twin, START + 12 * DAY)


def test_an_unsatisfactory_visit_that_was_retracted_asks_for_no_revisit() -> None:
    one, twin = lived(born="1970-05-01")
    wrong = one.visit(168, 104, START + 10 * DAY)
    one.ticks(START + 11 * DAY)
    assert ("follow-up", "hypertension", "revisit-uncontrolled") in {t[:3] for t in one.stands()["tasks"]}
    one.event("reading.retracted.v1", {"reading": wrong}, START + 11 * DAY)
    same(one, twin)


def test_a_diagnosis_withdrawn_ends_the_tasks_and_says_why() -> None:
    one, _ = lived()
    one.event("chronic.condition-resolved.v1", {"code": "I10"}, START + 9 * DAY)
    one.ticks(LATER)
    assert one.stands()["tasks"] == []
    closed = {(t["kind"], t.get("ended")) for t in one.tasks.values() if t["status"] == "cancelled"}
    assert closed == {("follow-up", "diagnosis-withdrawn"), ("annual-check", "diagnosis-withdrawn")}
    assert one.stands()["control"]["blood-pressure"][0] == "not-applicable"
    one.condition("I10", START + 40 * DAY)
    one.ticks(START + 41 * DAY)
    assert {t[0] for t in one.stands()["tasks"]} == {"follow-up", "annual-check"}


def test_after_a_death_nothing_is_open_due_or_said_again() -> None:
    one, _ = lived()
    one.bp(190, 115, START + 8 * DAY)
    one.bp(192, 116, START + 8 * DAY + 10 * MINUTE)
    one.event("resident.died.v1", {}, START + 9 * DAY)
    assert one.rules() == set()
    assert one.stands()["tasks"] == []
    assert {t.get("ended") for t in one.tasks.values() if t["status"] == "cancelled"} == {"died"}
    assert one.state["due"] == {}
    said = len(one.outputs)
    one.visit(172, 108, START + 8 * DAY, recorded=START + 12 * DAY)
    one.bp(210, 130, START + 8 * DAY, recorded=START + 12 * DAY)
    one.condition("E11.9", START + 7 * DAY, recorded=START + 12 * DAY)
    one.ticks(START + 400 * DAY)
    assert len(one.outputs) == said, [o.type for o in one.outputs[said:]]


def test_a_transfer_in_mid_course_hands_over_what_is_open_and_loses_nothing() -> None:
    one, twin = lived(born="1970-05-01")
    for each in (one, twin):
        each.visit(168, 104, START + 10 * DAY, id="high")
        each.days(150, 92, START + 11 * DAY, 7)
    before = {t["task"] for t in one.tasks.values() if t["status"] not in ("done", "cancelled")}
    moved = START + 19 * DAY
    one.event("resident.transferred.v1", {"to_institution": "I02"}, moved)
    handed = {o.value["data"]["task"]: o.value["institution"] for o in one.new if o.type.startswith("mailiu.task.")}
    assert handed == dict.fromkeys(before, "I02")
    open_alerts = {o.value["institution"] for o in one.new if o.type.startswith("mailiu.alert.")}
    assert open_alerts == {"I02"}
    for each, where in ((one, "I02"), (twin, "I01")):
        each.visit(136, 84, START + 24 * DAY, id="second", institution=where)
        each.ticks(LATER)
    assert one.stands() == twin.stands()
    assert one.facts_of() | {"inst": 0} == twin.facts_of() | {"inst": 0}


def test_what_the_former_institution_sends_late_still_counts_and_does_not_take_the_person_back() -> None:
    one, twin = lived()
    for each in (one, twin):
        each.event("resident.transferred.v1", {"to_institution": "I02"}, START + 9 * DAY, id="moved")
    one.visit(150, 92, START + 8 * DAY, id="late", recorded=START + 12 * DAY)
    twin.visit(150, 92, START + 8 * DAY, id="late", institution="I02", recorded=START + 12 * DAY)
    assert one.state["inst"][2] == "I02"
    same(one, twin)


def laboratory(one: Life, time: int, id: str, **values: float) -> str:
    """Values of a laboratory in their units, as the gate passes them on."""
    results = [{"name": name, "value": value, "unit": measures()[name].unit} for name, value in values.items()]
    received = min(max(time, one.facts["core"]), LATER)
    return one.event("examination.recorded.v1", {"results": results}, time, id=id, recorded=received).identity


def test_mg_dl_taken_for_mmol_is_refused_with_the_limit_and_the_unit_that_was_meant() -> None:
    sent = {"total_cholesterol": 186, "ldl_cholesterol": 110, "fasting_glucose": 126, "uric_acid": 5.4}
    for name, value in sent.items():
        unit = measures()[name].unit
        said = refused("examination.recorded.v1", {"results": [{"name": name, "value": value, "unit": unit}]})
        assert said.startswith("data.results.0.value: ")
        assert "is it in mg/dL?" in said
        assert str(value) in said


def test_a_laboratory_value_that_came_twice_counts_once() -> None:
    """The same values under the hospital's and the centre's number: facts have both, whatever is said of them is said
    once; under one number even the facts are the same."""
    one, twin = lived()
    for each, ids in ((one, ("his", "his", "centre")), (twin, ("his",))):
        for id in ids:
            laboratory(each, START + 9 * DAY, id, total_cholesterol=5.4, ldl_cholesterol=3.9, fasting_glucose=7.8)
    for each in (one, twin):
        each.ticks(LATER)
    assert one.stands() == twin.stands()
    assert one.state["lab"]["ldl_cholesterol"][-1][2] == twin.state["lab"]["ldl_cholesterol"][-1][2]
    assert len([o for o in one.outputs if "review" in o.type]) == len([o for o in twin.outputs if "review" in o.type])


def test_somebody_elses_laboratory_values_leave_no_score_and_no_control_behind() -> None:
    one, twin = lived()
    for each in (one, twin):
        laboratory(each, START + 8 * DAY, "own", ldl_cholesterol=2.4, creatinine=76)
    wrong = laboratory(one, START + 9 * DAY, "other", ldl_cholesterol=6.9, creatinine=260)
    assert one.stands()["scores"] != twin.stands()["scores"]
    one.event("reading.retracted.v1", {"reading": wrong}, START + 10 * DAY)
    same(one, twin)


def test_a_value_of_the_future_counts_from_its_receipt() -> None:
    """The API refuses it; from another door it stands as of its receipt, so that a later one takes its place."""
    one, twin = lived()
    results = [{"name": "creatinine", "value": 240, "unit": "umol/L"}]
    one.event("examination.recorded.v1", {"results": results}, START + 400 * DAY, recorded=START + 8 * DAY)
    for each in (one, twin):
        laboratory(each, START + 9 * DAY, "now", creatinine=76)
        each.ticks(LATER)
    assert one.stands() == twin.stands()
    assert one.state["lab"]["creatinine"][-1][2] == 76
