"""Two records of one person (33): the survivor is what a fold of both logs makes; unmerged, each is itself again.

A plain carrier stands between the two folds here: it runs the product's own `history` and `parts`.
"""

import random
from typing import Any

import orjson

from schemas.merge import CARRY
from schemas.registry import DERIVED, upcast
from streams import fold as mailiu
from streams.carrier import history, parts
from streams.event import Input, Output, uuid5
from streams.merge import CARRIED
from tests.core.resident import DAY, HOUR, MINUTE, START

SUMMARY = (
    "bp",
    "gl",
    "sx",
    "days",
    "home",
    "dx",
    "rx",
    "target",
    "plans",
    "enrol",
    "marks",
    "consent",
    "birth",
    "gestation",
)

TARGET = {"systolic": 130, "diastolic": 80, "reason": "r", "review": "2026-09-01"}


class Log:
    """One log, residents A, B … in it, and a carrier."""

    def __init__(self, *residents: str) -> None:
        self.facts, self.offset = mailiu.new_facts(), 0
        self.states: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[Input]] = {name: [] for name in residents}
        self.outputs: list[Output] = []
        self.waiting: list[Output] = []
        for name in residents:
            person = {"sex": "male", "birth_date": "1960-05-01"}
            self.add(name, "resident.registered.v1", person, START - 400 * DAY, "registered")

    def add(
        self, subject: str, type: str, data: dict[str, Any], time: int, id: str | None = None, **more: Any
    ) -> Input:
        """Fold an event that is recorded when it happened; what it asks to be carried waits."""
        type, data = upcast(f"mailiu.{type}", data)
        event = Input(
            0, self.offset, uuid5(id or f"{subject}/{self.offset}"), type, subject, time,
            more.get("recorded", time), data, more.get("institution", "I01"), more.get("actor"),
        )  # fmt: skip
        self.offset += 1
        self.events.setdefault(subject, []).append(event)
        mailiu.learn(self.facts, event)
        state, outputs = mailiu.fold(self.states.get(subject), event, self.facts)
        self.states[subject] = orjson.loads(orjson.dumps(state))
        self.outputs += outputs
        self.waiting += [output for output in outputs if output.type == CARRY]
        return event

    def carry(self, attempts: int = 1) -> None:
        """Carry out what waits; of a history, all attempts but the last break off after their first part."""
        while self.waiting:
            request = self.waiting.pop(0)
            DERIVED[request.type].model_validate(request.value["data"])
            data, subject, to, now = request.value["data"], request.key, request.value["data"]["to"], self.facts["core"]
            match data["what"]:
                case "event":
                    wrapped = {"of": subject, "events": data["events"], "via": data["via"]}
                    self.add(to, CARRIED.removeprefix("mailiu."), wrapped, now, request.identity)
                case "returned":
                    told = {"survivor": subject, "alerts": data["alerts"]}
                    self.add(to, "resident.returned.v1", told, now, request.identity)
                case what:
                    told = {"resident": subject, "merge": request.value["causationid"]}
                    told |= {"alerts": data["alerts"]} if what == "merged" else {}
                    type = "absorbed" if what == "merged" else "released"
                    for attempt in range(attempts):
                        begun = self.add(to, f"resident.{type}.v1", told, now, request.identity)
                        events = history(self._once(to), None, now)
                        events += history(self._once(subject), subject, now) if what == "merged" else []
                        runs = parts(events)
                        for number, run in enumerate(runs if attempt == attempts - 1 else runs[:1]):
                            part = {"of": subject, "events": run, "carry": begun.identity, "attempt": str(attempt),
                                    "part": number, "parts": len(runs) + (attempt < attempts - 1)}  # fmt: skip
                            self.add(to, "resident.carried.v1", part, now, f"{request.identity}/{attempt}/{number}")

    def _once(self, subject: str) -> list[Input]:
        return list({event.identity: event for event in reversed(self.events[subject])}.values())[::-1]

    def bp(self, subject: str, systolic: float, diastolic: float, time: int) -> Input:
        data = {"systolic": systolic, "diastolic": diastolic, "device": "D1"}
        return self.add(subject, "reading.blood-pressure-measured.v1", data, time, f"bp/{time}")

    def summary(self, subject: str) -> dict[str, Any]:
        return {name: self.states[subject].get(name) for name in SUMMARY}

    def active(self, subject: str) -> set[str]:
        return {one["rule"] for one in self.states[subject]["alerts"] if one["cond"] == "active"}


def two_lives(seed: int) -> list[tuple[str, str, dict[str, Any], int]]:
    """Who, type, data and time of forty days of one person under two ids, ending at `START`."""
    chance, happened = random.Random(seed), []
    for day in range(40, 0, -1):
        for who in "AB":
            for hour in (0, 1, 12):
                if chance.random() < 0.6:
                    at = START - day * DAY + hour * HOUR + chance.randrange(30) * MINUTE
                    data = {
                        "systolic": chance.randrange(120, 175),
                        "diastolic": chance.randrange(70, 100),
                        "device": who,
                    }
                    happened.append((who, "reading.blood-pressure-measured.v1", data, at))
    day = DAY
    happened += [
        ("A", "chronic.condition-diagnosed.v1", {"code": "I10"}, START - 39 * day),
        ("B", "chronic.condition-resolved.v1", {"code": "I10"}, START - 20 * day),
        ("B", "chronic.medication-prescribed.v1", {"code": "C08CA01"}, START - 30 * day),
        ("B", "resident.consent-given.v1", {"scopes": ["monitoring"], "text_version": "T1"}, START - 35 * day),
        ("A", "monitoring.enrolled.v1", {}, START - 34 * day),
        ("A", "monitoring.plan-set.v1", {"schedule": "daily", "start": "2026-02-01"}, START - 33 * day),
        ("B", "chronic.target-set.v1", TARGET, START - 3 * day),
        ("A", "chronic.symptom-reported.v1", {"symptoms": ["dizziness"]}, START - 2 * day),
    ]  # fmt: skip
    return sorted(happened, key=lambda one: one[3])


