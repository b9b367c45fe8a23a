"""Control, reviews, guidance, questionnaires and the resident's own view over HTTP, on the real parts."""

from typing import Any

import httpx
import pytest
from fhir.resources.R4B.questionnaire import Questionnaire

from schemas.envelope import identity
from schemas.examination import RECORDED
from schemas.questionnaires import released
from tests.api.people import READING, House, bearer

pytestmark = pytest.mark.stack
CHRONIC = "mailiu.chronic."


@pytest.fixture(scope="module")
def house(api: httpx.Client) -> House:
    return House(api)


@pytest.fixture(scope="module")
def resident(house: House) -> str:
    """75 years old, treated, high in the office and twelve times at home; salty food, medicine missed."""
    id = house.resident()
    pressures = [(150, 92, 90), (148, 90, 1)]
    visits = [
        house.event(
            f"{CHRONIC}follow-up-completed.v3", id,
            {"programme": "hypertension", "mode": "clinic", "blood_pressure": {"systolic": s, "diastolic": d},
             "lifestyle": {"salt": "heavy"}, "adherence": "intermittent"}, days,
        )
        for s, d, days in pressures
    ]  # fmt: skip
    home = [
        house.event(READING, id, {"systolic": 144, "diastolic": 86}, 0.5 + half / 2 + minute / 1440)
        for half in range(7) for minute in (0, 2)
    ]  # fmt: skip
    goal = {"goal": "salt", "value": 5, "start": "2026-01-01", "review": "2027-01-01"}
    house.post(
        house.event(f"{CHRONIC}condition-diagnosed.v1", id, {"code": "I10"}, 99),
        house.event(f"{CHRONIC}medication-prescribed.v1", id, {"code": "C08CA01", "dose": "5 mg"}, 98),
        *visits, *home, house.event(f"{CHRONIC}goal-set.v1", id, goal),
    )  # fmt: skip
    house.get(f"/v1/residents/{id}")  # until the tables know the person
    return id


def test_control_says_why_and_prompts_a_review(house: House, resident: str) -> None:
    shown = house.get(f"/v1/residents/{resident}/control")
    areas = {area["area"]: area for area in shown["areas"]}
    assert set(areas) == {"blood-pressure", "lipids", "weight"}
    pressure = areas["blood-pressure"]
    assert (pressure["status"], [one["code"] for one in pressure["reasons"]]) == (
        "uncontrolled", ["office-high", "home-high"],
    )  # fmt: skip
    assert {"sustained"} <= {one["code"] for one in pressure["patterns"]}
    assert all(one["text"]["zh"] and one["text"]["en"] for one in pressure["reasons"])
    assert len(pressure["evidence"]) > 12
    assert sum(month["home_n"] for month in shown["months"]) == 14
    assert [review["kind"] for review in shown["reviews"]] == ["treatment-inertia"]
    decision = {"kind": "treatment-inertia", "decision": "no-change", "reason": "salt first"}
    house.post(house.event(f"{CHRONIC}review-answered.v1", resident, decision))
    assert house.get(f"/v1/residents/{resident}/control")["reviews"] == []


