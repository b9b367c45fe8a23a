"""What examinations measure: names, units and limits from ``measures.toml``, and how a value is brought to them."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple


class Unit(NamedTuple):
    """Another unit: value = (given + offset) * factor."""

    factor: float
    offset: float
    loinc: tuple[str, ...]


class Measure(NamedTuple):
    """A number with its canonical unit, or a finding with its ``words``."""

    name: str
    unit: str
    min: float
    max: float
    other: dict[str, Unit]
    words: tuple[str, ...]
    loinc: tuple[str, ...]
    zh: str
    en: str

    @property
    def units(self) -> list[str]:
        """Every unit in which it is taken, the canonical one first."""
        return [self.unit, *self.other]


@cache
def measures() -> dict[str, Measure]:
    """Every measure by its name."""
    data = tomllib.loads((files("schemas") / "measures.toml").read_text(encoding="utf-8"))
    found = {}
    for name, one in data["number"].items():
        other = {
            unit: Unit(by["factor"], by.get("offset", 0.0), tuple(by["loinc"]))
            for unit, by in data["other"].get(name, {}).items()
        }
        found[name] = Measure(
            name, one["unit"], one["min"], one["max"], other, (), tuple(one.get("loinc", ())), one["zh"], one["en"]
        )
    for name, one in data["finding"].items():
        found[name] = Measure(name, "", 0, 0, {}, tuple(one["words"]), (), one["zh"], one["en"])
    return found


@cache
def by_loinc() -> dict[str, tuple[str, str]]:
    """Name and unit that a LOINC code stands for."""
    found: dict[str, tuple[str, str]] = {}
    for measure in measures().values():
        found |= dict.fromkeys(measure.loinc, (measure.name, measure.unit))
        for unit, by in measure.other.items():
            found |= dict.fromkeys(by.loinc, (measure.name, unit))
    return found


def canonical(name: str, value: float, unit: str) -> float:
    """``value`` in the canonical unit of ``name``. Raises ``ValueError`` that names the unit or the limit."""
    measure = measures()[name]
    if unit == measure.unit:
        found = value
    elif (by := measure.other.get(unit)) is not None:
        found = float(f"{(value + by.offset) * by.factor:.5g}")
    else:
        raise ValueError(f"{name} is taken in {' or '.join(measure.units)}, not in {unit}")
    if measure.min <= found <= measure.max:
        return found
    side, limit = ("below", measure.min) if found < measure.min else ("above", measure.max)
    given = "" if unit == measure.unit else f" ({value:g} {unit})"
    meant = _meant(measure, value, unit)
    raise ValueError(f"{name} {found:g} {measure.unit}{given} is {side} {limit:g} {measure.unit}{meant}")


def _meant(measure: Measure, value: float, unit: str) -> str:
    """The units in which the value would be possible."""
    factors = {measure.unit: Unit(1.0, 0.0, ()), **measure.other}
    fit = [
        other
        for other, by in factors.items()
        if other != unit and measure.min <= (value + by.offset) * by.factor <= measure.max
    ]
    return f"; is it in {' or '.join(fit)}?" if fit else ""


def describe() -> dict[str, Any]:
    """Names of numbers and findings, and every unit, for JSON Schema."""
    every = measures().values()
    return {
        "names": [measure.name for measure in every],
        "units": sorted({unit for measure in every if measure.unit for unit in measure.units}),
    }
