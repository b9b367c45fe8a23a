"""What concerns many residents: core time, rule versions, approvals, working calendar, shifts, device models.

One such dict per partition, stored with it. Every event advances core time; the types in `registry.BROADCAST` change
the rest. Learning an event twice changes nothing.
"""

from typing import Any

from streams.calendar import DAY
from streams.event import DEVICES, Input, Output, instant, uuid5

Facts = dict[str, Any]
ACTIVATED = "mailiu.rule.activated.v1"
LATENESS = 14 * DAY  # ids are kept this long: later copies must change nothing by themselves


def new_facts(zone: str = "Asia/Shanghai") -> Facts:
    """Facts before the first event. ``zone`` (of local days and working hours) is fixed for a log's life."""
    return {
        "core": 0, "zone": zone, "rules": {}, "approved": {}, "holidays": {}, "workdays": {}, "models": {}, "seen": {},
    }  # fmt: skip


def learn(facts: Facts, event: Input) -> Facts:
    """``facts`` after ``event``; changed in place and returned. Call it for every event, before `fold.fold`."""
    if event.recorded > facts["core"]:
        facts["core"] = event.recorded
    change = CHANGES.get(event.type)
    if change is not None and event.identity not in facts["seen"]:
        facts["seen"] = {id: t for id, t in facts["seen"].items() if t >= facts["core"] - LATENESS}
        facts["seen"][event.identity] = event.recorded
        change(facts, event)
    return facts


def activation(facts: Facts, event: Input) -> Output:
    """What `rule.activated` says, for gateways on the compacted topic `devices`: the version now in force."""
    rule = event.data["rule"]
    key = f"rule/{rule}"
    value = {"kind": "rule", "rule": rule, "version": facts["rules"][rule]}
    return Output(DEVICES, key, uuid5(f"devices\n{key}\n{event.identity}"), ACTIVATED, event.recorded, value)


def _activated(facts: Facts, event: Input) -> None:
    facts["rules"][event.data["rule"]] = event.data["version"]


def _approved(facts: Facts, event: Input) -> None:
    if event.institution is not None:
        rules = facts["approved"].setdefault(event.institution, [])
        rule = f"{event.data['rule']}@{event.data['version']}"
        if rule not in rules:
            rules.append(rule)


def _calendar(facts: Facts, event: Input) -> None:
    year = f"{event.data['year']}-"
    for kind in ("holidays", "workdays"):
        kept = {day: 1 for day in facts[kind] if not day.startswith(year)}
        facts[kind] = kept | dict.fromkeys(event.data.get(kind, ()), 1)


def _rota(facts: Facts, event: Input) -> None:
    """When shifts begin, by institution and in order: [instant, role]. Who it is, the sender knows."""
    begins = {(instant(shift["start"]), event.data["role"]) for shift in event.data["shifts"]}
    shifts = facts.setdefault("shifts", {})
    begins |= {(at, role) for at, role in shifts.get(event.institution, ())}
    shifts[event.institution] = [[at, role] for at, role in sorted(begins) if at > facts["core"]]


def _area(facts: Facts, event: Input) -> None:
    """Where an institution's residents live: the latest word counts."""
    areas = facts.setdefault("areas", {})
    stands = areas.get(event.institution)
    if event.institution is not None and (stands is None or (stands[3], stands[2]) < (event.time, event.identity)):
        data = event.data
        areas[event.institution] = [int(data["north"]), int(data["urban"]), event.identity, event.time]


def _model(facts: Facts, event: Input) -> None:
    """Whether a model's readings may enter means: not when it is known to be unvalidated or worn on the wrist."""
    data = event.data
    facts["models"][data["model"]] = int(data.get("validated") is not False and data.get("site") != "wrist")


CHANGES = {
    ACTIVATED: _activated,
    "mailiu.rule.approved.v1": _approved,
    "mailiu.organization.holiday-calendar-set.v1": _calendar,
    "mailiu.organization.area-described.v1": _area,
    "mailiu.organization.rota-set.v1": _rota,
    "mailiu.device.model-registered.v1": _model,
}
