"""Control by area with its reasons, targets and patterns (guidelines as in `streams/rules/control.v1.toml`)."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.control import ASSESSED
from tests.core.events import MINUTES, PRESSURES, days_of_a_resident
from tests.core.resident import DAY, HOUR, MINUTE, START, Resident, at
from tests.core.test_properties import PROPERTY, delivered, run, tick


def told(r: Resident, area: str) -> list[dict[str, Any]]:
    """What was said of an area, in order."""
    return [o.value["data"] for o in r.outputs if o.type == ASSESSED and o.value["data"]["area"] == area]


def last(r: Resident, area: str) -> dict[str, Any]:
    return told(r, area)[-1]


def visit(r: Resident, systolic: float, diastolic: float, time: int, **more: Any) -> None:
    data = {"programme": "hypertension", "mode": "clinic", **more}
    data["blood_pressure"] = {"systolic": systolic, "diastolic": diastolic}
    r.event("chronic.follow-up-completed.v3", data, time)


def hypertensive(born: str = "1960-05-01", *more: str) -> Resident:
    r = Resident(born=born)
    for code in ("I10", *more):
        r.event("chronic.condition-diagnosed.v1", {"code": code}, START - 300 * DAY)
    return r


def limits(assessed: dict[str, Any]) -> dict[str, tuple[float, str]]:
    return {target["measure"]: (target["value"], target["basis"]) for target in assessed["targets"]}


def test_without_any_value_there_is_not_enough_data() -> None:
    r = hypertensive()
    assert (last(r, "blood-pressure")["status"], last(r, "blood-pressure")["reasons"]) == (
        "not-enough-data", ["no-recent-office", "home-not-enough"],
    )  # fmt: skip
    assert not told(r, "glucose")


@pytest.mark.parametrize(
    ("pressure", "status"), [((139, 89), "controlled"), ((140, 89), "uncontrolled"), ((139, 90), "uncontrolled")]
)
def test_an_office_pressure_is_controlled_below_140_and_90(pressure: tuple[int, int], status: str) -> None:
    r = hypertensive()
    visit(r, *pressure, START)
    assert last(r, "blood-pressure")["status"] == status
    assert limits(last(r, "blood-pressure"))["office-systolic"] == (140, "default")


@pytest.mark.parametrize(
    ("born", "conditions", "limit"),
    [
        ("1945-05-01", (), (150, "age")),  # 80 years and older: below 150/90
        ("1955-05-01", ("E11",), (140, "default")),  # 65-79 years: 140/90, lower only if tolerated
        ("1970-05-01", ("E11",), (130, "condition")),
        ("1970-05-01", (), (140, "default")),
    ],
)
def test_the_target_is_by_age_and_condition(born: str, conditions: tuple[str, ...], limit: tuple[int, str]) -> None:
    r = hypertensive(born, *conditions)
    visit(r, 135, 79, START)
    assert limits(last(r, "blood-pressure"))["office-systolic"] == limit
    assert last(r, "blood-pressure")["status"] == ("uncontrolled" if limit[0] <= 135 else "controlled")


def test_the_clinicians_own_target_wins() -> None:
    r = hypertensive("1945-05-01")
    visit(r, 145, 79, START)
    assert last(r, "blood-pressure")["status"] == "controlled"
    r.event(
        "chronic.target-set.v1", {"systolic": 130, "diastolic": 80, "reason": "fit", "review": "2026-09-01"}, START + 1
    )
    assert last(r, "blood-pressure")["status"] == "uncontrolled"
    assert last(r, "blood-pressure")["before"] == "controlled"
    assert limits(last(r, "blood-pressure"))["office-systolic"] == (130, "personal")


@pytest.mark.parametrize(
    ("office", "home", "drug", "pattern", "status"),
    [
        ((150, 85), (125, 75), True, ["white-coat-uncontrolled"], "uncontrolled"),
        ((130, 80), (140, 80), True, ["masked-uncontrolled", "morning"], "uncontrolled"),
        ((150, 85), (140, 80), True, ["sustained", "morning"], "uncontrolled"),
        ((150, 85), (125, 75), False, ["white-coat"], "uncontrolled"),
        ((130, 80), (125, 75), True, [], "controlled"),
    ],
)
def test_office_and_home_together_show_a_pattern(
    office: tuple[int, int], home: tuple[int, int], drug: bool, pattern: list[str], status: str
) -> None:
    r = hypertensive()
    if drug:
        r.event("chronic.medication-prescribed.v1", {"code": "C08CA01"}, START - 100 * DAY)
    visit(r, *office, START - 20 * DAY)
    r.days(*home, START - 6 * DAY, 6)
    assessed = last(r, "blood-pressure")
    assert (assessed["patterns"], assessed["status"]) == (pattern, status)
    assert {value["measure"]: value["value"] for value in assessed["values"]}["home-systolic"] == home[0]
    assert len(assessed["evidence"]) <= 20


def test_masked_pressure_is_told_of_somebody_without_a_diagnosis() -> None:
    r = Resident()
    visit(r, 130, 80, START - 20 * DAY)
    assert not told(r, "blood-pressure")
    r.days(140, 80, START - 6 * DAY, 6)
    assessed = last(r, "blood-pressure")
    assert (assessed["status"], assessed["patterns"]) == ("undiagnosed", ["masked", "morning"])


def test_a_value_alone_says_nothing_new_and_a_value_that_grew_old_does() -> None:
    r = hypertensive()
    visit(r, 130, 80, START)
    visit(r, 132, 82, START + DAY)
    assert len(told(r, "blood-pressure")) == 2
    r.ticks(START + 92 * DAY)
    assert last(r, "blood-pressure")["status"] == "controlled"
    r.ticks(START + 94 * DAY)
    assert last(r, "blood-pressure")["status"] == "not-enough-data"


def test_a_home_mean_stands_for_35_days() -> None:
    r = hypertensive()
    r.days(125, 75, START, 3)
    assert last(r, "blood-pressure")["status"] == "controlled"
    r.ticks(at("2026-04-10 23:00"))
    assert last(r, "blood-pressure")["status"] == "controlled"
    r.ticks(at("2026-04-12 01:00"))
    assert last(r, "blood-pressure")["status"] == "not-enough-data"


@pytest.mark.parametrize(
    ("name", "data", "reasons"),
    [
        ("fasting", {"fasting_glucose": 6.9}, []),
        ("fasting", {"fasting_glucose": 7.0}, ["fasting-glucose-high"]),
        ("fasting", {"fasting_glucose": 3.9}, ["fasting-glucose-low"]),
        ("hba1c", {"hba1c": 7.0}, ["hba1c-high"]),
    ],
)
def test_glucose_is_judged_by_the_national_limits(name: str, data: dict[str, float], reasons: list[str]) -> None:
    r = Resident()
    r.event("chronic.condition-diagnosed.v1", {"code": "E11.9"}, START - 300 * DAY)
    assert last(r, "glucose")["reasons"] == ["no-recent-glucose"]
    visit(r, 130, 78, START, programme="diabetes", **data)
    assert last(r, "glucose")["reasons"] == reasons
    assert last(r, "glucose")["status"] == ("uncontrolled" if reasons else "controlled")


def measure(r: Resident, days: tuple[float, ...], value: float, context: str = "fasting", **more: Any) -> None:
    for day in days:
        r.glucose(value, START + round(day * DAY), context=context, **more)


def test_home_glucose_is_judged_by_the_mean_of_two_weeks() -> None:
    r = hypertensive("1960-05-01", "E11.9")
    measure(r, (0, 1), 7.2)
    measure(r, (1.5,), 15.0, context="bedtime")
    measure(r, (1.6,), 15.0, place="office")
    assert last(r, "glucose")["reasons"] == ["no-recent-glucose"]  # two are too few, and the others are no fasting ones
    measure(r, (2,), 6.9)
    said = last(r, "glucose")
    assert (said["status"], said["reasons"]) == ("uncontrolled", ["home-fasting-glucose-high"])
    assert limits(said)["home-fasting-glucose"] == (7.0, "default")
    [value] = said["values"]
    assert (value["measure"], value["value"], value["n"], len(said["evidence"])) == ("home-fasting-glucose", 7.1, 3, 3)
    measure(r, (2.1, 2.2, 2.3), 9.9, context="after-meal-2h")
    assert "home-glucose-2h" in limits(last(r, "glucose"))
    measure(r, (2.4,), 10.3, context="after-meal-2h")
    assert last(r, "glucose")["reasons"] == ["home-fasting-glucose-high", "home-glucose-2h-high"]  # 10.0 is not below
    goal = {"goal": "fasting-glucose", "value": 7.5, "start": "2026-03-05", "review": "2026-06-01"}
    r.event("chronic.goal-set.v1", goal, START + 3 * DAY)
    assert last(r, "glucose")["reasons"] == ["home-glucose-2h-high"]
    r.tick(START + 17 * DAY)
    assert last(r, "glucose")["status"] == "not-enough-data"


@pytest.mark.parametrize(
    ("conditions", "ldl", "limit", "judged"),
    [
        ((), 3.4, (3.4, "default"), False),
        (("E11",), 2.6, (2.6, "condition"), False),
        (("I25.1",), 1.8, (1.8, "condition"), True),
    ],
)
def test_ldl_has_a_limit_by_condition(
    conditions: tuple[str, ...], ldl: float, limit: tuple[float, str], judged: bool
) -> None:
    r = hypertensive("1960-05-01", *conditions)
    r.state["lab"] = {"ldl_cholesterol": [[START - DAY, "a", ldl]]}
    r.event("chronic.goal-set.v1", {"goal": "salt", "value": 5, "start": "2026-03-05", "review": "2026-06-01"}, START)
    assessed = last(r, "lipids")
    assert (assessed["status"], limits(assessed)["ldl-cholesterol"], assessed["judgement"]) == (
        "uncontrolled", limit, judged,
    )  # fmt: skip
    goal = {"goal": "ldl-cholesterol", "value": 4.0, "start": "2026-03-05", "review": "2026-06-01"}
    r.event("chronic.goal-set.v1", goal, START)
    assert (last(r, "lipids")["status"], limits(last(r, "lipids"))["ldl-cholesterol"]) == (
        "controlled", (4.0, "personal"),
    )  # fmt: skip
    r.event("chronic.goal-ended.v1", {"goal": "ldl-cholesterol"}, START + 1)
    assert last(r, "lipids")["status"] == "uncontrolled"


@pytest.mark.parametrize(
    ("kilos", "waist", "reasons"), [(66.4, 89, []), (66.5, 90, ["bmi-high", "waist-high"]), (51, 80, ["bmi-low"])]
)
def test_weight_is_judged_by_the_chinese_classes(kilos: float, waist: float, reasons: list[str]) -> None:
    """24.0 kg/m2 at 166.4 cm is 66.45 kg."""
    r = hypertensive()
    r.state["sex"] = [START, "s", "male"]
    r.state["lab"] = {name: [[START - DAY, name, v]] for name, v in
                      {"height": 166.4, "weight": kilos, "waist": waist}.items()}  # fmt: skip
    r.event("chronic.goal-set.v1", {"goal": "salt", "value": 5, "start": "2026-03-05", "review": "2026-06-01"}, START)
    assert last(r, "weight")["reasons"] == reasons


def test_the_newest_of_office_and_home_weight_is_judged() -> None:
    r = hypertensive()
    r.state["lab"] = {"height": [[START - DAY, "h", 170]]}

    def weigh(kilos: float, time: int, **more: str) -> None:
        r.reading("weight", {"value": kilos, **more}, time)

    weigh(80, START, place="office")
    assert (last(r, "weight")["reasons"], last(r, "weight")["values"][0]["measure"]) == (["bmi-high"], "weight")
    weigh(69, START + DAY, source="self-reported")
    assert last(r, "weight")["reasons"] == ["bmi-high"]  # only said
    weigh(69, START + 2 * DAY)
    home = last(r, "weight")
    assert (home["status"], home["values"][0]["measure"]) == ("controlled", "home-weight")  # 23.9 kg/m2
    wrong = r.reading("weight", {"value": 81}, START + 90 * DAY)
    assert last(r, "weight")["reasons"] == ["bmi-high"]
    r.event("reading.retracted.v1", {"reading": wrong.identity, "reason": "not-mine"}, START + 91 * DAY)
    assert last(r, "weight")["status"] == "controlled"


def test_a_diagnosis_withdrawn_ends_the_assessment() -> None:
    r = hypertensive()
    r.event("chronic.condition-resolved.v1", {"code": "I10"}, START)
    assert {last(r, area)["status"] for area in ("blood-pressure", "lipids", "weight")} == {"not-applicable"}
    assert "control" not in r.state["due"]


def test_death_ends_what_time_would_change() -> None:
    r = hypertensive()
    visit(r, 130, 80, START)
    r.event("resident.died.v1", {}, START + DAY)
    r.ticks(START + 200 * DAY)
    assert last(r, "blood-pressure")["status"] == "controlled"


VISITS = st.lists(st.tuples(MINUTES, PRESSURES, st.integers(40, 120)), max_size=4)


@given(days_of_a_resident(), VISITS, st.randoms(use_true_random=False))
@PROPERTY
def test_the_order_of_delivery_changes_no_conclusion(
    happened: list[tuple[str, dict[str, Any], int]], visits: list[tuple[int, tuple[int, int], int]],
    chance: random.Random,
) -> None:  # fmt: skip
    for minute, (systolic, diastolic), glucose_10 in visits:
        data = {"programme": "both", "mode": "clinic", "fasting_glucose": glucose_10 / 10}
        data["blood_pressure"] = {"systolic": systolic, "diastolic": diastolic}
        happened.append(("mailiu.chronic.follow-up-completed.v3", data, START - minute * MINUTE))
    happened.append(("mailiu.chronic.condition-diagnosed.v1", {"code": "I10"}, START - 9 * DAY))
    order = list(range(len(happened)))
    chance.shuffle(order)
    ends = []
    for each in (sorted(order), order):
        state, _ = run([*delivered(happened, each), tick(START + HOUR)])
        said = state.get("review", {}).get("said", {})
        ends.append(
            (
                {area: told[:4] for area, told in state.get("control", {}).items() if told[0] != "not-applicable"},
                {kind: prompt for kind, prompt in said.items() if prompt[0] == "open"},
            )
        )
    assert ends[0] == ends[1]
