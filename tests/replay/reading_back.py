"""What the tests of real data ask a stack: its API with a token, and its tables over ClickHouse's HTTP interface."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.stack import Stack

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def data_file(name: str) -> Path:
    """A file of the reference data; skips the test where it is not there."""
    file = DATA / name
    if not file.exists():
        pytest.skip(f"the reference data are not here: {file}")
    return file


class Reader:
    """Asks one stack as a clinician of ``institution`` and as the tables' owner."""

    def __init__(self, stack: Stack, institution: str) -> None:
        self.stack = stack
        token = stack.mailiu("token", "--role", "clinician", "--institution", institution).stdout.strip()
        address = f"http://{stack.environment['MAILIU_API']}"
        self.api = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        password = (stack.home / "secrets" / "clickhouse-mailiu").read_text()
        self.tables = httpx.Client(
            base_url=stack.environment["MAILIU_CLICKHOUSE"], auth=("mailiu", password), timeout=60
        )

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.api.close()
        self.tables.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON answer of the API."""
        answer = self.api.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def sql(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query."""
        answer = self.tables.post("/", params={"database": "mailiu"}, content=f"{query} FORMAT JSONEachRow")
        assert answer.status_code == 200, answer.text
        return [orjson.loads(line) for line in answer.content.splitlines()]

    def count(self, query: str) -> int:
        """The one number that ``query`` selects as ``n``."""
        return int(self.sql(query)[0]["n"])

    def until(self, found: Callable[[], Any], expected: Any, what: str, seconds: float = 120) -> None:
        """Wait until ``found()`` is ``expected``; says what it was otherwise."""
        deadline = time.monotonic() + seconds
        while (last := found()) != expected:
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: {last} instead of {expected} after {seconds:.0f} s")
            time.sleep(0.2)


def replay(stack: Stack, *arguments: str | Path) -> list[dict[str, Any]]:
    """The accounts that `mailiu replay` printed."""
    lines = stack.mailiu("replay", "--json", *map(str, arguments)).stdout.splitlines()
    return [orjson.loads(line) for line in lines]
