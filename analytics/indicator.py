"""Indicator definitions as versioned data: ``indicators/<id>.v<N>.toml`` names the query, its columns and its source.

A released version is never edited; a change is a new file, and both can be asked for.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Indicator:
    """One version of one indicator.

    ``numerator``, ``denominator`` and ``value`` are columns of its query; without ``value`` it is their quotient, and
    without a denominator the numerator itself. A ``snapshot`` is a state at the end of each month: its months are never
    added up. ``by`` is what it can be broken down by, ``always`` what it is broken down by in any case.
    """

    id: str
    version: int
    title: dict[str, str]
    text: dict[str, str]
    source: str
    unit: str
    by: tuple[str, ...]
    always: tuple[str, ...]
    snapshot: bool
    numerator: str
    denominator: str
    value: str
    sql: str


@cache
def released() -> dict[str, dict[int, Indicator]]:
    """Every released indicator, by id and version."""
    folder = files("analytics") / "indicators"
    found: dict[str, dict[int, Indicator]] = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            data = tomllib.loads(file.read_text(encoding="utf-8"))
            sql = (folder / data.pop("sql")).read_text(encoding="utf-8")
            by, always = tuple(data.pop("by")), tuple(data.pop("always", ()))
            indicator = Indicator(**{"value": "", **data}, by=by, always=always, sql=sql)
            found.setdefault(indicator.id, {})[indicator.version] = indicator
    return found


def find(id: str, version: int | None = None) -> Indicator | None:
    """The indicator in ``version`` (default: the newest), None where there is none."""
    versions = released().get(id)
    if not versions:
        return None
    return versions.get(max(versions) if version is None else version)
