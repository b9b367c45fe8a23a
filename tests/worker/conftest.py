"""A broker of this folder's own: its tests start and kill workers of their own."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.clients import mqtt_address
from infra.clock import clock
from infra.settings import settings
from tests.stack import Stack


@pytest.fixture(scope="package")
def broker() -> Iterator[Stack]:
    """Kafka and Mosquitto, without any of our parts; the settings of this process point at them."""
    home = Path(tempfile.mkdtemp(prefix="mailiu-worker-"))
    stack, before, cached = Stack(home), dict(os.environ), (settings, clock, mqtt_address)
    os.environ.update(stack.environment)
    for function in cached:
        function.cache_clear()
    try:
        stack.up("kafka", "mosquitto")
        yield stack
    finally:
        stack.down()
        os.environ.clear()
        os.environ.update(before)
        for function in cached:
            function.cache_clear()
        if os.environ.get("MAILIU_TEST_KEEP"):
            print(f"kept {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
