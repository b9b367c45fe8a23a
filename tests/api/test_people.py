"""Who may say what of a resident, consent, guardians and plan by REST, on the real parts."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.people import House, bearer

pytestmark = pytest.mark.stack

GIVEN, WITHDRAWN = "mailiu.resident.consent-given.v1", "mailiu.resident.consent-withdrawn.v1"
ENROLLED, PLAN = "mailiu.monitoring.enrolled.v1", "mailiu.monitoring.plan-set.v1"
APPOINTED, REVOKED = "mailiu.resident.guardian-appointed.v1", "mailiu.resident.guardian-revoked.v1"
REGISTERED, TRANSFERRED = "mailiu.resident.registered.v1", "mailiu.resident.transferred.v1"
CONSENT = {"scopes": ["monitoring", "messages"], "text_version": "T1", "witness": "S1"}


@pytest.fixture
def house(api: httpx.Client) -> House:
    return House(api)


@pytest.fixture
def other(api: httpx.Client) -> House:
    return House(api)


def refused(house: House, *events: dict[str, Any]) -> dict[str, Any]:
    """The one refusal among the results."""
    answer = house.api.post("/v1/events", headers=house.token("integrator"), json=list(events))
    one: dict[str, Any]
    [one] = [result for result in answer.json()["results"] if result["status"] == "rejected"]
    assert answer.status_code == (409 if one["problem"] == 409 else 422)
    return one


def test_nobody_is_enrolled_without_consent_and_with_it_everybody(house: House) -> None:
    resident = house.resident()
    answer = refused(house, house.event(ENROLLED, resident, {}))
    assert (answer["problem"], answer["reason"], answer["field"]) == (409, "no-consent", "type")
    house.post(house.event(GIVEN, resident, CONSENT), house.event(ENROLLED, resident, {}))
    shown = house.get(f"/v1/residents/{resident}/consents")
    assert [(one["scope"], one["given"], one["text_version"]) for one in shown["consents"]] == [
        ("messages", True, "T1"),
        ("monitoring", True, "T1"),
    ]
    house.post(house.event(WITHDRAWN, resident, {"scopes": ["monitoring"]}))
    assert refused(house, house.event(ENROLLED, resident, {}))["reason"] == "no-consent"
    shown = house.get(f"/v1/residents/{resident}/consents")
    assert {one["scope"]: one["given"] for one in shown["consents"]} == {"messages": True, "monitoring": False}


def test_a_child_consents_by_a_guardian(house: House) -> None:
    child = f"R-{uuid4().hex[:12]}"
    house.post(house.event(REGISTERED, child, {"sex": "male", "birth_date": "2020-05-01"}))
    answer = refused(house, house.event(GIVEN, child, CONSENT))
    assert (answer["problem"], answer["field"]) == (422, "data.guardian")
    house.post(house.event(GIVEN, child, {**CONSENT, "guardian": "G1"}))


@pytest.mark.parametrize("type", [REGISTERED, "mailiu.resident.contracted.v1", TRANSFERRED, APPOINTED, GIVEN])
def test_another_institution_cannot_take_a_resident_over(house: House, other: House, type: str) -> None:
    resident = house.resident()
    house.get(f"/v1/residents/{resident}")
    data: dict[str, Any] = {
        REGISTERED: {"sex": "male", "birth_date": "1950-05-01"},
        TRANSFERRED: {"to_institution": other.id},
        APPOINTED: {"guardian": "G1", "relation": "other"},
        GIVEN: {"scopes": ["family-view"], "text_version": "T1"},
    }.get(type, {})
    for days in (0, 3650):
        answer = refused(other, other.event(type, resident, data, days))
        assert (answer["problem"], answer["field"], answer["value"]) == (409, "institution", other.id)
    api = house.api
    assert api.get(f"/v1/residents/{resident}", headers=other.token()).status_code == 404
    assert api.get(f"/v1/residents/{resident}", headers=house.token()).status_code == 200


def test_who_manages_transfers_and_then_the_other_one_speaks(house: House, other: House) -> None:
    resident = house.resident()
    house.post(house.event(TRANSFERRED, resident, {"to_institution": other.id}))
    other.position = house.position
    assert other.get(f"/v1/residents/{resident}")["institution"] == other.id
    assert refused(house, house.event(TRANSFERRED, resident, {"to_institution": house.id}))["problem"] == 409
    other.post(other.event("mailiu.resident.contracted.v1", resident, {"team": "T1"}))


def statuses(house: House, who: dict[str, str], resident: str) -> dict[str, int]:
    """What each view of ``resident`` answers to ``who``."""
    views = {
        "summary": "",
        "readings": "/readings",
        "mean": "/blood-pressure",
        "plan": "/plan",
        "timeline": "/timeline",
    }
    return {
        name: house.api.get(f"/v1/residents/{resident}{path}", headers=who, params={"wait": house.position}).status_code
        for name, path in views.items()
    }


def test_a_guardian_sees_whom_and_what_it_is_appointed_for_while_consent_stands(house: House) -> None:
    resident, stranger, guardian = house.resident(), house.resident(), f"G-{uuid4().hex[:8]}"
    token = bearer("guardian", actor=guardian)
    house.post(house.event(APPOINTED, resident, {"guardian": guardian, "relation": "child", "scopes": ["readings"]}))
    assert set(statuses(house, token, resident).values()) == {404}
    house.post(house.event(GIVEN, resident, {"scopes": ["family-view"], "text_version": "T1"}))
    assert statuses(house, token, resident) == {
        "summary": 404, "readings": 200, "mean": 200, "plan": 404, "timeline": 404
    }  # fmt: skip
    assert set(statuses(house, token, stranger).values()) == {404}
    for path in ("/v1/alerts", "/v1/statistics", f"/v1/cards/{resident}"):
        assert house.api.get(path, headers=token).status_code in (403, 404), path
    assert house.api.post("/v1/events", headers=token, json=[]).status_code == 403
    house.post(house.event(WITHDRAWN, resident, {"scopes": ["family-view"]}))
    assert set(statuses(house, token, resident).values()) == {404}


def test_a_childs_guardian_needs_no_consent_and_sees_until_revoked(house: House) -> None:
    child, guardian = f"R-{uuid4().hex[:12]}", f"G-{uuid4().hex[:8]}"
    token = bearer("guardian", actor=guardian)
    house.post(
        house.event(REGISTERED, child, {"sex": "female", "birth_date": "2020-05-01"}, 5),
        house.event(APPOINTED, child, {"guardian": guardian, "relation": "parent"}, 2),
    )
    assert statuses(house, token, child) == {"summary": 200, "readings": 200, "mean": 200, "plan": 200, "timeline": 404}
    house.post(house.event(REVOKED, child, {"guardian": guardian}))
    assert set(statuses(house, token, child).values()) == {404}


def test_a_resident_sees_itself_and_nobody_else(house: House) -> None:
    resident, other = house.resident(), house.resident()
    house.post(house.crisis(resident))
    token = bearer("resident", actor=resident)
    assert set(statuses(house, token, resident).values()) == {200}
    assert set(statuses(house, token, other).values()) == {404}
    shown = house.api.get(f"/v1/residents/{resident}", headers=token).json()
    assert shown["open_alerts"] == []
    entries = house.api.get(f"/v1/residents/{resident}/timeline", headers=token).json()["items"]
    assert {entry["type"].split(".")[1] for entry in entries} == {"resident", "reading"}


def test_the_plan_says_how_it_is_kept_and_ends_with_consent(house: House) -> None:
    resident = house.resident()
    start = house.event(PLAN, resident, {})["time"][:10]
    house.post(
        house.event(GIVEN, resident, CONSENT, 1),
        house.event(PLAN, resident, {"schedule": "daily", "start": start, "morning": 2, "evening": 1}, 0.5),
    )
    assert house.get(f"/v1/residents/{resident}/plan")["state"] == "not-enrolled"
    house.post(house.event(ENROLLED, resident, {}), house.crisis(resident))
    shown = house.get(f"/v1/residents/{resident}/plan")
    assert (shown["state"], shown["plan"]["schedule"], shown["plan"]["morning"]) == ("running", "daily", 2)
    [week] = shown["weeks"]
    assert (week["kind"], week["readings"], week["enough"]) == ("blood-pressure", 1, None)
    house.post(house.event("mailiu.monitoring.paused.v1", resident, {"reason": "hospital"}))
    assert house.get(f"/v1/residents/{resident}/plan")["state"] == "paused"
    house.post(house.event(WITHDRAWN, resident, {"scopes": ["monitoring"]}))
    assert house.get(f"/v1/residents/{resident}/plan")["state"] == "not-enrolled"
