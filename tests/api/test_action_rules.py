"""What may be done with an alert, and by whom (clinical decision 3)."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from infra.clock import clock
from schemas.envelope import rfc3339
from schemas.registry import parse
from streams.rules import released
from tests.api.stub import bearer, client, nothing


def an_alert(**changed: Any) -> dict[str, Any]:
    return {"severity": "red", "handling": "new", "institution": "I01", "resident": "R1", **changed}


def ahead(minutes: float) -> str:
    return rfc3339(clock().now() + timedelta(minutes=minutes))


ALERT = str(uuid4())


@pytest.mark.parametrize(
    ("alert", "role", "act", "body", "status"),
    [
        (an_alert(), "nurse", "acknowledge", None, 202),
        (an_alert(), "manager", "acknowledge", None, 403),
        (an_alert(), "integrator", "acknowledge", None, 403),
        (an_alert(institution="I02"), "clinician", "acknowledge", None, 404),
        (an_alert(), "nurse", "assign", {"assignee": "D7"}, 202),
        (an_alert(), "nurse", "assign", {}, 422),
        (an_alert(), "nurse", "comment", {"text": "called"}, 202),
        (an_alert(), "nurse", "comment", {"text": ""}, 422),
        # a red alert is closed by a clinician, with an outcome
        (an_alert(), "nurse", "close", {"outcome": "advice"}, 403),
        (an_alert(severity="orange"), "nurse", "close", {"outcome": "advice"}, 202),
        (an_alert(), "clinician", "close", {"outcome": "drug-changed"}, 202),
        (an_alert(), "clinician", "close", {}, 422),
        (an_alert(), "clinician", "close", {"outcome": "forgotten"}, 422),
        (an_alert(), "clinician", "close", {"outcome": "no-action"}, 422),
        (an_alert(), "clinician", "close", {"outcome": "no-action", "reason": " "}, 422),
        (an_alert(), "clinician", "close", {"outcome": "no-action", "reason": "cuff on the wrong arm"}, 202),
        # what is closed takes comments only
        (an_alert(handling="closed"), "clinician", "close", {"outcome": "advice"}, 409),
        (an_alert(handling="closed"), "clinician", "comment", {"text": "went well"}, 202),
    ],
)
async def test_an_act_is_taken_or_refused_by_the_rules(
    alert: dict[str, Any], role: Any, act: str, body: dict[str, Any] | None, status: int
) -> None:
    async with client(nothing, {ALERT: alert}) as (api, log):
        answer = await api.post(f"/v1/alerts/{ALERT}/{act}", headers=bearer(role), json=body)
    assert answer.status_code == status, answer.text
    assert len(log.events) == (status == 202)


@pytest.mark.parametrize(
    ("severity", "minutes", "status"),
    [("red", 29, 202), ("red", 31, 422), ("red", -1, 422), ("orange", 31, 202), ("orange", -1, 422)],
)
async def test_a_red_alert_sleeps_thirty_minutes_at_most(severity: str, minutes: float, status: int) -> None:
    async with client(nothing, {ALERT: an_alert(severity=severity)}) as (api, _):
        answer = await api.post(f"/v1/alerts/{ALERT}/snooze", headers=bearer(), json={"until": ahead(minutes)})
    assert answer.status_code == status, answer.text
    if status == 422:
        assert answer.json()["errors"][0]["field"] == "until"


def test_the_thirty_minutes_are_those_of_the_rule_data() -> None:
    versions = released()["escalation"]
    assert versions[max(versions)].limits["red_snooze_minutes"] == 30


async def test_the_event_names_alert_resident_institution_and_who_did_it() -> None:
    async with client(nothing, {ALERT: an_alert()}) as (api, log):
        answer = await api.post(f"/v1/alerts/{ALERT}/close", headers=bearer(actor="D7"), json={"outcome": "called-120"})
    [event] = log.events
    assert (event.type, event.subject, event.institution) == ("mailiu.alert.closed.v1", "R1", "I01")
    assert (event.actor, event.source, event.data) == ("D7", "api", {"alert": ALERT, "outcome": "called-120"})
    assert answer.json() == {"alert": ALERT, "identity": str(event.identity), "position": "0:0"}
    parse(event.dumps())


async def test_the_same_key_is_the_same_event() -> None:
    async with client(nothing, {ALERT: an_alert()}) as (api, log):
        for key in ("k1", "k1", "k2"):
            await api.post(f"/v1/alerts/{ALERT}/acknowledge", headers=bearer() | {"Idempotency-Key": key})
    one, again, other = (event.identity for event in log.events)
    assert one == again != other
