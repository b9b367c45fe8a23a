"""Heart rhythm: an irregular pulse asks for an electrocardiogram, an electrocardiogram for somebody to read it.

Nothing here names a rhythm: devices flag, clinicians diagnose (clinical decision 14). Adults only.
"""

from typing import Any

from streams.calendar import DAY, HOUR, day_of, end_of_working_day, midnight
from streams.case import Case, Finding, episodes, received
from streams.event import rfc3339
from streams.rules import Rule
from streams.state import IRREGULAR, Series


def irregular(case: Case, rule: Rule) -> list[Finding]:
    """The cuff's irregular-pulse flag in most of three readings in a row, on several days: a 12-lead ECG."""
    bp: Series | None = case.state.get("bp")
    limits = rule.limits
    if bp is None or not any(mark & IRREGULAR for mark in bp["f"]) or case.has(limits["known"]):
        return []
    span = limits["days"] * DAY
    days: dict[int, list[int]] = {}
    for i, time in enumerate(bp["t"]):
        if time > case.now - span and case.adult(time):
            days.setdefault(day_of(case.facts, time), []).append(i)
    positive: dict[int, list[int]] = {}
    for day, readings in days.items():
        flagged = [n for n, i in enumerate(readings) if bp["f"][i] & IRREGULAR]
        most = limits["flagged"] - 1
        close = [pair for pair in zip(flagged, flagged[most:], strict=False) if pair[1] - pair[0] < limits["in_row"]]
        if close:
            positive[day] = [readings[n] for n in flagged]
    if len(positive) < limits["on_days"]:
        return []
    latest = sorted(positive)[-limits["on_days"]]
    case.wake_at(bp["t"][positive[latest][-1]] + span)
    ids = [i for day in sorted(positive) for i in positive[day]]
    severity, judgement = case.judged(rule, "yellow", "flagged", "in_row", "on_days", "days")
    detail = {
        "days": len(positive), "flagged": len(ids),
        "limits": {name: limits[name] for name in ("flagged", "in_row", "on_days", "days", "ecg_days")},
    }  # fmt: skip
    onset, last = bp["t"][ids[0]], bp["t"][ids[-1]]
    evidence, mark = [bp["id"][i] for i in ids], [max(positive)]
    return [
        Finding(severity, onset, last, evidence, detail, mark, judgement=judgement, again=limits["again_days"] * DAY)
    ]


def unread(case: Case, rule: Rule) -> list[Finding]:
    """An electrocardiogram that nobody has read: orange if its device marked it urgent, else yellow; due, overdue."""
    ecg: Series | None = case.state.get("ecg")
    if ecg is None:
        return []
    t, ids, late, urgent = ecg["t"], ecg["id"], ecg["l"], ecg["u"]
    reads = _reads(case)
    found = []
    for one in episodes(t, [i for i in range(len(t)) if case.adult(t[i])], 0, []):
        waiting = [i for i in one if ids[i] not in reads]
        came = min(received(t[i], late[i]) for i in waiting or one)
        soon = any(urgent[i] for i in waiting or one)
        detail: dict[str, Any] = {"stage": "read", "urgent": soon}
        until = None
        if waiting:
            due = came + rule.limits["urgent_hours"] * HOUR if soon else _next_working_day(case, came)
            detail |= {"stage": "overdue" if case.now >= due else "to-read", "due": rfc3339(due)}
            case.wake_at(due)
        else:
            until, conclusion = max(reads[ids[i]] for i in one)
            detail["conclusion"] = conclusion
        severity = "orange" if soon else "yellow"
        evidence, mark = [ids[i] for i in one], [detail["stage"], soon]
        found.append(Finding(severity, t[one[0]], t[one[-1]], evidence, detail, mark, until=until))
    return found


def _reads(case: Case) -> dict[str, tuple[int, str]]:
    """When each electrocardiogram was first read, and the conclusion."""
    series: Series | None = case.state.get("ecg-read")
    if series is None:
        return {}
    entries = list(zip(series["r"], series["t"], series["l"], series["c"], strict=True))
    return {reading: (received(time, late), conclusion) for reading, time, late, conclusion in reversed(entries)}


def _next_working_day(case: Case, instant: int) -> int:
    """End of the working day after the day of ``instant``."""
    tomorrow = midnight(case.facts, day_of(case.facts, instant) + 1)
    return end_of_working_day(case.facts, tomorrow, 1, case.rule("escalation").limits["close_hour"])
