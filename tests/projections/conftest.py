"""A stack of this folder's own: its tests tamper with tables, kill the writer and verify everything there is."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.clients import mqtt_address
from infra.clock import clock
from infra.settings import settings
from tests.projections.play import Database
from tests.stack import Stack

CACHES = (settings, clock, mqtt_address)


@pytest.fixture(scope="package")
def parts() -> Iterator[Stack]:
    """Kafka, ClickHouse, worker and writer; the settings of this process point at them."""
    home = Path(tempfile.mkdtemp(prefix="mailiu-projections-"))
    stack, before = Stack(home), dict(os.environ)
    os.environ.update(stack.environment)
    for cached in CACHES:
        cached.cache_clear()
    try:
        stack.up("worker", "writer")
        yield stack
    finally:
        stack.down()
        os.environ.clear()
        os.environ.update(before)
        for cached in CACHES:
            cached.cache_clear()
        if os.environ.get("MAILIU_TEST_KEEP"):
            print(f"kept {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def database(parts: Stack, request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database with every projection, for this test alone; the writer of the stack knows nothing of it."""
    with Database.new(request.node.name) as made:
        yield made
