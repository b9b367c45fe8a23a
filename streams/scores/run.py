"""Compute a score: one pure function a model, and around it the check of the inputs, the class and the warnings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.scores import (
    atrial,
    body,
    china_par,
    diabetes,
    early_warning,
    framingham,
    glucose,
    kidney,
    pooled,
    pressure,
    prevent,
    score2,
    screen,
    stratum,
    variability,
    who,
)
from streams.scores.inputs import Unusable, Values, check
from streams.scores.model import Model, Text, initial, released
from streams.scores.outcome import WARNINGS, Outcome

Function = Callable[[Values, Model], Outcome]

#: Every model: the function that computes it from checked inputs and the model's own numbers.
FUNCTIONS: dict[str, Function] = {
    "china-par": china_par.risk,
    "who-cvd-2019-lab": who.risk,
    "score2": score2.score2,
    "score2-op": score2.older_persons,
    "score2-diabetes": score2.diabetes,
    "score2-asia-pacific": score2.score2,
    "prevent-10y": prevent.risk,
    "prevent-30y": prevent.risk,
    "pce-2013": pooled.risk,
    "framingham-2008-lab": framingham.risk,
    "framingham-2008-bmi": framingham.risk,
    "ckd-epi-2021": kidney.egfr,
    "albuminuria-kdigo": kidney.albuminuria,
    "chinese-diabetes-risk": diabetes.chinese,
    "findrisc": diabetes.findrisc,
    "glucose-category-cn": glucose.category,
    "cha2ds2-vasc": atrial.points,
    "cha2ds2-va": atrial.points,
    "news2": early_warning.news2,
    "bp-category-cn": pressure.category,
    "bp-variability": variability.variability,
    "htn-risk-stratum-cn": stratum.stratum,
    "bmi-cn": body.bmi,
    "waist-cn": body.waist,
    "adl-elderly": screen.total,
    "frail": screen.frail,
    "mini-cog": screen.total,
}


@dataclass(frozen=True)
class Result:
    """A computed score: value in the model's unit, its class, further values, and what to know of it."""

    model: Model
    inputs: Values
    value: float | None
    name: str | None
    label: Text | None
    values: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The line that `mailiu score` prints."""
        told = [{"code": code} | warning(self.model, code) for code in self.warnings]
        line: dict[str, Any] = {
            "model": self.model.model, "version": self.model.version, "value": self.value, "unit": self.model.unit,
            "class": self.name, "warnings": told,
        }  # fmt: skip
        if self.label:
            line["label"] = self.label
        if self.values:
            line["values"] = self.values
        if self.absent:
            line["not_given"] = list(self.absent)
        return line


def run(model: Model, given: Mapping[str, Any]) -> Result:
    """The score ``model`` of what is ``given``; raises `Unusable` where it has none."""
    values = check(model, given) if model.inputs else dict(given)
    outcome = FUNCTIONS[model.model](values, model)
    name = outcome.name
    if name is None and outcome.value is not None:
        name = model.classify(outcome.value)
    warnings = [*outcome.warnings]
    unticked = tuple(name for name, one in model.inputs.items() if one.unticked and given.get(name) is None)
    if unticked:
        warnings.append("assumed-absent")
    if model.warning is not None:
        warnings.append(model.warning)
    absent = tuple(
        name
        for name, one in model.inputs.items()
        if name in unticked or (one.optional and name not in values and name not in model.excluded)
    )
    return Result(
        model, values, outcome.value, name, outcome.label or model.label(name), outcome.values, tuple(warnings), absent
    )


def warning(model: Model, code: str) -> Text:
    """The words of a warning."""
    return model.numbers.get("warnings", {}).get(code) or WARNINGS[code]


def newest(name: str, version: int | None = None) -> Model | None:
    """The released model ``name`` in ``version``, or as it is in force before any activation; ``None`` if unknown."""
    versions = released().get(name)
    if versions is None:
        return None
    return initial(name) if version is None else versions.get(version)


__all__ = ["FUNCTIONS", "Result", "Unusable", "newest", "run", "warning"]
