"""Whom a device (and user slot) is bound to and who publishes for it, kept on the compacted topic `devices`.

A binding runs from its event to the next event of the same device and slot in this resident's log. Another resident's
later binding ends it implicitly: the reader of `devices` takes the latest beginning.
"""

from typing import Any

from streams.case import Case
from streams.event import DEVICES, Output, uuid5
from streams.state import State, newest

ANY_SLOT = "*"
KEPT = 40  # bindings of one device and slot that a resident's state remembers, the latest


def changed(case: Case) -> None:
    """A bound or unbound event: put out every interval that it makes or changes."""
    event, data = case.event, case.event.data
    device, slot = data["device"], data.get("user_slot")
    begins = event.type == "mailiu.device.bound.v1"
    if begins and data.get("model") is not None:
        case.state.setdefault("worn", {})[device] = data["model"]
    name = f"{device}/{ANY_SLOT if slot is None else slot}"
    marks: list[list[Any]] = case.state.setdefault("bind", {}).setdefault(name, [])
    if any(event.identity == mark[1] for mark in marks):
        return
    before = _intervals(marks)
    marks.append([event.time, event.identity, int(begins)])
    marks.sort()
    del marks[:-KEPT]
    for start, end in _intervals(marks).items():
        if start not in before or before[start] != end:
            value = {
                "kind": "binding", "device": device, "user_slot": slot, "resident": event.subject,
                "institution": event.institution, "from": start, "to": end,
            }  # fmt: skip
            _put(case, f"{name}/{event.subject}/{start}", value)


def registered(case: Case) -> None:
    """A device in an institution's stock: which one, and what it measures."""
    data = case.event.data
    value = {
        "kind": "device", "device": data["device"], "institution": case.event.institution,
        "model": data.get("model"), "measures": data.get("kind", "blood-pressure"),
    }  # fmt: skip
    _put(case, data["device"], value)


def gateway(case: Case) -> None:
    """A gateway may, or may no longer, publish for the device: of the events about the two the latest stands."""
    event, name = case.event, case.event.data["gateway"]
    marks: dict[str, list[Any]] = case.state.setdefault("gateways", {})
    if not newest(marks.get(name), event.time, event.identity):
        return
    may = event.type == "mailiu.device.gateway-authorized.v1"
    marks[name] = [event.time, event.identity, int(may)]
    device = event.data["device"]
    value = {
        "kind": "gateway", "device": device, "gateway": name, "institution": event.institution, "authorized": may,
        "from": event.time,
    }  # fmt: skip
    _put(case, f"{device}/gateway/{name}", value)


def held(state: State, name: str, instant: int) -> int | None:
    """Since when the device and slot ``name`` has been the resident's at ``instant``; ``None`` if it is not."""
    for start, end in _intervals(state.get("bind", {}).get(name, [])).items():
        if start <= instant and (end is None or instant < end):
            return start
    return None


def _intervals(marks: list[list[Any]]) -> dict[int, int | None]:
    """Beginning and end of each binding among the time-sorted ``marks``."""
    spans: dict[int, int | None] = {}
    for at, (time, _, begins) in enumerate(marks):
        if begins:
            later = (mark[0] for mark in marks[at + 1 :] if mark[0] > time)
            spans[time] = next(later, None)
    for time, _, begins in marks:
        if not begins and time in spans:  # bound and unbound at the same instant
            spans[time] = time
    return spans


def _put(case: Case, key: str, value: dict[str, Any]) -> None:
    event = case.event
    identity = uuid5(f"devices\n{key}\n{event.identity}")
    case.outputs.append(Output(DEVICES, key, identity, "mailiu.device.binding", event.recorded, value))
