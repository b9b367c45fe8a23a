"""Clinical rules as versioned data: one TOML file a rule and released version, chosen by what the log activated.

The numbers and where they come from lie in the files; the code that uses them lies in the module of its kind
(`streams.pressure`, `streams.glucose`, `streams.watch` …). Three marks say how far a number may reach:

- none: from a guideline or an unmarked decision;
- ``judgement``: a limit that is our own judgement, (M). A finding that rests on it is at most yellow, a task, until a
  named physician approved the rule's version for the institution;
- ``convention``: our way of grouping in time (what is one episode, what belongs together). It decides how findings are
  gathered, not whether somebody is ill.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

Facts = dict[str, Any]


@dataclass(frozen=True)
class Limit:
    """One number of a rule, with its unit and source."""

    value: Any
    unit: str
    source: str
    judgement: bool = False
    convention: bool = False


@dataclass(frozen=True)
class Rule:
    """One released version of a rule. ``limits`` are the bare values, ``about`` says where each comes from."""

    rule: str
    version: int
    initial: bool
    source: str
    title: dict[str, str]
    text: dict[str, str]
    about: dict[str, Limit]
    limits: dict[str, Any]
    judged: frozenset[str]


def parse(text: str) -> Rule:
    """The rule in a TOML text; raises ``KeyError`` or ``TypeError`` for one that lacks something."""
    data = tomllib.loads(text)
    about = {name: Limit(**limit) for name, limit in data["limits"].items()}
    return Rule(
        data["rule"], data["version"], data.get("initial", False), data["source"], data["title"], data.get("text", {}),
        about, {name: limit.value for name, limit in about.items()},
        frozenset(name for name, limit in about.items() if limit.judgement),
    )  # fmt: skip


@cache
def released() -> dict[str, dict[int, Rule]]:
    """Every released rule, by name and version."""
    rules: dict[str, dict[int, Rule]] = {}
    for file in sorted(files(__name__).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            rule = parse(file.read_text(encoding="utf-8"))
            rules.setdefault(rule.rule, {})[rule.version] = rule
    return rules


@cache
def _initial() -> dict[str, Rule]:
    return {name: next(r for r in versions.values() if r.initial) for name, versions in released().items()}


def in_force(name: str, facts: Facts) -> Rule:
    """The version of rule ``name`` that the log activated, else the initial one (also for a version unknown here)."""
    version = facts["rules"].get(name)
    if version:
        rule = released()[name].get(version)
        if rule is not None:
            return rule
    return _initial()[name]


def approved(rule: Rule, institution: str | None, facts: Facts) -> bool:
    """Whether a physician of ``institution`` approved this version with its judgements."""
    return f"{rule.rule}@{rule.version}" in facts["approved"].get(institution, ())
