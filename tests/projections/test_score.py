"""Scores as served: every one that was said, the last word on each model, and nothing of a record that gave way."""

from typing import Any

import pytest

from tests.projections.play import Database, event

pytestmark = pytest.mark.stack


def said(resident: str, day: int, model: str = "ckd-epi-2021", **data: Any) -> dict[str, Any]:
    """A score said on a day of March."""
    return event(
        "score.computed.v1", resident, f"2026-03-{day:02d}T04:00:00Z", None, **{"model": model, "version": 1} | data
    )


def test_the_last_word_on_each_model_is_served_with_all_before_it(database: Database) -> None:
    inputs = {
        "creatinine": {
            "value": 80.0,
            "event": "0c0a54e2-6c61-5a3c-8a43-9c2f6b1e9a10",
            "time": "2026-03-01T00:00:00.000Z",
        }
    }
    reason = {"code": "out-of-range", "field": "age", "zh": "年龄应在20-85之间", "en": "age must be between 20 and 85"}
    database.play(
        said("R1", 1, status="computed", value=94.2, unit="mL/min/{1.73_m2}", inputs=inputs, **{"class": "G1"}),
        said("R1", 1, "china-par", status="not-applicable", unit="%", reason=reason),
        said("R1", 3, status="missing", missing=["creatinine"], reason=reason | {"code": "missing"}),
        said(
            "R2", 2, status="computed", value=0.0, values={"points": {"age": 2}}, warnings=["range-printed"],
            **{"class": "G5"},
        ),
        topic="derived",
    )  # fmt: skip
    query = (
        "SELECT resident, model, status, value, class, reason_code, missing_inputs FROM scores ORDER BY resident, model"
    )
    assert [tuple(row.values()) for row in database.rows(query)] == [
        ("R1", "china-par", "not-applicable", None, None, "out-of-range", []),
        ("R1", "ckd-epi-2021", "missing", None, None, "missing", ["creatinine"]),
        ("R2", "ckd-epi-2021", "computed", 0.0, "G5", None, []),
    ]
    history = "SELECT value, class, JSONExtractFloat(inputs, 'creatinine', 'value') AS creatinine FROM score_history"
    rows = database.rows(f"{history} WHERE resident = 'R1' AND model = 'ckd-epi-2021' ORDER BY happened")
    assert [tuple(row.values()) for row in rows] == [(94.2, "G1", 80.0), (None, None, 0.0)]
    assert database.rows(
        "SELECT warnings, JSONExtractInt(values, 'points', 'age') AS age FROM scores WHERE class = 'G5'"
    ) == [{"warnings": ["range-printed"], "age": 2}]


def test_a_record_that_gave_way_has_no_scores_of_its_own(database: Database) -> None:
    database.play(
        said("A", 1, status="computed", value=50.0), said("B", 1, status="computed", value=60.0), topic="derived"
    )
    database.play(event("resident.merged.v1", "A", "2026-03-02T00:00:00Z", into="B", matched_by="id-card"))
    assert database.rows("SELECT resident, value FROM scores") == [{"resident": "B", "value": 60.0}]
    assert database.rows("SELECT count() AS n FROM score_history") == [{"n": 2}]


def test_where_an_institutions_residents_live_is_the_latest_word(database: Database) -> None:
    database.play(
        event("organization.area-described.v1", "I01", "2026-03-02T00:00:00Z", north=True, urban=False),
        event("organization.area-described.v1", "I01", "2026-03-01T00:00:00Z", north=False, urban=False),
        event("organization.area-described.v1", "I02", "2026-03-01T00:00:00Z", north=False),
    )  # fmt: skip
    assert database.rows("SELECT institution, north, urban FROM areas") == [
        {"institution": "I01", "north": True, "urban": False}
    ]
    assert database.rows("SELECT key, missing FROM unparsed_score") == [{"key": "I01", "missing": "data.urban"}]
