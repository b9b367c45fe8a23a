"""Medication review prompts: what is found, what settles it, and that none names a drug to start, stop or change."""

import re
from typing import Any

import pytest

from streams.review import PROMPTED
from streams.rules import released
from tests.core.resident import DAY, START, Resident
from tests.core.test_control import hypertensive, visit

RAMIPRIL, AMLODIPINE, INDAPAMIDE, METOPROLOL = "C09AA05", "C08CA01", "C03BA11", "C07AB02"


def told(r: Resident, kind: str) -> list[dict[str, Any]]:
    return [o.value["data"] for o in r.outputs if o.type == PROMPTED and o.value["data"]["kind"] == kind]


def open_now(r: Resident) -> dict[str, list[str]]:
    """Findings of the open prompts, by kind."""
    last = {o.value["data"]["kind"]: o.value["data"] for o in r.outputs if o.type == PROMPTED}
    return {kind: prompt["findings"] for kind, prompt in last.items() if prompt["status"] == "open"}


def takes(r: Resident, code: str, time: int, **more: Any) -> None:
    r.event("chronic.medication-prescribed.v1", {"code": code, **more}, time)


def answer(r: Resident, kind: str, time: int) -> None:
    data = {"kind": kind, "decision": "no-change", "reason": "looked at"}
    r.event("chronic.review-answered.v1", data, time, actor="S1")


def with_labs(r: Resident) -> Resident:
    r.state["lab"] = {name: [[START, name, value]] for name, value in {"potassium": 4.2, "creatinine": 80}.items()}
    return r


def test_two_failures_and_the_same_drugs_are_inertia_until_a_drug_changes() -> None:
    r = hypertensive()
    takes(r, AMLODIPINE, START - 200 * DAY, dose="5 mg")
    visit(r, 150, 85, START - 90 * DAY)
    assert "treatment-inertia" not in open_now(r)
    takes(r, AMLODIPINE, START - 80 * DAY, dose="5 mg")  # a refill is no change
    visit(r, 146, 85, START)
    assert open_now(r)["treatment-inertia"] == ["blood-pressure-twice-above"]
    assert len(told(r, "treatment-inertia")[-1]["evidence"]) == 2
    takes(r, AMLODIPINE, START + DAY, dose="10 mg")
    assert "treatment-inertia" not in open_now(r)


def test_a_change_between_the_visits_is_no_inertia() -> None:
    r = hypertensive()
    visit(r, 150, 85, START - 90 * DAY)
    takes(r, AMLODIPINE, START - 89 * DAY)
    visit(r, 146, 85, START)
    assert "treatment-inertia" not in open_now(r)


def test_an_answer_settles_until_the_next_failure() -> None:
    r = hypertensive()
    visit(r, 150, 85, START - 90 * DAY)
    visit(r, 146, 85, START)
    answer(r, "treatment-inertia", START + DAY)
    assert "treatment-inertia" not in open_now(r)
    visit(r, 144, 85, START + 10 * DAY)
    assert "treatment-inertia" in open_now(r)


@pytest.mark.parametrize(
    ("drugs", "condition", "finding"),
    [
        ([METOPROLOL], "J45.9", "beta-blocker-asthma"),
        (["C08DA01"], "I50.9", "verapamil-heart-failure"),
        ([RAMIPRIL, "C09CA01"], None, "ace-arb"),
        ([INDAPAMIDE], "M10.9", "thiazide-gout"),
        (["C08DB01", METOPROLOL], None, "verapamil-beta-blocker"),
        (["A10BG03"], "I50.0", "glitazone-heart-failure"),
    ],
)
def test_what_does_not_go_together_is_found_and_settles_with_the_drug(
    drugs: list[str], condition: str | None, finding: str
) -> None:
    r = Resident()
    if condition:
        r.event("chronic.condition-diagnosed.v1", {"code": condition}, START)
    for drug in drugs:
        takes(r, drug, START)
    assert open_now(r)["interacting-conditions"] == [finding]
    r.event("chronic.medication-stopped.v1", {"code": drugs[0]}, START + DAY)
    assert "interacting-conditions" not in open_now(r)


