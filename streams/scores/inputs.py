"""What a score is given: names and units checked, other units converted, and in plain words what is wrong."""

import math
from collections.abc import Mapping
from typing import Any

from streams.scores.model import Field, Model, Text, shared

Values = dict[str, Any]


class Unusable(ValueError):
    """Why a score has no value for these inputs.

    ``reason``: `missing`, `invalid` (no number, no such code), `out-of-range` (the model does not hold there),
    `not-applicable` (the model is not for this person). ``texts`` says it in Chinese and English.
    """

    def __init__(self, reason: str, field: str, value: object, texts: Text, missing: tuple[str, ...] = ()) -> None:
        super().__init__(texts["en"])
        self.reason, self.field, self.value, self.texts, self.missing = reason, field, value, texts, missing

    def as_json(self) -> dict[str, Any]:
        """The error as one object."""
        plain = self.value is None or isinstance(self.value, bool | int | float)
        if isinstance(self.value, int | float) and not abs(self.value) < 1 << 53:  # beyond what JSON's readers hold
            plain = False
        value = self.value if plain else str(self.value)[:80]
        found: dict[str, Any] = {
            "reason": self.reason, "field": self.field, "value": value,
            "message": self.texts["en"], "message_zh": self.texts["zh"],
        }  # fmt: skip
        return found | ({"missing": list(self.missing)} if self.missing else {})


def check(model: Model, given: Mapping[str, Any]) -> Values:
    """The values of the model's inputs in its own units; optional ones that are not given are absent, or no.

    Other names are left alone. Raises `Unusable` for the first input that is wrong; where some are only missing, it
    names them all.
    """
    values: Values = {}
    missing = []
    for name, field in model.inputs.items():
        value = _given(field, given)
        if value is not None:
            values[name] = value
        elif name == "bmi" and (value := _bmi(given)) is not None:
            values[name] = within(field, "bmi", value, field.min, field.max, field.message)
        elif field.unticked:
            values[name] = False
        elif not field.optional:
            missing.append(name)
    for name, text in model.excluded.items():
        if values.get(name):
            raise Unusable("not-applicable", name, values[name], text)
    if missing:
        field = model.inputs[missing[0]]
        en = "required: " + ", ".join(missing)
        zh = field.missing or "缺少：" + "、".join(model.inputs[name].label["zh"] for name in missing)
        raise Unusable("missing", missing[0], None, {"zh": zh, "en": en}, tuple(missing))
    return values


def _given(field: Field, given: Mapping[str, Any]) -> Any:
    """The value of ``field``, converted if it was given in another unit; ``None`` if it was not given."""
    value = given.get(field.name)
    for unit in field.also:
        other = given.get(unit.name)
        if other is None:
            continue
        if value is not None:
            said = {"zh": f"{field.name}与{unit.name}只能填一项", "en": f"{field.name} and {unit.name} are both given"}
            raise Unusable("invalid", unit.name, other, said)
        number = within(field, unit.name, _number(field, unit.name, other), unit.min, unit.max, unit.message)
        if unit.min is not None or unit.max is not None:  # the official limits of this unit, and no others
            return (number + unit.offset) * unit.factor
        converted = (number + unit.offset) * unit.factor
        return within(field, unit.name, converted, field.min, field.max, field.message)
    if value is None:
        return None
    match field.kind:
        case "yes":
            return _yes(field, value)
        case "code":
            return _code(field, value)
    return within(field, field.name, _number(field, field.name, value), field.min, field.max, field.message)


def _number(field: Field, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        said = {"zh": field.missing or f"{field.label['zh']}应为数值", "en": f"{name} must be a number"}
        raise Unusable("invalid", name, value, said)
    if field.integer and value != int(value):
        said = {"zh": field.missing or f"{field.label['zh']}应为整数", "en": f"{name} must be a whole number"}
        raise Unusable("invalid", name, value, said)
    if field.values and value not in field.values:
        allowed = ", ".join(f"{one:g}" for one in field.values)
        said = {"zh": f"{field.label['zh']}只能是{allowed}", "en": f"{name} must be one of {allowed}"}
        raise Unusable("invalid", name, value, said)
    return value


def within(field: Field, name: str, value: float, low: float | None, high: float | None, message: str | None) -> float:
    """``value`` if it lies in the model's range; else `Unusable` names the limits."""
    if field.below is not None and value >= field.below:
        low_text = "" if low is None else f"{low:g}"
        said = {
            "zh": message or f"{field.label['zh']}应不低于{low_text}且低于{field.below:g}",
            "en": f"{name} must be at least {low_text} and below {field.below:g} {field.unit or ''}".strip(),
        }
        raise Unusable("out-of-range", name, value, said)
    if (low is not None and value < low) or (high is not None and value > high):
        span = (f"{low:g}" if low is not None else "", f"{high:g}" if high is not None else "")
        if field.below is not None:
            span = (span[0], f"<{field.below:g}")
        said = {
            "zh": message or f"{field.label['zh']}应在{span[0]}-{span[1]}之间",
            "en": f"{name} must be between {span[0]} and {span[1]}",
        }
        raise Unusable("out-of-range", name, value, said)
    return value


def _yes(field: Field, value: Any) -> bool:
    if isinstance(value, bool) or (isinstance(value, int | float) and value in (0, 1)):
        return bool(value)
    said = {"zh": field.message or f"{field.label['zh']}应为true或false", "en": f"{field.name} must be true or false"}
    raise Unusable("invalid", field.name, value, said)


def _code(field: Field, value: Any) -> str:
    if field.said and isinstance(value, bool | int | float) and value in (0, 1):
        return field.said[bool(value)]
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value in field.codes:
        return str(value)
    codes = ", ".join(field.codes)
    said = {"zh": field.message or f"{field.label['zh']}应为{codes}", "en": f"{field.name} must be one of {codes}"}
    raise Unusable("invalid", field.name, value, said)


def _bmi(given: Mapping[str, Any]) -> float | None:
    """kg/m2 of a height in cm and a weight in kg, where both are given."""
    height, weight = (_given(shared(name), given) for name in ("height", "weight"))
    return None if height is None or weight is None else weight / (height / 100) ** 2
