"""`POST /v1/fhir` for chronic care: laboratory values, conditions, drugs, visits and patients become events."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from infra.vault import vault
from schemas.envelope import identity
from tests.api.stub import bearer, client
from tests.api.test_fhir import FHIR, bundle, coded, codes, kept, quantity

SUBJECT = {"reference": "Patient/R1"}


def homes(**institutions: str) -> Callable[[str, dict[str, Any]], list[dict[str, Any]]]:
    """Tables in which these residents belong to these institutions."""
    return lambda sql, parameters: [
        {"resident": resident, "institution": institution, "birth_date": None}
        for resident, institution in institutions.items()
        if "FROM residents" in sql and resident in parameters["residents"]
    ]


ICD10, ATC = "http://hl7.org/fhir/sid/icd-10", "http://www.whocc.no/atc"


def concept(system: str, code: str, **more: Any) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, **more}]}


def status(code: str, what: str) -> dict[str, Any]:
    return concept(f"http://terminology.hl7.org/CodeSystem/condition-{what}", code)


def lab(code: str, value: float, unit: str, id: str = "lab-1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": id, "status": "final", "effectiveDateTime": "2026-02-28T07:30:00+08:00",
        "subject": SUBJECT, **coded(code, **quantity(value, unit)), **more,
    }  # fmt: skip


def condition(code: str = "I10", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition", "id": "c1", "subject": SUBJECT, "code": concept(ICD10, code),
        "clinicalStatus": status("active", "clinical"), "verificationStatus": status("confirmed", "ver-status"),
        "recordedDate": "2026-01-05", "onsetDateTime": "2020-06-01", **more,
    }  # fmt: skip


def drug(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest", "id": "m1", "status": "active", "intent": "order", "subject": SUBJECT,
        "medicationCodeableConcept": concept(ATC, "C08CA01", display="氨氯地平"),
        "authoredOn": "2026-02-01T09:00:00+08:00",
        "dosageInstruction": [
            {"doseAndRate": [{"doseQuantity": {"value": 5, "unit": "mg"}}], "timing": {"code": {"text": "qd"}}}
        ],
        **more,
    }  # fmt: skip


def visit(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter", "id": "e1", "status": "finished", "subject": SUBJECT,
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "reasonCode": [concept(ICD10, "I10")], "period": {"start": "2026-02-20T10:00:00+08:00"}, **more,
    }  # fmt: skip


def patient(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "R1", "gender": "female", "birthDate": "1950-05-01", **more}


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    """Each test's ids are new: the process remembers what it took."""
    from api import append

    append._remembered.clear()
    yield
    append._remembered.clear()


async def sent(resource: dict[str, Any], **known: str) -> tuple[Any, list[Any]]:
    """The answer, and the events appended; R1 belongs to I01 unless said otherwise."""
    from api import append

    append._remembered.clear()
    async with client(homes(**(known or {"R1": "I01"}))) as (api, log):
        answer = await api.post("/v1/fhir", headers=bearer() | FHIR, json=resource)
    return answer, log.events


@pytest.mark.parametrize(
    ("resource", "result"),
    [
        (lab("14647-2", 5.2, "mmol/L"), {"name": "total_cholesterol", "value": 5.2, "unit": "mmol/L"}),
        (lab("2093-3", 200, "mg/dL"),
         {"name": "total_cholesterol", "value": 5.172, "unit": "mmol/L", "given": {"value": 200, "unit": "mg/dL"}}),
        (lab("4548-4", 7.1, "%"), {"name": "hba1c_percent", "value": 7.1, "unit": "%"}),
        (lab("8280-0", 92, "cm"), {"name": "waist", "value": 92, "unit": "cm"}),
        (lab("x", 9.5, "m/s") | {"code": concept("urn:mailiu:measure", "cfpwv")},
         {"name": "cfpwv", "value": 9.5, "unit": "m/s"}),
    ],
)  # fmt: skip
async def test_what_is_measured_becomes_an_examination(resource: dict[str, Any], result: dict[str, Any]) -> None:
    answer, [event] = await sent(resource)
    assert answer.status_code == 201, answer.text
    assert (event.type, event.data) == ("mailiu.examination.recorded.v1", {"results": [result]})
    assert event.id == "Observation/lab-1"


