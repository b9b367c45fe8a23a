"""Tasks as the tables serve them: what the fold said last; households and the slots of teams."""

import pytest

from tests.core.resident import DAY, HOUR, START
from tests.core.test_task import Cared
from tests.projections.play import Database, event

pytestmark = pytest.mark.stack


def test_the_latest_revision_is_the_task_and_its_history_stays(database: Database) -> None:
    r = Cared()
    r.diagnose("I10", START)
    r.ticks(START + 77 * DAY)
    r.on_task("assigned", r.open(), START + 77 * DAY, assignee="N01")
    visit = r.visit(START + 78 * DAY, bp=(152, 94))
    r.event("task.ordered.v1", {"title": "Potassium", "due": "2026-06-20"}, START + 78 * DAY + HOUR)
    database.play(*(o.value for o in r.outputs if o.type.startswith("mailiu.task.")), topic="derived")
    rows = database.rows("SELECT * FROM tasks ORDER BY kind, opened_time")
    kinds = [(row["kind"], row["status"], row["task_reason"], row["due"]) for row in rows]
    assert kinds == [
        ("annual-check", "planned", "yearly", "2027-03-05"), ("follow-up", "done", "first-visit", "2026-06-03"),
        ("follow-up", "planned", "revisit-uncontrolled", "2026-06-05"), ("ordered", "due", "ordered", "2026-06-20"),
    ]  # fmt: skip
    _, done, revisit, ordered = rows
    assert (done["done_by"], done["assignee"], done["programme"]) == (visit, "N01", "hypertension")
    assert (revisit["cause"], revisit["priority"], ordered["title"]) == (visit, "high", "Potassium")
    history = database.rows(f"SELECT event FROM task_events WHERE task = '{done['task']}' ORDER BY revision")
    assert [row["event"] for row in history] == ["opened", "fell-due", "changed", "done"]
    assert database.rows("SELECT * FROM unparsed") == []


def test_where_people_live_and_when_they_can_be_seen(database: Database) -> None:
    database.play(
        event("resident.household-joined.v1", "R1", "2026-01-02T00:00:00Z", household="H1", village="V1"),
        event("resident.household-joined.v1", "R1", "2026-02-02T00:00:00Z", household="H2"),
        event("organization.visit-slots-set.v1", "I01", "2026-01-01T00:00:00Z", team="T1", slots=[9, 9, 9, 9, 9, 0, 0]),
        event(
            "organization.visit-slots-set.v1", "I01", "2026-02-01T00:00:00Z", team="T1", slots=[8, 8, 8, 8, 4, 0, 0],
            village_days=[{"village": "V1", "weekday": 3}],
        ),
    )  # fmt: skip
    assert database.rows("SELECT resident, household, village FROM households") == [
        {"resident": "R1", "household": "H2", "village": None}
    ]
    [slots] = database.rows("SELECT team, institution, slots, village_days FROM visit_slots")
    assert slots["slots"] == [8, 8, 8, 8, 4, 0, 0]
    assert slots["village_days"] == [{"village": "V1", "weekday": 3}]
