"""Every type has examples that must pass and examples that must fail, and an exported JSON Schema that agrees."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from infra.cli.schemas import write
from schemas.envelope import InvalidEvent, milliseconds, rfc3339
from schemas.registry import DERIVED, EVENTS, UPCASTERS, envelope_schema, json_schemas, newest, parse, upcast

HERE = Path(__file__).parents[2]
EXAMPLES = HERE / "schemas" / "examples"
TYPES = sorted({**EVENTS, **DERIVED})
PASS = sorted(EXAMPLES.glob("*/pass/*.json"))
FAIL = sorted(EXAMPLES.glob("*/fail/*.json"))
ENVELOPE: Registry[Any] = Registry().with_resource(
    "envelope.json", Resource.from_contents(envelope_schema(), DRAFT202012)
)
#: Refusals that JSON Schema cannot say: a figure against another figure, a day that no calendar has, a zone left out.
BEYOND_SCHEMA = {
    "deferred-without-why", "diastolic-not-below-systolic", "swapped-office-pressure",
    "ends-before-it-starts", "no-such-day",
    "time-without-offset", "until-without-offset", "no-action-without-why", "reading-is-no-identity",
    "an-item-is-missing", "no-such-version", "alert-is-no-identity", "merge-is-no-identity",
    "bad-0", "holds-a-phone-number", "subject-is-an-identity-number",
    "cholesterol-in-mg-dl-as-mmol", "creatinine-in-mg-dl-as-umol", "value-without-unit", "plaque-as-a-number",
    "the-same-twice", "given-is-not-the-value", "a-word-that-the-form-lacks", "a-field-that-the-form-lacks",
}  # fmt: skip


def name(file: Path) -> str:
    return f"{file.parts[-3].removeprefix('mailiu.')}/{file.stem}"


def complaints(type: str, event: object) -> list[str]:
    validator = Draft202012Validator(json_schemas()[type], registry=ENVELOPE)
    return [error.message for error in validator.iter_errors(event)]


@pytest.mark.parametrize("type", TYPES)
def test_a_type_has_examples_of_both_kinds_and_none_has_a_folder_without_a_type(type: str) -> None:
    for kind in ("pass", "fail"):
        assert list((EXAMPLES / type / kind).glob("*.json")), f"{type} has no example that must {kind}"
    assert sorted(folder.name for folder in EXAMPLES.iterdir()) == TYPES


@pytest.mark.parametrize("file", PASS, ids=name)
def test_an_example_that_must_pass_survives_the_log(file: Path) -> None:
    raw = orjson.loads(file.read_bytes())
    event = parse(file.read_bytes(), internal=True, derived=True)
    again = parse(event.dumps(), internal=True, derived=True)
    assert again == event
    assert again.identity == event.identity
    written = orjson.loads(event.dumps())
    assert written["data"] == raw["data"]
    assert milliseconds(written["time"]) == milliseconds(raw["time"])
    assert written["time"] == rfc3339(event.time)
    assert event.type == file.parts[-3]


@pytest.mark.parametrize("file", PASS, ids=name)
def test_an_example_that_must_pass_has_a_newest_version(file: Path) -> None:
    event = parse(file.read_bytes(), internal=True, derived=True)
    type, data = upcast(event.type, event.data)
    assert newest(type)
    assert (type == event.type) == (event.type not in UPCASTERS)
    parse(event.model_copy(update={"type": type, "data": data}).dumps(), internal=True, derived=True)


@pytest.mark.parametrize("file", FAIL, ids=name)
def test_an_example_that_must_fail_is_refused_for_the_named_field(file: Path) -> None:
    example = orjson.loads(file.read_bytes())
    with pytest.raises(InvalidEvent) as refusal:
        parse(example["event"], internal=True, derived=True)
    assert refusal.value.field == example["refused"]
    assert refusal.value.reason


@pytest.mark.parametrize("file", PASS, ids=name)
def test_the_exported_schema_takes_what_must_pass(file: Path) -> None:
    assert not complaints(file.parts[-3], orjson.loads(file.read_bytes()))


@pytest.mark.parametrize("file", [file for file in FAIL if file.stem not in BEYOND_SCHEMA], ids=name)
def test_the_exported_schema_refuses_what_must_fail(file: Path) -> None:
    assert complaints(file.parts[-3], orjson.loads(file.read_bytes())["event"])


@pytest.mark.parametrize("type", sorted(DERIVED))
def test_what_the_fold_makes_is_refused_at_the_gate(type: str) -> None:
    example = next((EXAMPLES / type / "pass").glob("*.json"))
    with pytest.raises(InvalidEvent) as refusal:
        parse(example.read_bytes(), internal=True)
    assert refusal.value.field == "type"


@pytest.mark.parametrize("value", ["150", True, None, [150]])
def test_a_number_is_a_number(value: object) -> None:
    event = orjson.loads(
        (EXAMPLES / "mailiu.reading.blood-pressure-measured.v1/pass/least-that-is-needed.json").read_bytes()
    )
    with pytest.raises(InvalidEvent) as refusal:
        parse(event | {"data": event["data"] | {"systolic": value}})
    assert refusal.value.field == "data.systolic"


def test_what_no_reader_of_json_can_read_is_refused() -> None:
    event = orjson.loads((EXAMPLES / "mailiu.reading.weight-measured.v1/pass/scale.json").read_bytes())
    for value in (10**30, "\ud800"):
        with pytest.raises(InvalidEvent):
            parse(event | {"data": {"value": 60, "note": value}})


def test_published_schemas_are_those_of_the_code(tmp_path: Path) -> None:
    """A published version is never edited: whoever changes a type by accident sees it here and in the diff."""
    written = {file.name: file.read_bytes() for file in write(tmp_path)}
    published = {file.name: file.read_bytes() for file in (HERE / "docs" / "schemas").glob("*.json")}
    assert written == published, "run `mailiu schemas --out docs/schemas` and look at the difference"
