"""Every error is a problem of one shape (RFC 9457), whoever raises it."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiokafka.errors import KafkaConnectionError
from fhir.resources.R4B.operationoutcome import OperationOutcome

from api import event_body, position
from api.problem import KINDS, MEDIA_TYPE, Problem
from api.tables import unavailable
from tests.api.stub import bearer, client


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The body of ``answer``, after checking that it is the problem for ``status``."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    body: dict[str, Any] = answer.json()
    name, title, title_zh = KINDS[status]
    assert body["type"] == f"urn:mailiu:problem:{name}"
    assert (body["title"], body["title_zh"], body["status"]) == (title, title_zh, status)
    assert body["instance"] == answer.request.url.path
    return body


async def test_a_body_that_is_not_json_is_400() -> None:
    async with client() as (api, _):
        problem(await api.post("/v1/events", headers=bearer() | {"content-type": "application/json"}, content="{"), 400)
        url = f"/v1/alerts/{uuid4()}/assign"
        problem(await api.post(url, headers=bearer() | {"content-type": "application/json"}, content="{"), 400)


@pytest.mark.parametrize(
    "path", ["/v1/alerts", "/v1/alerts/stream", "/v1/residents/R1", "/v1/statistics", "/v1/freshness", "/metrics"]
)
async def test_no_token_no_data(path: str) -> None:
    async with client() as (api, _):
        for headers in ({}, {"Authorization": "Bearer x.y.z"}, {"Authorization": "Basic bWU6bWU="}):
            answer = await api.get(path, headers=headers)
            problem(answer, 401)
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_role_without_the_right_is_403() -> None:
    async with client() as (api, _):
        for role in ("manager", "analyst", "integrator"):
            problem(await api.get("/v1/alerts", headers=bearer(role)), 403)
            problem(await api.get("/v1/residents/R1", headers=bearer(role)), 403)
        problem(await api.get("/v1/statistics", headers=bearer("integrator")), 403)
        problem(await api.post("/v1/events", headers=bearer("analyst"), json={}), 403)


async def test_what_is_not_there_is_404() -> None:
    async with client() as (api, _):
        problem(await api.get("/v1/nothing", headers=bearer()), 404)
        problem(await api.get("/v1/residents/R404", headers=bearer()), 404)
        problem(await api.get(f"/v1/alerts/{uuid4()}", headers=bearer()), 404)
        problem(await api.get("/v1/statistics/nothing", headers=bearer()), 404)
        problem(await api.get("/v1/statistics/registered?version=99", headers=bearer()), 404)


async def test_a_wrong_method_is_405_and_says_which_is_right() -> None:
    async with client() as (api, _):
        answer = await api.delete("/v1/events", headers=bearer())
        problem(answer, 405)
        assert answer.headers["allow"] == "POST"


async def test_acting_on_a_closed_alert_is_409() -> None:
    alert = str(uuid4())
    closed = {"severity": "yellow", "handling": "closed", "institution": "I01", "resident": "R1"}
    async with client(alerts={alert: closed}) as (api, _):
        problem(await api.post(f"/v1/alerts/{alert}/acknowledge", headers=bearer()), 409)


async def test_a_body_larger_than_the_limit_is_413_with_and_without_a_length() -> None:
    async def pieces() -> Any:
        for _ in range(5):
            yield b" " * (1 << 20)

    async with client() as (api, _):
        headers = bearer() | {"content-type": "application/json"}
        problem(await api.post("/v1/events", headers=headers, content=b" " * (5 << 20)), 413)
        problem(await api.post("/v1/events", headers=headers, content=pieces()), 413)
        many = b"{}\n" * (event_body.MANY + 1)
        ndjson = bearer() | {"content-type": "application/x-ndjson"}
        problem(await api.post("/v1/events", headers=ndjson, content=many), 413)


async def test_an_unknown_content_type_or_encoding_is_415() -> None:
    async with client() as (api, _):
        for headers in (
            {"content-type": "text/xml"},
            {},
            {"content-type": "application/json", "content-encoding": "gzip"},
        ):
            problem(await api.post("/v1/events", headers=bearer() | headers, content=b"{}"), 415)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/alerts?limit=0", "limit"),
        ("/v1/alerts?severity=purple", "severity.0"),
        ("/v1/alerts?cursor=abc", "cursor"),
        ("/v1/alerts?wait=first", "wait"),
        ("/v1/alerts?wait=8:0", "wait"),
        ("/v1/alerts/no-uuid", "alert"),
        ("/v1/residents/a%20b", "resident"),
        ("/v1/residents/R1/readings?from=2026-01-01T00:00:00", "from"),
        ("/v1/statistics/registered?by=severity", "by"),
        ("/v1/statistics/registered?from=2026-02-01&to=2026-01-01", "from"),
        ("/v1/statistics/registered?from=1990-02-01", "from"),
    ],
)
async def test_a_wrong_parameter_is_422_and_named(path: str, field: str) -> None:
    async with client(_resident) as (api, _):
        body = problem(await api.get(path, headers=bearer()), 422)
        assert [error["field"] for error in body["errors"]] == [field]
        assert body["errors"][0]["message"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("GET", "/v1/fhir/Observation?patient=R1", {"Authorization": ""}, 401, "login"),
        ("GET", "/v1/fhir/Observation?patient=R1", bearer("manager"), 403, "forbidden"),
        ("GET", "/v1/fhir/Observation/1", {}, 404, "not-found"),
        ("DELETE", "/v1/fhir", {}, 405, "not-supported"),
        ("POST", "/v1/fhir", {"content-type": "text/xml"}, 415, "not-supported"),
        ("GET", "/v1/fhir/Observation?patient=R1&_count=0", {}, 422, "invalid"),
        ("GET", "/v1/fhir/Observation?patient=R1&wait=first", {}, 422, "invalid"),
    ],
)
async def test_under_fhir_every_error_is_an_operation_outcome(
    method: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    async with client(_resident) as (api, _):
        answer = await api.request(method, path, headers=bearer() | headers, content=b"" if method == "GET" else b"{}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/fhir+json")
    outcome = OperationOutcome.model_validate(answer.json())
    [issue] = outcome.issue
    assert (issue.severity, issue.code) == ("error", code)
    assert (issue.expression or [""])[0] == {"_count=0": "_count", "wait=first": "wait"}.get(
        path.rpartition("&")[2], ""
    )
    assert status != 401 or answer.headers["www-authenticate"]


async def test_a_fhir_body_larger_than_the_limit_is_an_operation_outcome() -> None:
    async with client() as (api, _):
        answer = await api.post("/v1/fhir", headers=bearer(), content=b" " * (5 << 20))
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (413, "too-long")


async def test_more_streams_than_one_actor_may_have_is_429(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.alert_stream.STREAMS", 0)
    async with client() as (api, _):
        problem(await api.get("/v1/alerts/stream", headers=bearer()), 429)


async def test_a_bug_of_ours_is_500_without_its_text() -> None:
    def broken(sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        raise ZeroDivisionError("the secret of the house")

    async with client(broken) as (api, _):
        answer = await api.get("/v1/residents/R1", headers=bearer())
        problem(answer, 500)
        assert "secret" not in answer.text


async def test_tables_that_are_away_are_503_and_events_are_still_taken() -> None:
    def away(sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        raise unavailable()

    async with client(away) as (api, log):
        for path in ("/v1/alerts", "/v1/residents/R1", "/v1/statistics/registered", "/v1/freshness"):
            problem(await api.get(path, headers=bearer()), 503)
        event = {
            "specversion": "1.0", "id": "1", "source": "rest/his", "type": "mailiu.resident.registered.v1",
            "subject": "R1", "time": "2026-01-01T00:00:00Z", "institution": "I01",
            "data": {"sex": "female", "birth_date": "1950-01-01"},
        }  # fmt: skip
        answer = await api.post("/v1/events", headers=bearer(), json=event)
        assert answer.status_code == 202
        assert len(log.events) == 1
        health = await api.get("/health")
        assert (health.status_code, health.json()["status"], health.json()["tables"]) == (200, "degraded", "away")


async def test_a_log_that_is_away_is_503() -> None:
    async with client(_resident, kafka_fails=KafkaConnectionError("no broker")) as (api, _):
        event = {
            "specversion": "1.0", "id": "1", "source": "rest/his", "type": "mailiu.resident.registered.v1",
            "subject": "R1", "time": "2026-01-01T00:00:00Z", "institution": "I01",
            "data": {"sex": "female", "birth_date": "1950-01-01"},
        }  # fmt: skip
        problem(await api.post("/v1/events", headers=bearer(), json=event), 503)
        # No audit, no view.
        problem(await api.get("/v1/residents/R1/readings", headers=bearer()), 503)


async def test_a_position_that_is_not_projected_in_time_is_504_with_the_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(position, "WAIT_SECONDS", 0.1)

    def behind(sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        if "FROM progress" not in sql:
            return []
        known = "2026-01-01"
        return [
            {"topic": "events", "partition": 3, "next_offset": 121, "known": known},
            {"topic": "fold", "partition": 3, "next_offset": 118, "known": known},
            {"topic": "events", "partition": 5, "next_offset": 90, "known": known},
        ]

    async with client(behind) as (api, _):
        body = problem(await api.get("/v1/alerts?wait=3:120,5:99", headers=bearer()), 504)
        assert body["lag"] == {"3": 3, "5": 100}


async def test_a_problem_says_its_detail_and_its_own_members() -> None:
    error = Problem(409, "why", more=1)
    assert (error.status_code, error.detail, error.more) == (409, "why", {"more": 1})


def _resident(sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    if "FROM residents" not in sql or "resident" not in parameters:
        return []
    empty = dict.fromkeys(("sex", "birth_date", "team", "doctor", "registered_time", "died_time"))
    return [{**empty, "resident": parameters["resident"], "institution": "I01", "labels": []}]
