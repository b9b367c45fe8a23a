"""What a score counts, on alerts and truths of a few lines each."""

from collections import Counter
from typing import Any

import pytest

from analytics.simulator.clinician import acts, turn
from analytics.simulator.parameters import DAY, HOUR, LOCAL
from analytics.simulator.score import Alert, Change, Truth, hand_work, rules, score
from schemas.registry import EVENTS, parse
from streams.rules import released

MONDAY = 1_741_536_000_000 - LOCAL  #: 2025-03-10, local midnight
MINUTE = 60_000


def alert(rule: str, raised: int, *changes: Change, resident: str = "R1", id: str = "a") -> Alert:
    first = Change(raised, "red" if rule == "bp-crisis" else "yellow", "active", "new")
    return Alert(id, rule, resident, raised, raised, raised, [first, *changes])


def truth(*episodes: dict[str, Any]) -> Truth:
    district = {
        "what": "district", "begin": MONDAY, "end": MONDAY + 30 * DAY, "monitored": 1, "prefix": "S1",
        "occasions": {"outside-limits": 100},
    }  # fmt: skip
    resident = {"what": "resident", "resident": "R1", "plan": [[MONDAY, MONDAY + 30 * DAY]]}
    return Truth.read([district, resident, *({"what": "episode", "resident": "R1"} | one for one in episodes)])


def row(result: dict[str, Any], rule: str) -> dict[str, Any]:
    return next(one for one in result["rules"] if one["rule"] == rule)


def test_an_alert_in_a_crisis_is_right_and_another_one_false() -> None:
    start = MONDAY + 2 * DAY
    crisis = {"is": "crisis", "start": start, "end": start + 5 * HOUR, "readings": 2, "first": start + HOUR}
    missed = {"is": "crisis", "start": start + 9 * DAY, "end": start + 9 * DAY + HOUR, "readings": 0}
    right = alert("bp-crisis", start + 2 * HOUR)
    false = alert("bp-crisis", start + 5 * DAY, id="b")
    found = row(score(truth(crisis, missed), [right, false]), "bp-crisis")
    assert (found["episodes"], found["found"], found["alerts"], found["false_alarms"]) == (2, 1, 2, 1)
    assert (found["sensitivity"], found["sensitivity_measured"]) == (0.5, 1.0)
    assert found["delay_median_hours"] == 1.0
    assert found["false_per_100_patient_months"] == pytest.approx(100 * 30.436875 / 30)


def test_an_alert_about_somebody_else_finds_nothing() -> None:
    crisis = {"is": "crisis", "start": MONDAY, "end": MONDAY + HOUR, "readings": 2, "first": MONDAY}
    found = row(score(truth(crisis), [alert("bp-crisis", MONDAY, resident="R2")]), "bp-crisis")
    assert (found["found"], found["false_alarms"]) == (0, 1)


def test_a_brief_truth_need_not_be_found_but_is_no_false_alarm() -> None:
    brief = {"is": "high-pressure", "start": MONDAY, "end": MONDAY + 3 * DAY, "readings": 9, "brief": True}
    found = row(score(truth(brief), [alert("bp-sustained-high", MONDAY + 2 * DAY)]), "bp-sustained-high")
    assert (found["episodes"], found["false_alarms"]) == (0, 0)


def test_a_lasting_alert_finds_what_begins_while_it_is_active() -> None:
    later = {"is": "high-pressure", "start": MONDAY + 10 * DAY, "end": MONDAY + 20 * DAY, "readings": 9}
    lasting = alert("bp-sustained-high", MONDAY)
    found = row(score(truth(later), [lasting]), "bp-sustained-high")
    assert (found["found"], found["delay_median_hours"]) == (1, 0.0)
    cleared = alert("bp-sustained-high", MONDAY, Change(MONDAY + DAY, "yellow", "cleared", "new"))
    assert row(score(truth(later), [cleared]), "bp-sustained-high")["found"] == 0


def test_what_clears_before_anybodys_turn_is_no_hand_work() -> None:
    end = MONDAY + 30 * DAY
    raised = MONDAY + 9 * HOUR
    soon = alert("bp-low", raised, Change(raised + HOUR, "yellow", "cleared", "new"))
    assert turn(soon.id, "yellow", raised) > raised + HOUR
    assert hand_work(soon, end) == (0, 1)
    late = alert("bp-low", raised, Change(raised + 5 * DAY, "yellow", "cleared", "new"))
    assert hand_work(late, end) == (1, 0)
    worse = alert(
        "bp-low", raised, Change(raised + HOUR, "yellow", "active", "closed"),
        Change(raised + 2 * HOUR, "red", "active", "new"), Change(raised + 3 * HOUR, "red", "active", "acknowledged"),
    )  # fmt: skip
    assert hand_work(worse, end) == (2, 0)
    waiting = alert("bp-low", end - HOUR)
    assert hand_work(waiting, end) == (0, 0)


def test_hand_work_and_automated_share_of_the_study_come_out_as_the_study_has_them() -> None:
    """van Steenkiste 2025: 174 users, 207 days, 17,293 alerts of which 3,646 by hand: 10.1 a day in 100, 78.9 %."""
    days = 174 * 207
    one = Truth({"end": days * DAY, "monitored": 174, "occasions": {"all": 17_293}}, {}, days)
    handled = [alert("bp-crisis", 0, Change(HOUR, "red", "active", "closed"), id=str(n)) for n in range(3_646)]
    total = score(one, handled)["total"]
    assert total["hand_work_per_100_people_a_day"] == pytest.approx(10.12, abs=0.01)
    assert total["automated_share"] == pytest.approx(0.789, abs=0.001)


def test_reds_are_taken_within_minutes_and_the_others_in_working_hours() -> None:
    for n in range(150):  # to 22 April: the first make-up Sunday of that spring is the 27th
        opened = MONDAY + n * 7 * HOUR + n * MINUTE
        red = turn(str(n), "red", opened) - opened
        assert 2 * MINUTE <= red <= 20 * MINUTE
        for severity in ("orange", "yellow", "technical"):
            at = turn(str(n), severity, opened)
            local = (at + LOCAL) % DAY
            assert at > opened
            assert 8 * HOUR <= local <= 17 * HOUR
            assert (at + LOCAL) // DAY % 7 not in (2, 3)  # 1970-01-01 was a Thursday: no Saturday, no Sunday
    taken = Counter(turn(str(n), "yellow", MONDAY + 10 * HOUR) // DAY for n in range(50))
    assert set(taken) <= {MONDAY // DAY + 1, MONDAY // DAY + 2}


@pytest.mark.parametrize("severity", ["red", "orange", "yellow", "technical"])
def test_what_clinicians_do_are_events_that_the_gateways_take(severity: str) -> None:
    id = "0b6f7f0e-6a8d-5b8e-8d3a-5d8f3f3b2b11"
    for act in acts(id, severity, MONDAY):
        assert act.type in EVENTS
        parse(
            {
                "id": "1", "source": "api", "type": act.type, "subject": "R1", "time": "2025-03-10T00:00:00Z",
                "data": act.data, "institution": "I1",
            }
        )  # fmt: skip


def test_every_rule_that_is_scored_is_released() -> None:
    assert set(rules()) <= set(released())


def test_a_file_that_is_no_truth_is_refused() -> None:
    with pytest.raises(ValueError, match="no truth of a simulated district"):
        Truth.read([{"what": "episode", "is": "crisis"}])
