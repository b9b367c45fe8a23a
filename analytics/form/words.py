"""Our words in Chinese and English, for forms and reports: ``words.csv``."""

import csv
from functools import cache
from pathlib import Path

from analytics.form.definition import Lang


@cache
def _words() -> dict[str, dict[str, str]]:
    with (Path(__file__).parent / "words.csv").open(encoding="utf-8", newline="") as file:
        return {row["word"]: row for row in csv.DictReader(file)}


def word(name: str, lang: Lang) -> str:
    """``name`` in ``lang``; itself where it is not in the list (a text that somebody wrote)."""
    row = _words().get(name)
    return row[lang] if row else name
