"""Guidance composed from versioned templates: what each trigger has a sentence for, with the reason of each."""

import hashlib
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import orjson

from streams.guidance.triggers import Trigger

DRAFT = {"zh": "草稿，未经医生确认", "en": "draft, not confirmed by a physician"}


class Sentence(NamedTuple):
    """One sentence in both languages, and why it is said."""

    template: str
    version: int
    text: dict[str, str]
    when: str
    evidence: list[str]
    rule: str | None
    source: dict[str, str]


@cache
def templates(version: int = 1) -> list[dict[str, Any]]:
    """The sentences of a version, in the order in which they are said."""
    text = files(__package__).joinpath(f"templates.v{version}.toml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = tomllib.loads(text)["sentence"]
    return found


def compose(triggers: Iterable[Trigger], version: int = 1) -> list[Sentence]:
    """The sentences that ``triggers`` call for, in the order of the templates."""
    given = list(triggers)
    return [
        Sentence(
            each["template"], version,
            {language: each[language].format_map(trigger.figures) for language in ("zh", "en")},
            trigger.code, trigger.evidence, trigger.rule, each["source"],
        )
        for each in templates(version)
        for trigger in given
        if trigger.code == each["when"]
    ]  # fmt: skip


def digest(sentences: Iterable[Sentence]) -> str:
    """SHA-256 of what is said, word for word: what a physician signs."""
    said = [[each.template, each.version, each.text["zh"], each.text["en"]] for each in sentences]
    return hashlib.sha256(orjson.dumps(said)).hexdigest()
