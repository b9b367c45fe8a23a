"""ClickHouse's clients for JavaScript and Java, with their defaults, against the embedded engine."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clickhouse.embedded import Embedded

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """An engine of these tests alone."""
    embedded = Embedded(tmp_path_factory.mktemp("clickhouse")).start()
    yield embedded
    assert embedded.stop() == 0, embedded.errors()


def said(server: Embedded, *command: str) -> str:
    """What a program prints that is given the server's address and both passwords."""
    passwords = (server.password("mailiu"), server.password("analyst"))
    done = subprocess.run(
        [*command, server.url, *passwords], cwd=HERE, capture_output=True, text=True, timeout=180, check=False
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_javascript(server: Embedded, npm: Path) -> None:
    out = json.loads(said(server, "node", "clickhouse.mjs"))
    assert out["ping"] is True
    assert out["parameters"] == [{"text": "a'b\\c\n血压", "list": [1, 2], "at": "2024-02-29 12:00:00.123"}]
    assert out["inserted"] == "2"
    assert out["rows"] == [{"n": 20_000, "ids": 20_000, "second": "血压"}]
    assert (out["streamed"], out["sum"]) == (300_000, 299_999 * 150_000)
    assert out["aborted"] == "The user aborted a request."
    assert out["after_abort"] == [{"one": 1}]
    assert out["analyst"] == [{"n": 20_000}]
    assert out["refused"] in ("164 READONLY", "497 ACCESS_DENIED")
    assert out["unknown"] == "47 UNKNOWN_IDENTIFIER"


def test_java(server: Embedded, jars: str) -> None:
    lines = said(server, "java", "-cp", jars, "Jdbc.java").splitlines()
    assert dict(line.split(" ", 1) for line in lines) == {
        "product": "ClickHouse",
        "batch": "1000",
        "select": "500 250 it's 血压 \\ ? 2024-02-29T12:00:00.123Z",
        "sum": "44999850000",
        "columns": "id name systolic time",
        "unknown": "error 47",
        "analyst": "1000",
        "refused": "error 164",
    }