def as_one(seed: int, more: Any = lambda log: None) -> Log:
    """Both lives under one id."""
    log = Log("S")
    for n, (_, type, data, time) in enumerate(two_lives(seed)):
        log.add("S", type, data, time, f"life/{n}")
    log.add("S", "resident.labelled.v1", {"label": "one-person"}, START)  # the instant of the merge
    more(log)
    return log


def merged(seed: int) -> Log:
    log = Log("A", "B")
    for n, (who, type, data, time) in enumerate(two_lives(seed)):
        log.add(who, type, data, time, f"life/{n}")
    log.add("A", "resident.merged.v1", {"into": "B", "matched_by": "id-card"}, START)
    return log


def test_the_survivor_is_what_both_logs_in_time_order_make() -> None:
    for seed in range(6):
        log = merged(seed)
        log.carry()
        assert log.summary("B") == as_one(seed).summary("S"), seed
        assert log.active("A") == set()
        assert not log.states["A"]["due"]


def test_a_carrier_that_breaks_off_and_begins_again_changes_nothing() -> None:
    log, again = merged(1), merged(1)
    log.carry()
    again.carry(attempts=3)
    assert again.summary("B") == log.summary("B")
    assert again.active("B") == log.active("B")


def test_what_comes_later_under_either_id_counts_for_the_survivor() -> None:
    def later(log: Log, *ids: str) -> None:
        for n, name in enumerate(ids):
            log.bp(name, 150 + n, 90, START + n * HOUR)

    log = merged(2)
    later(log, "A", "B")
    log.carry()
    log.bp("A", 152, 90, START + 2 * HOUR)
    log.carry()
    assert log.summary("B") == as_one(2, lambda one: later(one, "S", "S", "S")).summary("S")


def test_an_open_alert_moves_with_its_handling_and_is_one_alert() -> None:
    log = Log("A", "B")
    log.bp("A", 190, 115, START)
    [alert] = log.states["A"]["alerts"]
    log.add("A", "resident.merged.v1", {"into": "B", "matched_by": "person"}, START + MINUTE)
    log.carry()
    assert [one["id"] for one in log.states["B"]["alerts"]] == [alert["id"]]
    log.add("A", "alert.acknowledged.v1", {"alert": alert["id"]}, START + 2 * MINUTE, actor="N1")
    log.carry()
    [moved] = log.states["B"]["alerts"]
    assert (moved["hand"], moved["ackby"]) == ("acknowledged", "N1")
    assert log.states["A"]["alerts"] == []
    told = [output.value for output in log.outputs if output.type.startswith("mailiu.alert.")]
    assert [one["data"]["revision"] for one in told] == list(range(1, len(told) + 1))
    assert told[-1]["subject"] == "B"


def test_a_crisis_under_the_old_id_is_an_alert_of_the_survivor() -> None:
    log = merged(3)
    log.carry()
    log.bp("A", 195, 118, START + HOUR)
    log.carry()
    assert "bp-crisis" in log.active("B")
    assert log.active("A") == set()


def test_unmerged_each_is_what_it_would_have_been() -> None:
    log, alone = merged(4), Log("A", "B")
    for n, (who, type, data, time) in enumerate(two_lives(4)):
        alone.add(who, type, data, time, f"life/{n}")
    log.carry()
    for each in (log, alone):
        each.bp("A", 160, 99, START + HOUR)
        each.bp("B", 131, 80, START + 2 * HOUR)
        if each is log:
            log.carry()
            log.add("A", "resident.unmerged.v1", {"survivor": "B"}, START + 3 * HOUR)
            log.carry()
    for name in "AB":
        assert log.summary(name) == alone.summary(name), name
        assert log.active(name) == alone.active(name), name


def test_what_cannot_be_is_refused_and_named() -> None:
    log = merged(5)
    log.carry()
    log.add("B", "resident.merged.v1", {"into": "A", "matched_by": "person"}, START + 1)
    log.add("A", "resident.merged.v1", {"into": "C", "matched_by": "person"}, START + 2)
    log.add("B", "resident.unmerged.v1", {"survivor": "C"}, START + 3)
    log.add("A", "resident.unmerged.v1", {"survivor": "B"}, START + 4, institution="I09")
    reasons = [o.value["data"]["reason"] for o in log.outputs if o.type == "mailiu.resident.event-refused.v1"]
    assert reasons == ["already-merged", "already-merged", "not-merged", "managed-elsewhere"]
    assert not log.waiting


def test_a_chain_of_merges_ends_at_the_last_survivor_and_can_be_taken_apart() -> None:
    log = Log("A", "B", "C")
    log.bp("A", 150, 90, START)
    log.bp("B", 140, 86, START + MINUTE)
    log.add("A", "resident.merged.v1", {"into": "B", "matched_by": "id-card"}, START + 2 * MINUTE)
    log.carry()
    log.add("B", "resident.merged.v1", {"into": "C", "matched_by": "id-card"}, START + 3 * MINUTE)
    log.carry()
    assert log.states["C"]["bp"]["s"] == [150, 140]
    log.bp("A", 160, 91, START + 4 * MINUTE)
    log.carry()
    assert log.states["C"]["bp"]["s"] == [150, 140, 160]
    log.add("B", "resident.unmerged.v1", {"survivor": "C"}, START + 5 * MINUTE)
    log.carry()
    assert "bp" not in log.states["C"]
    assert log.states["B"]["bp"]["s"] == [150, 140, 160]
