"""What a person needs now: the tasks that ought to be open, each with the reason, the day and what it counts from.

Pure and independent of order, like the visits it rests on. `streams.task` compares it with the tasks that are open.

In the state: ``checks`` are the latest annual examinations [time, id]; ``orders`` what somebody ordered, by identity:
[time, title, due day, priority, assignee or None]; ``skips`` the latest word that ended a task by hand, by the task's
key: [time, id, why]; ``stopped`` the latest report on whether the person can be cared for: [time, id, moved, dead or
""].
"""

from bisect import insort
from typing import Any, NamedTuple

from streams import consent, follow_up
from streams.calendar import day_of, end_of_working_day
from streams.case import Case
from streams.rules import Rule
from streams.state import State

KEPT_CHECKS = 3
DONE = "done"  # in ``skips``: done by hand


class Want(NamedTuple):
    """A task that ought to be open. ``of`` is the programme, alert or order it belongs to."""

    kind: str
    of: str
    reason: str
    base: list[Any]
    due: int
    opens: int
    priority: str
    detail: dict[str, Any]
    phase: str = ""

    @property
    def key(self) -> str:
        """What there is one open task of, at most."""
        return f"{self.kind}/{self.of}"


def wanted(case: Case, rule: Rule) -> list[Want]:
    """Every task that ought to be open now."""
    wants = [*_home_visits(case)]
    if barred(case) is None:
        wants += _programmes(case, rule)
        wants += _ordered(case)
    if (why := stopped(case.state)) and not _withdrawn(case):
        stop = case.state["stopped"]
        limits = rule.limits
        until = end_of_working_day(case.facts, stop[0], limits["confirm_days"], limits["close_hour"])
        day, detail = day_of(case.facts, stop[0]), {"limits": {"confirm_days": limits["confirm_days"]}}
        wants.append(
            Want("confirm-status", "", f"reported-{why}", stop[:2], day_of(case.facts, until), day, "high", detail)
        )
    return wants


def barred(case: Case) -> str | None:
    """Why nothing is asked of or about the person: consent withdrawn (clinical decision 20), reported gone."""
    if _withdrawn(case):
        return "consent-withdrawn"
    why = stopped(case.state)
    return f"reported-{why}" if why else None


def _withdrawn(case: Case) -> bool:
    return consent.withdrawn(case.state, consent.MONITORING, case.now, case.facts["zone"])


def stopped(state: State) -> str:
    """``moved`` or ``dead`` where somebody reported that and nothing has shown otherwise since, else nothing."""
    stop = state.get("stopped")
    if stop is None or not stop[2]:
        return ""
    seen = [visits[-1][0] for visits in state.get("visits", {}).values()]
    seen += [state["inst"][0]] if "inst" in state else []
    return "" if any(time > stop[0] for time in seen) else str(stop[2])


def _programmes(case: Case, rule: Rule) -> list[Want]:
    state, limits = case.state, rule.limits
    wants: list[Want] = []
    managed = []
    for programme in follow_up.PROGRAMMES:
        since = follow_up.since_when(case, programme, rule)
        if since is None:
            continue
        managed.append(since)
        skip = state.get("skips", {}).get(f"follow-up/{programme}")
        step = follow_up.next_step(case, programme, since if skip is None else max(since, skip[:2]), rule)
        lead = limits["lead_days" if step.phase == "routine" else "revisit_lead_days"]
        priority = "urgent" if step.urgent else "routine" if step.phase == "routine" else "high"
        wants.append(
            Want(
                "follow-up", programme, step.reason, step.base, step.due, step.due - lead, priority, step.detail,
                step.phase,
            )
        )  # fmt: skip
        if step.refer is not None:
            wants += _referral(case, programme, step, limits)
    if managed:
        wants.append(_annual(case, min(managed), limits))
    return wants


def _referral(case: Case, programme: str, step: follow_up.Step, limits: dict[str, Any]) -> list[Want]:
    """Advice to refer, until it was done: at this visit or by hand."""
    assert step.refer is not None
    why, visit = step.refer
    skip = case.state.get("skips", {}).get(f"referral/{programme}")
    since = [other for other in follow_up.visits(case.state, programme) if other[:2] >= visit[:2]]
    made = any(other[follow_up.MARKS] & follow_up.REFERRED for other in since)
    if made or (skip is not None and skip[:2] > visit[:2]):
        return []
    day = day_of(case.facts, visit[0])
    due = day if step.urgent else day + limits["referral_days"]
    return [
        Want("referral", programme, why, visit[:2], due, day, "urgent" if step.urgent else "high", step.detail)
    ]  # fmt: skip