def test_each_measure_has_its_course_by_month_and_where_it_goes(house: House) -> None:
    id = house.resident()
    labs = [
        ("hba1c_percent", 8.1, "%", 200), ("hba1c_percent", 7.2, "%", 100), ("ldl_cholesterol", 3.0, "mmol/L", 90),
        ("ldl_cholesterol", 3.1, "mmol/L", 10), ("ldl_cholesterol", 9.0, "mmol/L", 800),
    ]  # fmt: skip
    readings: list[tuple[str, dict[str, Any], int]] = [
        ("weight", {"value": 80}, 65), ("weight", {"value": 81}, 65), ("weight", {"value": 83}, 5),
        ("weight", {"value": 99, "source": "self-reported"}, 4), ("weight", {"value": 79, "place": "office"}, 50),
        ("glucose", {"value": 7.0, "context": "fasting"}, 3), ("glucose", {"value": 7.4, "context": "fasting"}, 3),
        ("glucose", {"value": 15.0, "context": "bedtime"}, 2),
    ]  # fmt: skip
    house.post(
        *(
            house.event(RECORDED, id, {"results": [{"name": name, "value": value, "unit": unit}]}, days)
            for name, value, unit, days in labs
        ),
        *(house.event(f"mailiu.reading.{kind}-measured.v1", id, data, days) for kind, data, days in readings),
    )
    courses = {one["measure"]: one for one in house.get(f"/v1/residents/{id}/control")["courses"]}
    assert {name: one["trend"] for name, one in courses.items()} == {
        "hba1c": "falling", "ldl-cholesterol": "steady", "home-weight": "rising", "weight": None,
        "home-fasting-glucose": None,
    }  # fmt: skip
    shown = {name: [(month["mean"], month["n"]) for month in one["months"]] for name, one in courses.items()}
    assert shown["home-weight"] == [(80.5, 2), (83, 1)]
    assert (shown["home-fasting-glucose"], shown["weight"]) == ([(7.2, 2)], [(79, 1)])
    assert shown["ldl-cholesterol"] == [(3.0, 1), (3.1, 1)]
    assert courses["hba1c"]["unit"] == "%"


def test_guidance_is_a_draft_until_a_physician_signs_what_was_read(house: House, resident: str) -> None:
    path, own = f"/v1/residents/{resident}/guidance", bearer("resident", actor=resident)
    shown = house.get(path)
    draft = shown["draft"]
    assert draft["status"]["zh"] == "草稿，未经医生确认"
    assert {"bp-office-high", "bp-home-high", "salt", "adherence", "goal"} <= {
        s["template"] for s in draft["sentences"]
    }
    assert all(s["source"] and (s["evidence"] or s["when"] == "reason:no-recent-ldl") for s in draft["sentences"])
    assert house.api.get(path, headers=own).json() == {"resident": resident, "draft": None, "signed": None}
    body = {"digest": draft["digest"], "note": {"zh": "先限盐。", "en": "Salt first."}}
    assert house.api.post(f"{path}/sign", headers=house.token("nurse"), json=body).status_code == 403
    assert house.api.post(f"{path}/sign", headers=own, json=body).status_code == 403
    other = {"digest": "ab" * 32}
    assert house.api.post(f"{path}/sign", headers=house.token(actor="S1"), json=other).status_code == 409
    signed = house.api.post(f"{path}/sign", headers=house.token(actor="S1"), json=body)
    assert signed.status_code == 202, signed.text
    house.position = signed.json()["position"]
    shown = house.get(path)
    assert (shown["signed"]["by"], shown["signed"]["current"]) == ("S1", True)
    seen = house.api.get(path, headers=own).json()
    assert seen["draft"] is None
    assert [s["text"] for s in seen["signed"]["sentences"]] == [s["text"] for s in draft["sentences"]]
    assert seen["signed"]["note"]["en"] == "Salt first."


def test_what_was_entered_in_error_is_not_guided_by(house: House) -> None:
    id = house.resident()
    habits = house.event(f"{CHRONIC}lifestyle-recorded.v1", id, {"salt": "heavy"}, 3)
    goal = house.event(
        f"{CHRONIC}goal-set.v1", id, {"goal": "salt", "value": 5, "start": "2026-01-01", "review": "2027-01-01"}, 3
    )
    house.post(house.event(f"{CHRONIC}condition-diagnosed.v1", id, {"code": "I10"}, 4), habits, goal)
    said = {each["template"] for each in house.get(f"/v1/residents/{id}/guidance")["draft"]["sentences"]}
    assert {"salt", "goal"} <= said
    for event in (habits, goal):
        wrong = {"reading": str(identity(event["source"], event["id"])), "reason": "entered-in-error"}
        house.post(house.event("mailiu.reading.retracted.v1", id, wrong))
    said = {each["template"] for each in house.get(f"/v1/residents/{id}/guidance")["draft"]["sentences"]}
    assert not {"salt", "goal"} & said


