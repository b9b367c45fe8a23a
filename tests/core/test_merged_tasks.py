"""Tasks of a person with two records: the survivor's are computed from both, and each has its own again afterwards."""

from typing import Any

from tests.core.resident import DAY, HOUR, START
from tests.core.test_merge import Log

VISIT = {"programme": "hypertension", "mode": "clinic", "blood_pressure": {"systolic": 152, "diastolic": 94}}


def tasks(log: Log, subject: str) -> dict[str, list[tuple[Any, ...]]]:
    """Open and ended tasks of a record as last told."""
    told: dict[str, dict[str, Any]] = {}
    for output in log.outputs:
        if output.type.startswith("mailiu.task.") and output.key == subject:
            data = output.value["data"]
            assert data["revision"] == told.get(data["task"], {}).get("revision", 0) + 1
            told[data["task"]] = data
    found: dict[str, list[tuple[Any, ...]]] = {"open": [], "ended": []}
    for task in told.values():
        if task["status"] in ("done", "cancelled"):
            found["ended"].append((task["kind"], task.get("ended")))
        else:
            found["open"].append((task["kind"], task.get("title") or task["reason"]))
    return {which: sorted(each, key=str) for which, each in found.items()}


def test_the_survivor_has_what_follows_from_both_records_and_nobody_is_asked_twice() -> None:
    log = Log("A", "B")
    log.add("A", "chronic.condition-diagnosed.v1", {"code": "I10"}, START)
    log.add("B", "chronic.condition-diagnosed.v1", {"code": "I10"}, START + HOUR)
    log.add("A", "chronic.follow-up-completed.v3", VISIT, START + DAY)
    log.add("B", "chronic.follow-up-completed.v3", VISIT, START + 10 * DAY)
    log.add("A", "task.ordered.v1", {"title": "Potassium", "due": "2026-04-20"}, START + 10 * DAY)
    before = tasks(log, "A")
    assert before["open"] == [
        ("annual-check", "yearly"),
        ("follow-up", "revisit-uncontrolled"),
        ("ordered", "Potassium"),
    ]
    log.add("A", "resident.merged.v1", {"into": "B", "matched_by": "id-card"}, START + 11 * DAY)
    log.carry()
    assert tasks(log, "A")["open"] == []
    assert {why for _, why in tasks(log, "A")["ended"]} == {None, "record-merged"}
    assert tasks(log, "B")["open"] == [
        ("annual-check", "yearly"), ("follow-up", "after-referral"), ("ordered", "Potassium"),
        ("referral", "uncontrolled-twice"),
    ]  # fmt: skip
    log.add("A", "resident.unmerged.v1", {"survivor": "B"}, START + 12 * DAY)
    log.carry()
    assert tasks(log, "A")["open"] == before["open"]
    assert tasks(log, "B")["open"] == [("annual-check", "yearly"), ("follow-up", "revisit-uncontrolled")]
