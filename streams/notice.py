"""Whom to tell what: staff by role as an alert climbs, the resident and the emergency contact by consent.

The fold only queues: who is on duty, by which channel, and whether it arrived is the sender's affair and comes back as
events (`streams.delivery`). A notice's id follows from what it is about, so that a refold queues nothing new. Imported
history, the dead, and whoever gave no consent for messages are told nothing. No text starts, stops or changes a drug.

In the state an alert keeps ``ntc``, its current notice to staff: [id, severity, level, instant until which a red one
must be delivered or None, 1 once it is known what became of it], and ``m120``, why 120 was said. ``msgs`` of the state
are messages to resident and contact that may still be on their way: [id, deadline].
"""

from typing import Any

from streams.calendar import MINUTE, end_of_working_day
from streams.case import Case
from streams.consent import MESSAGES, allows
from streams.escalation import IN_VAIN, ladder, schedule, waits
from streams.event import rfc3339, uuid5
from streams.rules import Rule, released

Text = dict[str, str]

SEVERITY: dict[str, Text] = {
    "red": {"zh": "红色告警", "en": "Red alert"}, "orange": {"zh": "橙色告警", "en": "Orange alert"},
    "yellow": {"zh": "黄色告警", "en": "Yellow alert"}, "technical": {"zh": "技术告警", "en": "Technical alert"},
}  # fmt: skip
STAFF: dict[str, Text] = {
    "alert": {"zh": "请打开居民卡片并处理。", "en": "Please open the resident's card and act."},
    "call-contact": {
        "zh": "多次致电居民无人接听，请致电紧急联系人。",
        "en": "The resident did not answer several calls: please ring the emergency contact.",
    },
    "home-visit": {
        "zh": "居民与紧急联系人均未联系上，请上门探视。",
        "en": "Neither resident nor emergency contact was reached: please visit the home.",
    },
    "handover": {
        "zh": "有居民卡片移交给您，请确认接收。",
        "en": "A resident's card is handed over to you: please accept it.",
    },
}
LOOK_AFTER: Text = {
    "zh": "社区卫生服务中心多次联系您的家人未接通，请立即查看其情况并回电。如有危险请拨打120。",
    "en": "The health centre could not reach your relative. Please look after them now and call back. "
    "In danger call 120.",
}


def tell(
    case: Case, kind: str, ref: str, purpose: str, text: Text, deadline: int, key: str,
    *, alert: str | None = None, level: int = 0,
) -> str | None:  # fmt: skip
    """Queue a notice; its id, or ``None`` where nothing may be said. ``key`` names what it is about and its cause."""
    state, personal = case.state, kind in ("resident", "contact")
    if case.quiet or case.event.origin == "import" or deadline <= case.now or "died" in state:
        return None
    if personal and not allows(state, MESSAGES, case.now, case.facts["zone"]):
        return None
    id = uuid5(f"notice\n{kind}\n{ref}\n{purpose}\n{key}")
    data: dict[str, Any] = {
        "notice": id, "to": {"kind": kind, "ref": ref}, "purpose": purpose, "level": level,
        "deadline": rfc3339(deadline), "text": text,
    }  # fmt: skip
    if alert is not None:
        data["alert"] = alert
    case.emit("mailiu.notice.queued.v1", f"{id}/queued", data)
    if personal:
        state["msgs"] = [m for m in state.get("msgs", ()) if m[1] > case.now and m[0] != id] + [[id, deadline]]
    return id


def ask(case: Case, what: str, rule: Rule, expires: int, alert: str | None = None) -> None:
    """Ask for a repeat by the device that measured and by every channel of the resident (clinical decision 7)."""
    case.command(what, rule, expires, alert)
    if rule.text and not case.left_alone:
        key = f"{what}/{case.event.identity}"
        tell(case, "resident", case.event.subject, "repeat", rule.text, expires, key, alert=alert)


def recall(case: Case, reason: str) -> None:
    """Take back every message to resident and contact that may still be on its way."""
    for id, deadline in case.state.pop("msgs", ()):
        if deadline > case.now:
            _recalled(case, id, reason)


def drop(case: Case, alert: dict[str, Any], reason: str) -> None:
    """The alert's notice to staff no longer matters: taken back if it may still be on its way."""
    notice = alert.pop("ntc", None)
    if notice is not None and not notice[4]:
        _recalled(case, notice[0], reason)


