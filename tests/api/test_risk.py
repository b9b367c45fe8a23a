"""A resident's scores over the whole way: events in, the fold, the tables, and what they would be if."""

from typing import Any

import httpx
import pytest

from streams.scores.run import newest, run
from tests.api.people import House, bearer

pytestmark = pytest.mark.stack

FOLLOW_UP = "mailiu.chronic.follow-up-completed.v3"
LABS = {
    "total_cholesterol": (5.2, "mmol/L"), "hdl_cholesterol": (1.3, "mmol/L"), "creatinine": (80, "umol/L"),
    "waist": (88, "cm"), "weight": (70, "kg"), "height": (165, "cm"),
}  # fmt: skip


def examined(labs: dict[str, tuple[float, str]]) -> dict[str, Any]:
    return {"results": [{"name": name, "value": value, "unit": unit} for name, (value, unit) in labs.items()]}


@pytest.fixture(scope="module")
def house(api: httpx.Client) -> House:
    """An institution in a northern town."""
    made = House(api)
    area = made.event("mailiu.organization.area-described.v1", made.id, {"north": True, "urban": True}, 200)
    answer = api.post("/v1/events", headers=bearer("admin", made.id), json=area)
    assert answer.status_code == 202, answer.text
    return made


@pytest.fixture(scope="module")
def resident(house: House) -> str:
    """A woman born on 1 May 1950 of whom everything is known that China-PAR asks for."""
    id = house.resident()
    visit = {"programme": "hypertension", "mode": "clinic", "blood_pressure": {"systolic": 148, "diastolic": 92}}
    house.post(
        house.event("mailiu.chronic.condition-diagnosed.v1", id, {"code": "I10"}, 50),
        house.event("mailiu.examination.recorded.v1", id, examined(LABS), 40),
        house.event("mailiu.chronic.lifestyle-recorded.v1", id, {"smoking": "never"}, 40),
        house.event("mailiu.chronic.family-history-recorded.v1", id, {"relatives": []}, 40),
        house.event(FOLLOW_UP, id, visit, 30),
        house.event(FOLLOW_UP, id, visit | {"blood_pressure": {"systolic": 144, "diastolic": 88}}, 5),
    )  # fmt: skip
    return id


def scores(house: House, resident: str, **parameters: Any) -> dict[str, dict[str, Any]]:
    found = house.get(f"/v1/residents/{resident}/risk", **parameters)
    return {score["model"]: score for score in found["scores"]}


def test_each_score_says_value_class_inputs_evidence_and_course(house: House, resident: str) -> None:
    found = scores(house, resident)
    par = found["china-par"]
    model = newest("china-par")
    assert model is not None
    given = {name: one["value"] for name, one in par["inputs"].items()}
    assert given["systolic"] == 144
    assert given["north"] is given["urban"] is True
    assert given["smoker"] is given["family_history_ascvd"] is given["diabetes"] is False
    expected = run(model, given)
    assert (par["status"], par["class"], par["value"]) == ("computed", expected.name, pytest.approx(expected.value))
    assert par["label"] == model.label(expected.name)
    assert par["inputs"]["waist"]["event"] is not None
    assert par["inputs"]["waist"]["unit"] == "cm"
    assert "event" not in par["inputs"]["diabetes"] or par["inputs"]["diabetes"]["event"] is None
    assert par["trend"][-1]["value"] == pytest.approx(par["value"])
    assert found["ckd-epi-2021"]["class"] in ("G2", "G3a")
    assert found["bmi-cn"]["value"] == pytest.approx(70 / 1.65**2)
    assert found["htn-risk-stratum-cn"]["status"] == "computed"
    assert (
        any(one["code"] == "not-calibrated-for-china" for one in found["prevent-10y"]["warnings"])
        or found["prevent-10y"]["reason"]
    )


def test_what_would_be_if_is_answered_and_nothing_recorded(house: House, resident: str) -> None:
    before = scores(house, resident)["china-par"]
    asked = {"changes": {"systolic": 124, "waist": 80}}
    answer = house.api.post(f"/v1/residents/{resident}/risk", headers=house.token(), json=asked)
    assert answer.status_code == 200, answer.text
    par = next(one for one in answer.json()["scores"] if one["model"] == "china-par")
    assert par["now"]["value"] == pytest.approx(before["value"])
    assert par["then"]["value"] < par["now"]["value"]
    assert par["difference"] == pytest.approx(par["then"]["value"] - par["now"]["value"])
    assert scores(house, resident)["china-par"] == before
    asked = {
        "changes": {"physically_active": True, "daily_vegetables": True, "ever_high_glucose": False},
        "models": ["findrisc"],
    }
    [findrisc] = house.api.post(f"/v1/residents/{resident}/risk", headers=house.token(), json=asked).json()["scores"]
    assert findrisc["then"]["value"] is not None or findrisc["then"]["missing"] == ["family_history_diabetes"]


def test_a_wrong_question_names_the_field(house: House, resident: str) -> None:
    for asked, field in (
        ({"changes": {"shoe_size": 42}}, "changes.shoe_size"),
        ({"changes": {"smoker": "often"}}, "changes.smoker"),
        ({"changes": {"waist": 80}, "models": ["qrisk"]}, "models"),
    ):
        answer = house.api.post(f"/v1/residents/{resident}/risk", headers=house.token(), json=asked)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == field
    assert house.api.get(f"/v1/residents/{resident}/risk?model=qrisk", headers=house.token()).status_code == 422


def test_another_institution_sees_nobody(house: House, resident: str) -> None:
    other = bearer("clinician", "I-other")
    assert house.api.get(f"/v1/residents/{resident}/risk", headers=other).status_code == 404
    asked = {"changes": {"waist": 80}}
    assert house.api.post(f"/v1/residents/{resident}/risk", headers=other, json=asked).status_code == 404


def test_an_existing_disease_makes_the_score_not_applicable_and_keeps_its_course(house: House, resident: str) -> None:
    house.post(house.event("mailiu.chronic.condition-diagnosed.v1", resident, {"code": "I63.9"}, 1))
    par = scores(house, resident, model="china-par")["china-par"]
    assert (par["status"], par["value"], par["reason"]["field"]) == ("not-applicable", None, "cardiovascular_disease")
    assert par["trend"][-2]["value"] is not None
