"""Where the reference data lies; a test that needs a file skips where the folder is absent."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mqtt_ingest.decoded import Decoded, Undecodable

DATA = Path(__file__).parents[3] / "shared" / "data"


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of a CSV or NDJSON file of the reference data, else none."""
    path = DATA / name
    if not path.exists():
        return []
    with path.open() as file:
        return list(csv.DictReader(file)) if path.suffix == ".csv" else [json.loads(line) for line in file]


def need(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``rows``, or skip the test."""
    if not rows:
        pytest.skip("the reference data folder ../shared/data is absent")
    return rows


def attempt(decode: Callable[..., list[Decoded | Undecodable]], *arguments: Any) -> list[Decoded | Undecodable]:
    """What ``decode`` makes of a payload; a refusal of the whole stands as the only result."""
    try:
        return decode(*arguments)
    except Undecodable as refusal:
        return [refusal]