async def test_a_panels_components_and_a_finding_are_results() -> None:
    panel = {name: value for name, value in lab("24331-1", 0, "1").items() if name != "valueQuantity"}
    parts = [coded("14647-2", **quantity(5.2, "mmol/L")), coded("14646-4", **quantity(1.1, "mmol/L"))]
    answer, [event] = await sent(panel | {"component": parts})
    assert answer.status_code == 201, answer.text
    assert [one["name"] for one in event.data["results"]] == ["total_cholesterol", "hdl_cholesterol"]
    plaque = panel | {"code": concept("urn:mailiu:measure", "carotid_plaque"), "valueString": "present"}
    _, [event] = await sent(plaque)
    assert event.data == {"results": [{"name": "carotid_plaque", "finding": "present"}]}


async def test_a_laboratory_value_entered_in_error_is_taken_back() -> None:
    _, [event] = await sent(lab("14647-2", 5.2, "mmol/L", status="entered-in-error"))
    assert event.type == "mailiu.reading.retracted.v1"
    assert event.data["reading"] == str(identity("fhir/clinician@I01", "Observation/lab-1"))


async def test_a_condition_is_diagnosed_provisional_resolved_refuted_or_taken_back() -> None:
    listed = [{"coding": [{"code": "problem-list-item"}]}]
    _, [first] = await sent(condition(category=listed))
    assert first.type == "mailiu.chronic.condition-diagnosed.v2"
    told = {"code": "I10", "certainty": "confirmed", "category": "problem-list-item", "onset": "2020-06-01"}
    assert first.data == told
    _, [event] = await sent(condition(verificationStatus=status("provisional", "ver-status")))
    assert event.data["certainty"] == "provisional"
    over = {"clinicalStatus": status("resolved", "clinical"), "abatementDateTime": "2026-02-01"}
    _, [resolved] = await sent(condition(**over))
    assert (resolved.type, resolved.data["reason"]) == ("mailiu.chronic.condition-resolved.v2", "resolved")
    assert resolved.identity != first.identity
    _, [refuted] = await sent(condition(verificationStatus=status("refuted", "ver-status")))
    assert (refuted.type, refuted.data["reason"]) == ("mailiu.chronic.condition-resolved.v2", "refuted")
    wrong = {"verificationStatus": status("entered-in-error", "ver-status"), "clinicalStatus": None}
    _, [withdrawn] = await sent({name: value for name, value in condition(**wrong).items() if value is not None})
    assert withdrawn.type == "mailiu.reading.retracted.v1"
    assert withdrawn.data == {"reading": str(first.identity), "reason": "entered-in-error"}


async def test_a_corrected_value_takes_the_first_back() -> None:
    _, [first] = await sent(lab("14647-2", 5.2, "mmol/L"))
    answer, [taken_back, now] = await sent(lab("14647-2", 2.5, "mmol/L", status="corrected"))
    assert taken_back.type == "mailiu.reading.retracted.v1"
    assert taken_back.data == {"reading": str(first.identity), "reason": "entered-in-error"}
    assert now.data["results"][0]["value"] == 2.5
    assert now.identity != first.identity
    assert len(answer.json()["issue"]) == 1
    async with client(homes(R1="I01")) as (api, log):
        refused = bundle(
            "batch", lab("14647-2", 250, "mmol/L", status="amended"), lab("2093-3", 4.0, "mmol/L", "lab-2")
        )
        answer = await api.post("/v1/fhir", headers=bearer() | FHIR, json=refused)
        assert [entry["response"]["status"][:3] for entry in answer.json()["entry"]] == ["422", "201"]
        assert [event.type for event in log.events] == ["mailiu.examination.recorded.v1"]


