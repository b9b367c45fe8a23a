"""What must hold for any history: copies, order, ticks, JSON and determinism (design: where correctness lives)."""

import os
import random
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.registry import BROADCAST, DERIVED
from streams.event import TICK, Input, Output, uuid5
from streams.fold import due, fold, learn, new_facts
from streams.state import SERIES
from tests.core.events import any_inputs, days_of_a_resident
from tests.core.resident import DAY, HOUR, START

EXAMPLES = int(os.environ.get("MAILIU_TEST_EXAMPLES", "60"))
PROPERTY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def run(events: list[Input], *, json: bool = True, forget_held: bool = False) -> tuple[dict[str, Any], list[Output]]:
    """A straight fold; through JSON after every event, or never."""
    facts, state, outputs = new_facts(), None, []
    for event in events:
        learn(facts, event)
        if event.type in BROADCAST:
            continue
        if forget_held and state is not None:
            state.pop("held", None)
        state, out = fold(state, event, facts)
        outputs += out
        if json:
            state = orjson.loads(orjson.dumps(state))
    return state or {}, outputs


def tick(recorded: int, n: int = 0) -> Input:
    return Input(0, 10_000 + n, uuid5(f"tick/{n}"), TICK, "R1", recorded, recorded, {})


def told(outputs: list[Output]) -> dict[str, dict[str, Any]]:
    """Every alert as last told."""
    alerts: dict[str, dict[str, Any]] = {}
    for output in outputs:
        if output.type.startswith("mailiu.alert."):
            alerts[output.value["data"]["alert"]] = output.value["data"]
    return alerts


def outcome(state: dict[str, Any], outputs: list[Output]) -> dict[str, Any]:
    """Classification, summary and active rules: what must not depend on the order."""
    active = sorted({alert["rule"] for alert in told(outputs).values() if alert["condition"] == "active"})
    standing = ("days", "home", "dx", "rx", "target", "planning")
    kept = {name: state.get(name) for name in (*SERIES, *standing)}
    for series in SERIES:  # lateness is a fact of the delivery
        columns = kept[series]
        if columns is not None:
            kept[series] = {column: values for column, values in columns.items() if column != "l"}
    return {"active": active, **kept}


def delivered(happened: list[tuple[str, dict[str, Any], int]], order: list[int]) -> list[Input]:
    """The events in ``order``, accepted a second apart from `START` on."""
    return [
        Input(0, at, uuid5(f"e/{n}"), happened[n][0], "R1", happened[n][2], START + at * 1000, happened[n][1], "I01")
        for at, n in enumerate(order)
    ]


@given(days_of_a_resident(), st.randoms(use_true_random=False))
@PROPERTY
def test_the_order_of_delivery_changes_neither_classification_nor_summary_nor_active_rules(
    happened: list[tuple[str, dict[str, Any], int]], chance: random.Random
) -> None:
    order = list(range(len(happened)))
    chance.shuffle(order)
    end = tick(START + HOUR)
    one = outcome(*run([*delivered(happened, sorted(order)), end]))
    other = outcome(*run([*delivered(happened, order), end]))
    assert one == other


@given(days_of_a_resident(), st.randoms(use_true_random=False))
@PROPERTY
def test_a_diary_delivered_late_and_shuffled_is_judged_like_one_delivered_live(
    happened: list[tuple[str, dict[str, Any], int]], chance: random.Random
) -> None:
    happened = [h for h in happened if "blood-pressure" in h[0] or "target" in h[0]]
    live = [
        Input(0, at, uuid5(f"e/{n}"), h[0], "R1", h[2], h[2], h[1], "I01")
        for at, (n, h) in enumerate(sorted(enumerate(happened), key=lambda pair: pair[1][2]))
    ]
    order = list(range(len(happened)))
    chance.shuffle(order)
    end = tick(START + HOUR)
    results = []
    for events in (live, delivered(happened, order)):
        result = outcome(*run([*events, end]))
        rules = set(result.pop("active")) & {"bp-sustained-high", "adherence-low", "readings-silent"}
        results.append((rules, result["home"], result["days"]))
    assert results[0] == results[1]


