"""FHIR R4's OperationOutcome: how everything under `/v1/fhir` says what is wrong, or what became of a resource."""

from collections.abc import Iterable, Mapping
from typing import Any

MEDIA_TYPE = "application/fhir+json"
OUTCOMES = "urn:mailiu:outcome"
#: Our reasons, of events and of requests -> FHIR's issue types; what is not here is `invalid`.
ISSUES = {
    "unreadable": "structure", "not-supported": "not-supported", "wrong-institution": "forbidden",
    "conflict": "conflict", "future": "business-rule", "out-of-limits": "value", "swapped-pair": "value",
    "no-value": "business-rule", "not-a-number": "value", "infinite": "value", "error-code": "business-rule",
    "cancelled": "business-rule", "too-large": "too-long", "not-found": "not-found",
    "unknown-patient": "not-found", "several-patients": "multiple-matches", "no-token": "login",
    "not-allowed": "forbidden", "wrong-method": "not-supported", "not-acceptable": "not-supported",
    "unsupported-media-type": "not-supported", "gone": "deleted", "too-slow": "timeout", "not-yet": "timeout",
    "too-many": "throttled", "internal": "exception", "unavailable": "transient",
}  # fmt: skip


def issue(reason: str, expression: str | None, message: Mapping[str, str]) -> dict[str, Any]:
    """An issue for something refused; the message in English, and in Chinese beside it."""
    found: dict[str, Any] = {
        "severity": "error", "code": ISSUES.get(reason, "invalid"),
        "details": {"coding": [{"system": OUTCOMES, "code": reason}], "text": message["zh"]},
        "diagnostics": message["en"],
    }  # fmt: skip
    return found | ({"expression": [expression]} if expression else {})


def outcome(issues: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """An OperationOutcome."""
    return {"resourceType": "OperationOutcome", "issue": list(issues)}


def of_problem(
    reason: str, title: str, title_zh: str, detail: str, errors: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """What is elsewhere a problem of the request: an issue for each field at fault, or one for the whole."""
    faults = [
        issue(reason, each["field"], {"zh": f"{title_zh}：{each['message']}", "en": f"{title}: {each['message']}"})
        for each in errors
    ]
    said = {"zh": f"{title_zh}：{detail}" if detail else title_zh, "en": f"{title}: {detail}" if detail else title}
    return outcome(faults or [issue(reason, None, said)])


def outcomes(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route whose errors are these (401, 422, 429, 500 and 503 are always among them)."""
    of = {"description": "OperationOutcome", "content": {MEDIA_TYPE: {}}}
    return dict.fromkeys(sorted({401, 422, 429, 500, 503, *statuses}), of)
