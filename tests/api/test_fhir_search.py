"""`GET /v1/fhir/{type}`: what came in by FHIR and by events goes out as FHIR again, one page after the other."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fhir.resources.R4B import get_fhir_model_class

from infra.clock import clock
from infra.settings import settings
from schemas.envelope import rfc3339
from tests.api.people import House, bearer
from tests.api.test_fhir import bundle, coded, quantity
from tests.api.test_fhir_clinical import ATC, ICD10, concept, status

pytestmark = pytest.mark.stack


def ago(days: float) -> str:
    return rfc3339(clock().now() - timedelta(days=days))


def day(time: str) -> str:
    """The day of an instant where the institutions are, which a date without an offset means."""
    return datetime.fromisoformat(time).astimezone(settings().zone).date().isoformat()


@pytest.fixture(scope="module")
def house(api: httpx.Client) -> House:
    return House(api)


@pytest.fixture(scope="module")
def patient(house: House) -> str:
    """A person of whom everything came in by one FHIR transaction, and home pressures by events."""
    id = f"R-{uuid4().hex[:12]}"
    about = {"subject": {"reference": f"Patient/{id}"}}
    lipids = {**coded("14647-2", **quantity(5.2, "mmol/L")), "effectiveDateTime": ago(20), "status": "final"}
    figures = {"resourceType": "Observation", "id": "bp", "status": "final", **coded("85354-9"),
               "component": [coded("8480-6", **quantity(148)), coded("8462-4", **quantity(92))]}  # fmt: skip
    resources: list[dict[str, Any]] = [
        {"resourceType": "Patient", "id": id, "gender": "female", "birthDate": "1950-05-01",
         "meta": {"lastUpdated": ago(100)}},
        {"resourceType": "Condition", "id": f"c-{id}", **about, "code": concept(ICD10, "I10"),
         "clinicalStatus": status("active", "clinical"), "recordedDate": ago(60)},
        {"resourceType": "MedicationRequest", "id": f"m-{id}", "status": "active", "intent": "order", **about,
         "medicationCodeableConcept": concept(ATC, "C08CA01"), "authoredOn": ago(50),
         "dosageInstruction": [{"text": "5 mg", "timing": {"code": {"text": "qd"}}}]},
        {"resourceType": "Observation", "id": f"l-{id}", **about, **lipids},
        {"resourceType": "Encounter", "id": f"e-{id}", "status": "finished", **about, "class": {"code": "AMB"},
         "reasonCode": [concept(ICD10, "I10")], "period": {"start": ago(10)}, "contained": [figures]},
    ]  # fmt: skip
    answer = house.api.post("/v1/fhir", headers=house.token("clinician"), json=bundle("transaction", *resources))
    assert answer.status_code == 200, answer.text
    house.position = answer.headers["mailiu-position"]
    home = [
        house.event(
            "mailiu.reading.blood-pressure-measured.v1", id,
            {"systolic": 130 + n % 10, "diastolic": 80 + n % 5, "pulse": 70, "place": "home", "device": "D1"},
            days=6 - n / 4,
        )
        for n in range(24)
    ]  # fmt: skip
    house.post(*home)
    return id


def search(house: House, type: str, patient: str, **parameters: Any) -> dict[str, Any]:
    return house.get(f"/v1/fhir/{type}", patient=patient, **parameters)


def resources(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The resources of a searchset, each held against FHIR's own model."""
    assert (found["resourceType"], found["type"]) == ("Bundle", "searchset")
    made = [entry["resource"] for entry in found["entry"]]
    for one in made:
        get_fhir_model_class(one["resourceType"]).model_validate(one)
    return made


def test_what_came_in_goes_out(house: House, patient: str) -> None:
    [person] = resources(search(house, "Patient", patient))
    assert (person["id"], person["gender"], person["birthDate"]) == (patient, "female", "1950-05-01")
    assert "name" not in person
    [condition] = resources(search(house, "Condition", patient))
    assert condition["code"]["coding"][0]["code"] == "I10"
    assert condition["clinicalStatus"]["coding"][0]["code"] == "active"
    [taken] = resources(search(house, "MedicationStatement", patient))
    assert (taken["status"], taken["medicationCodeableConcept"]["coding"][0]["code"]) == ("active", "C08CA01")
    [drug] = resources(search(house, "MedicationRequest", f"Patient/{patient}"))
    assert drug["medicationCodeableConcept"]["coding"][0] == {"system": ATC, "code": "C08CA01"}
    assert drug["dosageInstruction"][0]["timing"]["code"]["text"] == "qd"
    [visit] = resources(search(house, "Encounter", patient))
    assert (visit["class"]["code"], visit["status"]) == ("AMB", "finished")
    [lab] = resources(search(house, "Observation", patient, code="http://loinc.org|14647-2"))
    assert lab["valueQuantity"] == {
        "value": 5.2, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L",
    }  # fmt: skip


def test_pressures_are_panels_and_the_home_mean_says_of_what(house: House, patient: str) -> None:
    panels = resources(search(house, "Observation", patient, code="85354-9", _count=500))
    assert len(panels) == 24
    parts = {part["code"]["coding"][0]["code"]: part["valueQuantity"]["value"] for part in panels[0]["component"]}
    assert parts == {"8480-6": 133, "8462-4": 83, "8867-4": 70}  # the latest: n = 23
    [mean] = resources(search(house, "Observation", patient, code="96607-7"))
    home = house.get(f"/v1/residents/{patient}/blood-pressure")
    [number] = mean["extension"]
    assert number["valueQuantity"]["value"] == home["mean"]["n"]
    values = {part["code"]["coding"][0]["code"]: part["valueQuantity"]["value"] for part in mean["component"]}
    assert values == {"96608-5": home["mean"]["systolic"], "96609-3": home["mean"]["diastolic"]}
    assert mean["effectivePeriod"]["start"] == home["period"]["first"]


def test_pages_follow_each_other_and_dates_bound_them(house: House, patient: str) -> None:
    whole = [one["id"] for one in resources(search(house, "Observation", patient, _count=500))]
    seen, url, parameters = [], "/v1/fhir/Observation", {"patient": patient, "_count": 7}
    for _ in range(9):
        found = house.get(url, **parameters)
        seen += [one["id"] for one in resources(found)]
        following = [link["url"] for link in found["link"] if link["relation"] == "next"]
        if not following:
            break
        parameters = dict(httpx.URL(following[0]).params)
    assert seen == whole
    assert len(set(seen)) == len(seen)
    panels = resources(search(house, "Observation", patient, code="85354-9", _count=500))
    since = day(ago(3))
    late = resources(search(house, "Observation", patient, code="85354-9", date=f"ge{since}", _count=500))
    assert 0 < len(late) < 24
    assert late == [one for one in panels if day(one["effectiveDateTime"]) >= since]


def test_an_error_is_an_outcome_that_names_the_parameter(house: House, patient: str) -> None:
    for path, status_code, parameter in (
        (f"/v1/fhir/Observation?patient={patient}&date=xx2026", 422, "date"),
        (f"/v1/fhir/Procedure?patient={patient}", 422, "type"),
        ("/v1/fhir/Observation", 422, "patient"),
        ("/v1/fhir/Observation?patient=R-nobody", 404, "patient"),
    ):
        answer = house.api.get(path, headers=house.token())
        assert (answer.status_code, answer.json()["resourceType"]) == (status_code, "OperationOutcome"), answer.text
        assert answer.json()["issue"][0]["expression"] == [parameter]
    other = house.api.get(f"/v1/fhir/Patient?patient={patient}", headers=bearer("clinician", "I-other"))
    assert other.status_code == 404
