"""Random requests from the API's own schema: never a 500, and every answer as the schema says."""

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.main import make
from tests.api.people import bearer

pytestmark = pytest.mark.stack

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
SCHEMA = schemathesis.openapi.from_dict(make().openapi())


def _operations() -> list[Any]:
    return [result.ok() for result in SCHEMA.get_all_operations()]  # type: ignore[union-attr]


#: Every operation but the endless stream, which has tests of its own.
OPERATIONS = {
    f"{operation.method.upper()} {operation.path}": operation
    for operation in _operations()
    if operation.path != "/v1/alerts/stream"
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_request_breaks_the_api_and_every_answer_follows_the_schema(name: str, api: httpx.Client) -> None:
    operation, headers = OPERATIONS[name], bearer("admin", "*")
    cases = operation.as_strategy(GenerationMode.POSITIVE) | operation.as_strategy(GenerationMode.NEGATIVE)

    @seed(7)
    @hypothesis_settings(
        max_examples=20, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None
    )
    @given(cases)
    def check(case: Any) -> None:
        case.query.pop("wait", None)  # random positions are never reached: 5 s each
        answer = case.call(base_url=str(api.base_url), headers=headers)
        assert answer.status_code not in (500, 503), answer.text
        case.validate_response(answer, checks=CHECKS)

    check()
