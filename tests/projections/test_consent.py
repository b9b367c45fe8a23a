"""Consent and guardians as they stand; home readings taken while monitoring stood withdrawn are served to nobody."""

import pytest

from tests.projections.play import Database, event, pressure

pytestmark = pytest.mark.stack

GIVEN, WITHDRAWN = "resident.consent-given.v1", "resident.consent-withdrawn.v1"


def at(day: int, hour: int = 0) -> str:
    return f"2026-02-{day:02d}T{hour:02d}:00:00Z"


def test_what_was_said_last_of_each_scope_stands(database: Database) -> None:
    database.play(
        event(WITHDRAWN, "R1", at(3), scopes=["messages"], reason="burden"),
        event(GIVEN, "R1", at(1), scopes=["monitoring", "messages"], text_version="T1", witness="S1"),  # arrives late
        event(GIVEN, "R2", at(2), scopes=["monitoring"], text_version="T2", guardian="G1"),
    )
    rows = database.rows(
        "SELECT resident, scope, given, time, text_version, witness, guardian, reason FROM consents ORDER BY ALL"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("R1", "messages", 0, "2026-02-03T00:00:00.000Z", None, None, None, "burden"),
        ("R1", "monitoring", 1, "2026-02-01T00:00:00.000Z", "T1", "S1", None, None),
        ("R2", "monitoring", 1, "2026-02-02T00:00:00.000Z", "T2", None, "G1", None),
    ]


def test_readings_between_withdrawal_and_new_consent_are_kept_and_not_served(database: Database) -> None:
    consent = {"scopes": ["monitoring"], "text_version": "T1"}
    database.play(
        event(GIVEN, "R1", at(1), **consent),
        event(WITHDRAWN, "R1", at(3), scopes=["monitoring", "research"]),
        event(WITHDRAWN, "R3", at(1), scopes=["messages"]),
        event(GIVEN, "R1", at(5), "again", **consent),
        *(pressure("R1", at(day, 8), 120 + day, 80, f"r{day}") for day in range(1, 7)),
        pressure("R1", at(4, 9), 150, 90, "office", place="office"),
        pressure("R2", at(4, 8), 140, 90, "other"),
        pressure("R3", at(4, 8), 141, 90, "messages only"),
    )  # fmt: skip
    rows = database.rows("SELECT resident, systolic FROM readings ORDER BY ALL")
    assert [tuple(row.values()) for row in rows] == [
        ("R1", 121.0), ("R1", 122.0), ("R1", 125.0), ("R1", 126.0), ("R1", 150.0), ("R2", 140.0), ("R3", 141.0),
    ]  # fmt: skip
    assert database.rows("SELECT count() AS n FROM readings_v1") == [{"n": 9}]


def test_guardians_look_in_until_they_are_revoked(database: Database) -> None:
    database.play(
        event("resident.guardian-appointed.v1", "R1", at(1), guardian="G1", relation="parent", until="2030-05-01"),
        event("resident.guardian-appointed.v1", "R1", at(1), "b", guardian="G2", relation="child", scopes=["readings"]),
        event("resident.guardian-revoked.v1", "R1", at(2), guardian="G2"),
    )
    rows = database.rows("SELECT guardian, appointed, relation, scopes, until FROM guardians ORDER BY guardian")
    assert [tuple(row.values()) for row in rows] == [
        ("G1", 1, "parent", ["summary", "readings", "plan"], "2030-05-01"),
        ("G2", 0, None, [], None),
    ]


def test_consent_without_a_scope_is_unparsed(database: Database) -> None:
    [record] = database.play(event(GIVEN, "R1", at(1), text_version="T1"))
    database.play(event("resident.guardian-revoked.v1", "R1", at(1)))
    found = database.rows("SELECT offset, missing FROM unparsed ORDER BY offset")
    assert [tuple(row.values()) for row in found] == [
        (record.offset, "data.scopes"),
        (record.offset + 1, "data.guardian"),
    ]
