"""Open mHealth (IEEE 1752.1): data points with a header, or bare bodies whose schema is told.

Schemas read: blood-pressure 1.0 to 4.0, blood-glucose 1.0 to 4.0, heart-rate 1.0 to 2.0, body-weight 1.0 to 3.0,
oxygen-saturation 1.0 and 2.0, body-temperature 1.0 to 4.0, step-count 2.0 and 3.0 (w3id.org/openmhealth). A body is
held against its schema: required members, units, value sets, time frames. What is new in a version is in the table
`SCHEMAS`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from mqtt_ingest.decoded import (
    Decoded,
    Undecodable,
    choice,
    day,
    each,
    mapping,
    parse_json,
    reading,
    representable,
    text,
    when,
)
from schemas.device import Kind

STATISTICS = (
    "average", "maximum", "minimum", "standard deviation", "variance", "sum", "median", "count", "quartile deviation",
    "20th percentile", "80th percentile", "lower quartile", "upper quartile", "1st quintile", "2nd quintile",
    "3rd quintile", "4th quintile",
)  # fmt: skip
POSTURES = ("sitting", "lying down", "standing", "semi-recumbent")
LOCATIONS = (
    "left ankle", "right ankle", "left hip", "right hip", "left thigh", "right thigh", "left thorax",
    "middle left thorax", "left upper arm", "right upper arm", "left wrist", "right wrist",
)  # fmt: skip
ACTIVITY = ("at rest", "active", "before exercise", "after exercise", "during exercise")
#: What the body did while the heart rate was taken; before and after exercise it was at neither.
EFFORT = {"at rest": "rest", "active": "active", "during exercise": "active"}
MEAL = {
    "fasting": "fasting", "not fasting": "random", "before meal": "before-meal", "after meal": "random",
    "before breakfast": "before-meal", "after breakfast": "random", "before lunch": "before-meal",
    "after lunch": "random", "before dinner": "before-meal", "after dinner": "random",
    "2 hours postprandial": "after-meal-2h",
}  # fmt: skip
SLEEP = ("before sleeping", "during sleep", "on waking")
BLOOD = ("whole blood", "plasma", "serum")
SPECIMEN = {"capillary blood": "capillary", "plasma": "plasma", "serum": "plasma", "interstitial fluid": "interstitial"}
SOURCES_1 = ("interstitial fluid", "capillary blood", "plasma", "serum", "whole blood", "tears")
SOURCES_2 = (
    "breath", "capillary blood", "interstitial fluid", "lacrimal fluid", "saliva", "sweat", "tears", "urine",
)  # fmt: skip
ORIFICES_1 = ("oral", "rectal", "vaginal", "axillary", "otic", "wrist", "chest")
ORIFICES_2 = (
    "axillary", "finger", "forehead", "oral", "rectal", "temporal artery", "toe", "tympanic", "wrist", "vagina",
)  # fmt: skip
OXIMETRY_1 = ("pulse oximetry", "arterial blood gas analyzer", "near-infrared spectroscopy (NIRS)")
DURATIONS = ("ps", "ns", "us", "ms", "sec", "min", "h", "d", "wk", "Mo", "yr")
SECONDS = {"sec": 1, "min": 60, "h": 3600, "d": 86400, "wk": 7 * 86400}
#: The local hour that stands for a part of the day.
HOURS = {"morning": 8, "afternoon": 15, "evening": 20, "night": 23}
MASSES = ("fg", "pg", "ng", "ug", "mg", "g", "kg", "Metric Ton", "gr", "oz", "lb", "Ton")


@dataclass(frozen=True)
class Schema:
    """One version of a schema: measures (member -> value's name, units) and optional members with their value sets."""

    kind: Kind
    measures: dict[str, tuple[str, Collection[str]]]
    optional: dict[str, Collection[str] | None]
    needs_time: bool = True
    part_of_day: bool = True
    closed: bool = False


_PRESSURES: dict[str, tuple[str, Collection[str]]] = {
    "systolic_blood_pressure": ("systolic", ("mmHg",)),
    "diastolic_blood_pressure": ("diastolic", ("mmHg",)),
}
_GLUCOSE: dict[str, tuple[str, Collection[str]]] = {"blood_glucose": ("value", ("mg/dL", "mmol/L"))}
_RATE: dict[str, tuple[str, Collection[str]]] = {"heart_rate": ("value", ("beats/min",))}
_WEIGHT: dict[str, tuple[str, Collection[str]]] = {"body_weight": ("value", MASSES)}
_OXYGEN: dict[str, tuple[str, Collection[str]]] = {"oxygen_saturation": ("value", ("%",))}
_HEAT: dict[str, tuple[str, Collection[str]]] = {"body_temperature": ("value", ("K", "F", "C"))}
_STEPS: dict[str, tuple[str, Collection[str]]] = {"step_count": ("value", ("steps",))}
_STATISTIC: dict[str, Collection[str] | None] = {"descriptive_statistic": STATISTICS}
_NOTES: dict[str, Collection[str] | None] = _STATISTIC | {"user_notes": None}
_EATING: dict[str, Collection[str] | None] = {
    "temporal_relationship_to_meal": MEAL,
    "temporal_relationship_to_sleep": SLEEP,
}
_PLACED: dict[str, Collection[str] | None] = _STATISTIC | {"body_posture": POSTURES, "measurement_location": LOCATIONS}
_MOVING: dict[str, Collection[str] | None] = {"temporal_relationship_to_physical_activity": ACTIVITY}
_ASLEEP: dict[str, Collection[str] | None] = {"temporal_relationship_to_sleep": SLEEP}
_WARM: dict[str, Collection[str] | None] = _STATISTIC | _ASLEEP | {"measurement_location": ORIFICES_2}

SCHEMAS: dict[tuple[str, str], Schema] = {
    ("blood-pressure", "1.0"): Schema(
        "blood-pressure", _PRESSURES, _NOTES | {"position_during_measurement": POSTURES[:3]}, needs_time=False
    ),
    ("blood-pressure", "2.0"): Schema(
        "blood-pressure", _PRESSURES, _NOTES | {"body_posture": POSTURES}, needs_time=False, closed=True
    ),
    ("blood-pressure", "3.0"): Schema("blood-pressure", _PRESSURES, _PLACED),
    ("blood-pressure", "3.1"): Schema("blood-pressure", _PRESSURES, _PLACED | _MOVING),
    ("blood-pressure", "4.0"): Schema("blood-pressure", _PRESSURES, _PLACED | _MOVING, part_of_day=False),
    ("blood-glucose", "1.0"): Schema(
        "glucose", _GLUCOSE, _NOTES | _EATING | {"blood_specimen_type": BLOOD}, needs_time=False
    ),
    ("blood-glucose", "2.0"): Schema(
        "glucose", _GLUCOSE, _NOTES | _EATING | {"specimen_source": SOURCES_1}, needs_time=False
    ),
    ("blood-glucose", "3.0"): Schema("glucose", _GLUCOSE, _STATISTIC | _EATING | {"specimen_source": SOURCES_2}),
    ("blood-glucose", "4.0"): Schema(
        "glucose", _GLUCOSE, _STATISTIC | _EATING | {"specimen_source": SOURCES_2}, part_of_day=False
    ),
    ("heart-rate", "1.0"): Schema("heart-rate", _RATE, _NOTES | _MOVING, needs_time=False),
    ("heart-rate", "1.1"): Schema("heart-rate", _RATE, _NOTES | _MOVING | _ASLEEP, needs_time=False),
    ("heart-rate", "2.0"): Schema("heart-rate", _RATE, _STATISTIC | _MOVING | _ASLEEP),
    ("body-weight", "1.0"): Schema("weight", _WEIGHT, _STATISTIC, needs_time=False),
    ("body-weight", "2.0"): Schema("weight", _WEIGHT, _STATISTIC),
    ("body-weight", "3.0"): Schema("weight", _WEIGHT, _STATISTIC, part_of_day=False),
    ("oxygen-saturation", "1.0"): Schema(
        "oxygen",
        _OXYGEN,
        _STATISTIC
        | {
            "system": (
                "arterial", "capillary", "intracardiac", "jugular bulb", "peripheral", "conjunctival", "venous",
                "mixed venous", "superior vena cava",
            ),
            "oxygen_therapy_mode_of_administration": ("face mask", "nasal cannula", "Venturi mask"),
            "measurement_method": OXIMETRY_1,
            "supplemental_oxygen_flow_rate": None,
        },
        needs_time=False,
        closed=True,
    ),
    ("oxygen-saturation", "2.0"): Schema(
        "oxygen",
        _OXYGEN,
        _STATISTIC
        | {
            "system": ("peripheral capillary",),
            "oxygen_therapy_mode_of_administration": ("nasal cannula",),
            "measurement_method": OXIMETRY_1[:1],
            "supplemental_oxygen_flow_rate": None,
        },
    ),
    ("body-temperature", "1.0"): Schema(
        "temperature", _HEAT, _STATISTIC | {"measurement_location": ORIFICES_1}, needs_time=False
    ),
    ("body-temperature", "2.0"): Schema("temperature", _HEAT, _WARM),
    ("body-temperature", "3.0"): Schema("temperature", _HEAT, _WARM),
    ("step-count", "2.0"): Schema("activity", _STEPS, _STATISTIC),
    ("step-count", "3.0"): Schema("activity", _STEPS, _STATISTIC, part_of_day=False),
    ("body-temperature", "4.0"): Schema(
        "temperature", _HEAT, _WARM, part_of_day=False
    ),
}  # fmt: skip
NAMES = frozenset(name for name, _ in SCHEMAS)


def decode(payload: bytes, schema: str | None = None) -> list[Decoded | Undecodable]:
    """The readings in ``payload``: a data point or an array of them, or with ``schema`` (``name:version``) a bare body.

    A valid data point of a schema that holds no reading of ours gives none. Raises `Undecodable`.
    """
    value = parse_json(payload)
    if not isinstance(value, list):
        return element(value, schema)
    return each(value, lambda one: element(one, schema))


def element(value: object, schema: str | None = None) -> list[Decoded | Undecodable]:
    """The reading in one data point or bare body, in a list; empty for a schema without one. Raises `Undecodable`."""
    fields = mapping("payload", value)
    if schema is not None and not schema.startswith("data-point"):
        name, _, version = schema.removeprefix("omh:").partition(":")
        return [body(fields, known(name, version))]
    return point(fields)


def known(name: str, version: str) -> Schema:
    """The schema of that name and version. Raises `Undecodable` with code `unknown-kind`."""
    found = SCHEMAS.get((name, version))
    if found is None:
        raise Undecodable("unknown-kind", "schema", f"{name}:{version}")
    return found


def point(fields: dict[str, Any]) -> list[Decoded | Undecodable]:
    """The reading in a data point, in a list. Raises `Undecodable`."""
    header, content = mapping("header", fields.get("header")), mapping("body", fields.get("body"))
    id = text("header.id", header.get("id", header.get("uuid")), 200)
    try:
        created = when(
            "header.creation_date_time", header.get("creation_date_time", header.get("source_creation_date_time"))
        )
        schema = mapping("header.schema_id", header.get("schema_id"))
        namespace, name, version = (
            text(f"header.schema_id.{part}", schema.get(part)) for part in ("namespace", "name", "version")
        )
        about: dict[str, Any] = {}
        provenance = header.get("acquisition_provenance")
        modality = header.get("modality")
        if provenance is not None:
            mapping("header.acquisition_provenance", provenance)
            text("header.acquisition_provenance.source_name", provenance.get("source_name"), 500)
            modality = provenance.get("modality", modality)
            if (source := provenance.get("source_creation_date_time")) is not None:
                created = when("header.acquisition_provenance.source_creation_date_time", source)
        if modality is not None:
            choice("header.acquisition_provenance.modality", modality, ("sensed", "self-reported"))
            about = {"source": "self-reported"} if modality == "self-reported" else {}
        if namespace not in ("omh", "ieee") or name not in NAMES:
            return []
        return [body(content, known(name, version), id=id, about=about, otherwise=created)]
    except Undecodable as error:
        error.id = id
        raise


def body(
    fields: dict[str, Any], schema: Schema, *, id: str | None = None, about: dict[str, Any] | None = None,
    otherwise: datetime | None = None,
) -> Decoded:  # fmt: skip
    """The reading in a body, held against its schema; ``otherwise`` is its time where it has none.

    Raises `Undecodable`.
    """
    raw: dict[str, object] = {}
    unit = ""
    for member, (name, units) in schema.measures.items():
        raw[name], unit = _quantity(member, fields.get(member), units)
    for member, allowed in schema.optional.items():
        if member in fields:
            _optional(member, fields[member], allowed)
    if schema.closed and (extra := sorted(fields.keys() - schema.measures.keys() - schema.optional.keys() - {FRAME})):
        raise Undecodable("invalid", extra[0], fields[extra[0]], "no such member in this schema")
    instant, approximate = otherwise, False
    if FRAME in fields:
        instant, approximate = _frame(fields[FRAME], schema.part_of_day)
    elif schema.needs_time:
        raise Undecodable("invalid", FRAME, None, "required")
    if instant is not None and instant.tzinfo is None and not approximate:
        instant = instant.replace(tzinfo=UTC)
    if schema.kind == "activity" and (counted := _counted(fields[FRAME])) and instant is not None:
        instant, about = representable(FRAME, instant + counted), {**(about or {}), "duration": counted.total_seconds()}
    checked = {member: fields[member] for member in schema.optional if member in fields}
    return reading(
        schema.kind, raw, unit, time=instant, approximate=approximate, id=id,
        flags=["backlog"] if approximate else [], about=(about or {}) | _about(checked),
        statistic=checked.get("descriptive_statistic"),
    )  # fmt: skip


FRAME = "effective_time_frame"


def _quantity(name: str, value: object, units: Collection[str]) -> tuple[object, str]:
    fields = mapping(name, value)
    amount = fields.get("value")
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        raise Undecodable("invalid", f"{name}.value", amount, "a number is needed")
    return amount, choice(f"{name}.unit", fields.get("unit"), units)


def _optional(member: str, value: object, allowed: Collection[str] | None) -> None:
    if allowed is not None:
        choice(member, value, allowed)
    elif member == "supplemental_oxygen_flow_rate":
        _quantity(member, value, ("LPM", "L/min"))
    elif not isinstance(value, str):
        raise Undecodable("invalid", member, value, "a text is needed")


def _frame(value: object, part_of_day: bool) -> tuple[datetime, bool]:
    """The instant of a time frame (the start of an interval), and whether it only stands for a part of a day."""
    frame = mapping(FRAME, value)
    if ("date_time" in frame) == ("time_interval" in frame):
        raise Undecodable("invalid", FRAME, value, "either date_time or time_interval")
    if "date_time" in frame:
        return when(f"{FRAME}.date_time", frame["date_time"]), False
    name = f"{FRAME}.time_interval"
    interval = mapping(name, frame["time_interval"])
    parts = interval.keys() & {"start_date_time", "end_date_time", "duration", "date", "part_of_day"}
    if part_of_day and parts == {"date", "part_of_day"}:
        hour = HOURS[choice(f"{name}.part_of_day", interval["part_of_day"], HOURS)]
        date = day(f"{name}.date", interval["date"])
        return representable(name, datetime.combine(date, time(hour))), True
    if len(parts & {"start_date_time", "end_date_time", "duration"}) != 2 or "part_of_day" in parts:
        raise Undecodable("invalid", name, interval, "two of start_date_time, end_date_time and duration")
    ends = {
        part: when(f"{name}.{part}", interval[part]) for part in ("start_date_time", "end_date_time") if part in parts
    }
    if "start_date_time" in ends:
        if "duration" in parts:
            _duration(name, interval["duration"])
        return ends["start_date_time"], False
    try:
        return representable(name, ends["end_date_time"] - _duration(name, interval["duration"])), False
    except OverflowError:
        raise Undecodable("invalid", f"{name}.duration", interval["duration"], "too long") from None


def _counted(frame: dict[str, Any]) -> timedelta | None:
    """How long an interval is: what is counted is counted until its end. None for an instant or a part of a day."""
    interval = frame.get("time_interval", {})
    if "duration" in interval:
        return _duration(FRAME, interval["duration"])
    if {"start_date_time", "end_date_time"} <= interval.keys():
        start, end = (when(FRAME, interval[name]) for name in ("start_date_time", "end_date_time"))
        if (start.tzinfo is None) == (end.tzinfo is None) and start < end:
            return end - start
    return None


def _duration(name: str, value: object) -> timedelta:
    amount, unit = _quantity(f"{name}.duration", value, DURATIONS)
    assert isinstance(amount, int | float)
    try:
        return timedelta(seconds=amount * SECONDS.get(unit, 0))
    except (OverflowError, ValueError):
        raise Undecodable("invalid", f"{name}.duration", value, "too long") from None


def _about(fields: dict[str, Any]) -> dict[str, Any]:
    """What the reading's schema has room for: posture, arm, meal, specimen, notes."""
    about: dict[str, Any] = {}
    posture = fields.get("body_posture", fields.get("position_during_measurement"))
    if posture in ("sitting", "standing", "lying down"):
        about["position"] = "lying" if posture == "lying down" else posture
    place = fields.get("measurement_location")
    if isinstance(place, str) and ("arm" in place or "wrist" in place) and " " in place:
        about["arm"] = place.split()[0]
    if fields.get("temporal_relationship_to_meal") in MEAL:
        about["context"] = MEAL[fields["temporal_relationship_to_meal"]]
    elif fields.get("temporal_relationship_to_sleep") == "before sleeping":
        about["context"] = "bedtime"
    specimen = fields.get("specimen_source", fields.get("blood_specimen_type"))
    if specimen is not None:
        about["specimen"] = SPECIMEN.get(specimen, "unknown")
    if (effort := fields.get("temporal_relationship_to_physical_activity")) in EFFORT:
        about["activity"] = EFFORT[effort]
    notes = [place, fields.get("temporal_relationship_to_physical_activity"), fields.get("user_notes")]
    if note := "; ".join(note for note in notes if isinstance(note, str) and note):
        about["note"] = note[:500]
    return about
