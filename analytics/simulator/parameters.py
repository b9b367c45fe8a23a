"""The numbers of the population model: versioned data with their sources, see ``parameters.v1.toml``.

What concerns habits, examinations and visits lies beside it in ``chronic.v1.toml``.
"""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

VERSION = 1
Parameters = dict[str, Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

HOUR, DAY = 3_600_000, 86_400_000  #: milliseconds
YEAR = 365.2425  #: days
LOCAL = 8 * HOUR  #: of Asia/Shanghai, ahead of UTC


@cache
def entries(version: int = VERSION) -> dict[str, dict[str, Any]]:
    """Every entry by ``group.name``, with value, unit and source. Raises ``FileNotFoundError`` for another version."""
    groups: dict[str, Any] = {}
    for name in ("parameters", "chronic"):
        path = Path(__file__).with_name(f"{name}.v{version}.toml")
        groups |= tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        f"{group}.{name}": entry
        for group, named in groups.items()
        if isinstance(named, dict)
        for name, entry in named.items()
    }


def parameters(version: int = VERSION) -> Parameters:
    """The values by ``group.name``."""
    return {name: entry["value"] for name, entry in entries(version).items()}


def chance(seed: int, idea: str) -> Generator:
    """The random numbers of one idea of one district: what is drawn for one idea never moves another."""
    return np.random.default_rng([seed, *idea.encode()])


def between(rng: Generator, low_high: list[float], size: int) -> Floats:
    """Uniform numbers between two limits."""
    return rng.uniform(low_high[0], low_high[1], size)


def by_group(p: Parameters, values: list[float], age: Floats) -> Floats:
    """The entry of ``values`` (one an age group) for each age in years."""
    group = np.searchsorted(np.array(p["people.age_from"]), age, side="right") - 1
    return np.array(values, dtype=float)[group]
