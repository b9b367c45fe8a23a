"""Residents whom FHIR resources call by an identity number, or by the Patient of their Bundle: on the real parts."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.people import House
from tests.api.test_fhir import BP, codes
from tests.api.test_fhir_clinical import ICD10, concept
from tests.api.test_identity import number

pytestmark = pytest.mark.stack
CITIZEN = "urn:oid:2.16.156.10011.1.3"


@pytest.fixture
def house(api: httpx.Client) -> House:
    return House(api)


def person(number: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient", "gender": "female", "birthDate": "1950-05-01", "name": [{"text": "赵无名"}],
        "identifier": [{"system": CITIZEN, "value": number}], **more,
    }  # fmt: skip


def whole(number: str, *more: dict[str, Any]) -> dict[str, Any]:
    """A transaction of a system that knows no pseudonyms."""
    condition = {
        "resourceType": "Condition", "id": uuid4().hex, "subject": {"reference": "urn:uuid:p"},
        "code": concept(ICD10, "I10"), "recordedDate": "2026-03-01",
    }  # fmt: skip
    conditional = {"method": "POST", "url": "Patient", "ifNoneExist": f"identifier={CITIZEN}|{number}"}
    entries = [
        {"fullUrl": "urn:uuid:p", "resource": person(number), "request": conditional},
        *({"resource": one, "request": {"method": "POST", "url": "x"}} for one in (condition, *more)),
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def post(house: House, body: dict[str, Any], **headers: str) -> httpx.Response:
    answer = house.api.post("/v1/fhir", headers=house.token("integrator") | headers, json=body)
    house.position = answer.headers.get("mailiu-position", house.position)
    return answer


def patient(answer: httpx.Response) -> tuple[str, str]:
    """Status and pseudonym of a Bundle's first entry."""
    response = answer.json()["entry"][0]["response"]
    return response["status"], response["location"].removeprefix("Patient/")


def test_a_person_is_created_once_and_what_is_said_is_the_persons(house: House) -> None:
    who = number()
    created, resident = patient(post(house, whole(who)))
    again, same = patient(post(house, whole(who)))
    assert (created, again, resident) == ("201 Created", "200 OK", same)
    found = house.get(f"/v1/residents/{resident}")
    assert [each["code"] for each in found["conditions"]] == ["I10"]
    one = BP | {"id": uuid4().hex, "subject": {"reference": f"Patient?identifier={CITIZEN}|{who}"}}
    assert post(house, one).status_code == 201
    assert [each["systolic"] for each in house.get(f"/v1/residents/{resident}/readings")["items"]] == [150]
    alone = post(house, person(who), **{"If-None-Exist": f"identifier={CITIZEN}|{who}"})
    assert (alone.status_code, alone.headers["location"]) == (200, f"/v1/fhir/Patient/{resident}")
    assert house.get(alone.headers["location"])["id"] == resident


def test_sent_at_once_and_twice_in_one_bundle_a_person_is_one(house: House) -> None:
    who = number()
    twice = whole(who)
    twice["entry"].append(twice["entry"][0])
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: post(house, twice), range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({entry["response"]["location"] for answer in answers for entry in answer.json()["entry"][::2]}) == 1
    assert sorted(patient(answer)[0] for answer in answers) == ["200 OK"] * 3 + ["201 Created"]


def test_somebody_of_another_institution_is_nobody(house: House, api: httpx.Client) -> None:
    who = number()
    post(House(api), whole(who))
    answer = post(house, BP | {"subject": {"reference": f"Patient?identifier={CITIZEN}|{who}"}})
    assert (answer.status_code, codes(answer.json())) == (412, [("unknown-patient", "Observation.subject.reference")])
    assert who not in answer.text


def test_what_is_about_somebody_who_is_refused_is_refused(house: House) -> None:
    batch = whole(number(), BP | {"id": uuid4().hex, "subject": {"reference": "urn:uuid:p"}}) | {"type": "batch"}
    del batch["entry"][0]["resource"]["birthDate"]
    statuses = [entry["response"]["status"][:3] for entry in post(house, batch).json()["entry"]]
    assert statuses == ["422", "412", "412"]
    batch["entry"][0]["resource"]["name"] = []
    statuses = [entry["response"]["status"][:3] for entry in post(house, batch).json()["entry"]]
    assert statuses == ["422", "412", "412"]
    batch["entry"][0]["resource"]["id"] = ["no text"]
    statuses = [entry["response"]["status"][:3] for entry in post(house, batch).json()["entry"]]
    assert statuses == ["422", "412", "412"]


@pytest.mark.parametrize(
    ("wrong", "expression"),
    [
        ({"identifier": []}, "Patient.identifier"),
        ({"name": []}, "Patient.identifier"),
        ({"identifier": [{"system": CITIZEN, "value": "110105194912310021"}]}, "Patient.identifier"),
    ],
)
def test_what_could_not_be_found_again_is_not_created(house: House, wrong: dict[str, Any], expression: str) -> None:
    who = number()
    body = person(who) | wrong
    answer = post(house, body, **{"If-None-Exist": f"identifier={CITIZEN}|{who}"})
    assert (answer.status_code, codes(answer.json())) == (422, [("invalid", expression)])
    assert who not in answer.text


@pytest.mark.parametrize("search", ["identifier=urn:his|77777", f"identifier={CITIZEN}|77777", "name=x"])
def test_a_search_by_anything_else_is_refused_without_its_value(house: House, search: str) -> None:
    answer = post(house, person(number()), **{"If-None-Exist": search})
    assert (answer.status_code, codes(answer.json())) == (422, [("invalid", "ifNoneExist")])
    about = post(house, BP | {"subject": {"reference": f"http://his.example/Patient?{search}"}})
    assert (about.status_code, codes(about.json())) == (422, [("invalid", "Observation.subject.reference")])
    assert search.rpartition("|")[2] not in str(about.json()["issue"][0].get("details"))


def test_several_are_for_a_person_to_look_at(house: House) -> None:
    who = number()
    for id in (f"R-{uuid4().hex[:12]}", f"R-{uuid4().hex[:12]}"):
        assert post(house, person(who, id=id)).status_code == 201
    house.get("/v1/tasks")  # until the tables have both
    answer = post(house, whole(who))
    assert (answer.status_code, codes(answer.json())[0]) == (412, ("several-patients", "Bundle.entry[0].resource"))


def test_who_may_not_identify_does_not_find(house: House) -> None:
    answer = house.api.post("/v1/fhir", headers=house.token("manager"), json=whole(number()))
    assert (answer.status_code, answer.json()["resourceType"]) == (403, "OperationOutcome")
