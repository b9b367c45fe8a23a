"""Two records of one person in the fold: which gives way, which survives, and how the survivor is folded from both.

The record that gives way goes on being folded, silently, so that it is whole if the two part again; all that is said of
it goes to the survivor, by way of the carrier (`streams.carrier`), since the two lie in different partitions. The
survivor notes what comes while history is on its way, and is then folded anew from everything, in the order in which it
was accepted. Its own institution, bindings and alerts stand; alerts that people may still act on move along.

In the state: ``into`` is the survivor; ``of`` holds, by resident, the merges in force; ``carry`` what is on its way:
``id`` (identity of the absorbed or released event), ``got`` (parts by attempt), ``since`` (what came meanwhile).
"""

from typing import Any

from schemas.merge import CARRY
from streams import alert, apply, task
from streams.calendar import day_of, midnight
from streams.care import REFUSED
from streams.case import Case
from streams.escalation import schedule
from streams.event import DEVICES, Input
from streams.measured import EVIDENCE, Touched
from streams.state import KEPT_DAYS, State, forget, known, new_state, remember

#: Of a survivor's state these stand; everything else is folded anew.
STANDS = (
    "alerts", "due", "of", "into", "care", "inst", "bind", "sender", "msgs", "offer", "gateways", "clocks", "dev",
    "base", "control", "review", "tasks", "contract",
)  # fmt: skip
#: Who manages the survivor, and what is bound to it, is said of itself.
OWN = frozenset(
    {
        "mailiu.resident.contracted.v1", "mailiu.resident.contract-ended.v1", "mailiu.resident.transferred.v1",
        "mailiu.device.registered.v1", "mailiu.device.unbound.v1",
    }
)  # fmt: skip
#: What people and senders did with alerts and notices has had its effect already.
DONE = ("mailiu.alert.", "mailiu.notice.", "mailiu.device.command-")


def pack(event: Input, of: str | None = None) -> dict[str, Any]:
    """An event as it is carried; ``of`` names the record it comes from (None: the survivor's own)."""
    packed = {
        "identity": event.identity, "type": event.type, "time": event.time, "recorded": event.recorded,
        "data": event.data, "institution": event.institution, "actor": event.actor, "origin": event.origin,
    }  # fmt: skip
    return packed if of is None else packed | {"of": of}


def unpack(packed: dict[str, Any], wrapper: Input) -> Input:
    """A carried event as the survivor's, caused by the record of its wrapper."""
    return Input(
        wrapper.partition, wrapper.offset, packed["identity"], packed["type"], wrapper.subject, packed["time"],
        packed["recorded"], packed["data"], packed["institution"], packed["actor"], packed["origin"],
    )  # fmt: skip


def merged(case: Case) -> None:
    """This record gives way: its alerts and all that is said of it go to the survivor."""
    state, into = case.state, case.event.data["into"]
    if "into" in state or into == case.event.subject or into in state.get("of", {}):
        _refuse(case, "already-merged", "data.into", into)
        return
    state["into"] = into
    task.end_all(case, "record-merged")
    moving, state["alerts"] = state["alerts"], []
    state["due"].clear()
    _request(case, "merged", into, alerts=moving)


def unmerged(case: Case) -> None:
    """This record is its own again; its alerts come back from the survivor."""
    survivor = case.event.data["survivor"]
    if case.state.get("into") != survivor:
        _refuse(case, "not-merged", "data.survivor", survivor)
        return
    del case.state["into"]
    _request(case, "unmerged", survivor)


def _refuse(case: Case, reason: str, field: str, value: str) -> None:
    event = case.event
    data = {"event": event.identity, "type": event.type, "reason": reason, "field": field, "value": value}
    case.emit(REFUSED, f"{event.identity}/refused", data)


def _request(case: Case, what: str, to: str, **more: Any) -> None:
    case.emit(CARRY, f"{case.event.identity}/{what}", {"what": what, "to": to, **more})


def forward(case: Case) -> None:
    """An event of a record that gave way: fold it silently, and have it carried to the survivor."""
    state, event = case.state, case.event
    apply.HANDLERS[event.type](case)
    case.outputs[:] = [output for output in case.outputs if output.topic == DEVICES]
    state["due"].clear()
    if event.type not in EVIDENCE:
        remember(state, "seen", case.now, event.identity)
    _request(case, "event", state["into"], events=[pack(event)], via=[event.subject])


def pass_on(case: Case) -> None:
    """What another record had carried here goes on to where this one went, and is folded here in silence."""
    state, event = case.state, case.event
    for one in later(case):
        take(Case(state, one, case.facts, case.horizon))
    via = event.data.get("via", [])
    if state["into"] not in via:
        _request(case, "event", state["into"], events=event.data["events"], via=[*via, event.subject])


