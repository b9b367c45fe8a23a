"""Two records of one person: one resident, counted once; unmerged, two again."""

import pytest

from tests.projections.play import Database, event, pressure

pytestmark = pytest.mark.stack


def at(day: int) -> str:
    return f"2026-02-{day:02d}T04:00:00Z"


def lives() -> list[dict]:
    """A at I01 with a diagnosis and readings, B at I02 with readings; the same person."""
    return [
        event("resident.registered.v1", "A", at(1), sex="female", birth_date="1950-02-28"),
        event("resident.registered.v1", "B", at(2), sex="unknown", birth_date="1950-02-27", _institution="I02"),
        event("resident.details-changed.v1", "A", at(3), birth_date="1950-02-26"),
        event("chronic.condition-diagnosed.v1", "A", at(3), code="I10"),
        event("chronic.follow-up-completed.v2", "B", at(4), blood_pressure={"systolic": 135, "diastolic": 80}),
        *(pressure(who, at(day), 120 + day, 80, f"{who}{day}") for who in "AB" for day in (5, 6, 7)),
    ]


def people(database: Database) -> list[tuple]:
    query = "SELECT resident, sex, toString(birth_date), institution, registered_time FROM residents ORDER BY resident"
    return [tuple(row.values()) for row in database.rows(query)]


def counted(database: Database) -> list[tuple]:
    """Residents of the programme with how many rows of each kind."""
    ordered = "(SELECT * FROM programme ORDER BY flags)"
    query = f"SELECT resident, groupArray(flags) AS f FROM {ordered} GROUP BY resident ORDER BY resident"
    return [(row["resident"], row["f"]) for row in database.rows(query)]


def test_a_merged_person_is_one_and_unmerged_two(database: Database) -> None:
    database.play(*lives())
    before = people(database), counted(database)
    assert [row[0] for row in before[0]] == ["A", "B"]
    database.play(event("resident.merged.v1", "A", at(8), into="B", matched_by="id-card"))
    assert people(database) == [("B", "unknown", "1950-02-26", "I02", "2026-02-01T04:00:00.000Z")]
    assert counted(database) == [("B", [1, 2, 8])]
    assert database.rows("SELECT resident, institution FROM resident_institutions") == [
        {"resident": "B", "institution": "I02"}
    ]
    database.play(event("resident.unmerged.v1", "A", at(9), survivor="B"))
    assert (people(database), counted(database)) == before
    assert database.rows("SELECT count() AS n FROM readings") == [{"n": 6}]


def test_a_chain_ends_at_the_last_survivor(database: Database) -> None:
    for day, (old, new) in enumerate((("A", "B"), ("B", "C"), ("C", "D")), 1):
        database.play(event("resident.merged.v1", old, at(day), into=new, matched_by="person"))
    rows = database.rows("SELECT resident, survivor FROM aliases ORDER BY resident")
    assert [tuple(row.values()) for row in rows] == [("A", "D"), ("B", "D"), ("C", "D")]
