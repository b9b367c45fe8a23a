"""A clinical score as versioned data: one TOML file a model and released version, chosen by what the log activated.

The coefficients, limits, classes and where they come from lie in ``data/<model>.v<N>.toml``; the names that models
share lie in ``vocabulary.toml``. A published version is never edited: another number is another version, and it is in
force from the position at which `rule.activated` names it.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

Facts = dict[str, Any]
Text = dict[str, str]


@dataclass(frozen=True)
class Unit:
    """Another unit in which an input is taken: value = (given + offset) * factor."""

    name: str
    unit: str
    factor: float
    offset: float
    min: float | None
    max: float | None
    message: str | None


@dataclass(frozen=True)
class Field:
    """One input of a model: number, yes or no, or code; its range; what an official calculator says outside it.

    ``unticked``: as on the model's own form, not given is no.
    """

    name: str
    kind: str
    unit: str | None
    codes: tuple[str, ...]
    said: dict[bool, str]
    min: float | None
    max: float | None
    below: float | None
    values: tuple[float, ...]
    integer: bool
    optional: bool
    unticked: bool
    label: Text
    message: str | None
    missing: str | None
    also: tuple[Unit, ...]


@dataclass(frozen=True)
class Class:
    """A class of the value: everything under ``below`` that no class before it took."""

    name: str
    below: float | None
    label: Text


@dataclass(frozen=True)
class Model:
    """One released version of a score. ``only_with``: the fold keeps it for people with that condition alone."""

    model: str
    version: int
    initial: bool
    stream: bool
    title: Text
    source: str
    unit: str | None
    warning: str | None
    only_with: str | None
    inputs: dict[str, Field]
    excluded: dict[str, Text]
    classes: tuple[Class, ...]
    numbers: dict[str, Any]

    def classify(self, value: float) -> str | None:
        """The class that ``value`` falls into."""
        return next((c.name for c in self.classes if c.below is None or value < c.below), None)

    def label(self, name: str | None) -> Text | None:
        """What the class is called, in Chinese and English."""
        return next((c.label for c in self.classes if c.name == name), None)


@cache
def vocabulary() -> dict[str, dict[str, Any]]:
    """Every input name with its unit or codes, limits and labels."""
    return tomllib.loads((files(__package__) / "vocabulary.toml").read_text(encoding="utf-8"))


def parse(text: str) -> Model:
    """The model in a TOML text; raises ``KeyError`` or ``TypeError`` for one that lacks something."""
    data = tomllib.loads(text)
    return Model(
        model=data["model"],
        version=data["version"],
        initial=data.get("initial", False),
        stream=data.get("stream", False),
        title=data["title"],
        source=data["source"],
        unit=data.get("unit"),
        warning=data.get("warning"),
        only_with=data.get("only_with"),
        inputs={name: _field(name, own) for name, own in data["inputs"].items()},
        excluded=data.get("not_applicable", {}),
        classes=tuple(
            Class(c["class"], c.get("below"), {"zh": c["zh"], "en": c["en"]}) for c in data.get("classes", ())
        ),
        numbers=data.get("numbers", {}),
    )


@cache
def shared(name: str) -> Field:
    """An input as the vocabulary has it, before any model narrows it."""
    return _field(name, {})


def _field(name: str, own: dict[str, Any]) -> Field:
    common = vocabulary()[name]
    one = common | own
    also = common.get("also", {}) | own.get("also", {})
    units = tuple(
        Unit(
            f"{name}_{suffix}",
            (told := common.get("also", {}).get(suffix, {}) | unit)["unit"],
            told["factor"],
            told.get("offset", 0.0),
            told.get("min"),
            told.get("max"),
            told.get("message"),
        )
        for suffix, unit in also.items()
    )
    return Field(
        name=name,
        kind=one.get("kind", "number"),
        unit=one.get("unit"),
        codes=tuple(one.get("codes", ())),
        said={said: common[key] for said, key in ((False, "false"), (True, "true")) if key in common},
        min=one.get("min"),
        max=None if "below" in own else one.get("max"),
        below=own.get("below"),
        values=tuple(own.get("values", ())),
        integer=own.get("integer", False),
        optional=own.get("optional", False) or own.get("unticked", False),
        unticked=own.get("unticked", False),
        label={"zh": common["zh"], "en": common["en"]},
        message=own.get("message"),
        missing=own.get("missing"),
        also=units,
    )


@cache
def released() -> dict[str, dict[int, Model]]:
    """Every released model, by name and version."""
    models: dict[str, dict[int, Model]] = {}
    for file in sorted((files(__package__) / "data").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            model = parse(file.read_text(encoding="utf-8"))
            models.setdefault(model.model, {})[model.version] = model
    return models


@cache
def initial(name: str) -> Model:
    """The version of ``name`` in force before the log says anything."""
    return next(model for model in released()[name].values() if model.initial)


def in_force(name: str, facts: Facts) -> Model:
    """The version of ``name`` that the log activated, else the initial one (also for a version unknown here)."""
    version = facts["rules"].get(name)
    return (released()[name].get(version) if version else None) or initial(name)


@cache
def streamed() -> tuple[str, ...]:
    """Names of the models that the fold keeps for every resident."""
    return tuple(name for name in released() if initial(name).stream)