async def test_a_drug_is_prescribed_and_stopped() -> None:
    _, [event] = await sent(drug())
    assert event.type == "mailiu.chronic.medication-prescribed.v1"
    assert event.data == {
        "code": "C08CA01", "name": "氨氯地平", "dose": "5 mg", "frequency": "qd", "start": "2026-02-01",
    }  # fmt: skip
    _, [event] = await sent(drug(status="stopped", statusReason={"text": "Adverse reaction"}))
    assert (event.type, event.data["reason"]) == ("mailiu.chronic.medication-stopped.v1", "adverse-reaction")
    _, [event] = await sent(drug(status="entered-in-error"))
    assert event.type == "mailiu.reading.retracted.v1"
    contained = {
        "contained": [{"resourceType": "Medication", "id": "med", "code": concept(ATC, "A10BA02")}],
        "medicationReference": {"reference": "#med"},
    }
    statement = {
        "resourceType": "MedicationStatement", "id": "s1", "status": "active", "subject": SUBJECT,
        "effectivePeriod": {"start": "2025-12-01"}, **contained,
    }  # fmt: skip
    _, [event] = await sent(statement)
    assert (event.data, event.id) == ({"code": "A10BA02", "start": "2025-12-01"}, "MedicationStatement/s1")


async def test_a_visit_has_its_contained_figures() -> None:
    figures = [
        {"resourceType": "Observation", "id": "bp", "status": "final", **coded("85354-9"),
         "component": [coded("8480-6", **quantity(148)), coded("8462-4", **quantity(92))]},
        {"resourceType": "Observation", "id": "w", "status": "final", **coded("29463-7", **quantity(71, "kg"))},
        {"resourceType": "Observation", "id": "g", "status": "final", **coded("1558-6", **quantity(126, "mg/dL"))},
    ]  # fmt: skip
    reasons = [concept(ICD10, "I10"), concept(ICD10, "E11.9")]
    _, [event] = await sent(visit(contained=figures, reasonCode=reasons))
    assert event.type == "mailiu.chronic.follow-up-completed.v3"
    glucose = event.data.pop("fasting_glucose")
    assert glucose == pytest.approx(6.994, abs=0.001)  # 126 * 0.05551
    assert event.data == {
        "programme": "both", "mode": "clinic", "blood_pressure": {"systolic": 148, "diastolic": 92}, "weight": 71,
    }  # fmt: skip
    _, [event] = await sent(visit(**{"class": {"code": "HH"}}))
    assert event.data == {"programme": "hypertension", "mode": "home-visit"}


@pytest.mark.parametrize(
    ("resource", "reason", "expression"),
    [
        (lab("14647-2", 200, "mmol/L"), "invalid", "Observation.value"),  # mg/dL taken for mmol/L
        (lab("14647-2", 5.2, "g/L"), "invalid", "Observation.value.code"),
        (lab("99999-9", 5.2, "mmol/L"), "not-supported", "Observation.code"),
        (condition("XX"), "invalid", "Condition.code"),
        (condition() | {"code": {"text": "high pressure"}}, "invalid", "Condition.code"),
        (condition(clinicalStatus="active"), "invalid", "Condition.clinicalStatus"),
        (condition(subject={"reference": "Group/1"}), "invalid", "Condition.subject.reference"),
        (drug(medicationCodeableConcept={"text": "some pill"}), "invalid", "MedicationRequest.medication"),
        (drug(status="draft"), "not-supported", "MedicationRequest.status"),
        (drug(authoredOn="2999-01-01"), "future", "MedicationRequest.authoredOn"),
        (visit(status="planned"), "not-supported", "Encounter.status"),
        (visit(reasonCode=[]), "invalid", "Encounter.reasonCode"),
        (visit(**{"class": {"code": "EMER"}}), "invalid", "Encounter.class.code"),
        (patient(deceasedBoolean=True), "invalid", "Patient.deceased"),
        (patient(deceasedDateTime="2999-01-01"), "future", "Patient.deceased"),
        (patient(gender="f"), "invalid", "Patient.gender"),
        (patient(birthDate="1950-13-01"), "invalid", "Patient.birthDate"),
        (patient(name=[{"text": "李四"}], telecom=[{"system": "phone", "value": "12"}]), "invalid", "Patient.telecom"),
    ],
)  # fmt: skip
async def test_a_refusal_names_the_element(resource: dict[str, Any], reason: str, expression: str) -> None:
    async with client(homes(R1="I01")) as (api, log):
        answer = await api.post("/v1/fhir", headers=bearer() | FHIR, json=resource)
        assert not log.events
    assert answer.status_code == 422, answer.text
    [(said, where)] = codes(answer.json())
    assert where == expression
    assert said in (reason, "out-of-limits")
    assert len(kept(log)) == 1


