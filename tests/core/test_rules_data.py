"""The rules as data: each limit has a unit and a source, the numbers are the guidelines', (M) is marked."""

from pathlib import Path

import pytest

from streams import rules
from streams.calendar import day_of, end_of_working_day, midnight
from streams.facts import new_facts
from streams.fold import RULES
from tests.core.resident import DAY, HOUR, at

ALL = [rule for versions in rules.released().values() for rule in versions.values()]


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: f"{rule.rule}.v{rule.version}")
def test_a_rule_says_where_its_numbers_come_from(rule: rules.Rule) -> None:
    assert Path(rules.__file__).with_name(f"{rule.rule}.v{rule.version}.toml").exists()
    assert rule.source
    assert set(rule.title) == {"zh", "en"}
    assert set(rule.text) in (set(), {"zh", "en"})
    for name, limit in rule.about.items():
        assert limit.unit, name
        assert limit.source, name
        assert not (limit.judgement and limit.convention), name


def test_every_rule_has_one_initial_version_and_code() -> None:
    assert set(rules.released()) == set(RULES) | {"escalation", "alarm-age"} | {
        "control", "review", "follow-up", "level", "round",
    }  # fmt: skip
    for versions in rules.released().values():
        assert sum(rule.initial for rule in versions.values()) == 1


@pytest.mark.parametrize(
    ("rule", "limits"),
    [
        ("bp-crisis", {"systolic": 180, "diastolic": 110, "moderate_systolic": 160, "moderate_diastolic": 100}),
        ("bp-sustained-high", {"systolic": 135, "diastolic": 85, "readings": 12, "days": 3, "window": 7}),
        ("bp-pregnancy", {"severe_systolic": 160, "severe_diastolic": 110, "systolic": 140, "diastolic": 90}),
        ("bp-low", {"systolic": 90}),
        ("glucose-low", {"value": 3.9, "severe": 3.0, "repeat_minutes": 15}),
        ("glucose-high", {"value": 16.7}),
        ("glucose-lows-repeated", {"lows": 2, "days": 14}),
        ("bp-orthostatic", {"systolic": 20, "diastolic": 10}),
        ("ecg-unread", {"urgent_hours": 2}),
    ],
)
def test_what_needs_no_approval_is_not_marked(rule: str, limits: dict[str, float]) -> None:
    first = rules.released()[rule][1]
    assert limits.items() <= first.limits.items()
    assert first.judged.isdisjoint(limits)


@pytest.mark.parametrize(
    ("rule", "judged"),
    [
        ("bp-crisis", {"repeat_minutes"}),
        ("bp-sustained-high", {"old_age", "old_systolic", "old_diastolic", "orange_systolic", "orange_diastolic"}),
        ("bp-low-treated", {"age", "mean", "confirmed", "old_age", "old_mean"}),
        ("bp-pregnancy", {"watch_systolic", "watch_diastolic"}),
        ("check-person", {"failures", "minutes"}),
        ("alarm-age", {"siren_hours", "call_hours"}),
        ("fever-diabetes", {"value"}),
        ("weight-gain-heart-failure", {"gain", "days"}),
        ("pulse-irregular", {"flagged", "in_row", "on_days", "days", "ecg_days"}),
        ("ecg-unread", set()),
        ("bp-orthostatic", set()),
        ("crisis-late", set()),
        ("drug-in-pregnancy", set()),
    ],
)
def test_what_the_decisions_mark_is_marked(rule: str, judged: set[str]) -> None:
    assert rules.released()[rule][1].judged == judged


def test_the_judged_limits_of_pulse_and_oxygen_are_the_decisions() -> None:
    pulse, oxygen = rules.released()["pulse-rate"][1], rules.released()["oxygen-low"][1]
    numbers = {"far_low": 40, "far_high": 130, "low": 50, "high": 110}
    assert numbers.items() <= pulse.limits.items()
    assert numbers.keys() <= pulse.judged
    assert {"red": 90, "orange": 93}.items() <= oxygen.limits.items()
    assert {"red", "orange", "drop_red", "drop_orange", "copd_red", "copd_orange"} <= oxygen.judged


def test_days_are_local_and_working_days_end_by_the_calendar() -> None:
    facts = new_facts()
    assert midnight(facts, day_of(facts, at("2026-03-05 00:00"))) == at("2026-03-05 00:00")
    assert day_of(facts, at("2026-03-05 23:59")) == day_of(facts, at("2026-03-05 00:00"))
    assert end_of_working_day(facts, at("2026-03-06 17:00"), 1, 17) == at("2026-03-09 17:00")
    facts["workdays"]["2026-03-07"] = 1
    assert end_of_working_day(facts, at("2026-03-06 17:00"), 1, 17) == at("2026-03-07 17:00")
    summer = new_facts("Europe/Paris")
    day = day_of(summer, at("2026-03-29 20:00"))
    assert midnight(summer, day + 1) - midnight(summer, day) == DAY - HOUR
