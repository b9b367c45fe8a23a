"""Diagnoses and drugs: what holds, and how it came about."""

from datetime import date
from typing import Any

from analytics.report.facts import Facts, Row
from analytics.report.model import Change, Condition, Drug
from analytics.report.names import name
from schemas.chronic import who_code


def conditions(facts: Facts) -> list[Condition]:
    """Every condition that was ever diagnosed, those that hold first; a repeated diagnosis is one condition."""
    found: dict[str, list[Row]] = {}
    for event in [*facts.of("condition-diagnosed"), *facts.of("condition-resolved")]:
        found.setdefault(who_code(event["data"]["code"]), []).append(event)
    conditions = []
    for code, events in found.items():
        events.sort(key=lambda event: (event["time"], str(event["id"])))
        diagnoses = [event for event in events if ".condition-diagnosed." in event["type"]]
        if not diagnoses:
            continue
        ended = events[-1] if ".condition-resolved." in events[-1]["type"] else None
        onsets = [event["data"]["onset"] for event in diagnoses if event["data"].get("onset")]
        conditions.append(
            Condition(
                code=code, label=name("condition", code, facts.lang),
                certainty=diagnoses[-1]["data"].get("certainty", "confirmed"),
                onset=date.fromisoformat(min(onsets)) if onsets else None, diagnosed=facts.day(diagnoses[0]["time"]),
                resolved=facts.day(ended["time"]) if ended else None, sources=[event["id"] for event in events],
            )
        )  # fmt: skip
    return sorted(conditions, key=lambda each: (each.resolved is not None, each.diagnosed, each.code))


def drugs(facts: Facts) -> list[Drug]:
    """Drugs that are taken: prescribed and not stopped; where nothing was prescribed, what the latest visit lists."""
    last = _last(facts)
    taken = [
        Drug(
            code=code, label=label(event["data"], facts), dose=event["data"].get("dose"),
            frequency=event["data"].get("frequency"), since=_since(facts, code), sources=[event["id"]],
        )
        for code, event in sorted(last.items()) if ".medication-prescribed." in event["type"]
    ]  # fmt: skip
    listed = [visit for visit in facts.of("follow-up-completed") if visit["data"].get("medications")][-1:]
    if taken or not listed:
        return taken
    return [
        Drug(
            code=drug.get("code"), label=drug["name"], dose=drug.get("dose"), frequency=drug.get("frequency"),
            since=facts.day(listed[0]["time"]), sources=[listed[0]["id"]],
        )
        for drug in listed[0]["data"]["medications"]
    ]  # fmt: skip


def changes(facts: Facts) -> list[Change]:
    """Drugs started, changed and stopped, oldest first; a prescription of the same again is no change."""
    standing: dict[str, tuple[Any, Any]] = {}
    found = []
    for event in _orders(facts):
        data = event["data"]
        dose = (data.get("dose"), data.get("frequency"))
        if ".medication-stopped." in event["type"]:
            what = "stopped" if standing.pop(data["code"], None) is not None else None
        else:
            before = standing.get(data["code"])
            what = "started" if before is None else "changed" if before != dose else None
            standing[data["code"]] = dose
        if what:
            text = " ".join(filter(None, (label(data, facts), *dose)))
            found.append(Change(day=facts.day(event["time"]), label=text, what=what, sources=[event["id"]]))
    return found


def label(drug: Row, facts: Facts) -> str:
    """The drug's name as written, else that of its code; in English the other way round, for they write in Chinese."""
    written, known = drug.get("name"), name("drug", drug["code"], facts.lang)
    return known if not written or (facts.lang == "en" and known != drug["code"]) else written


def _orders(facts: Facts) -> list[Row]:
    events = [*facts.of("medication-prescribed"), *facts.of("medication-stopped")]
    return sorted(events, key=lambda event: (event["time"], str(event["id"])))


def _last(facts: Facts) -> dict[str, Row]:
    return {event["data"]["code"]: event for event in _orders(facts)}


def _since(facts: Facts, code: str) -> date:
    """The first prescription since it was stopped last."""
    since: Row | None = None
    for event in _orders(facts):
        if event["data"]["code"] == code:
            since = None if ".medication-stopped." in event["type"] else since or event
    assert since is not None
    return facts.day(since["time"])
