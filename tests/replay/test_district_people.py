"""The demonstration district: the same people for the same seed, and every event of theirs accepted."""

import random
from collections import Counter
from datetime import UTC, datetime

from infra.district.people import PERSONAS, founding, residents
from schemas.registry import parse

NOW = datetime(2026, 3, 10, 4, 0, tzinfo=UTC)


def test_the_same_seed_gives_the_same_district() -> None:
    assert residents(7) == residents(7)
    assert residents(7) != residents(8)
    assert list(founding(residents(7), NOW, 7)) == list(founding(residents(7), NOW, 7))


def test_everybody_has_a_device_of_their_own_and_every_persona_is_there() -> None:
    people = residents()
    assert len(people) == len({person.resident for person in people}) == len({person.device for person in people}) == 30
    assert Counter(person.persona for person in people) == {name: count for name, (count, *_) in PERSONAS.items()}
    assert {person.institution for person in people} == {"I01", "I02"}


def test_what_is_known_before_is_accepted_whole_and_lies_in_the_past() -> None:
    events = list(founding(residents(), NOW))
    assert len({event.identity for event in events}) == len(events)
    for event in events:
        assert parse(event.dumps()) == event
        assert event.time < NOW
        assert event.origin == "import"
    bound = {event.data["device"] for event in events if event.type == "mailiu.device.bound.v1"}
    assert bound == {person.device for person in residents()}


def test_a_crisis_is_one_and_nobody_else_has_one_by_chance() -> None:
    for person in residents():
        rng = random.Random(1)
        for _ in range(500):
            values = person.values(rng)
            assert values.get("systolic", 0) < 180
            assert values.get("diastolic", 0) < 110
    crisis = residents()[0]
    assert crisis.persona == "crisis"
    assert crisis.values(random.Random(1), crisis=True)["systolic"] >= 180