@pytest.mark.parametrize("name", sorted(released()))
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_questionnaire_is_fhir(house: House, name: str, lang: str) -> None:
    answer = house.api.get(f"/v1/questionnaires/{name}", headers=house.token(), params={"lang": lang})
    assert answer.headers["content-type"] == "application/fhir+json"
    read = Questionnaire.model_validate(answer.json())
    assert len(read.item) == len(released()[name][1].items)


def response(name: str, *codes: str) -> dict[str, Any]:
    items = [
        {"linkId": str(n), "answer": [{"valueCoding": {"system": "http://loinc.org", "code": code}}]}
        for n, code in enumerate(codes, 1)
    ]
    return {"resourceType": "QuestionnaireResponse", "questionnaire": name, "status": "completed", "item": items}


def test_a_resident_answers_and_a_thought_of_self_harm_is_called_about(house: House, resident: str) -> None:
    path, own = f"/v1/residents/{resident}/questionnaires", bearer("resident", actor=resident)
    never, some = "LA6568-5", "LA6569-3"
    refused = house.api.post(path, headers=own, json=response("phq-9", never))
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "item.2")
    assert house.api.post(path, headers=own, json=response("phq-7", never)).status_code == 404
    sent = house.api.post(path, headers=own, json=response("phq-9", *[never] * 8, some))
    assert sent.status_code == 202, sent.text
    house.position = sent.json()["position"]
    [result] = house.get(path)["items"]
    assert (result["total"], result["band"], result["flags"]) == (1, "minimal", ["self-harm-thoughts"])
    alerts = house.get(f"/v1/residents/{resident}")["open_alerts"]
    [alert] = [one for one in alerts if one["rule"] == "self-harm-thoughts"]
    assert alert["severity"] == "orange"
    said = {"alert": alert["id"], "answer": "please-call"}
    assert house.api.post(f"/v1/residents/{resident}/self/answers", headers=own, json=said).status_code == 202
    stranger = bearer("resident", actor=house.resident())
    assert house.api.post(f"/v1/residents/{resident}/self/answers", headers=stranger, json=said).status_code == 404


def test_the_residents_own_view_has_goals_trends_and_how_to_measure_and_takes_reports(
    house: House, resident: str
) -> None:
    path, own = f"/v1/residents/{resident}/self", bearer("resident", actor=resident)
    danger = house.api.post(f"{path}/symptoms", headers=own, json={"symptoms": ["chest-pain"]})
    assert (danger.status_code, danger.json()["advice"]["en"]) == (202, "Call 120 now!")
    mild = house.api.post(f"{path}/symptoms", headers=own, json={"symptoms": ["none"]})
    assert mild.json()["advice"] is None
    taken = {"adherence": "intermittent", "reason": "felt-well"}
    assert house.api.post(f"{path}/adherence", headers=own, json=taken).status_code == 202
    assert house.api.post(f"{path}/adherence", headers=house.token("manager"), json=taken).status_code == 403
    shown = house.api.get(path, headers=own, params={"wait": mild.json()["position"]}).json()
    assert {area["area"] for area in shown["areas"]} == {"blood-pressure", "lipids", "weight"}
    [goal] = shown["goals"]
    assert (goal["goal"], goal["value"], goal["unit"]) == ("salt", 5, "g/d")
    assert shown["home_blood_pressure"]["mean"]["n"] == 14
    assert len(shown["measuring"]["blood-pressure"]["zh"]) == 5
    assert {"follow-up", "annual-check"} & {task["kind"] for task in shown["tasks"]}
    assert house.api.get(path, headers=bearer("resident", actor=house.resident())).status_code == 404