def absorbed(case: Case) -> None:
    """Another record gave way to this one: its alerts are this one's; its history is on the way."""
    state, data = case.state, case.event.data
    if data["resident"] in state.get("of", {}):
        return
    state.setdefault("of", {})[data["resident"]] = data["merge"]
    _adopt(case, data["alerts"], data["resident"])
    _await(case)


def released(case: Case) -> None:
    """A record that gave way is its own again: its alerts go back, and this one is folded anew without it."""
    state, resident = case.state, case.event.data["resident"]
    if state.get("of", {}).pop(resident, None) is None:
        return
    back = [one for one in state["alerts"] if one.get("from") == resident]
    state["alerts"] = [one for one in state["alerts"] if one.get("from") != resident]
    _request(case, "returned", resident, alerts=back)
    _await(case)


def returned(case: Case) -> None:
    """The alerts of this record are its own again."""
    _adopt(case, case.event.data["alerts"], None)


def _adopt(case: Case, alerts: list[dict[str, Any]], of: str | None) -> None:
    """Take over alerts with their whole state, and tell of those that people may still act on."""
    mine = {one["id"] for one in case.state["alerts"]}
    for one in alerts:
        if one["id"] not in mine:
            one.pop("from", None)
            if of is not None:
                one["from"] = of
            case.state["alerts"].append(one)
            if one["cond"] == "active" or one["hand"] != "closed":
                schedule(case, one)
                alert.emit(case, one, "extended")


def _await(case: Case) -> None:
    before = case.state.get("carry", {"since": []})
    case.state["carry"] = {"id": case.event.identity, "got": {}, "since": before["since"]}


def note(state: State, event: Input, of: str | None = None) -> None:
    """Keep an event that comes while history is on its way."""
    if "carry" in state:
        state["carry"]["since"].append(pack(event, of))


def later(case: Case) -> list[Input]:
    """The events in a wrapper that shall be folded now: those of a record that still stands merged into this one."""
    state, data = case.state, case.event.data
    if data.get("carry") is not None or data["of"] not in state.get("of", {}):
        return []
    events = [unpack(packed, case.event) for packed in data["events"]]
    for event in events:
        note(state, event, data["of"])
    return events


def complete(case: Case) -> bool:
    """Take a part of the history; once all of an attempt is there, fold anew from it. Whether that happened."""
    state, data = case.state, case.event.data
    carry = state.get("carry")
    if carry is None or data.get("carry") != carry["id"]:
        return False
    parts = carry["got"].setdefault(data["attempt"], {})
    parts[str(data["part"])] = data["events"]
    if len(parts) < data["parts"]:
        return False
    events = [event for part in range(data["parts"]) for event in parts[str(part)]]
    _fold_anew(case, [*events, *carry["since"]])
    return True


def _fold_anew(case: Case, packed: list[dict[str, Any]]) -> None:
    """The state from all that is known of the person, in the order in which it was accepted."""
    state, facts = case.state, case.facts
    today = day_of(facts, case.now)
    fresh = new_state() | {"from": today - KEPT_DAYS}
    since = midnight(facts, today - KEPT_DAYS)
    fresh |= {name: state[name] for name in ("inst", "bind", "base", "care") if name in state}
    for one in sorted(packed, key=lambda e: e["recorded"]):
        ours = one.get("of") is None or one["of"] in state.get("of", {})
        if ours and not one["type"].startswith(DONE):
            take(Case(fresh, unpack(one, case.event), facts, since))
    fresh["due"] = {}
    kept = {name: state[name] for name in STANDS if name in state}
    state.clear()
    state.update(fresh | kept)
    forget(state, facts, case.horizon, today - KEPT_DAYS)
    apply.heed(case)


def take(case: Case) -> Touched:
    """Let a carried event change the state; the rules it may concern."""
    event, state = case.event, case.state
    handler = apply.HANDLERS.get(event.type)
    if handler is None or event.type in OWN or known(state, event.identity):
        return ()
    if event.type == "mailiu.resident.registered.v1":
        handler = apply.details
    elif event.type == "mailiu.device.bound.v1":
        handler = apply.wears
    touched = handler(case)
    if event.type not in EVIDENCE:
        remember(state, "seen", event.recorded, event.identity)
    return touched


#: What each event about merging does.
ABOUT = {
    "mailiu.resident.merged.v1": merged,
    "mailiu.resident.unmerged.v1": unmerged,
    "mailiu.resident.absorbed.v1": absorbed,
    "mailiu.resident.released.v1": released,
    "mailiu.resident.returned.v1": returned,
}
CARRIED = "mailiu.resident.carried.v1"
