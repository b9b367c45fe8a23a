"""Whose turn it is: an alert that nobody acknowledges goes from role to role by the times of the escalation rule.

Red counts minutes round the clock; the others count ends of working days. The fold escalates to a role; who that is on
duty, and how they are reached, is the sender's affair.
"""

from typing import Any

from streams.calendar import MINUTE, end_of_working_day
from streams.case import Case

ESCALATION = "escalation"  # key in the due index


def ladder(case: Case, severity: str) -> list[list[Any]]:
    """Roles with their times for ``severity``: minutes for red, working days for the others."""
    roles: list[list[Any]] = case.rule("escalation").limits[severity]
    return roles


def deadline(case: Case, alert: dict[str, Any], level: int) -> int | None:
    """When the turn of the role at ``level`` ends; ``None`` for the last one, after whom there is nobody."""
    roles = ladder(case, alert["sev"])
    if level >= len(roles) - 1:
        return None
    since: int = alert["since"]
    if alert["sev"] == "red":
        return since + int(roles[level][1] * MINUTE)
    closes = case.rule("escalation").limits["close_hour"]
    return end_of_working_day(case.facts, since, roles[level][1], closes)


def schedule(case: Case, alert: dict[str, Any]) -> None:
    """Set when ``alert`` escalates next, and the due index of the resident's alerts.

    A red or orange episode that nobody looked at goes on escalating though it is over: nothing says that it ended well.
    """
    waits = alert["cond"] == "active" or (
        alert["cond"] == "cleared" and "calm" not in alert and alert["sev"] in ("red", "orange")
    )
    at = deadline(case, alert, alert["lvl"]) if waits and alert["hand"] == "new" else None
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
    """Move ``alert`` to the role whose turn it is at core time; whether it moved."""
    if alert.get("esc") is None or alert["esc"] > case.now:
        return False
    while (at := deadline(case, alert, alert["lvl"])) is not None and at <= case.now:
        alert["lvl"] += 1
    schedule(case, alert)
    return True
