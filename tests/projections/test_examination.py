"""Examinations of every door in one table, habits and family history beside them, what was taken back left out."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.projections.play import Database, event

pytestmark = pytest.mark.stack
EXAMPLES = Path("schemas/examples")


def data(type: str, example: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((EXAMPLES / f"mailiu.{type}" / "pass" / f"{example}.json").read_bytes())
    return found["data"]  # type: ignore[no-any-return]


RECORDED, HEALTH = "examination.recorded.v1", "examination.health-examined.v1"
VISIT = "chronic.follow-up-completed.v3"
VALUES = "SELECT name, value, unit, finding, event FROM examinations WHERE resident = 'R1' ORDER BY time, name"


def rows_of(database: Database) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in database.rows(VALUES)]


def test_a_value_is_served_by_whatever_door_it_came(database: Database) -> None:
    lipids, converted, organs = (
        event(RECORDED, "R1", f"2026-03-0{day}T00:00:00Z", **data(RECORDED, name))
        for day, name in ((1, "lipids-and-kidney"), (2, "converted-from-mg-dl"), (3, "target-organs"))
    )
    visit = {"programme": "diabetes", "mode": "clinic", "weight": 71, "hba1c": 7.2}
    check = data(HEALTH, "annual-check-of-an-elder")
    database.play(
        lipids, converted, organs, event(VISIT, "R1", "2026-03-04T00:00:00Z", **visit),
        event(HEALTH, "R1", "2026-03-05T00:00:00Z", **check),
    )  # fmt: skip
    assert rows_of(database) == [
        ("creatinine", 74, "umol/L", None, "recorded"), ("ldl_cholesterol", 3.1, "mmol/L", None, "recorded"),
        ("total_cholesterol", 5.2, "mmol/L", None, "recorded"), ("uacr", 12, "mg/g", None, "recorded"),
        ("total_cholesterol", 4.81, "mmol/L", None, "recorded"),
        ("carotid_imt", 1.1, "mm", None, "recorded"), ("carotid_plaque", None, "", "present", "recorded"),
        ("fundus", None, "", "grade-2", "recorded"), ("sokolow_lyon", 3.9, "mV", None, "recorded"),
        ("hba1c_percent", 7.2, "%", None, "follow-up-completed"), ("weight", 71, "kg", None, "follow-up-completed"),
        ("fasting_glucose", 6.1, "mmol/L", None, "health-examined"), ("height", 168, "cm", None, "health-examined"),
        ("urine_protein", None, "", "negative", "health-examined"), ("waist", 88, "cm", None, "health-examined"),
        ("weight", 71.5, "kg", None, "health-examined"),
    ]  # fmt: skip
    [given] = database.rows("SELECT given_value, given_unit FROM examinations WHERE given_unit IS NOT NULL")
    assert given == {"given_value": 186, "given_unit": "mg/dL"}
    [annual] = database.rows("SELECT * FROM health_examinations")
    assert (annual["systolic_right"], annual["evaluation"], annual["guidance"]) == (142, "abnormal", check["guidance"])
    assert {name: orjson.loads(found) for name, found in annual["findings"].items()} == check["findings"]
    [habits] = database.rows("SELECT smoking, alcohol, exercise, exercise_minutes, diet, event FROM lifestyles")
    assert habits == {
        "smoking": "former", "alcohol": "never", "exercise": "daily", "exercise_minutes": 30, "diet": ["balanced"],
        "event": "health-examined",
    }  # fmt: skip
    taken_back = {"reading": database.rows("SELECT id FROM examinations WHERE name = 'uacr'")[0]["id"]}
    database.play(event("reading.retracted.v1", "R1", "2026-03-06T00:00:00Z", reason="entered-in-error", **taken_back))
    assert len(rows_of(database)) == 12
    assert database.rows("SELECT * FROM unparsed") == []


def test_what_a_person_tells_is_served_and_a_merged_record_is_its_survivors(database: Database) -> None:
    told = {
        "chronic.lifestyle-recorded.v1": "habits-as-form-3-asks",
        "chronic.family-history-recorded.v1": "father-with-an-early-infarction",
        "chronic.adherence-reported.v1": "forgets-one-drug",
        "chronic.adverse-reaction-reported.v1": "cough-from-an-ace-inhibitor",
    }
    database.play(*(event(type, "R1", "2026-03-01T00:00:00Z", **data(type, name)) for type, name in told.items()))
    [habits] = database.rows("SELECT smoking, smoking_per_day, salt, psychology FROM lifestyles")
    assert habits == {"smoking": "current", "smoking_per_day": 15, "salt": "heavy", "psychology": "good"}
    [family] = database.rows("SELECT conditions, relatives, onset_ages FROM family_history")
    assert family == {
        "conditions": ["coronary-heart-disease", "diabetes"], "relatives": ["father", "grandparent"],
        "onset_ages": [52, None],
    }  # fmt: skip
    reports = database.rows("SELECT event, code, adherence, reason, severity, action FROM drug_reports ORDER BY event")
    assert [tuple(row.values()) for row in reports] == [
        ("adherence-reported", "C08CA01", "intermittent", "forgot", None, None),
        ("adverse-reaction-reported", "C09AA02", None, None, "mild", "replaced"),
    ]
    database.play(event("resident.merged.v1", "R1", "2026-03-03T00:00:00Z", into="R9", matched_by="id-card"))
    for view in ("lifestyles", "family_history", "drug_reports"):
        assert {row["resident"] for row in database.rows(f"SELECT resident FROM {view}")} == {"R9"}


def test_events_that_lack_something_are_named(database: Database) -> None:
    database.play(
        event(RECORDED, "R1", "2026-03-01T00:00:00Z", id="1", results=[]),
        event(RECORDED, "R1", "2026-03-01T00:00:00Z", id="2", results=[{"value": 3}]),
        event(RECORDED, "R1", "2026-03-01T00:00:00Z", id="3", results=[{"name": "uacr"}]),
        event("chronic.family-history-recorded.v1", "R1", "2026-03-01T00:00:00Z"),
        event("chronic.adverse-reaction-reported.v1", "R1", "2026-03-01T00:00:00Z"),
        event(HEALTH, "R1", "2026-03-01T00:00:00Z"),
    )
    assert [row["missing"] for row in database.rows("SELECT missing FROM unparsed ORDER BY offset")] == [
        "data.results", "data.results.name", "data.results.value", "data.relatives", "data.reaction",
    ]  # fmt: skip
    assert database.rows("SELECT * FROM examinations") == []
