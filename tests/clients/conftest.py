"""Fixtures for programs in other languages."""

from pathlib import Path

import pytest

from tests.clients import install


@pytest.fixture(scope="session")
def npm() -> Path:
    """The folder in which programs for ``node`` run."""
    return install.npm()


@pytest.fixture(scope="session")
def jars() -> str:
    """The class path for programs in Java."""
    return install.jars()
