"""Programme rows: local months, packed instants, office pressure only, what is a visit, limits of the packing."""

import pytest

from schemas.envelope import identity
from tests.projections.play import Database, event, pressure

pytestmark = pytest.mark.stack

MARCH_2026 = 2026 * 12 + 2
FIRST_MONTH = 1900 * 12


def packed(month: int, milliseconds: int, systolic: int = 0, diastolic: int = 0) -> int:
    """An instant in a month and a pressure, as the statistics read them."""
    return (month - FIRST_MONTH) << 50 | milliseconds << 18 | systolic << 9 | diastolic


def rows(database: Database, resident: str = "R1") -> list[tuple]:
    """Month, day, flags, val and institution of a resident's rows, in order of offset."""
    query = f"SELECT m, day, flags, val, institution FROM programme WHERE resident = '{resident}' ORDER BY offset"
    return [tuple(row.values()) for row in database.rows(query)]


def test_months_and_days_are_those_of_shanghai(database: Database) -> None:
    follow_up = {"blood_pressure": {"systolic": 139.5, "diastolic": 89.9}}
    database.play(
        event("chronic.follow-up-completed.v2", "R1", "2026-02-28T16:30:00.250Z", **follow_up),
        event("chronic.follow-up-completed.v2", "R1", "2026-02-28T15:59:59.999Z", **follow_up),
    )
    midnight = 31 * 24 * 3_600_000
    assert rows(database) == [
        (MARCH_2026, 1, 2, packed(MARCH_2026, 30 * 60_000 + 250, 139, 89), "I01"),
        (MARCH_2026 - 1, 28, 2, packed(MARCH_2026 - 1, midnight - 3 * 24 * 3_600_000 - 1, 139, 89), "I01"),
    ]


def test_each_event_counts_as_what_it_is(database: Database) -> None:
    noon, month = "2026-03-02T04:00:00Z", MARCH_2026
    instant = packed(month, 36 * 3_600_000)
    by_phone = {"mode": "phone", "blood_pressure": {"systolic": 120, "diastolic": 80}}
    database.play(
        event("resident.registered.v1", "R1", noon, sex="male", birth_date="1950-01-01"),
        event("chronic.condition-diagnosed.v1", "R1", noon, "a", code="I10"),
        event("chronic.condition-diagnosed.v1", "R1", noon, "b", code="I15.2"),
        event("chronic.condition-diagnosed.v1", "R1", noon, "c", code="I16"),
        event("chronic.condition-diagnosed.v1", "R1", noon, "d", code="I11", certainty="suspected"),
        event("chronic.condition-diagnosed.v1", "R1", noon, "e", code="E11"),
        event("chronic.medication-prescribed.v1", "R1", noon, code="C08CA01"),
        event("chronic.follow-up-completed.v2", "R1", noon, "f"),
        event("chronic.follow-up-completed.v2", "R1", noon, "g", **by_phone),
        pressure("R1", noon, 150, 95, "h", place="office"),
        pressure("R1", noon, 150, 95, "i", place="office", source="self-reported"),
        pressure("R1", noon, 150, 95, "j", place="home", note="not in the \"office\""),
        event("resident.transferred.v1", "R1", noon, to_institution="I02"),
        event("chronic.condition-resolved.v1", "R1", noon, code="I10"),
        event("resident.died.v1", "R1", noon),
    )  # fmt: skip
    assert [(flags, val, at) for m, day, flags, val, at in rows(database) if (m, day) == (month, 2)] == [
        (8, instant, "I01"),
        (1, instant, "I01"),
        (1, instant, "I01"),
        (4, instant, "I01"),
        (2, 0, "I01"),
        (64, 0, "I01"),
        (2, instant + (150 << 9) + 95, "I01"),
        (8, instant, "I02"),
        (32, instant, "I01"),
        (16, instant, "I01"),
    ]


def test_what_does_not_fit_is_unparsed(database: Database) -> None:
    def visit(time: str, systolic: float) -> dict:
        pair = {"systolic": systolic, "diastolic": 80}
        return event("chronic.follow-up-completed.v2", "R1", time, blood_pressure=pair)

    database.play(
        visit("2026-03-02T00:00:00Z", 512), visit("2026-03-02T00:00:01Z", 511.9), visit("2199-12-31T23:00:00Z", 120),
        visit("1900-01-01T00:00:00Z", 120), visit("2026-03-02T00:00:02Z", 0),
    )  # fmt: skip
    assert [row[0] for row in rows(database)] == [MARCH_2026, 2200 * 12, FIRST_MONTH]
    found = database.rows("SELECT offset, missing FROM unparsed_programme ORDER BY offset")
    assert found == [{"offset": 0, "missing": "data.blood_pressure"}, {"offset": 4, "missing": "data.blood_pressure"}]


def test_as_of_knows_neither_later_events_nor_later_retractions(database: Database) -> None:
    def at(hour: int) -> str:
        return f"2026-03-02T{hour:02}:00:00Z"

    database.play(
        pressure("R1", at(1), 150, 95, "high", place="office", _recordedtime=at(2)),
        pressure("R1", at(3), 130, 80, "wrong", place="office", _recordedtime=at(4)),
        event(
            "reading.retracted.v1", "R1", at(5), reading=str(identity("test", "wrong")), reason="not-mine",
            _recordedtime=at(6),
        ),
    )  # fmt: skip

    def last(hour: int) -> int:
        known = f"knowntime <= toDateTime64('2026-03-02 {hour:02}:30:00', 3, 'UTC')"
        query = (
            f"SELECT bitAnd(bitShiftRight(max(val), 9), 511) AS systolic FROM programme WHERE {known}"
            f" AND id NOT IN (SELECT reading FROM retractions WHERE {known})"
        )
        return database.rows(query)[0]["systolic"]

    assert [last(hour) for hour in (1, 2, 4, 6)] == [0, 150, 130, 150]
