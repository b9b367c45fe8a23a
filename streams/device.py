"""Devices as such: those that fell silent, and those whose readings or state say that something is wrong with them.

Kept for each device that was bound to the resident (or is the subject itself): when it was last heard of, the trust in
the clocks of its latest readings, its latest failures, and what it last said of itself. A device shared by user slots
is not judged silent: what its other users measured is not seen here.

In the state ``dev`` holds by device ``h`` (ms, last heard), ``k`` (kind of its latest reading), ``c`` (latest readings:
time, id, clock wrong, offset s), ``f`` (latest failures: time, id), ``s`` (latest status: time, id, data).
"""

from typing import Any

from streams.binding import ANY_SLOT, held
from streams.calendar import DAY, day_number, day_of, midnight
from streams.case import Case, Finding
from streams.device_command import WRONG
from streams.event import instant
from streams.plan import KINDS
from streams.rules import Rule
from streams.state import State, newest
from streams.watch import expected

RULES = ("device-silent", "device-suspect")
STATUS, FAILED, MEASURED = "mailiu.device.status-reported.v1", "mailiu.device.measurement-failed.v1", "mailiu.reading."
KEPT = 12  # readings and failures of one device, the latest


def heard(case: Case) -> tuple[str, ...]:
    """A device's sign of life: note it; the rules that it may concern."""
    event, state = case.event, case.state
    name = event.data.get("device")
    if name is None or not (event.type.startswith(MEASURED) or event.type in (STATUS, FAILED)):
        return ()
    if not _mine(state, event.subject, name):
        return ()
    time = min(event.time, event.recorded)
    if time < case.horizon:
        return ()
    known: dict[str, Any] = state.setdefault("dev", {}).setdefault(name, {"h": 0, "k": None, "c": [], "f": []})
    told = False
    if event.type == STATUS:
        if not newest(known.get("s"), event.time, event.identity):
            return ()
        known["s"] = [event.time, event.identity, {k: v for k, v in event.data.items() if k in SAID}]
        told = True
    elif any(entry[1] == event.identity for entry in (*known["c"], *known["f"])):
        return ()
    elif event.type == FAILED:
        told = _note(known["f"], [event.time, event.identity])
    elif event.data.get("device_time") is not None and "backlog" not in event.data.get("flags", ()):
        wrong = event.data.get("clock") in WRONG
        offset = (event.recorded - instant(event.data["device_time"])) // 1000
        told = _note(known["c"], [event.time, event.identity, int(wrong), offset]) and wrong
    if event.type.startswith(MEASURED):
        known["k"] = event.type.removeprefix(MEASURED).partition("-measured")[0]
    known["h"] = max(known["h"], time if event.type == STATUS else event.recorded)
    active = {alert["rule"] for alert in state["alerts"] if alert["cond"] == "active" and alert["rule"] in RULES}
    touched = [rule for rule in RULES if rule in active]
    if told and "device-suspect" not in active:
        touched.append("device-suspect")
    if "device-silent" not in active and "device-silent" not in state["due"]:
        touched.append("device-silent")
    return tuple(touched)


SAID = frozenset({"battery", "battery_low", "calibration_due"})


def _mine(state: State, subject: str, device: str) -> bool:
    """Whether the device was ever bound to the resident, or is the subject itself."""
    if subject == f"device:{device}":
        return True
    bound = state.get("bind")
    return bound is not None and any(name.rpartition("/")[0] == device for name in bound)


def _note(entries: list[list[Any]], entry: list[Any]) -> bool:
    """Keep ``entry`` among the latest; whether it is one."""
    entries.append(entry)
    entries.sort(key=lambda e: (e[0], e[1]))
    del entries[:-KEPT]
    return entry in entries


def silent(case: Case, rule: Rule) -> list[Finding]:
    """Devices of which nothing was heard for too long, though they measured what the plan expects now."""
    state, now, wanted = case.state, case.now, expected(case)
    if wanted is None:
        return []
    current, begun = wanted
    allowed = rule.limits["days"] * DAY
    since: dict[str, int] = {}
    for name, known in sorted(state.get("dev", {}).items()):
        bound = held(state, f"{name}/{ANY_SLOT}", now)
        if bound is None or known["k"] not in current[KINDS]:
            continue
        last = max(bound, begun, known["h"])
        if now >= last + allowed:
            since[name] = last
        else:
            case.wake_at(last + allowed)
    if not since:
        return []
    severity, judgement = case.judged(rule, "technical", "days")
    detail = {"devices": sorted(since), "limits": {"days": rule.limits["days"]}}
    first, latest, mark = min(since.values()), max(since.values()), [sorted(since)]
    return [Finding(severity, first, latest, [], detail, mark, judgement=judgement, again=allowed)]


def suspect(case: Case, rule: Rule) -> list[Finding]:
    """Devices whose clock is wrong again and again, that fail often, run out of power, or are due for calibration."""
    state, limits = case.state, rule.limits
    gone = state["gone"]["id"] if "gone" in state else ()
    today = day_of(case.facts, case.now)
    reasons: dict[str, list[str]] = {}
    detail: dict[str, Any] = {}
    evidence: list[tuple[int, str]] = []
    for device, known in sorted(state.get("dev", {}).items()):
        found: dict[str, Any] = {}
        clocks = [entry for entry in known["c"] if entry[1] not in gone][-limits["clock_readings"] :]
        if len(clocks) == limits["clock_readings"] and all(wrong for _, _, wrong, _ in clocks):
            found["clock"] = {"offset_s": clocks[-1][3]}
            evidence += [(time, id) for time, id, _, _ in clocks]
        recent = [(time, id) for time, id in known["f"] if time > case.now - limits["failure_days"] * DAY]
        if len(recent) >= limits["failures"]:
            found["failures"] = {"count": len(recent)}
            case.wake_at(recent[-limits["failures"]][0] + limits["failure_days"] * DAY)
            evidence += recent
        if "s" in known:
            time, id, said = known["s"]
            if said.get("battery_low") or said.get("battery", 100) < limits["battery"]:
                found["battery"] = {"percent": said.get("battery")}
                evidence.append((time, id))
            if (due := said.get("calibration_due")) is not None:
                if day_number(due) < today:
                    found["calibration"] = {"due": due}
                    evidence.append((time, id))
                else:
                    case.wake_at(midnight(case.facts, day_number(due) + 1))
        if found:
            reasons[device], detail[device] = sorted(found), found
    if not reasons:
        return []
    evidence.sort()
    severity, judgement = case.judged(rule, "technical", *limits)
    return [
        Finding(
            severity, evidence[0][0], evidence[-1][0], list(dict.fromkeys(id for _, id in evidence)),
            {"devices": detail, "limits": dict(limits)}, [reasons], judgement=judgement,
            again=limits["again_days"] * DAY,
        )
    ]  # fmt: skip
