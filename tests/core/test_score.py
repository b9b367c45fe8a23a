"""A person's scores: said when an input changes, with what they rest on and what they lack; never twice the same."""

from typing import Any

import orjson
import pytest

from schemas.measure import measures
from schemas.score import Computed
from streams.control import ASSESSED
from streams.event import Output, uuid5
from streams.scores.run import newest, run
from tests.core.resident import DAY, HOUR, START, Resident

PAR = "china-par"
PRESSURE = "reading.blood-pressure-measured.v1"


def scores(outputs: list[Output]) -> dict[str, dict[str, Any]]:
    """The last word on each model among ``outputs``, each as its schema has it."""
    said = [o.value["data"] for o in outputs if o.type == "mailiu.score.computed.v1"]
    for data in said:
        Computed.model_validate_json(orjson.dumps(data), strict=True)
    return {data["model"]: data for data in said}


def lipids(resident: Resident) -> tuple[str, list[tuple[str, float, str]]]:
    """Status and limits last said of the lipids."""
    *_, said = (o.value["data"] for o in resident.outputs if o.type == ASSESSED and o.value["data"]["area"] == "lipids")
    return said["status"], [(limit["measure"], limit["value"], limit["basis"]) for limit in said["targets"]]


def count(outputs: list[Output]) -> int:
    return sum(o.type == "mailiu.score.computed.v1" for o in outputs)


def examine(resident: Resident, time: int, **values: float) -> None:
    """Results in the canonical units."""
    results = [{"name": name, "value": value, "unit": measures()[name].unit} for name, value in values.items()]
    resident.event("examination.recorded.v1", {"results": results}, time, id=f"laboratory/{time}")


def visit(resident: Resident, time: int, systolic: int, diastolic: int) -> None:
    """A visit at the clinic."""
    data = {
        "programme": "hypertension",
        "mode": "clinic",
        "blood_pressure": {"systolic": systolic, "diastolic": diastolic},
    }
    resident.event("chronic.follow-up-completed.v3", data, time, id=f"visit/{time}")


@pytest.fixture
def known() -> Resident:
    """A man of 65 in a northern town of whom everything is known that China-PAR asks for."""
    resident = Resident(born="1960-05-01")
    resident.event("organization.area-described.v1", {"north": True, "urban": True}, START - 50 * DAY, subject="I01")
    resident.event("chronic.lifestyle-recorded.v1", {"smoking": "former"}, START)
    resident.event("chronic.family-history-recorded.v1", {"relatives": []}, START)
    examine(resident, START, total_cholesterol=5.2, hdl_cholesterol=1.3, waist=88, creatinine=80)
    visit(resident, START, 144, 88)
    return resident


def test_it_says_value_class_inputs_and_their_events(known: Resident) -> None:
    known.event("chronic.medication-prescribed.v1", {"code": "C08CA01"}, START + HOUR)
    said = scores(known.new)[PAR]
    model = newest(PAR)
    assert model is not None
    given = {
        "sex": "male", "age": 65, "systolic": 144, "total_cholesterol": 5.2, "hdl_cholesterol": 1.3, "waist": 88,
        "on_antihypertensives": True, "smoker": False, "diabetes": False, "north": True, "urban": True,
        "family_history_ascvd": False,
    }  # fmt: skip
    assert (said["status"], said["unit"]) == ("computed", "%")
    assert said["value"] == pytest.approx(run(model, given).value)
    assert {name: said["inputs"][name]["value"] for name in given} == given
    assert said["inputs"]["systolic"]["event"] == uuid5(f"visit/{START}")
    assert said["inputs"]["waist"]["event"] == uuid5(f"laboratory/{START}")
    assert "event" not in said["inputs"]["diabetes"]  # nobody ever said so
    assert said["class"] == "intermediate" if said["value"] < 10 else "high"


def test_a_high_risk_lowers_the_limit_of_ldl_and_a_lower_one_lifts_it(known: Resident) -> None:
    known.event("chronic.condition-diagnosed.v2", {"code": "I10"}, START)
    visit(known, START + HOUR, 116, 74)
    examine(known, START + 2 * HOUR, ldl_cholesterol=3.0)
    assert scores(known.outputs)[PAR]["class"] == "intermediate"
    assert lipids(known) == ("controlled", [("ldl-cholesterol", 3.4, "default")])
    visit(known, START + DAY, 172, 96)
    assert scores(known.new)[PAR]["class"] == "high"
    assert lipids(known) == ("uncontrolled", [("ldl-cholesterol", 2.6, "risk")])
    known.event(PRESSURE, {"systolic": 116, "diastolic": 74, "place": "office"}, START + 2 * DAY)
    assert scores(known.new)[PAR]["class"] == "intermediate"
    assert lipids(known) == ("controlled", [("ldl-cholesterol", 3.4, "default")])