def _recalled(case: Case, id: str, reason: str) -> None:
    case.emit("mailiu.notice.recalled.v1", f"{id}/recalled", {"notice": id, "reason": reason})


def follow(case: Case, alert: dict[str, Any]) -> None:
    """Queue what an alert as it now is asks for, and take back what it no longer asks for."""
    limits, notice = case.rule("escalation").limits, alert.get("ntc")
    if waits(alert) and alert.get("nobody") != IN_VAIN and alert["sev"] in limits["push"]:
        if notice is None or notice[1:3] != [alert["sev"], alert["lvl"]]:
            _to_role(case, alert)
    elif notice is not None:
        drop(case, alert, "over" if alert["hand"] == "new" else "handled")
        schedule(case, alert)
    if alert["rev"] == 1 and alert["rule"] in limits["advise"]:
        _advise(case, alert)
    if alert["sev"] == "red" and alert["cond"] == "active" and alert["hand"] == "new":
        _call_120(case, alert)


def _to_role(case: Case, alert: dict[str, Any]) -> None:
    limits, red = case.rule("escalation").limits, alert["sev"] == "red"
    minutes = limits["delivery_minutes"] * MINUTE
    deadline = case.now + minutes if red else end_of_working_day(case.facts, case.now, 1, limits["close_hour"])
    role = ladder(case, alert["sev"])[alert["lvl"]][0]
    key = f"{alert['id']}/{alert['rev']}"
    id = tell(
        case, "role", role, "alert", staff_text("alert", alert), deadline, key, alert=alert["id"], level=alert["lvl"]
    )
    if id is not None:
        alert["ntc"] = [id, alert["sev"], alert["lvl"], deadline if red else None, 0]
        schedule(case, alert)


def _advise(case: Case, alert: dict[str, Any]) -> None:
    text = alert["det"].get("text") or released()[alert["rule"]][alert["v"]].text
    deadline = case.now + case.rule("escalation").limits["message_minutes"] * MINUTE
    if text:
        tell(case, "resident", case.event.subject, "advice", text, deadline, alert["id"], alert=alert["id"])


def _call_120(case: Case, alert: dict[str, Any]) -> None:
    """At once for danger symptoms; with nobody reached for every confirmed red, to the contact too (decisions 2, 6)."""
    rule = case.rule("escalation")
    said, deadline = alert.get("m120", []), case.now + rule.limits["message_minutes"] * MINUTE
    if alert["rule"] in rule.limits["call_at_once"] and "at-once" not in said:
        alert["m120"] = said = [*said, "at-once"]
        text = released()[alert["rule"]][alert["v"]].text
        key = f"{alert['id']}/at-once"
        tell(case, "resident", case.event.subject, "call-120", text, deadline, key, alert=alert["id"])
    confirmed = alert["det"].get("stage") not in rule.limits["unconfirmed"]
    if "nobody" in alert and confirmed and "unreached" not in said:
        alert["m120"] = [*said, "unreached"]
        for kind in ("resident", "contact"):
            key = f"{alert['id']}/unreached/{alert['since']}"
            tell(case, kind, case.event.subject, "call-120", rule.text, deadline, key, alert=alert["id"])


def to_staff(case: Case, alert: dict[str, Any], purpose: str) -> None:
    """Tell whoever handles ``alert``, else the role whose turn it is, what follows."""
    limits = case.rule("escalation").limits
    person = alert.get("who") or alert.get("ackby")
    kind, ref = ("staff", person) if person else ("role", ladder(case, alert["sev"])[alert["lvl"]][0])
    deadline = case.now + limits["message_minutes"] * MINUTE
    key = f"{alert['id']}/{alert['rev']}"
    tell(case, kind, ref, purpose, staff_text(purpose, alert), deadline, key, alert=alert["id"], level=alert["lvl"])


def staff_text(purpose: str, alert: dict[str, Any]) -> Text:
    """What staff read: severity, what it is, what to do; nothing of the person but that there is a card."""
    title, severity = released()[alert["rule"]][alert["v"]].title, SEVERITY[alert["sev"]]
    return {
        "zh": f"{severity['zh']}：{title['zh']}。{STAFF[purpose]['zh']}",
        "en": f"{severity['en']}: {title['en']}. {STAFF[purpose]['en']}",
    }
