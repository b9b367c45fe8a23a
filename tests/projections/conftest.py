"""A stack of this folder's own: its tests tamper with tables, kill the writer and verify everything there is."""

from collections.abc import Iterator

import pytest

from tests.projections.play import Database
from tests.stack import Stack, own_stack


@pytest.fixture(scope="package")
def parts() -> Iterator[Stack]:
    """Kafka, ClickHouse, worker and writer; the settings of this process point at them."""
    with own_stack("projections") as stack:
        stack.up("worker", "writer")
        yield stack


@pytest.fixture
def database(parts: Stack) -> Iterator[Database]:
    """An empty database with every projection; the writer of the stack knows nothing of it."""
    with Database.emptied() as made:
        yield made


@pytest.fixture
def new(parts: Stack, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Such a database for this test alone, which may change its tables and views."""
    with Database.new(request.node.name) as made:
        yield made