def test_it_says_what_is_missing_once(known: Resident) -> None:
    known.event("reading.retracted.v1", {"reading": uuid5(f"laboratory/{START}"), "reason": "not-mine"}, START + HOUR)
    said = scores(known.new)[PAR]  # the laboratory's values were another person's
    assert (said["status"], said["missing"]) == ("missing", ["total_cholesterol", "hdl_cholesterol", "waist"])
    assert "value" not in said
    assert scores(known.new)["ckd-epi-2021"]["missing"] == ["creatinine"]
    visit(known, START + DAY, 150, 90)
    assert PAR not in scores(known.new)  # still the same is missing
    assert scores(known.new)["bp-category-cn"]["class"] == "grade-1"


def test_heart_disease_counts_in_first_degree_relatives_alone(known: Resident) -> None:
    def family(relative: str, hours: int) -> bool:
        told = {"relatives": [{"condition": "stroke", "relative": relative}]}
        known.event("chronic.family-history-recorded.v1", told, START + hours * HOUR)
        heard: bool = scores(known.outputs)[PAR]["inputs"]["family_history_ascvd"]["value"]
        return heard

    assert [family("grandparent", 1), family("mother", 2), family("uncle-or-aunt", 3)] == [False, True, False]


def test_existing_disease_and_pregnancy_and_age_make_it_not_applicable_with_the_reason(known: Resident) -> None:
    known.event("chronic.condition-diagnosed.v1", {"code": "I63.9"}, START + HOUR)
    said = scores(known.new)[PAR]
    assert said["status"] == "not-applicable"
    assert (said["reason"]["code"], said["reason"]["field"]) == ("not-applicable", "cardiovascular_disease")
    known.event("chronic.condition-resolved.v1", {"code": "I63.9"}, START + 2 * HOUR)
    assert scores(known.new)[PAR]["status"] == "computed"  # the diagnosis was withdrawn
    old = Resident(born="1930-01-01")
    visit(old, START, 150, 80)
    assert scores(old.new)[PAR]["reason"] == {
        "code": "out-of-range", "field": "age", "zh": "年龄应在20-85之间", "en": "age must be between 20 and 85",
    }  # fmt: skip


def test_home_readings_copies_and_unchanged_facts_say_nothing(known: Resident) -> None:
    known.event("chronic.condition-diagnosed.v1", {"code": "I10"}, START + HOUR, id="diagnosis")
    assert count(known.new)
    known.bp(150, 90, START + 2 * HOUR)
    assert not count(known.new)
    known.event("chronic.condition-diagnosed.v1", {"code": "I10"}, START + HOUR, id="diagnosis")
    assert not count(known.new)


def test_a_weight_of_the_office_is_an_input_and_one_at_home_is_not(known: Resident) -> None:
    examine(known, START + 1, height=170)
    known.reading("weight", {"value": 80}, START + HOUR)
    assert not count(known.new)
    known.reading("weight", {"value": 80, "place": "office"}, START + 2 * HOUR)
    assert round(scores(known.new)["bmi-cn"]["value"], 1) == 27.7  # 80 / 1.7²


def test_a_birthday_is_told_by_the_clock(known: Resident) -> None:
    known.event("chronic.condition-diagnosed.v1", {"code": "I10"}, START + HOUR)
    before = scores(known.outputs)[PAR]["value"]
    known.outputs.clear()
    known.ticks(START + 70 * DAY)  # 1 May lies within
    after = scores(known.outputs)[PAR]
    assert after["inputs"]["age"]["value"] == 66
    assert after["value"] > before
    assert sum(o.value["data"]["model"] == PAR for o in known.outputs if o.type == "mailiu.score.computed.v1") == 1


def test_another_version_holds_from_its_activation_on_and_old_outputs_stay(
    known: Resident, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from streams.scores import model

    first = newest(PAR)
    assert first is not None
    second = replace(first, version=2, initial=False, classes=first.classes[-1:])
    monkeypatch.setitem(model.released()[PAR], 2, second)
    known.event("chronic.condition-diagnosed.v1", {"code": "I10"}, START + HOUR)
    assert scores(known.outputs)[PAR]["version"] == 1
    known.event("rule.activated.v1", {"rule": PAR, "version": 2}, START + 2 * HOUR, subject="rules")
    known.event("chronic.condition-diagnosed.v1", {"code": "K29"}, START + 3 * HOUR)
    said = scores(known.new)[PAR]
    assert (said["version"], said["class"]) == (2, "high")


def test_grades_kidney_and_waist_follow_from_the_same_facts(known: Resident) -> None:
    known.event("chronic.condition-diagnosed.v1", {"code": "I10"}, START + HOUR)
    said = scores(known.outputs)
    assert said["ckd-epi-2021"]["class"] == "G1"  # 80 umol/L at 65 years: 142 x (0.905/0.9)^-1.2 x 0.9938^65 = 94
    assert said["ckd-epi-2021"]["value"] == pytest.approx(94, abs=0.6)
    assert said["waist-cn"]["class"] == "pre-central-obesity"
    assert said["htn-risk-stratum-cn"]["class"] == "moderate"  # grade 1, two factors: age, cholesterol
    assert said["htn-risk-stratum-cn"]["values"]["risk_factors"] == ["age", "lipids"]
    assert "cha2ds2-va" not in said  # for atrial fibrillation alone
