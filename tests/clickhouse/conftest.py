"""One embedded ClickHouse for these tests, and one more for each test that kills it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from clickhouse_connect.driver import Client

from tests.clickhouse.embedded import Embedded


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """The server that the tests share; use table names of your own."""
    embedded = Embedded(tmp_path_factory.mktemp("clickhouse")).start()
    yield embedded
    assert embedded.stop() == 0, embedded.errors()
    assert "Traceback" not in embedded.errors()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Embedded]:
    """A server of this test's own, not started."""
    embedded = Embedded(tmp_path)
    yield embedded
    if embedded.process is not None and embedded.process.poll() is None:
        embedded.process.kill()
        embedded.process.wait(60)


@pytest.fixture(scope="session")
def client(server: Embedded) -> Iterator[Client]:
    """clickhouse-connect's client as `mailiu`."""
    client = server.client()
    yield client
    client.close()


@pytest.fixture(scope="session")
def http(server: Embedded) -> Iterator[httpx.Client]:
    """A plain HTTP client as `mailiu`."""
    with server.http() as http:
        yield http


@pytest.fixture(scope="session")
def analyst(server: Embedded) -> Iterator[httpx.Client]:
    """A plain HTTP client as `analyst`."""
    with server.http("analyst") as http:
        yield http