async def test_a_patient_is_registered_then_corrected_and_named_in_the_vault_alone() -> None:
    who = {
        "name": [{"family": "李", "given": ["小华"]}], "telecom": [{"system": "phone", "value": "138 0013 8000"}],
        "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": "11010519491231002X"}],
        "contact": [{"name": {"text": "王强"}, "telecom": [{"system": "phone", "value": "13900139000"}],
                     "relationship": [concept("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "SPS")]}],
    }  # fmt: skip
    async with client() as (api, log):
        answer = await api.post("/v1/fhir", headers=bearer() | FHIR, json=patient(**who))
        assert answer.status_code == 201, answer.text
    named, registered = log.events
    assert (registered.type, registered.subject) == ("mailiu.resident.registered.v1", "R1")
    assert registered.data == {"sex": "female", "birth_date": "1950-05-01"}
    assert named.type == "mailiu.resident.identity-recorded.v1"
    everything = orjson.dumps([event.model_dump(mode="json") for event in log.events]).decode() + answer.text
    assert not any(secret in everything for secret in ("李", "小华", "13800138000", "11010519491231002X", "王强"))
    known = vault().open("R1")
    assert (known.name, known.phone, known.id_number) == ("李小华", "13800138000", "11010519491231002X")
    assert [(one.name, one.relationship) for one in known.contacts] == [("王强", "SPS")]
    _, [event] = await sent(patient(birthDate="1951-05-01"))
    assert (event.type, event.data["birth_date"]) == ("mailiu.resident.details-changed.v1", "1951-05-01")


async def test_a_death_is_told_by_a_patient_who_is_known() -> None:
    _, [event] = await sent(patient(deceasedDateTime="2026-02-28"))
    assert (event.type, event.time.isoformat()) == ("mailiu.resident.died.v1", "2026-02-28T04:00:00+00:00")  # noon
    async with client() as (api, log):
        answer = await api.post("/v1/fhir", headers=bearer() | FHIR, json=patient(deceasedDateTime="2026-02-28"))
        assert (answer.status_code, codes(answer.json())) == (422, [("invalid", "Patient.deceased")])
        assert not log.events


async def test_only_those_who_may_identify_send_names() -> None:
    async with client() as (api, log):
        answer = await api.post("/v1/fhir", headers=bearer("manager") | FHIR, json=patient(name=[{"text": "李四"}]))
    assert answer.status_code == 403
    assert not log.events


async def test_a_transaction_of_a_whole_person_is_taken_in_order() -> None:
    resources = (patient(), condition(), drug(), lab("14647-2", 5.2, "mmol/L"), visit())
    async with client() as (api, log):
        answer = await api.post("/v1/fhir", headers=bearer() | FHIR, json=bundle("transaction", *resources))
    assert answer.status_code == 200, answer.text
    assert [event.type.split(".")[2] for event in log.events] == [
        "registered", "condition-diagnosed", "medication-prescribed", "recorded", "follow-up-completed",
    ]  # fmt: skip
    places = [entry["response"]["location"] for entry in answer.json()["entry"]]
    assert [place.partition("/")[0] for place in places] == [one["resourceType"] for one in resources]
    assert places[0] == "Patient/R1"