@pytest.mark.parametrize(("egfr", "found"), [(29.0, True), (30.0, False)])
def test_a_result_that_forbids_a_drug_is_found(egfr: float, found: bool) -> None:
    r = Resident()
    r.state["lab"] = {"egfr": [[START, "e", egfr]]}
    takes(r, "A10BA02", START)
    assert ("interacting-conditions" in open_now(r)) == found


def test_three_drugs_with_a_diuretic_for_four_weeks_and_still_high_is_perhaps_resistant() -> None:
    r = with_labs(hypertensive())
    for code in (RAMIPRIL, AMLODIPINE, INDAPAMIDE):
        takes(r, code, START)
    visit(r, 150, 95, START + DAY)
    assert "suspected-resistant" not in open_now(r)
    r.ticks(START + 29 * DAY)
    assert open_now(r)["suspected-resistant"] == ["office-high"]


def test_a_fixed_combination_counts_twice_and_without_a_diuretic_nothing_is_resistant() -> None:
    r = with_labs(hypertensive())
    takes(r, "C09DA01", START - 60 * DAY)
    takes(r, AMLODIPINE, START - 60 * DAY)
    visit(r, 150, 95, START)
    assert "suspected-resistant" in open_now(r)
    other = with_labs(hypertensive())
    for code in (RAMIPRIL, AMLODIPINE, METOPROLOL):
        takes(other, code, START - 60 * DAY)
    visit(other, 150, 95, START)
    assert "suspected-resistant" not in open_now(other)


def test_potassium_and_creatinine_are_missed_four_weeks_after_the_drug_began_and_yearly() -> None:
    r = Resident()
    takes(r, RAMIPRIL, START)
    r.ticks(START + 27 * DAY)
    assert not open_now(r)
    r.ticks(START + 29 * DAY)
    assert open_now(r) == {"labs-missing": ["potassium-missing", "creatinine-missing"]}
    with_labs(r)
    takes(r, "C10AA05", START + 30 * DAY)
    assert not open_now(r)
    r.ticks(START + 367 * DAY)
    assert "labs-missing" in open_now(r)


def test_no_text_says_what_to_do_with_a_drug() -> None:
    """Clinical decision 21: no automatic text starts, stops or changes a drug."""
    order = re.compile(r"停用|加用|改用|换用|减量|加量|\b(stop|start|switch|increase|reduce|add)\b", re.I)
    texts = [limit for limit in released()["review"][1].limits.values() if isinstance(limit, dict)]
    assert len(texts) > 10
    assert not [text for text in texts if order.search(text["zh"]) or order.search(text["en"])]


def test_one_result_that_two_sent_is_no_second_failure() -> None:
    r = Resident()
    r.event("chronic.condition-diagnosed.v1", {"code": "E11.9"}, START - 300 * DAY)
    for at in (START, START + 1000):
        visit(r, 130, 78, at, programme="diabetes", fasting_glucose=8.1)
    assert "treatment-inertia" not in open_now(r)
    visit(r, 130, 78, START + 20 * DAY, programme="diabetes", fasting_glucose=8.1)
    assert open_now(r)["treatment-inertia"] == ["glucose-twice-above"]


@pytest.mark.parametrize(("creatinine", "found"), [(250, True), (90, False)])
def test_a_filtration_rate_is_also_known_from_creatinine(creatinine: float, found: bool) -> None:
    """CKD-EPI 2021, man of 65: 250 umol/L is 24, 90 is 82 mL/min/1.73 m2."""
    r = Resident()
    results = [{"name": "creatinine", "value": creatinine, "unit": "umol/L"}]
    r.event("examination.recorded.v1", {"results": results}, START)
    takes(r, "A10BA02", START)
    assert (open_now(r).get("interacting-conditions") == ["metformin-kidney"]) == found
