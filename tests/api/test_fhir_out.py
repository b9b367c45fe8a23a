"""What a FHIR search answers, from rows given: each resource fits FHIR's own model; parameters, pages, outcomes."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from fhir.resources.R4B import get_fhir_model_class

from api import fhir_resource, fhir_search
from tests.api.stub import bearer, client

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
ONE, TWO = UUID(int=1), UUID(int=2)
PERSON = {
    "resident": "R1", "sex": "female", "birth_date": date(1950, 5, 1), "institution": "I01", "team": None,
    "doctor": None, "registered_time": AT, "died_time": None, "labels": [],
}  # fmt: skip
BASE = {"resident": "R1", "time": AT, "recordedtime": AT, "place": "home", "device": "D1", "finding": None}
NOTHING = dict.fromkeys(("systolic", "diastolic", "mean", "pulse", "value"))
PRESSURE = BASE | NOTHING | {
    "id": TWO, "name": "blood-pressure", "kind": "blood-pressure", "systolic": 133.0, "diastolic": 83.0, "pulse": 70.0,
    "unit": "mm[Hg]",
}  # fmt: skip
LAB = BASE | NOTHING | {
    "id": ONE, "name": "total_cholesterol", "kind": "", "value": 5.2, "unit": "mmol/L", "place": "", "device": None,
}  # fmt: skip
PLAQUE = LAB | {"name": "carotid_plaque", "value": None, "unit": "", "finding": "present"}
CONDITION = {
    "resident": "R1", "code": "I10", "original": "I10.x00x002", "category": "problem-list-item", "diagnoser": "D7",
    "reason": "remission", "certainty": "provisional", "onset": date(2020, 6, 1), "first_diagnosed_time": AT,
    "diagnosed_time": AT, "resolved_time": AT,
}  # fmt: skip
DRUG = {
    "resident": "R1", "code": "C08CA01", "dose": "5 mg", "frequency": "qd", "start": date(2026, 2, 1),
    "prescribed_time": AT, "stopped_time": AT, "reason": "adverse-reaction",
}  # fmt: skip
VISIT = {"id": ONE, "resident": "R1", "time": AT, "institution": "I01", "programme": "both", "mode": "home-visit"}


def tables(sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows for each query of the search."""
    if "FROM aliases" in sql and "survivor" in sql:
        return []
    for query, rows in (
        (fhir_search.OBSERVATIONS, [PRESSURE, LAB, PLAQUE]), (fhir_search.VISITS, [VISIT]),
        (fhir_search.CONDITIONS, [CONDITION]), (fhir_search.DRUGS, [DRUG]),
    ):  # fmt: skip
        if sql == query:
            return list(rows)
    return [PERSON] if "FROM residents WHERE resident" in sql else []


