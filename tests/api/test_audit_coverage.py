"""Every route that shows a person says so in the audit trail: the routes are taken from OpenAPI, so none is forgotten.

A new route fails here until it is said how it is called (and it audits), or why it shows nobody.
"""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.main import make
from infra.clock import clock
from schemas.envelope import rfc3339
from schemas.topics import AUDIT
from tests.api.people import House
from tests.api.test_identity import number, record, values

pytestmark = pytest.mark.stack

ROUTES = {(method.upper(), path) for path, methods in make().openapi()["paths"].items() for method in methods}

WRITES = "answers with positions and outcomes; the event itself names who did it"
#: Routes that show nobody, and why.
NOBODY = {
    ("GET", "/health"): "says whether parts answer",
    ("GET", "/v1/fhir/metadata"): "what the server speaks of FHIR",
    ("GET", "/metrics"): "counts, by route and reason",
    ("GET", "/v1/devices"): "an institution's stock; who wears a device is shown for one device at a time",
    ("GET", "/v1/freshness"): "positions and lag",
    ("GET", "/v1/statistics"): "definitions",
    ("GET", "/v1/statistics/{indicator}"): "counts by institution and month; small ones are hidden from analysts",
    ("POST", "/v1/events"): WRITES,
    ("POST", "/v1/fhir"): WRITES,
    ("POST", "/v1/vendor/{name}"): WRITES,
    ("POST", "/v1/files"): WRITES,
    ("POST", "/v1/alerts/acknowledge"): WRITES,
    **{
        ("POST", f"/v1/alerts/{{alert}}/{act}"): WRITES
        for act in ("acknowledge", "assign", "snooze", "comment", "close")
    },
    ("GET", "/v1/rounds/sessions"): "an institution's rounds",
    ("GET", "/v1/rounds/sessions/{session}"): "filters and counts of one round",
    ("POST", "/v1/rounds/sessions"): WRITES,
    ("POST", "/v1/rounds/sessions/{session}/close"): WRITES,
    ("POST", "/v1/rounds/decisions"): WRITES,
    ("GET", "/v1/questionnaires"): "questions",
    ("GET", "/v1/questionnaires/{name}"): "questions",
    ("POST", "/v1/residents/{resident}/guidance/sign"): WRITES,
    ("POST", "/v1/residents/{resident}/questionnaires"): WRITES,
    **{("POST", f"/v1/residents/{{resident}}/self/{what}"): WRITES for what in ("symptoms", "adherence", "answers")},
    ("POST", "/v1/tasks"): WRITES,
    ("POST", "/v1/tasks/assign"): WRITES,
    ("POST", "/v1/tasks/reschedule"): WRITES,
    **{
        ("POST", f"/v1/tasks/{{task}}/{act}"): WRITES for act in ("assign", "reschedule", "contact", "complete", "drop")
    },
    **{("POST", f"/v1/notices/{{notice}}/{outcome}"): WRITES for outcome in ("delivered", "read", "failed")},
    ("POST", "/v1/devices/{device}/commands"): WRITES,
}
#: How a route is called that needs more than what its path names.
CALLS: dict[tuple[str, str], dict[str, Any]] = {
    ("GET", "/v1/visit-plan"): {"params": {"slots": 10}},
    ("GET", "/v1/residents/{resident}/identity"): {"params": {"purpose": "TREAT"}},
    ("POST", "/v1/residents/{resident}/identity"): {"json": {"name": "欧阳小明", "institution": "{institution}"}},
    ("GET", "/v1/residents/duplicates"): {"params": {"purpose": "CAREMGT"}},
    ("POST", "/v1/residents/lookup"): {"json": {"id_number": "{id_number}", "purpose": "PATRQT"}},
    ("POST", "/v1/residents/{resident}/contact-attempts"): {"json": {"result": "reached"}},
    ("POST", "/v1/cards/handover"): {"json": {"to": "N2", "residents": ["{resident}"], "assignee": "N1"}},
    ("GET", "/v1/fhir/{type}"): {"params": {"patient": "{resident}"}},
    ("POST", "/v1/residents/{resident}/risk"): {"json": {"changes": {"systolic": 130}}},
    ("POST", "/v1/cards/accept"): {"json": {"residents": ["{resident}"]}, "actor": "N2"},
}