@given(any_inputs(), st.data())
@PROPERTY
def test_copies_change_nothing(events: list[Input], data: st.DataObject) -> None:
    copied: list[Input] = []
    for n, event in enumerate(events):
        copied.append(event)
        again = data.draw(st.lists(st.integers(0, n), max_size=2))
        for earlier in again:
            old = events[earlier]
            if event.recorded - old.recorded < 14 * DAY:
                copied.append(Input(
                    0, old.offset, old.identity, old.type, old.subject, old.time, event.recorded, old.data,
                    old.institution, old.actor, old.origin,
                ))  # fmt: skip
    end = tick(START + 60 * DAY)
    assert run([*events, end]) == run([*copied, end])


@given(any_inputs())
@PROPERTY
def test_any_valid_history_folds_and_what_comes_out_is_valid(events: list[Input]) -> None:
    facts, state = new_facts(), None
    at = 0
    for n, event in enumerate(events):
        for one in (event, tick(event.recorded, n)):
            learn(facts, one)
            if one.type in BROADCAST:
                continue
            state, outputs = fold(state, one, facts)
            for output in outputs:
                if output.topic == "derived":
                    DERIVED[output.type].model_validate(output.value["data"])
                    at += 1
        if state is not None:
            assert (due(state) or facts["core"] + 1) > facts["core"]
            assert sum(a["cond"] == "active" for a in state["alerts"]) < 20


@given(any_inputs())
@PROPERTY
def test_json_at_any_point_and_what_is_only_cached_change_nothing(events: list[Input]) -> None:
    end = tick(START + 60 * DAY)
    plain = run([*events, end], json=False)
    assert run([*events, end]) == plain
    again = run([*events, end], forget_held=True)
    assert again[1] == plain[1]


@given(any_inputs())
@PROPERTY
def test_ticks_settle_what_is_due_and_repeating_them_says_nothing(events: list[Input]) -> None:
    facts, state = new_facts(), None
    for n, event in enumerate(events):
        learn(facts, event)
        if event.type not in BROADCAST:
            state, _ = fold(state, event, facts)
        if state is not None:
            state, _ = fold(state, tick(facts["core"], n), facts)
            before = orjson.dumps(state)
            state, outputs = fold(state, tick(facts["core"], n + 1000), facts)
            assert outputs == []
            assert orjson.dumps(state) == before


@given(any_inputs())
@PROPERTY
def test_identities_are_unique_and_revisions_count(events: list[Input]) -> None:
    _, outputs = run([*events, tick(START + 60 * DAY)])
    identities = [output.identity for output in outputs]
    assert len(identities) == len(set(identities))
    revisions: dict[str, list[int]] = {}
    for output in outputs:
        if output.type.startswith("mailiu.alert."):
            alert = output.value["data"]
            revisions.setdefault(alert["alert"], []).append(alert["revision"])
    assert all(counted == list(range(1, len(counted) + 1)) for counted in revisions.values())


@given(st.lists(st.tuples(st.integers(0, 1439), st.integers(180, 230)), min_size=1, max_size=40), st.booleans())
@PROPERTY
def test_one_batch_of_one_day_is_one_alert(readings: list[tuple[int, int]], backwards: bool) -> None:
    readings.sort(reverse=backwards)
    events = [
        Input(
            0, n, uuid5(f"b/{n}"), "mailiu.reading.blood-pressure-measured.v1", "R1", START - minute * 60_000,
            START + n, {"systolic": systolic, "diastolic": 90, "device": "D1"}, "I01",
        )
        for n, (minute, systolic) in enumerate(readings)
    ]  # fmt: skip
    _, outputs = run(events)
    assert sum(output.type == "mailiu.alert.raised.v1" for output in outputs) == 1
    assert sum(output.type == "mailiu.device.command-requested.v1" for output in outputs) <= 2
