"""One stack for the whole test run, on free ports, in a home of its own, set up before anything reads a setting."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import Stack

STACK = Stack(Path(tempfile.mkdtemp(prefix="mailiu-test-")))
os.environ.update(STACK.environment)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What kills and waits takes longest: it begins first, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("chaos") is None)


def pytest_unconfigure() -> None:
    """Remove the stack's home; `MAILIU_TEST_KEEP=1` keeps it, with its logs."""
    if os.environ.get("MAILIU_TEST_KEEP"):
        print(f"kept {STACK.home}")
    else:
        shutil.rmtree(STACK.home, ignore_errors=True)


@pytest.fixture(scope="session")
def _own_stack() -> Iterator[Stack]:
    yield STACK
    status = STACK.home / "run" / "status.json"
    if status.exists() and '"api"' in status.read_text():
        judge(STACK)
    STACK.down()


def judge(stack: Stack) -> None:
    """After every test: what the stack holds can be made anew from its log, and nobody touched its trail.

    Run in several processes, the tests leave several stacks; each is judged.
    """
    stack.up()
    for command in (["verify"], ["audit", "verify"]):
        done = stack.mailiu(*command, check=False, timeout=800)
        print(done.stdout)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def kafka(_own_stack: Stack) -> Stack:
    """A running Kafka broker with our topics."""
    _own_stack.up("kafka")
    return _own_stack


@pytest.fixture(scope="session")
def mosquitto(_own_stack: Stack) -> Stack:
    """A running Mosquitto."""
    _own_stack.up("mosquitto")
    return _own_stack


@pytest.fixture(scope="session")
def clickhouse(_own_stack: Stack) -> Stack:
    """A running ClickHouse engine behind its HTTP interface."""
    _own_stack.up("clickhouse")
    return _own_stack


@pytest.fixture(scope="session")
def stack(_own_stack: Stack) -> Stack:
    """Everything running: Kafka, Mosquitto, ClickHouse and all parts of ours."""
    _own_stack.up()
    return _own_stack
