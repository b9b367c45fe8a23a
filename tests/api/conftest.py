"""A client of the running API."""

from collections.abc import Iterator

import httpx
import pytest

from infra.settings import settings
from tests.stack import Stack


@pytest.fixture(scope="session")
def serving(_own_stack: Stack) -> Stack:
    """Log, worker, writer, tables and API, without devices."""
    _own_stack.up("writer", "worker", "api")
    return _own_stack


@pytest.fixture(scope="session")
def api(serving: Stack) -> Iterator[httpx.Client]:
    """A client of the API; give each request the token it is to have."""
    with httpx.Client(base_url=f"http://{settings().api}", timeout=30) as client:
        yield client
