"""`POST /v1/fhir`: Observations and Bundles become events; an OperationOutcome names the element at fault."""

import copy
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from infra.rejected import raw
from schemas.envelope import identity
from tests.api.stub import StubLog, bearer, client
from tests.devices.data import need, rows

FHIR = {"content-type": "application/fhir+json"}


def coded(code: str, **value: Any) -> dict[str, Any]:
    return {"code": {"coding": [{"system": "http://loinc.org", "code": code}]}, **value}


def quantity(value: float, unit: str = "mm[Hg]") -> dict[str, Any]:
    return {"valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": unit, "unit": unit}}


BP: dict[str, Any] = {
    "resourceType": "Observation", "status": "final", "effectiveDateTime": "2026-03-01T08:00:00+08:00",
    "subject": {"reference": "Patient/R1"}, **coded("85354-9"),
    "component": [coded("8480-6", **quantity(150)), coded("8462-4", **quantity(95))],
}  # fmt: skip


def named(value: str, **changed: Any) -> dict[str, Any]:
    return BP | {"identifier": [{"system": "http://his.example/obs", "value": value}]} | changed


def bundle(kind: str, *resources: dict[str, Any], **request: Any) -> dict[str, Any]:
    entries = [{"resource": one, "request": {"method": "POST", "url": "Observation", **request}} for one in resources]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def kept(log: StubLog) -> list[dict[str, Any]]:
    return [orjson.loads(value) for topic, value in log.producer.sent if topic == "rejected"]


def homes(**institutions: str) -> Callable[[str, dict[str, Any]], list[dict[str, Any]]]:
    """Tables in which these residents belong to these institutions."""
    return lambda sql, parameters: [
        {"resident": resident, "institution": institution}
        for resident, institution in institutions.items()
        if "FROM residents" in sql and resident in parameters["residents"]
    ]


def codes(outcome: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["details"]["coding"][0]["code"], one.get("expression", [""])[0]) for one in outcome["issue"]]


async def test_an_observation_becomes_an_event() -> None:
    async with client(homes(R1="I01")) as (api, log):
        answer = await api.post("/v1/fhir", headers=bearer() | FHIR, json=named("o-1"))
    assert answer.status_code == 201, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    assert answer.headers["mailiu-position"] == "0:0"
    [event] = log.events
    assert (event.source, event.id, event.subject, event.institution) == (
        "fhir/http://his.example/obs", "o-1", "R1", "I01",
    )  # fmt: skip
    assert event.type == "mailiu.reading.blood-pressure-measured.v1"
    assert event.data == {"place": "office", "systolic": 150, "diastolic": 95}
    assert codes(answer.json()) == [("accepted", "")]


async def test_sent_again_it_is_a_duplicate_and_with_other_content_a_conflict() -> None:
    other = named("o-2", component=[coded("8480-6", **quantity(151)), coded("8462-4", **quantity(95))])
    async with client(homes(R1="I01")) as (api, log):
        first, again, conflict = [
            await api.post("/v1/fhir", headers=bearer() | FHIR, json=one) for one in (named("o-2"), named("o-2"), other)
        ]
    assert (first.status_code, again.status_code, conflict.status_code) == (201, 200, 409)
    assert [codes(one.json())[0][0] for one in (again, conflict)] == ["duplicate", "conflict"]
    assert orjson.loads(raw(kept(log)[0])) == other


async def test_units_are_converted_by_ucum() -> None:
    """16 kPa = 16 * 7.500617 mmHg = 120.010; 100 mg/dL = 100 / 18.0156 mmol/L = 5.551."""
    pressure = named("o-3", component=[coded("8480-6", **quantity(16, "kPa")), coded("8462-4", **quantity(10, "kPa"))])
    sugar = {k: v for k, v in named("o-4").items() if k != "component"} | coded("2339-0", **quantity(100, "mg/dL"))
    async with client(homes(R1="I01")) as (api, log):
        for one in (pressure, sugar):
            assert (await api.post("/v1/fhir", headers=bearer() | FHIR, json=one)).status_code == 201
    assert log.events[0].data["systolic"] == pytest.approx(120.010, abs=0.001)
    assert log.events[1].data["value"] == pytest.approx(5.551, abs=0.001)