async def search(query: str) -> Any:
    async with client(tables) as (api, _):
        return await api.get(f"/v1/fhir/{query}", headers=bearer())


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("Patient?patient=R1", {"gender": "female", "birthDate": "1950-05-01", "active": True}),
        ("Condition?patient=Patient/R1",
         {"onsetDateTime": "2020-06-01", "abatementDateTime": "2026-03-01T08:00:00.000Z"}),
        ("MedicationRequest?patient=R1", {"status": "stopped", "statusReason": {"text": "adverse-reaction"}}),
        ("MedicationStatement?subject=Patient/R1",
         {"status": "stopped", "effectivePeriod": {"start": "2026-02-01", "end": "2026-03-01T08:00:00.000Z"},
          "statusReason": [{"text": "adverse-reaction"}]}),
        ("Patient?_id=R1", {"id": "R1"}),
        ("Encounter?patient=R1&date=2026-03-01", {"status": "finished", "id": str(ONE)}),
    ],
)  # fmt: skip
async def test_a_resource_fits_fhirs_model(query: str, what: dict[str, Any]) -> None:
    answer = await search(query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    [entry] = answer.json()["entry"]
    resource = entry["resource"]
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    assert what.items() <= resource.items()
    assert entry["fullUrl"].endswith(f"/{resource['resourceType']}/{resource['id']}")


@pytest.mark.parametrize(
    ("ended", "clinical", "verification"),
    [("remission", "remission", "provisional"), ("refuted", "inactive", "refuted"), (None, "active", "provisional")],
)
async def test_a_condition_says_how_it_was_coded_by_whom_and_how_it_ended(
    ended: str | None, clinical: str, verification: str
) -> None:
    row = CONDITION | {"reason": ended, "resolved_time": AT if ended else None}
    made = fhir_resource.condition(row)
    get_fhir_model_class("Condition").model_validate(made)
    assert [one["code"] for one in made["code"]["coding"]] == ["I10", "I10.x00x002"]
    assert made["category"][0]["coding"][0]["code"] == "problem-list-item"
    assert made["asserter"] == {"reference": "Practitioner/D7"}
    assert made["clinicalStatus"]["coding"][0]["code"] == clinical
    assert made["verificationStatus"]["coding"][0]["code"] == verification


async def test_a_condition_is_found_by_either_code() -> None:
    for code, found in (("I10", 1), ("I10.x00x002", 1), ("http://hl7.org/fhir/sid/icd-10|I11", 0)):
        answer = await search(f"Condition?patient=R1&code={code}")
        assert len(answer.json()["entry"]) == found


async def test_a_patient_is_read_by_id() -> None:
    answer = await search("Patient/R1")
    assert (answer.status_code, answer.json()["id"]) == (200, "R1")
    get_fhir_model_class("Patient").model_validate(answer.json())


async def test_what_is_taken_and_found_is_declared() -> None:
    async with client(tables) as (api, _):
        answer = await api.get("/v1/fhir/metadata")  # needs no token
    declared = answer.json()
    get_fhir_model_class("CapabilityStatement").model_validate(declared)
    [rest] = declared["rest"]
    for one in rest["resource"]:
        assert {"create", "search-type"} <= {each["code"] for each in one["interaction"]}
        answer = await search(f"{one['type']}?patient=R1&code=8867-4")
        assert answer.status_code == 200, answer.text


async def test_observations_are_panels_values_and_findings() -> None:
    answer = await search("Observation?patient=R1&code=85354-9,14647-2,urn:mailiu:measure|carotid_plaque")
    assert answer.status_code == 200, answer.text
    pressure, lab, plaque = [entry["resource"] for entry in answer.json()["entry"]]
    for one in (pressure, lab, plaque):
        get_fhir_model_class("Observation").model_validate(one)
    parts = {part["code"]["coding"][0]["code"]: part["valueQuantity"]["value"] for part in pressure["component"]}
    assert parts == {"8480-6": 133.0, "8462-4": 83.0, "8867-4": 70.0}
    assert pressure["meta"]["tag"] == [{"code": "patient-supplied"}]
    assert lab["valueQuantity"]["code"] == "mmol/L"
    assert lab["code"]["coding"][0] == {"system": "http://loinc.org", "code": "14647-2"}
    assert plaque["valueString"] == "present"


def test_codes_name_kinds_and_measures() -> None:
    named = fhir_search._named({"85354-9", "8867-4", "2093-3", "39156-5", "cfpwv"})
    assert named["kinds"] == ["blood-pressure", "ecg", "heart-rate"]
    assert named["names"] == ["bmi", "cfpwv", "heart_rate", "total_cholesterol"]
    assert fhir_search._codes("http://snomed.info/sct|38341003") == set()


def test_a_page_does_not_part_what_one_event_said() -> None:
    rows = [PRESSURE, LAB, PLAQUE, LAB | {"id": UUID(int=0)}]
    page, following = fhir_search._cut(rows, 2)
    assert [row["name"] for row in page] == ["blood-pressure", "total_cholesterol", "carotid_plaque"]
    assert following is not None
    assert fhir_search._cut(rows[:3], 2) == (rows[:3], None)


@pytest.mark.parametrize(
    ("dates", "first", "after"),
    [
        (["2026-03-01"], "2026-02-28T16:00:00+00:00", "2026-03-01T16:00:00+00:00"),  # a day of Shanghai
        (["ge2026-03-01", "lt2026-03-03"], "2026-02-28T16:00:00+00:00", "2026-03-02T16:00:00+00:00"),
        (["gt2026-03-01T00:00:00Z"], "2026-03-01T00:00:00.001000+00:00", "2200-01-01T00:00:00+00:00"),
        (["le2026-03-01"], "1900-01-01T00:00:00+00:00", "2026-03-01T16:00:00+00:00"),
    ],
)
def test_dates_are_local_days_or_instants(dates: list[str], first: str, after: str) -> None:
    assert [one.astimezone(UTC).isoformat() for one in fhir_search._span(dates)] == [first, after]


@pytest.mark.parametrize(
    ("query", "status", "parameter"),
    [
        ("Observation?patient=R1&date=xx2026", 422, "date"), ("Observation?patient=R1&date=ge2026-13-01", 422, "date"),
        ("Procedure?patient=R1", 422, "type"), ("Observation", 422, "patient"),
        ("Observation?patient=R1&code=a|", 422, "code"),
    ],
)  # fmt: skip
async def test_an_error_is_an_outcome_that_names_the_parameter(query: str, status: int, parameter: str) -> None:
    answer = await search(query)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome"), answer.text
    assert answer.json()["issue"][0]["expression"] == [parameter]
