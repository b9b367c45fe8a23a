"""What stands of a person: examinations, office pressures, habits and family, whatever the order and the copies."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams import person, regimen
from streams.event import uuid5
from tests.core.resident import DAY, HOUR, START, Resident

CHRONIC = "chronic."


def exam(resident: Resident, time: int, id: str | None = None, recorded: int | None = None, **values: Any) -> str:
    """Results by name: numbers are values, words findings."""
    results = [
        {"name": name, "finding": value} if isinstance(value, str) else {"name": name, "value": value, "unit": "x"}
        for name, value in values.items()
    ]
    return resident.event("examination.recorded.v1", {"results": results}, time, id=id, recorded=recorded).identity


def test_the_newest_of_three_values_counts() -> None:
    r = Resident()
    for day, value in ((0, 5.0), (20, 5.2), (10, 5.1), (30, 5.3)):
        exam(r, START + day * DAY, recorded=START + 40 * DAY, ldl_cholesterol=value)
    assert [entry[2] for entry in person.results(r.state, "ldl_cholesterol")] == [5.1, 5.2, 5.3]
    assert person.lab(r.state, "ldl_cholesterol") == 5.3
    assert person.lab(r.state, "uric_acid") is None


def test_a_finding_is_kept_as_its_word_and_a_plaque_as_yes_or_no() -> None:
    r = Resident()
    exam(r, START, carotid_plaque="present", fundus="grade-2", urine_protein="1+")
    kept = {name: entries[-1][2] for name, entries in r.state["lab"].items()}
    assert kept == {"carotid_plaque": 1, "fundus": "grade-2", "urine_protein": "1+"}


def test_a_result_dated_ahead_counts_from_its_receipt() -> None:
    r = Resident()
    exam(r, START + 300 * DAY, recorded=START, creatinine=80)
    exam(r, START + DAY, creatinine=90)
    assert person.lab(r.state, "creatinine") == 90


def test_an_examination_taken_back_is_gone_also_when_it_comes_again() -> None:
    r = Resident()
    exam(r, START, creatinine=80)
    wrong = exam(r, START + DAY, id="wrong", creatinine=800, potassium=4.1)
    assert person.lab(r.state, "creatinine") == 800
    r.event("reading.retracted.v1", {"reading": wrong}, START + 2 * DAY)
    exam(r, START + DAY, id="wrong", recorded=START + 3 * DAY, creatinine=800, potassium=4.1)
    assert person.lab(r.state, "creatinine") == 80
    assert "potassium" not in r.state["lab"]


def test_a_visit_measures_and_hears() -> None:
    r = Resident()
    form = {
        "programme": "both", "mode": "clinic", "blood_pressure": {"systolic": 142, "diastolic": 88}, "weight": 72,
        "height": 170, "hba1c": 7.4, "fasting_glucose": 7.8, "adherence": "intermittent",
        "lifestyle": {"smoking_per_day": 10, "salt": "heavy", "psychological": "fair"},
    }  # fmt: skip
    visit = r.event("chronic.follow-up-completed.v3", form, START).identity
    assert {name: values[-1][2] for name, values in r.state["lab"].items()} == {
        "weight": 72, "height": 170, "hba1c_percent": 7.4, "fasting_glucose": 7.8,
    }  # fmt: skip
    assert r.state["office"] == [[START, visit, 142, 88]]
    said = {name: entry[2] for name, entry in r.state["life"].items()}
    assert said == {
        "smoking_per_day": 10, "smoking": "current", "salt": "heavy", "psychology": "fair", "adherence": "intermittent",
    }  # fmt: skip
    r.event("reading.retracted.v1", {"reading": visit}, START + HOUR)
    assert not {"lab", "office", "life"} & r.state.keys()


def test_office_readings_stand_beside_visits_and_home_ones_do_not() -> None:
    r = Resident()
    r.bp(150, 92, START, place="office")
    r.bp(140, 82, START + HOUR, place="home")
    r.bp(144, 90, START + 2 * HOUR, place="office", source="self-reported")
    assert [entry[2:] for entry in r.state["office"]] == [[150, 92]]


def test_who_smokes_follows_from_what_was_said_last() -> None:
    r = Resident()

    def tell(day: int, **habits: Any) -> str | None:
        r.event(f"{CHRONIC}lifestyle-recorded.v1", habits, START + day * DAY, recorded=START + 90 * DAY)
        return person.said(r.state, "smoking")

    assert tell(0, smoking_per_day=0) is None, "no cigarette now says nothing of the years before"
    assert tell(10, smoking="current") == "current"
    assert tell(20, smoking_per_day=0) == "former"
    assert tell(15, smoking_per_day=5) == "former", "told earlier"
    assert tell(30, smoking="never") == "never"
    assert tell(40, smoking_per_day=3) == "current"


def test_the_family_history_is_the_whole_one_told_last() -> None:
    r = Resident()
    ill = [
        {"condition": "diabetes", "relative": "grandparent"},
        {"condition": "coronary-heart-disease", "relative": "father", "onset_age": 54},
        {"condition": "stroke", "relative": "mother", "onset_age": 65},
    ]
    r.event(f"{CHRONIC}family-history-recorded.v1", {"relatives": ill}, START)
    ascvd = {"coronary-heart-disease", "stroke", "ascvd", "early-cvd"}
    assert r.state["fam"].keys() == {"asked", "diabetes-second-degree"} | ascvd
    r.event(f"{CHRONIC}family-history-recorded.v1", {"relatives": []}, START + DAY)
    assert {name: entry[2] for name, entry in r.state["fam"].items()} == {"asked": []}
    r.event(f"{CHRONIC}family-history-recorded.v1", {"relatives": ill}, START - DAY, recorded=START + 2 * DAY)
    assert r.state["fam"].keys() == {"asked"}


def test_the_annual_examination_measures_the_higher_arm_and_settles_the_check() -> None:
    r = Resident()
    r.event(f"{CHRONIC}condition-diagnosed.v1", {"code": "I10"}, START - 300 * DAY)
    data = {
        "results": [{"name": "waist", "value": 88, "unit": "cm"}],
        "lifestyle": {"smoking": "former", "diet": ["salty"]},
        "blood_pressure_left": {"systolic": 138, "diastolic": 84},
        "blood_pressure_right": {"systolic": 144, "diastolic": 82},
    }  # fmt: skip
    check = r.event("examination.health-examined.v1", data, START).identity
    assert r.state["office"] == [[START, check, 144, 82]]
    assert (person.lab(r.state, "waist"), person.said(r.state, "smoking")) == (88, "former")
    tasks = [o.value["data"] for o in r.outputs if o.type == "mailiu.task.done.v1"]
    assert [(task["kind"], task["done_by"]) for task in tasks] == [("annual-check", check)]
    r.event("reading.retracted.v1", {"reading": check}, START + DAY)
    assert "checks" not in r.state


def test_order_and_copies_do_not_matter() -> None:
    def told() -> list[tuple[str, dict[str, Any], int, str]]:
        return [
            ("examination.recorded.v1", {"results": [{"name": "weight", "value": 70 + n, "unit": "kg"}]},
             START - n * DAY, f"e{n}") for n in range(3)
        ] + [
            (f"{CHRONIC}lifestyle-recorded.v1", {"smoking_per_day": n % 3}, START - n * DAY, f"l{n}") for n in range(5)
        ] + [(f"{CHRONIC}lifestyle-recorded.v1", {"smoking": "former"}, START - 3 * DAY, "w")]  # fmt: skip

    states = []
    for seed in range(6):
        r, events = Resident(), told() * 2
        random.Random(seed).shuffle(events)
        for n, (type, data, time, id) in enumerate(events):
            r.event(type, data, time, id=id, recorded=START + n)
        states.append({name: r.state[name] for name in ("lab", "life")})
    assert all(state == states[0] for state in states)


#: Of one person, newest last; each may be taken back.
SAID: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "smoking": ("chronic.lifestyle-recorded.v1", [{"smoking": word} for word in ("current", "never", "former") * 2]),
    "cigarettes": ("chronic.lifestyle-recorded.v1", [{"smoking_per_day": n} for n in (10, 0, 5, 0)]),
    "family": (
        "chronic.family-history-recorded.v1",
        [{"relatives": [{"condition": c, "relative": "father"} for c in told]}
         for told in (["diabetes"], [], ["stroke"], ["diabetes", "stroke"])],
    ),
    "lab": (
        "examination.recorded.v1",
        [{"results": [{"name": "weight", "value": 70 + n, "unit": "kg"}]} for n in range(4)],
    ),
    "diagnosis": (
        "chronic.condition-diagnosed.v1", [{"code": "I10", "certainty": c} for c in ("confirmed", "suspected") * 2],
    ),
    "drug": ("chronic.medication-prescribed.v1", [{"code": "C08CA01", "dose": f"{n} mg"} for n in (5, 10, 5, 2.5)]),
}  # fmt: skip


def stands(resident: Resident) -> dict[str, Any]:
    """What readers see of a person."""
    state = resident.state
    kept = {name: state.get(name) for name in ("life", "fam", "dx", "rx")}
    since = {code: regimen.since(state, code) for code in state.get("rx", {})}
    return {**kept, "since": since, "lab": person.results(state, "weight"), "office": person.pressures(state)}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(SAID)), st.integers(0, 3), st.booleans()),
        max_size=12, unique_by=lambda one: one[:2],
    ),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_what_stands_is_what_was_never_taken_back_whatever_the_order(
    said: list[tuple[str, int, bool]], chance: random.Random
) -> None:
    events = []
    for what, n, wrong in said:
        type, told = SAID[what]
        events.append((type, told[n], START - (5 - n) * HOUR, f"{what}{n}"))
        if wrong:
            retracted = {"reading": uuid5(f"{what}{n}"), "reason": "entered-in-error"}
            events.append(("reading.retracted.v1", retracted, START, f"not/{what}{n}"))

    def folded(told: list[tuple[str, dict[str, Any], int, str]]) -> Resident:
        resident = Resident()
        for at, (type, data, time, id) in enumerate(told):
            resident.event(type, data, time, id=id, recorded=START + at)
        return resident

    shuffled = list(events)
    chance.shuffle(shuffled)
    taken_back = {event[1]["reading"] for event in events if event[0].startswith("reading")}
    never = folded([e for e in events if not e[0].startswith("reading") and uuid5(e[3]) not in taken_back])
    assert stands(folded(events)) == stands(folded(shuffled)) == stands(never)


def test_a_habit_taken_back_gives_way_to_the_one_before() -> None:
    r = Resident()
    for day, word in ((0, "current"), (1, "never")):
        r.event("chronic.lifestyle-recorded.v1", {"smoking": word}, START + day * DAY, id=word)
    r.event("reading.retracted.v1", {"reading": uuid5("never"), "reason": "entered-in-error"}, START + 2 * DAY)
    assert person.said(r.state, "smoking") == "current"


def test_a_diagnosis_and_a_drug_entered_in_error_never_held() -> None:
    r = Resident()
    for type, code in (("condition-diagnosed", "I10"), ("medication-prescribed", "C08CA01")):
        r.event(f"chronic.{type}.v1", {"code": code}, START, id=code)
    for code in ("I10", "C08CA01"):
        r.event(
            "reading.retracted.v1",
            {"reading": uuid5(code), "reason": "entered-in-error"},
            START + DAY,
            id=f"not/{code}",
        )
    assert not {"dx", "rx", "regimen", "past"} & r.state.keys()


def test_a_national_code_counts_as_the_category_of_the_who() -> None:
    r = Resident()
    for code in ("I10.x00x002", "E11.900x001"):
        r.event("chronic.condition-diagnosed.v2", {"code": code, "certainty": "confirmed"}, START)
    assert {code: entry[2] for code, entry in r.state["dx"].items()} == {"I10": 1, "E11.9": 1}
    r.event("chronic.condition-diagnosed.v2", {"code": "E11.901", "certainty": "differential"}, START + HOUR)
    r.event("chronic.condition-resolved.v2", {"code": "I10"}, START + HOUR)
    assert {code: entry[2] for code, entry in r.state["dx"].items()} == {"I10": 0, "E11.9": 0}
