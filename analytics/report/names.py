"""Names of conditions, drugs, measures and states in Chinese and English: ``names.csv``."""

import csv
from functools import cache
from pathlib import Path

from analytics.form.definition import Lang


@cache
def _names() -> dict[tuple[str, str], dict[str, str]]:
    with (Path(__file__).parent / "names.csv").open(encoding="utf-8", newline="") as file:
        return {(row["kind"], row["code"]): row for row in csv.DictReader(file)}


def name(kind: str, code: str, lang: Lang) -> str:
    """The name of ``code``; of a hierarchical code (ICD-10) that of the nearest code above it; itself at last."""
    known = _names()
    for end in range(len(code), 2, -1):
        if row := known.get((kind, code[:end])):
            return row[lang]
    return code


def unit(code: str) -> str:
    """The unit of a measure as it is printed."""
    row = _names().get(("measure", code))
    return row["unit"] if row else ""
