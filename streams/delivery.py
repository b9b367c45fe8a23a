"""What became of notices, calls and hand-overs: how far an alert climbs, and what follows when nobody answers."""

from typing import Any

from streams import notice
from streams.alert import emit, handled
from streams.calendar import MINUTE
from streams.case import Case
from streams.escalation import escalate, schedule
from streams.state import State

StoredAlert = dict[str, Any]


def arrived(case: Case) -> None:
    """A notice was delivered or read: its role has the time of the ladder from now on."""
    alert = _of_notice(case.state, case.event.data["notice"])
    if alert is not None:
        alert["ntc"][3:] = [None, 1]
        schedule(case, alert)


def lost(case: Case) -> None:
    """A notice failed or expired: a red alert is the next role's at once."""
    alert = _of_notice(case.state, case.event.data["notice"])
    if alert is None:
        return
    alert["ntc"][4] = 1
    if alert["ntc"][3] is not None:
        alert["ntc"][3] = case.now
        schedule(case, alert)
        if escalate(case, alert):
            emit(case, alert, "escalated")


def _of_notice(state: State, id: str) -> StoredAlert | None:
    return next((a for a in state["alerts"] if a.get("ntc", [None])[0] == id), None)


def _open(state: State) -> list[StoredAlert]:
    return [a for a in state["alerts"] if a["hand"] != "closed" and a["cond"] != "withdrawn"]


def ours(case: Case) -> bool:
    """Whether the event comes from the institution that manages the resident: others neither call nor hand over."""
    return case.event.institution == case.institution


def attempted(case: Case) -> None:
    """Somebody tried to reach the resident or the contact, and thereby took the resident's open alerts.

    Three calls that the resident does not answer on a red: the emergency contact; who does not answer either: a home
    visit (clinical decision 3).
    """
    event, data = case.event, case.event.data
    to, result = data.get("to", "resident"), data["result"]
    for alert in _open(case.state) if ours(case) else ():
        changed = alert["hand"] == "new"
        if changed:
            alert["hand"], alert["ack"] = "acknowledged", event.time
            if event.actor:
                alert["ackby"] = event.actor
        follows = _count(case, alert, to, result) if alert["sev"] == "red" and result != "called" else None
        if changed or follows is not None:
            handled(case, alert)
        if follows:
            notice.to_staff(case, alert, follows)
            if follows == "call-contact":
                _look_after(case, alert)


def _count(case: Case, alert: StoredAlert, to: str, result: str) -> str | None:
    """Count the attempt: the step that now follows, "" if only the count changed, ``None`` if nothing did."""
    limits = case.rule("escalation").limits
    if result == "reached":
        before = alert.pop("step", None), alert.pop("calls", None), alert.pop("rings", None)
        return "" if any(before) else None
    counter = "calls" if to == "resident" else "rings"
    alert[counter] = alert.get(counter, 0) + 1
    if to == "resident" and alert["calls"] >= limits["failed_calls"] and "step" not in alert:
        alert["step"] = "call-contact"
        return "call-contact"
    if to == "contact" and alert["rings"] >= limits["failed_rings"] and alert.get("step") == "call-contact":
        alert["step"] = "home-visit"
        return "home-visit"
    return ""


def _look_after(case: Case, alert: StoredAlert) -> None:
    deadline = case.now + case.rule("escalation").limits["message_minutes"] * MINUTE
    key = f"{alert['id']}/{case.event.identity}"
    notice.tell(
        case, "contact", case.event.subject, "look-after", notice.LOOK_AFTER, deadline, key, alert=alert["id"]
    )  # fmt: skip


def offered(case: Case) -> None:
    """A resident's open alerts are offered to another person, who is told; they stay where they are until accepted."""
    event, to = case.event, case.event.data["to"]
    alerts = _open(case.state)
    if not alerts or not ours(case):
        return
    case.state["offer"] = [event.identity, to]
    alert = max(alerts, key=lambda a: (a["sev"] == "red", a["sev"] == "orange", a["raised"]))
    deadline = case.now + case.rule("escalation").limits["message_minutes"] * MINUTE
    text = notice.staff_text("handover", alert)
    notice.tell(case, "staff", to, "handover", text, deadline, event.identity, alert=alert["id"])


def accepted(case: Case) -> None:
    """Who was offered a card takes it, all of its open alerts with it."""
    offer = case.state.get("offer")
    if offer is None or offer != [case.event.data["offer"], case.event.actor] or not ours(case):
        return
    del case.state["offer"]
    for alert in _open(case.state):
        if alert.get("who") != offer[1]:
            alert["hand"], alert["who"] = "in-follow-up", offer[1]
            handled(case, alert)
