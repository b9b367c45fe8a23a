"""Whose turn it is: an alert that nobody acknowledges goes from role to role by the times of the escalation rule.

Red counts minutes round the clock; the others count ends of working days. A red that is not delivered in time is the
next role's too (clinical decision 1). Past the last role no clinician was reached: the alert says so (``nobody``) until
somebody takes it, and the ladder begins again with the next shift, or when the next working day begins (decision 2).
The fold escalates to a role; who that is on duty, and how they are reached, is the sender's affair.
"""

from typing import Any

from streams.calendar import MINUTE, end_of_working_day, opening
from streams.case import Case

ESCALATION = "escalation"  # key in the due index


def ladder(case: Case, severity: str) -> list[list[Any]]:
    """Roles with their times for ``severity``: minutes for red, working days for the others."""
    roles: list[list[Any]] = case.rule("escalation").limits[severity]
    return roles


def deadline(case: Case, alert: dict[str, Any], level: int) -> int | None:
    """When the turn of the role at ``level`` ends; ``None`` for the last one of an alert that is not red."""
    roles = ladder(case, alert["sev"])
    since: int = alert["since"]
    if alert["sev"] == "red":
        return since + int(roles[level][1] * MINUTE)
    if level >= len(roles) - 1:
        return None
    closes = case.rule("escalation").limits["close_hour"]
    return end_of_working_day(case.facts, since, roles[level][1], closes)


IN_VAIN, AGAIN = 1, 2  #: an alert's ``nobody``: every role was called; the next shift is being called


def next_shift(case: Case, alert: dict[str, Any]) -> tuple[int, int]:
    """When, after core time, somebody comes on duty for ``alert``, and the level of the ladder that this is."""
    levels = {role: level for level, (role, _) in reversed([*enumerate(ladder(case, alert["sev"]))])}
    found = [(opening(case.facts, case.now, case.rule("escalation").limits["open_hour"]), 0)]
    for at, role in case.facts.get("shifts", {}).get(case.institution, ()):
        if at > case.now and role in levels:
            found.append((at, levels[role]))
    return min(found)


def waits(alert: dict[str, Any]) -> bool:
    """Whether ``alert`` waits for somebody to take it.

    A red or orange episode that nobody looked at goes on escalating though it is over: nothing says that it ended well.
    """
    lasts = alert["cond"] == "active" or (
        alert["cond"] == "cleared" and "calm" not in alert and alert["sev"] in ("red", "orange")
    )
    return bool(lasts) and alert["hand"] == "new"


def schedule(case: Case, alert: dict[str, Any]) -> None:
    """Set when ``alert`` escalates next, and the due index of the resident's alerts."""
    at = None
    if waits(alert) and alert.get("nobody") == IN_VAIN:
        at, alert["next"] = next_shift(case, alert)
    elif waits(alert):
        at = deadline(case, alert, alert["lvl"])
        notice = alert.get("ntc")
        if at is not None and notice is not None and notice[3] is not None:
            at = min(at, notice[3])
    alert["esc"] = at if at is None else max(at, alert.get("snz", 0))
    due(case)


def due(case: Case) -> None:
    """Keep the due index at the earliest step of any alert."""
    steps = [a["esc"] for a in case.state["alerts"] if a.get("esc") is not None]
    if steps:
        case.state["due"][ESCALATION] = min(steps)
    else:
        case.state["due"].pop(ESCALATION, None)


def escalate(case: Case, alert: dict[str, Any]) -> bool:
    """Move ``alert`` to the role whose turn it is at core time, or note that there is nobody left; whether it moved."""
    if alert.get("esc") is None or alert["esc"] > case.now:
        return False
    if alert.get("nobody") == IN_VAIN:
        alert["nobody"], alert["lvl"], alert["since"] = AGAIN, alert.pop("next"), case.now
        schedule(case, alert)
        return True
    last = len(ladder(case, alert["sev"])) - 1
    level, alert["lvl"] = alert["lvl"], min(alert["lvl"], last)
    undelivered = (notice := alert.get("ntc")) is not None and notice[3] is not None and notice[3] <= case.now
    while undelivered or ((at := deadline(case, alert, alert["lvl"])) is not None and at <= case.now):
        if alert["lvl"] == last:
            alert["nobody"] = IN_VAIN
            break
        alert["lvl"], undelivered = alert["lvl"] + 1, False
    moved = alert["lvl"] != level or alert.get("nobody") == IN_VAIN
    if moved:
        alert.pop("ntc", None)
    schedule(case, alert)
    return moved