@pytest.fixture(scope="module")
def known(api: httpx.Client) -> tuple[House, dict[str, str]]:
    """A resident with an identity, an alert, a device that was told something and a card on offer to N2."""
    house = House(api)
    names = {"resident": house.resident(), "device": f"D-{uuid4().hex[:8]}", "institution": house.id}
    names["id_number"] = number()
    names["form"], names["type"] = "4.3", "Observation"
    assert record(house, names["resident"], id_number=names["id_number"]).status_code == 202
    assert record(house, house.resident(), id_number=names["id_number"]).status_code == 202
    trace = uuid4().bytes
    whose = {"resident": names["resident"], "institution": house.id}
    names["sha256"] = api.post("/v1/files", params=whose, headers=house.token(), content=trace).json()["sha256"]
    file = {"sha256": names["sha256"], "media_type": "application/dicom", "bytes": len(trace)}
    ecg = {"leads": 1, "duration": 30, "sampling_rate": 300, "trace": file}
    house.post(
        house.event("mailiu.reading.ecg-measured.v1", names["resident"], ecg),
        house.event(
            "mailiu.device.registered.v1", f"device:{names['device']}", {"device": names["device"], "model": "X1"}
        ),
        house.event("mailiu.device.bound.v1", names["resident"], {"device": names["device"]}, days=1),
        house.event("mailiu.chronic.condition-diagnosed.v1", names["resident"], {"code": "I10"}, days=100),
        house.event("mailiu.resident.contracted.v1", names["resident"], {"team": "T1"}, days=99),
        house.event("mailiu.round.decided.v1", names["resident"], {"decision": "seen"}, days=98),
        house.crisis(names["resident"]),
    )
    [task] = house.get("/v1/tasks")["items"]
    names["task"] = task["id"]
    [alert] = [alert for alert in house.get("/v1/alerts")["items"] if alert["rule"] == "bp-crisis"]
    names["alert"] = alert["id"]
    path = f"/v1/devices/{names['device']}/commands"
    ordered = api.post(path, headers=house.token(), json={"command": "time"})
    assert ordered.status_code == 202, ordered.text
    house.position = ordered.json()["position"]
    assert house.get(path)["items"]
    assigned = api.post(f"/v1/alerts/{alert['id']}/assign", headers=house.token(), json={"assignee": "N1"})
    house.position = assigned.json()["position"]
    house.get("/v1/alerts")
    offer = {"to": "N2", "residents": [names["resident"]], "assignee": "N1"}
    offered = api.post("/v1/cards/handover", headers=house.token(), json=offer)
    house.position = offered.json()["position"]
    house.get("/v1/alerts")
    return house, names


def filled(value: Any, names: dict[str, str]) -> Any:
    """``value`` with every {name} replaced."""
    text = json.dumps(value)
    for name, each in names.items():
        text = text.replace(f"{{{name}}}", each)
    return json.loads(text)


def test_every_exception_is_a_route() -> None:
    assert (NOBODY.keys() | CALLS.keys()) <= ROUTES


@pytest.mark.parametrize(("method", "path"), sorted(ROUTES - NOBODY.keys()))
async def test_a_route_that_shows_a_person_is_in_the_audit_trail(
    method: str, path: str, known: tuple[House, dict[str, str]]
) -> None:
    house, names = known
    call = filled(CALLS.get((method, path), {}), names)
    actor = call.pop("actor", None) or f"D-{uuid4().hex[:8]}"
    headers = house.token(actor=actor)
    before = rfc3339(clock().now())
    if path == "/v1/alerts/stream":
        shown = _stream(house, path, headers, names)
    else:
        answer = house.api.request(method, filled(path, names), headers=headers, **call)
        assert answer.is_success, (
            f"say in CALLS how {method} {path} is called, or in NOBODY why it shows nobody: {answer.text}"
        )
        shown = answer.text
    records = [json.loads(value) for value in await values(AUDIT)]
    mine = [each for each in records if each["actor"] == actor and each["time"] >= before]
    assert any(names["resident"] in each["residents"] for each in mine), f"{method} {path} showed {shown[:300]}"
    assert all(each["role"] == "clinician" for each in mine)


def _stream(house: House, path: str, headers: dict[str, str], names: dict[str, str]) -> str:
    """The first alert of the stream from the beginning of the log on."""
    start = "-".join("0" for _ in house.get("/v1/alerts")["stream_position"].split("-"))
    with house.api.stream("GET", path, headers=headers | {"Last-Event-ID": start}) as answer:
        return next(line for line in answer.iter_lines() if line.startswith("data:") and names["resident"] in line)


async def test_a_refused_look_up_is_in_the_trail_too_and_holds_nothing_that_was_asked(
    known: tuple[House, dict[str, str]],
) -> None:
    house, _ = known
    sought, actor = number(), f"D-{uuid4().hex[:8]}"
    body = {"id_number": sought, "purpose": "TREAT"}
    answer = house.api.post("/v1/residents/lookup", headers=house.token(actor=actor), json=body)
    assert answer.status_code == 404
    trail = await values(AUDIT)
    [mine] = [json.loads(value) for value in trail if actor.encode() in value]
    assert (mine["action"], mine["residents"]) == ("looked-up", [])
    assert not any(sought.encode() in value for value in trail)