async def test_entered_in_error_takes_the_reading_back() -> None:
    async with client(homes(R1="I01")) as (api, log):
        await api.post("/v1/fhir", headers=bearer() | FHIR, json=named("o-5"))
        answer = await api.post("/v1/fhir", headers=bearer() | FHIR, json=named("o-5", status="entered-in-error"))
    assert answer.status_code == 201, answer.text
    assert log.events[1].type == "mailiu.reading.retracted.v1"
    assert log.events[1].data == {
        "reading": str(identity("fhir/http://his.example/obs", "o-5")), "reason": "entered-in-error",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("header", "resource", "source", "id"),
    [
        ("identifier=http://his.example/obs|x1", BP, "fhir/http://his.example/obs", "x1"),
        (None, BP | {"id": "obs-9"}, "fhir/clinician@I01", "Observation/obs-9"),
    ],
)
async def test_identity(header: str | None, resource: dict[str, Any], source: str, id: str) -> None:
    more = {"if-none-exist": header} if header else {}
    async with client(homes(R1="I01")) as (api, log):
        await api.post("/v1/fhir", headers=bearer() | FHIR | more, json=resource)
    assert (log.events[0].source, log.events[0].id) == (source, id)


async def test_without_any_name_the_content_is_the_identity() -> None:
    async with client(homes(R1="I01")) as (api, log):
        for _ in range(2):
            answer = await api.post("/v1/fhir", headers=bearer() | FHIR, json=BP)
    assert answer.status_code == 200
    assert log.events[0].identity == log.events[1].identity


@pytest.mark.parametrize(
    ("change", "reason", "expression"),
    [
        ({"status": "done"}, "invalid", "Observation.status"),
        ({"component": [coded("8462-4", **quantity(95)), coded("8480-6", **quantity(420))]}, "out-of-limits",
         "Observation.component[1].value"),
        ({"component": [coded("8462-4", **quantity(95)), coded("8480-6", **quantity(150, "psi"))]}, "invalid",
         "Observation.component[1].value.code"),
        ({"component": [coded("8480-6", valueQuantity={"value": "high"})]}, "invalid",
         "Observation.component[0].value.value"),
        ({"component": [coded("8480-6", **quantity(150))]}, "invalid", "Observation.component"),
        ({"effectiveDateTime": None}, "invalid", "Observation.effective"),
        ({"effectiveDateTime": "2999-01-01T00:00:00Z"}, "future", "Observation.effective"),
        ({"subject": None}, "invalid", "Observation.subject.reference"),
        ({"subject": {"reference": "Group/G1"}}, "invalid", "Observation.subject.reference"),
        ({"subject": {"reference": "Patient/R2"}}, "wrong-institution", "Observation.subject"),
        (coded("72166-2"), "not-supported", "Observation.code"),
        (coded("96607-7"), "not-supported", "Observation.code"),  # an average is no reading
    ],
)  # fmt: skip
async def test_a_refusal_names_the_element_and_is_kept(change: dict[str, Any], reason: str, expression: str) -> None:
    resource = {name: value for name, value in (named("o-6") | change).items() if value is not None}
    async with client(homes(R1="I01", R2="I02")) as (api, log):
        answer = await api.post("/v1/fhir", headers=bearer() | FHIR, json=resource)
    assert answer.status_code in (403, 422), answer.text
    assert codes(answer.json()) == [(reason, expression)]
    assert not log.events
    [record] = kept(log)
    assert (record["reason"], record["kind"], orjson.loads(raw(record))) == (reason, "fhir", resource)


