"""The JSON Schema of a model's input, with units, ranges, codes and the other units that it takes."""

from typing import Any

from streams.scores.model import Field, Model

DIALECT = "https://json-schema.org/draft/2020-12/schema"
READING = {
    "type": "object",
    "properties": {
        "systolic": {"type": "number", "x-unit": "mm[Hg]"},
        "diastolic": {"type": "number", "x-unit": "mm[Hg]"},
        "time": {"type": "string", "description": "RFC 3339; if every reading has one, they are sorted by it"},
    },
    "required": ["systolic"],
}


def input_schema(model: Model) -> dict[str, Any]:
    """The schema; names it does not know are left alone."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    either: list[dict[str, Any]] = []
    for field in model.inputs.values():
        properties |= _properties(field)
        names = [field.name, *(unit.name for unit in field.also)]
        if field.name == "bmi":
            properties |= {"height": {"type": "number", "x-unit": "cm"}, "weight": {"type": "number", "x-unit": "kg"}}
        if field.optional:
            continue
        ways: list[list[str]] = [[name] for name in names] + ([["height", "weight"]] if field.name == "bmi" else [])
        if len(ways) == 1:
            required.append(field.name)
        else:
            either.append({"oneOf" if field.name != "bmi" else "anyOf": [{"required": way} for way in ways]})
    if not model.inputs:
        properties, required = {"readings": {"type": "array", "minItems": 1, "items": READING}}, ["readings"]
    schema: dict[str, Any] = {
        "$schema": DIALECT, "title": f"{model.model} v{model.version}", "description": model.title["en"],
        "type": "object", "properties": properties, "required": required,
    }  # fmt: skip
    return schema | ({"allOf": either} if either else {})


def _properties(field: Field) -> dict[str, Any]:
    """The field under its name, and under its name with each other unit."""
    told: dict[str, Any] = {"description": f"{field.label['en']} {field.label['zh']}"}
    if field.kind == "yes":
        return {field.name: told | {"enum": [True, False, 0, 1]}}
    if field.kind == "code":
        return {field.name: told | {"enum": [*field.codes, *([True, False, 0, 1] if field.said else [])]}}
    told |= {"type": "integer" if field.integer else "number", "x-unit": field.unit}
    if field.values:
        return {field.name: told | {"enum": [int(one) for one in field.values]}}
    limits = {"minimum": field.min, "maximum": field.max, "exclusiveMaximum": field.below}
    found = {field.name: told | {key: limit for key, limit in limits.items() if limit is not None}}
    for unit in field.also:
        limits = {"minimum": unit.min, "maximum": unit.max}
        other = {"type": "number", "description": told["description"], "x-unit": unit.unit}
        found[unit.name] = other | {key: limit for key, limit in limits.items() if limit is not None}
    return found
