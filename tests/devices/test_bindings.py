"""Whose a device is: intervals, user slots, implicit ends, corrections of the compacted topic."""

import orjson

from mqtt_ingest.bindings import Bindings


def bind(bindings: Bindings, resident: str, start: int, end: int | None = None, slot: int | None = None) -> None:
    key = f"D1/{'*' if slot is None else slot}/{resident}/{start}"
    value = {"kind": "binding", "device": "D1", "user_slot": slot, "resident": resident, "institution": "I01"}
    assert bindings.apply(key, orjson.dumps(value | {"from": start, "to": end})) == "D1"


def who(bindings: Bindings, instant: int, slot: int | None = None) -> str | None:
    found = bindings.holder("D1", slot, instant)
    return found and found.resident


def test_a_reading_belongs_to_whom_the_device_was_bound_then() -> None:
    bindings = Bindings()
    bind(bindings, "R1", 10, 20)
    bind(bindings, "R2", 30)
    assert [who(bindings, t) for t in (9, 10, 19, 20, 29, 30, 999)] == [None, "R1", "R1", None, None, "R2", "R2"]


def test_a_later_binding_ends_an_open_one_and_moves_no_old_reading() -> None:
    bindings = Bindings()
    bind(bindings, "R1", 10)
    bind(bindings, "R2", 30, 40)
    assert [who(bindings, t) for t in (29, 30, 40)] == ["R1", "R2", None]


def test_user_slots_are_told_apart_and_an_unknown_user_is_nobodys() -> None:
    bindings = Bindings()
    bind(bindings, "R1", 10, slot=1)
    bind(bindings, "R2", 10, slot=2)
    assert [who(bindings, 11, slot) for slot in (1, 2, 3, 255, None)] == ["R1", "R2", None, None, None]


def test_a_binding_of_every_slot_stands_in() -> None:
    bindings = Bindings()
    bind(bindings, "R1", 10)
    bind(bindings, "R2", 20, 30, slot=2)
    assert [who(bindings, t, 2) for t in (15, 25, 35)] == ["R1", "R2", "R1"]
    assert who(bindings, 25, 255) == "R1"


def test_the_newest_record_of_a_key_holds() -> None:
    bindings = Bindings()
    bind(bindings, "R1", 10)
    bind(bindings, "R1", 10, 15)
    assert who(bindings, 20) is None
    assert bindings.apply("D1/*/R1/10", None) == "D1"
    assert who(bindings, 12) is None


def test_holders_over_a_span() -> None:
    bindings = Bindings()
    bind(bindings, "R1", 10, 20)
    bind(bindings, "R2", 30)
    assert bindings.holders("D1", None, 0, 9) == set()
    assert bindings.holders("D1", None, 12, 25) == {"R1"}
    assert bindings.holders("D1", None, 19, 30) == {"R1", "R2"}


def test_registration_and_institutions() -> None:
    bindings = Bindings()
    assert not bindings.known("D1")
    bindings.apply("D1", orjson.dumps({"kind": "device", "device": "D1", "institution": "I02"}))
    assert bindings.known("D1")
    assert bindings.institutions("D1") == {"I02"}
    bind(bindings, "R1", 10)
    assert bindings.institutions("D1") == {"I01", "I02"}


def test_a_record_that_says_nothing_usable_changes_nothing() -> None:
    bindings = Bindings()
    for value in (b"", b"{", b"[]", b'{"kind":"binding","device":"D1"}', b'{"kind":"other","device":"D1"}', b"1"):
        assert bindings.apply("D1/x", value) is None
    assert not bindings.known("D1")
