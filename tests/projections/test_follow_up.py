"""Follow-up visits in all their versions, served under the record that stands for the person."""

from pathlib import Path

import orjson
import pytest

from tests.projections.play import Database, event

pytestmark = pytest.mark.stack
EXAMPLE = Path("schemas/examples/mailiu.chronic.follow-up-completed.v3/pass/clinic-visit-of-both-programmes.json")


def test_what_the_forms_ask_is_served_and_a_merged_record_is_its_survivors(database: Database) -> None:
    visit = orjson.loads(EXAMPLE.read_bytes())["data"]
    v2 = event("chronic.follow-up-completed.v2", "R1", "2026-01-02T00:00:00Z", fasting_glucose=7.1)
    database.play(v2, event("chronic.follow-up-completed.v3", "R1", "2026-03-02T00:00:00Z", **visit))
    old, new = database.rows("SELECT * FROM follow_ups WHERE resident = 'R1' ORDER BY time")
    assert (old["programme"], old["mode"], old["adverse_reaction"]) == ("hypertension", "clinic", False)
    assert (old["heart_rate"], old["symptoms"], old["drugs"], old["insulin"]) == (None, [], [], False)
    flat = (
        visit | visit["blood_pressure"] | visit["lifestyle"] | {"drugs": ["C08CA01"], "insulin": True, "referred": True}
    )
    written = {name: value for name, value in flat.items() if name in new and not isinstance(value, dict)}
    assert len(written) == 31
    assert {name: new[name] for name in written} == written
    database.play(event("resident.merged.v1", "R1", "2026-03-03T00:00:00Z", into="R9", matched_by="id-card"))
    assert database.rows("SELECT resident, fasting_glucose FROM follow_ups ORDER BY time") == [
        {"resident": "R9", "fasting_glucose": 7.1}, {"resident": "R9", "fasting_glucose": 6.4},
    ]  # fmt: skip
    assert database.rows("SELECT * FROM unparsed") == []
    taken_back = {"reading": old["id"], "reason": "entered-in-error"}
    database.play(event("reading.retracted.v1", "R1", "2026-03-04T00:00:00Z", **taken_back))
    assert database.rows("SELECT fasting_glucose FROM follow_ups") == [{"fasting_glucose": 6.4}]
