"""The envelope and the registry: what is accepted, what is refused, and which field the refusal names."""

from uuid import UUID, uuid5

import orjson
import pytest
from aiokafka.partitioner import murmur2 as reference_murmur2
from hypothesis import given
from hypothesis import strategies as st

from schemas.envelope import NAMESPACE, InvalidEvent, from_milliseconds, identity, milliseconds
from schemas.registry import BROADCAST, DERIVED, EVENTS, UPCASTERS, json_schemas, parse, upcast
from schemas.topics import murmur2, partition_of

READING = {
    "id": "1",
    "source": "rest/his-1",
    "type": "mailiu.reading.blood-pressure-measured.v1",
    "subject": "R1",
    "time": "2026-03-01T08:00:00+08:00",
    "institution": "I01",
    "data": {"systolic": 150, "diastolic": 95},
}


def with_data(**data: object) -> dict[str, object]:
    return READING | {"data": READING["data"] | data}  # type: ignore[operator]


def test_an_accepted_event_is_written_in_utc_and_read_back_the_same() -> None:
    event = parse(READING)
    again = parse(event.dumps())
    assert again == event
    assert orjson.loads(event.dumps())["time"] == "2026-03-01T00:00:00.000Z"


def test_identity_is_the_uuid5_of_source_and_id() -> None:
    assert parse(READING).identity == uuid5(NAMESPACE, "rest/his-1\n1") == identity("rest/his-1", "1")
    assert isinstance(identity("a", "b"), UUID)
    assert identity("a", "b") != identity("b", "a")


@pytest.mark.parametrize(
    ("event", "field", "value"),
    [
        (b"\xff\x00", "event", b"\xff\x00"),
        (b"[]", "event", "[]"),
        ({}, "id", None),
        (READING | {"time": "2026-03-01T08:00:00"}, "time", "2026-03-01T08:00:00"),
        (READING | {"subject": "a b"}, "subject", "a b"),
        (READING | {"colour": "red"}, "colour", "red"),
        (READING | {"type": "mailiu.reading.blood-presure-measured.v1"}, "type", None),
        (READING | {"type": "mailiu.clock.ticked.v1"}, "type", "mailiu.clock.ticked.v1"),
        (READING | {"institution": None}, "institution", None),
        (with_data(systolic=2047), "data.systolic", 2047),
        (with_data(unit="kPa"), "data.unit", "kPa"),
        (with_data(diastolic=151), "data.diastolic", 151),
    ],
)
def test_a_refusal_names_field_and_value(event: object, field: str, value: object) -> None:
    with pytest.raises(InvalidEvent) as refusal:
        parse(event)  # type: ignore[arg-type]
    assert refusal.value.field == field
    if value is not None:
        assert refusal.value.value == value
    assert refusal.value.reason


def test_a_misspelt_type_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(InvalidEvent, match=r"did you mean mailiu\.reading\.glucose-measured\.v1"):
        parse(READING | {"type": "mailiu.reading.glucose-measurd.v1"})


def test_the_first_version_of_a_follow_up_is_lifted_to_the_newest() -> None:
    old = "mailiu.chronic.follow-up-completed.v1"
    type, data = upcast(old, {"systolic": 150, "diastolic": 90, "face_to_face": False})
    assert type == "mailiu.chronic.follow-up-completed.v3"
    assert data == {
        "programme": "hypertension", "mode": "phone", "adverse_reaction": False,
        "blood_pressure": {"systolic": 150, "diastolic": 90},
    }  # fmt: skip
    EVENTS[type].model_validate(data)
    assert upcast(type, data) == (type, data)


def test_every_upcaster_leads_one_version_up_to_a_known_type() -> None:
    for old, (new, _) in UPCASTERS.items():
        assert {old, new} <= EVENTS.keys()
        stem, version = old.rsplit(".v", 1)
        assert new == f"{stem}.v{int(version) + 1}"


#: Contexts with so many events that parts of them have files of their own.
FILES = {
    "fold": {"clock"},
    "resident": {"resident", "consent", "identity", "merge", "round"},
    "chronic": {"chronic", "follow_up", "history", "guidance"},
    "organization": {"organization", "round"},
    "engagement": {"questionnaire"},
}


def test_types_are_named_by_context_and_described() -> None:
    assert EVENTS.keys() >= BROADCAST
    assert not EVENTS.keys() & DERIVED.keys()
    for type, model in {**EVENTS, **DERIVED}.items():
        assert model.__doc__, type
        context = type.split(".")[1]
        assert model.__module__.removeprefix("schemas.") in FILES.get(context, {context}), type
    assert json_schemas().keys() == EVENTS.keys() | DERIVED.keys()


@given(st.binary(max_size=80))
def test_murmur2_is_kafkas(key: bytes) -> None:
    assert murmur2(key) & 0x7FFFFFFF == reference_murmur2(key) & 0x7FFFFFFF
    assert 0 <= partition_of(key, 12) < 12


@given(st.integers(min_value=0, max_value=4_102_444_800_000))
def test_instants_survive_text(instant: int) -> None:
    assert milliseconds(from_milliseconds(instant)) == instant
