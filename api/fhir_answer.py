"""What `POST /v1/fhir` answers of each resource: by itself, or in a response Bundle (FHIR R4)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import Response

from api.append import Result
from api.fhir_outcome import MEDIA_TYPE, OUTCOMES, issue, outcome
from mqtt_ingest.texts import explain

STATUS = {"accepted": "201 Created", "duplicate": "200 OK"}


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
    told = f"{result.status} as event {result.identity} at position {result.position}{known}"
    return _information(result.status, told)


def _information(status: str, told: str) -> dict[str, Any]:
    """An issue that is no fault."""
    coding = {"system": OUTCOMES, "code": status}
    return {"severity": "information", "code": "informational", "details": {"coding": [coding]}, "diagnostics": told}


def entry(result: Result, inside: str, resource: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of a response Bundle, about a resource."""
    refused = result.problem or 422
    status = STATUS.get(result.status) or f"{refused} {HTTPStatus(refused).phrase}"
    response: dict[str, Any] = {"status": status, "outcome": outcome([issue_of(result, inside)])}
    if result.status != "rejected":
        what = resource["resourceType"]
        response |= {"location": f"{what}/{resource['id'] if what == 'Patient' else result.identity}"}
    return {"response": response}


def known(resident: str) -> dict[str, Any]:
    """An issue for a Patient that was not created, for the resident is known."""
    return _information("duplicate", f"not created: known as Patient/{resident}")


def entry_known(resident: str) -> dict[str, Any]:
    """An entry of a response Bundle, about such a Patient."""
    response = {"status": STATUS["duplicate"], "outcome": outcome([known(resident)]), "location": f"Patient/{resident}"}
    return {"response": response}


def answer(status: int, body: dict[str, Any], position: str = "", location: str = "") -> Response:
    """The answer; the header `Mailiu-Position` is what `wait` takes, ``location`` a resource that can be read."""
    headers = {"Mailiu-Position": position} if position else {}
    if location:
        headers["Location"] = f"/v1/fhir/{location}"
    return Response(orjson.dumps(body), status, headers, MEDIA_TYPE)