async def test_a_batch_answers_each_entry() -> None:
    good, bad = named("o-7"), named("o-8", status="done")
    condition = {"resourceType": "Procedure", "id": "c1", "subject": {"reference": "Patient/R1"}}
    sent = bundle("batch", good, bad, condition, good)
    async with client(homes(R1="I01")) as (api, log):
        answer = await api.post("/v1/fhir", headers=bearer() | FHIR, json=sent)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["resourceType"], body["type"]) == ("Bundle", "batch-response")
    responses = [entry["response"] for entry in body["entry"]]
    assert [one["status"][:3] for one in responses] == ["201", "422", "422", "200"]
    assert codes(responses[1]["outcome"]) == [("invalid", "Bundle.entry[1].resource.status")]
    assert codes(responses[2]["outcome"]) == [("not-supported", "Bundle.entry[2].resource")]
    assert len(log.events) == 2
    assert [orjson.loads(raw(record))["resource"] for record in kept(log)] == [bad, condition]


async def test_a_transaction_is_taken_whole_or_not_at_all() -> None:
    sent = bundle("transaction", named("o-9"), named("o-10", status="done"))
    async with client(homes(R1="I01")) as (api, log):
        refused = await api.post("/v1/fhir", headers=bearer() | FHIR, json=sent)
        assert not log.events
        taken = await api.post(
            "/v1/fhir", headers=bearer() | FHIR, json=bundle("transaction", named("o-9"), named("o-11"))
        )
    assert (refused.status_code, codes(refused.json())) == (422, [("invalid", "Bundle.entry[1].resource.status")])
    assert orjson.loads(raw(kept(log)[0])) == sent
    assert (taken.status_code, taken.json()["type"], len(log.events)) == (200, "transaction-response", 2)


async def test_a_condition_in_an_entry_is_its_identity() -> None:
    sent = bundle("batch", BP, ifNoneExist="identifier=http://his.example/obs|x2")
    async with client(homes(R1="I01")) as (api, log):
        await api.post("/v1/fhir", headers=bearer() | FHIR, json=sent)
    assert (log.events[0].source, log.events[0].id) == ("fhir/http://his.example/obs", "x2")


@pytest.mark.parametrize(
    ("body", "status", "reason", "expression"),
    [
        (b'{"resourceType": ', 400, "unreadable", "payload"),
        (b"[]", 422, "invalid", "payload"),
        (b'{"resourceType": "Patient", "id": "p"}', 422, "invalid", "Patient.birthDate"),
        (b'{"resourceType": "Procedure", "id": "p"}', 422, "not-supported", "Procedure"),
        (b'{"resourceType": "Bundle", "type": "document"}', 422, "not-supported", "Bundle.type"),
        (b'{"resourceType": "Bundle", "type": "batch", "entry": 5}', 422, "invalid", "Bundle.entry"),
        (b'{"resourceType": "Bundle", "type": "batch", "entry": [{"request": 5}]}', 422, "invalid",
         "Bundle.entry[0].request"),
    ],
)  # fmt: skip
async def test_what_is_no_observation_is_kept_and_answered(
    body: bytes, status: int, reason: str, expression: str
) -> None:
    async with client() as (api, log):
        answer = await api.post("/v1/fhir", headers=bearer() | FHIR, content=body)
    assert (answer.status_code, codes(answer.json())) == (status, [(reason, expression)]), answer.text
    assert raw(kept(log)[0]) == body


async def test_of_a_resident_nobody_knows_the_institution_is_the_tokens_or_asked_for() -> None:
    async with client() as (api, log):
        both = bearer("integrator", "I01", "I02")
        assert (await api.post("/v1/fhir", headers=both | FHIR, json=named("o-12"))).status_code == 422
        asked = await api.post("/v1/fhir?institution=I02", headers=both | FHIR, json=named("o-12"))
        foreign = await api.post("/v1/fhir?institution=I03", headers=both | FHIR, json=named("o-13"))
    assert (asked.status_code, foreign.status_code) == (201, 403)
    assert [event.institution for event in log.events] == ["I02"]


async def test_every_sample_of_other_systems() -> None:
    taken = 0
    async with client() as (api, log):
        for sample in need(rows("fhir_bp_samples.jsonl")):
            resource = sample["resource"]
            answer = await api.post("/v1/fhir", headers=bearer() | FHIR, json=copy.deepcopy(resource))
            cancelled = resource["status"] == "cancelled"
            assert answer.status_code == (422 if cancelled else 201), (resource, answer.text)
            taken += not cancelled
    assert len(log.events) == taken
