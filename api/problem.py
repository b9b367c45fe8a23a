"""Every error of the API in one shape: RFC 9457 problem details, titled in Chinese and English; under FHIR, FHIR's.

A handler raises ``Problem(404, "…")``; what FastAPI and Starlette raise themselves is turned into the same shape.
"""

import logging
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api import fhir_outcome
from api.headers import HEADERS

MEDIA_TYPE = "application/problem+json"
#: Below it errors are OperationOutcomes.
FHIR = "/v1/fhir/"

#: status -> (name, English title, Chinese title)
KINDS: dict[int, tuple[str, str, str]] = {
    400: ("unreadable", "The request cannot be read", "请求无法读取"),
    401: ("no-token", "A valid bearer token is required", "需要有效的访问令牌"),
    403: ("not-allowed", "The token does not allow this", "令牌无此权限"),
    404: ("not-found", "Nothing here by this name", "未找到"),
    405: ("wrong-method", "This address does not take that method", "此地址不支持该方法"),
    406: ("not-acceptable", "The answer cannot be given in that form", "无法以所要求的格式回答"),
    408: ("too-slow", "The request took too long to come", "请求传输超时"),
    409: ("conflict", "This contradicts what is already recorded", "与已有记录冲突"),
    410: ("gone", "This was erased", "已清除"),
    413: ("too-large", "The request is too large", "请求过大"),
    415: ("unsupported-media-type", "The content type or encoding is not supported", "不支持的内容类型或编码"),
    422: ("invalid", "The request is not valid", "请求内容无效"),
    429: ("too-many", "Too many at once", "请求过多"),
    500: ("internal", "An error of ours; it is logged", "内部错误，已记录"),
    503: ("unavailable", "A part that is needed cannot be reached now", "所需部件暂不可用"),
    504: ("not-yet", "The position is not projected yet", "该位置尚未投影完成"),
}


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str
    value: str | None = Field(None, description="the value as sent, at most 200 characters")
    message: str


class ProblemBody(BaseModel):
    """RFC 9457 problem details. 错误说明（RFC 9457）。"""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="urn:mailiu:problem:NAME")
    title: str
    title_zh: str
    status: int
    detail: str = ""
    instance: str = Field(description="path of the request")
    errors: list[FieldError] = Field([], description="the fields at fault")


class Problem(HTTPException):
    """An error answer; ``more`` are extension members of the body."""

    def __init__(self, status: int, detail: str = "", headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.more = more


def invalid_field(field: str, value: object, message: str) -> Problem:
    """A 422 that names one field and its value."""
    return Problem(422, f"{field}: {message}", errors=[_field_error(field, value, message)])


def short(value: object) -> str | None:
    """``value`` as text of at most 200 characters."""
    return None if value is None else str(value)[:200]


def problem_response(
    path: str, status: int, detail: str = "", headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """The problem+json answer for ``status``, or the OperationOutcome that means the same."""
    name, title, title_zh = KINDS.get(status) or KINDS[500 if status >= 500 else 400]
    headers = {**HEADERS, **(headers or {})}
    if f"{path}/".startswith(FHIR):
        outcome = fhir_outcome.of_problem(name, title, title_zh, detail, more.get("errors", ()))
        return Response(orjson.dumps(outcome, default=str), status, headers, fhir_outcome.MEDIA_TYPE)
    body = {
        "type": f"urn:mailiu:problem:{name}",
        "title": title,
        "title_zh": title_zh,
        "status": status,
        "detail": detail,
        "instance": path,
        **more,
    }
    return Response(orjson.dumps(body, default=str), status, headers, MEDIA_TYPE)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may answer these problems (401, 500 and 503 are always among them)."""
    return {
        status: {
            "description": " ".join(KINDS[status][1:]),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}},
        }
        for status in sorted({401, 500, 503, *statuses})
    }


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` as a problem."""

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        more = error.more if isinstance(error, Problem) else {}
        detail = error.detail if isinstance(error, Problem) else ""
        if error.status_code in (401, 403):
            _note_refused(request, error.status_code, detail if error.status_code == 401 else "not allowed")
        return problem_response(request.url.path, error.status_code, detail, error.headers, **more)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        found = error.errors()
        if any(each["type"] == "json_invalid" for each in found):
            return problem_response(request.url.path, 400, "the body is not JSON")
        secret = "identity" in getattr(request.scope.get("route"), "tags", ())  # what is sent there is not repeated
        errors = [
            _field_error(".".join(map(str, e["loc"][1:])) or "body", None if secret else e.get("input"), e["msg"])
            for e in found
        ]
        detail = f"{errors[0]['field']}: {errors[0]['message']}"
        return problem_response(request.url.path, 422, detail, errors=errors)

    async def ours(request: Request, error: Exception) -> Response:
        # The route, not the path: what somebody wrote into an address may be a name.
        route = getattr(request.scope.get("route"), "path", "?")
        logging.getLogger("mailiu.api").error("%s %s", request.method, route, exc_info=error)
        return problem_response(request.url.path, 500)

    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(Exception, ours)


def _note_refused(request: Request, status: int, why: str) -> None:
    """A line for whoever looks for attacks; by route and without what was sent, which may be a name."""
    route = getattr(request.scope.get("route"), "path", "?")
    address = request.client.host if request.client else "?"
    logging.getLogger("mailiu.api").warning("refused %d %s %s from %s: %s", status, request.method, route, address, why)


def _field_error(field: str, value: object, message: str) -> dict[str, str | None]:
    return {"field": field, "value": short(value), "message": message}