def _annual(case: Case, since: list[Any], limits: dict[str, Any]) -> Want:
    checks = case.state.get("checks", ())
    skip = case.state.get("skips", {}).get("annual-check/")
    base = max([since, *(list(check) for check in checks), *([] if skip is None else [skip[:2]])])
    due = day_of(case.facts, base[0]) + limits["check_days"]
    detail = {"limits": {"check_days": limits["check_days"]}}
    return Want("annual-check", "", "yearly", base, due, due - limits["check_lead_days"], "routine", detail)


def _ordered(case: Case) -> list[Want]:
    return [
        Want("ordered", id, "ordered", [order[0], id], order[2], day_of(case.facts, order[0]), order[3], {})
        for id, order in case.state.get("orders", {}).items()
    ]


def _home_visits(case: Case) -> list[Want]:
    """Neither the person nor the emergency contact answered on a red alert (clinical decision 3): go there, today."""
    today, base = day_of(case.facts, case.now), [case.now, case.event.identity]
    skips, wants = case.state.get("skips", {}), []
    for alert in case.state["alerts"]:
        asked = alert.get("step") == "home-visit" and alert["hand"] != "closed" and alert["cond"] != "withdrawn"
        if asked and f"home-visit/{alert['id']}" not in skips:
            detail = {"alert": alert["id"], "rule": alert["rule"], "calls": alert.get("calls", 0)}
            wants.append(Want("home-visit", alert["id"], "calls-in-vain", base, today, today, "urgent", detail))
    return wants


def checked(case: Case) -> bool:
    """Remember the annual examination in the event being folded; whether it is news."""
    event = case.event
    checks: list[list[Any]] = case.state.setdefault("checks", [])
    entry = [min(event.time, event.recorded), event.identity]
    if entry in checks:
        return False
    insort(checks, entry)
    del checks[:-KEPT_CHECKS]
    return True


def take_back(state: State, id: str) -> None:
    """The annual examination ``id`` was recorded in error."""
    checks = [check for check in state.get("checks", ()) if check[1] != id]
    if checks:
        state["checks"] = checks
    else:
        state.pop("checks", None)


def ended(case: Case, task: dict[str, Any], want: Want | None, rule: Rule) -> tuple[str, str] | None:
    """How an open task ended: (done, the event that did it) or (cancelled, why); ``None`` while it stands."""
    state, kind, base = case.state, task["k"], task["b"]
    skip = state.get("skips", {}).get(task["key"])
    if skip is not None and (skip[:2] > base or kind in ("home-visit", "ordered")):
        return ("done", skip[1]) if skip[2] == DONE else ("cancelled", skip[2])
    if kind in ("follow-up", "referral"):
        for visit in follow_up.visits(state, task["of"]):
            did = (
                visit[:2] > base and follow_up.settles(case, task["of"], task["ph"], visit, rule)
                if kind == "follow-up"
                else visit[:2] >= base and visit[follow_up.MARKS] & follow_up.REFERRED
            )
            if did:
                return "done", visit[1]
    if kind == "annual-check":
        for check in state.get("checks", ()):
            if list(check) > base:
                return "done", check[1]
    if want is not None:
        return None
    if kind == "home-visit":
        event = case.event
        if event.type == "mailiu.alert.contact-attempted.v1" and event.data["result"] == "reached":
            return ("done", event.identity) if event.data.get("channel") == "visit" else ("cancelled", "reached")
        return "cancelled", "alert-closed"
    if kind == "confirm-status":
        return "cancelled", "seen-again"
    if kind == "ordered":
        return "cancelled", barred(case) or "order-ended"
    if kind == "referral" and barred(case) is None:
        managed = follow_up.since_when(case, task["of"], rule) is not None
        return "cancelled", "no-longer-advised" if managed else "diagnosis-withdrawn"
    return "cancelled", barred(case) or "diagnosis-withdrawn"
