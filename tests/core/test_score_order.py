"""Scores at the end do not depend on the order of arrival within the window, nor on copies."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.resident import DAY, HOUR, START, Resident
from tests.core.test_merge import Log
from tests.core.test_score import scores

Happened = tuple[str, dict[str, Any], int]

LABS = st.sampled_from(
    [
        ("total_cholesterol", "mmol/L", 3, 8), ("hdl_cholesterol", "mmol/L", 1, 2), ("creatinine", "umol/L", 50, 200),
        ("waist", "cm", 70, 110), ("weight", "kg", 50, 100), ("height", "cm", 150, 190), ("uacr", "mg/g", 5, 400),
        ("fasting_glucose", "mmol/L", 4, 12),
    ]
)  # fmt: skip


@st.composite
def happenings(draw: st.DrawFn) -> list[Happened]:
    """What is said of one resident in thirteen days, each at its own hour."""
    found: list[Happened] = []
    hours = draw(st.lists(st.integers(0, 13 * 24 - 1), min_size=3, max_size=25, unique=True))
    for hour in hours:
        at = START + hour * HOUR
        match draw(st.integers(0, 6)):
            case 0 | 1 | 2:
                name, unit, low, high = draw(LABS)
                result = {"name": name, "unit": unit, "value": draw(st.integers(low, high))}
                found.append(("examination.recorded.v1", {"results": [result]}, at))
            case 3:
                pressure = {"systolic": draw(st.integers(110, 190)), "diastolic": draw(st.integers(60, 105))}
                found.append(
                    (
                        "chronic.follow-up-completed.v3",
                        {"programme": "both", "mode": "clinic", "blood_pressure": pressure},
                        at,
                    )
                )
            case 4:
                kind = draw(st.sampled_from(["diagnosed", "resolved"]))
                code = draw(st.sampled_from(["I10", "E11.9", "I63.9", "I48.0"]))
                found.append((f"chronic.condition-{kind}.v1", {"code": code}, at))
            case 5:
                smoking = draw(st.sampled_from(["never", "former", "current"]))
                found.append(("chronic.lifestyle-recorded.v1", {"smoking": smoking}, at))
            case _:
                relative = {"condition": "stroke", "relative": draw(st.sampled_from(["father", "grandparent"]))}
                relatives = draw(st.sampled_from([[], [relative]]))
                found.append(("chronic.family-history-recorded.v1", {"relatives": relatives}, at))
    return found


def lived(happened: list[Happened], order: list[int]) -> dict[str, dict[str, Any]]:
    """The last word on each model after what happened arrived in this order, a second apart."""
    resident = Resident(born="1960-05-01")
    resident.event("organization.area-described.v1", {"north": True, "urban": False}, START - DAY, subject="I01")
    for n, index in enumerate(order):
        type, data, time = happened[index]
        resident.event(type, data, time, recorded=START + 14 * DAY + n * 1000, id=f"event/{index}")
    resident.tick(START + 15 * DAY)
    return scores(resident.outputs)


@settings(max_examples=60, deadline=None)
@given(happenings(), st.data())
def test_order_and_copies_change_nothing_in_the_end(happened: list[Happened], data: st.DataObject) -> None:
    straight = list(range(len(happened)))
    other = data.draw(st.permutations(straight))
    copies = data.draw(st.lists(st.sampled_from(straight), max_size=4))
    expected, found = lived(happened, straight), lived(happened, [*other, *copies])
    # What is not applicable since its condition went may never have been said in another order.
    told = [{m: d for m, d in one.items() if d["status"] == "computed"} for one in (expected, found)]
    assert told[0] == told[1]


def test_of_merged_records_the_survivors_scores_rest_on_both() -> None:
    log = Log("A", "B")

    def told(subject: str) -> dict[str, dict[str, Any]]:
        return scores([output for output in log.outputs if output.key == subject])

    result = {"results": [{"name": "creatinine", "unit": "umol/L", "value": 80}]}
    log.add("A", "examination.recorded.v1", result, START)
    waist = {"results": [{"name": "waist", "unit": "cm", "value": 92}]}
    log.add("B", "examination.recorded.v1", waist, START + HOUR)
    assert "waist-cn" not in told("A")
    assert "ckd-epi-2021" not in told("B")
    log.add("A", "resident.merged.v1", {"into": "B", "matched_by": "id-card"}, START + DAY)
    log.carry()
    survivor = told("B")
    assert survivor["ckd-epi-2021"]["value"] == told("A")["ckd-epi-2021"]["value"]
    assert survivor["waist-cn"]["class"] == "central-obesity"
