"""Questionnaires as versioned data: one TOML file a questionnaire and version, with its source and how it is scored."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

Words = dict[str, str]


class Option(NamedTuple):
    """One answer: its code (LOINC where it has one), what it counts, and its words (``zh``, ``en``)."""

    code: str
    score: int
    text: Words


class Item(NamedTuple):
    """One question with its answers."""

    id: str
    loinc: str | None
    text: Words
    options: dict[str, Option]


class Band(NamedTuple):
    """What a total from ``lowest`` on means."""

    lowest: int
    code: str
    text: Words


class Questionnaire(NamedTuple):
    """A questionnaire in one version. Every item must be answered; the total is the sum of the answers' scores.

    ``flagged`` are the items whose answers above ``above`` are told as ``flag`` whatever the total is.
    """

    name: str
    version: int
    loinc: str | None
    total: str | None
    source: str
    title: Words
    intro: Words
    items: dict[str, Item]
    bands: list[Band]
    flag: str | None
    flagged: list[str]
    above: int

    def fault(self, answers: dict[str, str]) -> tuple[str, str | None, str] | None:
        """What is wrong with ``answers`` (item id: option code): field, value and reason; None if nothing is."""
        for item, code in answers.items():
            if item not in self.items:
                return item, code, f"{self.name} has no such item"
            if code not in self.items[item].options:
                return item, code, f"is none of {', '.join(self.items[item].options)}"
        missing = next((item for item in self.items if item not in answers), None)
        return None if missing is None else (missing, None, "every item must be answered")

    def score(self, answers: dict[str, str]) -> tuple[int, Band, list[str]]:
        """Total, what it means, and the flags, of complete ``answers``."""
        points = {item: self.items[item].options[code].score for item, code in answers.items()}
        total = sum(points.values())
        band = [band for band in self.bands if band.lowest <= total][-1]
        flagged = self.flag is not None and any(points[item] > self.above for item in self.flagged)
        return total, band, [self.flag] if self.flag and flagged else []


@cache
def released() -> dict[str, dict[int, Questionnaire]]:
    """Every questionnaire, by name and version."""
    found: dict[str, dict[int, Questionnaire]] = {}
    for file in sorted(files(__name__).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            one = _read(tomllib.loads(file.read_text(encoding="utf-8")))
            found.setdefault(one.name, {})[one.version] = one
    return found


def newest(name: str) -> Questionnaire | None:
    """The newest version of a questionnaire, or None."""
    versions = released().get(name)
    return versions[max(versions)] if versions else None


def _read(data: dict[str, Any]) -> Questionnaire:
    shared, flag = data.get("option", []), data.get("flag", {})
    items = {
        one["id"]: Item(one["id"], one.get("loinc"), _words(one), {o.code: o for o in _options(one, shared)})
        for one in data["item"]
    }
    bands = [Band(one["from"], one["code"], _words(one)) for one in data["band"]]
    return Questionnaire(
        data["name"], data["version"], data.get("loinc"), data.get("total"), data["source"], data["title"],
        data["intro"], items, bands, flag.get("code"), flag.get("items", []), flag.get("above", 0),
    )  # fmt: skip


def _options(item: dict[str, Any], shared: list[dict[str, Any]]) -> list[Option]:
    return [Option(one["code"], one["score"], _words(one)) for one in item.get("option", shared)]


def _words(one: dict[str, Any]) -> Words:
    return {"zh": one["zh"], "en": one["en"]}
