"""Hypothesis strategies: any event that its schema accepts, and the days of one resident."""

from typing import Any

from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.merge import INTERNAL
from schemas.registry import EVENTS
from streams.event import TICK, Input, uuid5
from tests.core.resident import DAY, MINUTE, START

CODES = ("D1", "D2", "M1", "I01", "I02", "N01", "bp-crisis", "bp-sustained-high")
PATTERNS = {
    "ICD": ("I10", "E11.9", "O13", "I48.0", "I50.9", "J44.9"), "ATC": ("C08CA01", "A10BA02", "C07AB02", "C09AA02"),
}  # fmt: skip
INSTANTS = st.integers(0, 60 * 24 * 40).map(lambda m: START + m * MINUTE)


def from_schema(schema: dict[str, Any], defs: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that fit a JSON Schema as pydantic writes it (of the kinds that our vocabulary uses)."""
    if "$ref" in schema:
        return from_schema(defs[schema["$ref"].rsplit("/", 1)[1]], defs)
    if "examples" in schema:
        return st.sampled_from(schema["examples"])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([from_schema(one, defs) for one in schema["anyOf"]])
    match schema.get("type"):
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema.get("minimum", 0), schema.get("maximum", 400))
        case "number":
            low, high = schema.get("minimum", 0), schema.get("maximum", 400)
            return st.floats(low, high, allow_nan=False) | st.integers(int(low) + 1, int(high))
        case "array":
            return st.lists(
                from_schema(schema["items"], defs),
                min_size=(least := schema.get("minItems", 0)),
                max_size=max(4, least),
            )
        case "object":
            fields = schema.get("properties", {})
            needed = set(schema.get("required", ()))
            return st.fixed_dictionaries(
                {name: from_schema(one, defs) for name, one in fields.items() if name in needed},
                optional={name: from_schema(one, defs) for name, one in fields.items() if name not in needed},
            )
    return text(schema)


def text(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    """Texts by format or pattern."""
    match schema.get("format"):
        case "date":
            return st.dates().map(str) | st.integers(-30, 40).map(lambda n: f"2026-03-{n % 28 + 1:02d}")
        case "date-time":
            return INSTANTS.map(lambda t: f"2026-03-{t // DAY % 28 + 1:02d}T08:00:00Z")
        case "uuid":
            return st.integers(0, 60).map(lambda n: uuid5(f"any/{n}"))
    pattern = schema.get("pattern", "")
    if pattern == "^[0-9a-f]{64}$":
        return st.just("ab" * 32)
    if pattern.startswith("^[a-z]+/"):
        return st.just("application/dicom")
    if pattern.startswith("^[A-Z][0-9]{2}("):
        return st.sampled_from(PATTERNS["ICD"])
    if pattern.startswith("^[A-Z][0-9]{2}[A-Z]"):
        return st.sampled_from(PATTERNS["ATC"])
    return st.sampled_from(CODES)


def _valid(pair: tuple[str, dict[str, Any]]) -> bool:
    try:
        EVENTS[pair[0]].model_validate(pair[1])
    except ValidationError:
        return False
    return True


def data_of(type: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """A type with data that its model accepts."""
    schema = EVENTS[type].model_json_schema()
    return from_schema(schema, schema.get("$defs", {})).map(lambda data: (type, data)).filter(_valid)


ANY_DATA = st.sampled_from(sorted(EVENTS.keys() - {TICK} - INTERNAL)).flatmap(data_of)  # our own parts write the others


@st.composite
def any_inputs(draw: st.DrawFn) -> list[Input]:
    """Events of every type for one resident, in log order."""
    drawn = draw(st.lists(st.tuples(ANY_DATA, INSTANTS, st.integers(0, 30 * DAY)), max_size=25))
    recorded = START
    inputs = []
    for n, ((type, data), time, step) in enumerate(drawn):
        recorded += step // 8
        origin = "import" if n % 7 == 3 else "live"
        inputs.append(Input(0, n, uuid5(f"any/{n}"), type, "R1", time, recorded, data, "I01", "N01", origin))
    return inputs


#: Of nine days before `START`; seconds of delivery must not decide whether something is two hours or a day old.
MINUTES = st.integers(0, 9 * 24 * 60).filter(lambda minutes: minutes not in (120, 1440))
PRESSURES = st.tuples(st.integers(84, 200), st.integers(45, 118)).filter(lambda p: p[0] > p[1] + 10)


TRACE = {"sha256": "ab" * 32, "media_type": "application/dicom", "bytes": 100}
FLAGS = st.lists(st.sampled_from(["irregular-pulse", "shared-device", "poor-signal"]), unique=True, max_size=2)
#: What another reading may be: a number that picks the kind, a share of its range, a pulse, flags, a position.
OTHER_KINDS = (
    st.integers(0, 6), st.integers(0, 20), st.integers(30, 160), FLAGS,
    st.sampled_from(["lying", "standing", "unknown"]),
)  # fmt: skip


def _picked(drawn: list[tuple[int, int, int, int, list[str], str]]) -> list[tuple[int, str, dict[str, Any]]]:
    """Minute, kind and data of readings near the limits of their rules."""
    found = []
    for minute, which, share, pulse, flags, position in drawn:
        kind, data = (
            ("heart-rate", {"value": pulse, "activity": ["rest", "active", "unknown"][share % 3]}),
            ("oxygen", {"value": 80 + share, "pulse": pulse}),
            ("weight", {"value": 68 + share / 4}),
            ("temperature", {"value": 36 + share / 5}),
            ("ecg", {"leads": 1, "duration": 30, "sampling_rate": 300, "urgent": bool(share % 2), "trace": TRACE}),
            ("activity", {"value": share * 500}),
            ("blood-pressure", {"systolic": 110 + 2 * share, "diastolic": 70, "pulse": pulse, "position": position}),
        )[which]
        found.append((minute, kind, {**data, "flags": flags}))
    return found


@st.composite
def days_of_a_resident(draw: st.DrawFn) -> list[tuple[str, dict[str, Any], int]]:
    """Type, data and time of what happened to one resident in nine days."""
    base = draw(st.sampled_from([(100, 60), (132, 80), (136, 84), (150, 92), (178, 105)]))
    spread = draw(st.integers(0, 25))
    happened: list[tuple[str, dict[str, Any], int]] = []
    for minute, shift in draw(st.lists(st.tuples(MINUTES, st.integers(-spread, spread)), max_size=45)):
        data = {"systolic": base[0] + shift, "diastolic": base[1] + shift // 2, "device": "D1"}
        happened.append(("mailiu.reading.blood-pressure-measured.v1", data, START - minute * MINUTE))
    for minute, pressure in draw(st.lists(st.tuples(MINUTES, PRESSURES), max_size=6)):
        data = {"systolic": pressure[0], "diastolic": pressure[1], "source": "self-reported"}
        happened.append(("mailiu.reading.blood-pressure-measured.v1", data, START - minute * MINUTE))
    for minute, value in draw(st.lists(st.tuples(MINUTES, st.integers(20, 190)), max_size=6)):
        happened.append(("mailiu.reading.glucose-measured.v1", {"value": value / 10}, START - minute * MINUTE))
    for minute, kind, data in draw(st.lists(st.tuples(MINUTES, *OTHER_KINDS), max_size=20).map(_picked)):
        happened.append((f"mailiu.reading.{kind}-measured.v1", data, START - minute * MINUTE))
    for type in (
        "mailiu.chronic.symptom-reported.v1", "mailiu.device.measurement-failed.v1", "mailiu.chronic.target-set.v1",
        "mailiu.chronic.medication-prescribed.v1", "mailiu.chronic.medication-stopped.v1",
        "mailiu.chronic.condition-diagnosed.v2", "mailiu.chronic.condition-resolved.v2",
        "mailiu.maternal.pregnancy-registered.v1", "mailiu.maternal.delivery-recorded.v1",
        "mailiu.maternal.preconception-recorded.v1",
        "mailiu.monitoring.plan-set.v1", "mailiu.monitoring.paused.v1", "mailiu.monitoring.ended.v1",
        "mailiu.monitoring.enrolled.v1", "mailiu.resident.consent-given.v1", "mailiu.resident.consent-withdrawn.v1",
        "mailiu.resident.registered.v1",
    ):  # fmt: skip
        for (kind, some), minute in draw(st.lists(st.tuples(data_of(type), MINUTES), max_size=2)):
            happened.append((kind, some, START - minute * MINUTE))
    return happened
