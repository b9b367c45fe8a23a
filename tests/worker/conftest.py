"""A broker of this folder's own: its tests start and kill workers of their own."""

from collections.abc import Iterator

import pytest

from tests.stack import Stack, own_stack


@pytest.fixture(scope="package")
def broker() -> Iterator[Stack]:
    """Kafka and Mosquitto, without any of our parts; the settings of this process point at them."""
    with own_stack("worker") as stack:
        stack.up("kafka", "mosquitto")
        yield stack
