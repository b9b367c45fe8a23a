"""Level and place on the round do not depend on the order in which events come in, nor on which record they came to."""

import random
from typing import Any

import pytest

from tests.core.resident import DAY, HOUR, START, Resident
from tests.core.test_merge import Log

VISIT = {"programme": "hypertension", "mode": "clinic"}
EVENTS: list[tuple[str, dict[str, Any], int]] = [
    ("resident.contracted.v1", {"team": "T1"}, 0),
    ("resident.contracted.v1", {"team": "T2", "doctor": "D02"}, 3),
    ("chronic.condition-diagnosed.v1", {"code": "I10"}, 1),
    ("chronic.condition-diagnosed.v1", {"code": "I63"}, 2),
    ("chronic.condition-resolved.v1", {"code": "I63"}, 6),
    ("chronic.follow-up-completed.v3", VISIT | {"blood_pressure": {"systolic": 128, "diastolic": 78}}, 4),
    ("chronic.follow-up-completed.v3", VISIT | {"blood_pressure": {"systolic": 172, "diastolic": 98}}, 8),
    ("resident.labelled.v1", {"label": "lives-alone"}, 2),
    ("resident.unlabelled.v1", {"label": "lives-alone"}, 5),
    ("resident.labelled.v1", {"label": "deaf"}, 5),
]


def place(r: Resident) -> dict[str, Any]:
    told = [o.value["data"] for o in r.outputs if o.type == "mailiu.round.need-assessed.v1"][-1]
    reasons = sorted((reason["kind"], reason["code"], reason["points"]) for reason in told["reasons"])
    return {name: told[name] for name in ("level", "team", "doctor", "labels", "conditions", "points")} | {
        "reasons": reasons
    }


def folded(order: list[tuple[str, dict[str, Any], int]]) -> dict[str, Any]:
    """What is said in the end of events that all come in on one day, in this order."""
    r = Resident(born="1960-05-01")
    for number, (type, data, day) in enumerate(order):
        r.event(type, data, START + day * DAY, recorded=START + 10 * DAY + number, id=f"{type}/{day}/{data}")
    r.ticks(START + 11 * DAY)
    return place(r)


@pytest.mark.parametrize("seed", range(12))
def test_order_does_not_matter(seed: int) -> None:
    order = list(EVENTS)
    random.Random(seed).shuffle(order)
    assert folded(order) == folded(EVENTS)


def test_copies_change_nothing() -> None:
    assert folded([each for each in EVENTS for _ in range(2)]) == folded(EVENTS)


def test_a_survivor_has_the_need_of_both_records_and_its_own_contract() -> None:
    log = Log("A", "B")
    log.add("A", "resident.contracted.v1", {"team": "T1"}, START)
    log.add("B", "resident.contracted.v1", {"team": "T9"}, START)
    log.add("A", "chronic.condition-diagnosed.v1", {"code": "I63"}, START + HOUR)
    log.add("A", "resident.labelled.v1", {"label": "deaf"}, START + HOUR)
    log.add("A", "resident.merged.v1", {"into": "B", "matched_by": "id-card"}, START + 2 * HOUR)
    log.carry()
    told = [o for o in log.outputs if o.type == "mailiu.round.need-assessed.v1" and o.key == "B"][-1].value["data"]
    assert (told["team"], told["level"], told["labels"], told["conditions"]) == ("T9", 3, ["deaf"], ["I63"])
    level = [o for o in log.outputs if o.type == "mailiu.resident.level-assessed.v1" and o.key == "B"][-1]
    assert level.value["data"]["level"] == 3
