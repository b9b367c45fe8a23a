"""What `/v1/fhir` answers: OperationOutcomes and response Bundles (FHIR R4)."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import Response

from api.append import Result
from api.problem import problems
from mqtt_ingest.texts import explain

MEDIA_TYPE = "application/fhir+json"
OUTCOMES = "urn:mailiu:outcome"
#: What is wrong with a resource or a search is an OperationOutcome; with the address, a problem as everywhere.
EITHER = {
    "description": "OperationOutcome, or a problem of the query",
    "content": {MEDIA_TYPE: {}, **problems(422)[422]["content"]},
}
#: Our reasons -> FHIR's issue types; what is not here is `invalid`.
ISSUES = {
    "unreadable": "structure", "not-supported": "not-supported", "wrong-institution": "forbidden",
    "conflict": "conflict", "future": "business-rule", "out-of-limits": "value", "swapped-pair": "value",
    "no-value": "business-rule", "not-a-number": "value", "infinite": "value", "error-code": "business-rule",
    "cancelled": "business-rule", "too-large": "too-long", "not-found": "not-found",
}  # fmt: skip
STATUS = {"accepted": "201 Created", "duplicate": "200 OK"}


def issue(reason: str, expression: str | None, message: Mapping[str, str]) -> dict[str, Any]:
    """An issue for something refused; the message in English, and in Chinese beside it."""
    found: dict[str, Any] = {
        "severity": "error", "code": ISSUES.get(reason, "invalid"),
        "details": {"coding": [{"system": OUTCOMES, "code": reason}], "text": message["zh"]},
        "diagnostics": message["en"],
    }  # fmt: skip
    return found | ({"expression": [expression]} if expression else {})


def issue_of(result: Result, inside: str = "") -> dict[str, Any]:
    """What became of one resource; ``inside`` is the expression of the resource within its Bundle."""
    if result.status == "rejected":
        assert result.reason is not None
        expression = result.field or ""
        if inside:
            within = expression.partition(".")[2]
            expression = f"{inside}.{within}" if within else inside
        message = result.message.model_dump() if result.message else explain(result.reason, expression, "-")
        return issue(result.reason, expression, message)
    known = f", first at {result.first_position}" if result.first_position else ""
    return {
        "severity": "information", "code": "informational",
        "details": {"coding": [{"system": OUTCOMES, "code": result.status}]},
        "diagnostics": f"{result.status} as event {result.identity} at position {result.position}{known}",
    }  # fmt: skip


def outcome(issues: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """An OperationOutcome."""
    return {"resourceType": "OperationOutcome", "issue": list(issues)}


def entry(result: Result, inside: str, resource: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of a response Bundle, about a resource."""
    refused = result.problem or 422
    status = STATUS.get(result.status) or f"{refused} {HTTPStatus(refused).phrase}"
    response: dict[str, Any] = {"status": status, "outcome": outcome([issue_of(result, inside)])}
    if result.status != "rejected":
        what = resource["resourceType"]
        response |= {"location": f"{what}/{resource['id'] if what == 'Patient' else result.identity}"}
    return {"response": response}


def answer(status: int, body: dict[str, Any], position: str = "") -> Response:
    """The answer; the header `Mailiu-Position` is what `wait` takes."""
    headers = {"Mailiu-Position": position} if position else {}
    return Response(orjson.dumps(body), status, headers, MEDIA_TYPE)
