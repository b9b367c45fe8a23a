"""Pressures that stay high or, under treatment, low: judged by the home mean over seven days.

Each measured day gets a verdict from the window that ends on it: high, clear, or neither. What holds today is the
latest verdict that is not "neither", so that a condition lasts until a valid window is clearly on the other side, and a
late reading re-opens its windows. Earlier days are judged once and kept as ``held``: ``[day, decisive day, level,
version]``; the verdict of days whose sums are forgotten stays as ``base``, so that a condition outlasts any silence.
"""

from bisect import bisect_left
from typing import Any

from streams import summary
from streams.alert import of_rule
from streams.calendar import DAY, HOUR, MINUTE, day_text, midnight
from streams.case import Case, Finding, episodes
from streams.confirm import below, confirmed
from streams.pressure import pregnancy_rules
from streams.rules import Rule
from streams.state import Series
from streams.summary import Row, Window

HIGH, CLEAR = 1, 0


def _limits(case: Case, rule: Rule, day: int) -> tuple[float, float]:
    """The personal target, else the limit for the resident's age on ``day``."""
    target = case.state.get("target")
    if target is not None:
        return target[2], target[3]
    limits = rule.limits
    if case.aged(limits["old_age"], midnight(case.facts, day)):
        return limits["old_systolic"], limits["old_diastolic"]
    return limits["systolic"], limits["diastolic"]


def _verdict(case: Case, rule: Rule, at: int) -> tuple[int | None, list[str], Window]:
    """Verdict on the day of row ``at``: `HIGH` with its reasons, `CLEAR`, or ``None``."""
    limits, days = rule.limits, case.state["days"]
    s, d = _limits(case, rule, days[at][0])
    window = _window(case, rule, at)
    reasons = []
    mean, morning = window.mean, window.morning
    if window.enough and mean is not None and (mean[0] >= s or mean[1] >= d):
        reasons.append("weekly-mean")
    if morning is not None and window.mornings >= limits["mornings"] and (morning[0] >= s or morning[1] >= d):
        reasons.append("morning-mean")
    if sum(row[2] >= s * row[1] or row[3] >= d * row[1] for row in window.rows) >= limits["high_days"]:
        reasons.append("high-days")
    if reasons:
        return HIGH, reasons, window
    margin = limits["clear"]
    if window.enough and mean is not None and mean[0] < s - margin and mean[1] < d - margin:
        return CLEAR, reasons, window
    return None, reasons, window


def _window(case: Case, rule: Rule, at: int) -> Window:
    """The window that ends on the day of row ``at``; the last one is there already if this event changed it."""
    home: Window | None = case.home
    if home is not None and home.last == case.state["days"][at][0]:
        return home
    return summary.window(case.state, rule, at)


def _decided_before(case: Case, rule: Rule, last: int) -> int | None:
    """Level of the latest decisive verdict on a day before that of row ``last``; keeps it."""
    state = case.state
    days: list[Row] = state["days"]
    held: list[Any] | None = state.get("held")
    day: int = days[last][0]
    earliest: int = state["from"] + rule.limits["window"] - 1
    decided: tuple[int, int] | None = None
    if held is not None and held[0] == day and held[3] == rule.version:
        decided = (held[1], held[2]) if held[2] is not None else None
    else:
        if held is not None and (held[3] != rule.version or held[0] > day):
            held = None
        since = earliest if held is None else held[0]
        for at in range(last - 1, -1, -1):
            if days[at][0] < max(since, earliest):
                break
            level = _verdict(case, rule, at)[0]
            if level is not None:
                decided = days[at][0], level
                break
        if decided is None and held is not None and held[2] is not None:
            decided = held[1], held[2]
        state["held"] = [day, *(decided or (0, None)), rule.version]
    return decided[1] if decided is not None and decided[0] >= earliest else _base(case, rule)


def high(case: Case, rule: Rule) -> list[Finding]:
    """Home pressure at or above its limit: weekly mean, morning mean or three of seven days; one finding of them."""
    state = case.state
    bp: Series | None = state.get("bp")
    active = next((a for a in of_rule(state, rule.rule) if a["cond"] == "active"), None)
    days: list[Row] = state.get("days", [])
    if not days:
        return [_as_it_was(active, rule)] if active is not None and _base(case, rule) == HIGH else []
    if active is None and bp is None:
        return []
    last = len(days) - 1
    day: int = days[last][0]
    s, d = _limits(case, rule, day)
    if active is None and bp is not None and max(bp["s"]) < s and max(bp["d"]) < d:
        return []
    at = midnight(case.facts, day) if bp is None else bp["t"][-1]
    if not case.adult(at) or pregnancy_rules(case, at):
        return []
    level, reasons, window = _verdict(case, rule, last)
    if level is None:
        level, reasons = _decided_before(case, rule, last), ["not-yet-clear"]
    if level != HIGH:
        return []
    severity, judgement = _severity(case, rule, last, window)
    mark = [reasons, day]
    if active is not None and (active["mark"], active["sev"]) == (mark, severity):
        return [_as_it_was(active, rule)]
    ids = [id for id, m in zip(*_columns(case, window), strict=True) if m][-20:]
    detail: dict[str, Any] = {
        "reasons": reasons, "mean": _round(window.mean), "morning_mean": _round(window.morning),
        "readings": window.n, "days": len(window.rows), "enough": window.enough, "protocol": window.protocol,
        "from": day_text(window.first), "to": day_text(window.last), "limits": {"systolic": s, "diastolic": d},
        "personal_target": "target" in state,
    }  # fmt: skip
    onset, began = (active["onset"], day) if active is not None else _began(case, rule, last, window)
    return [
        Finding(
            severity, onset, at, ids, detail, mark, judgement=judgement, again=rule.limits["again_days"] * DAY,
            began=midnight(case.facts, began),
        )
    ]  # fmt: skip


def _columns(case: Case, window: Window) -> tuple[list[str], list[int]]:
    """Ids and mean flags of the readings in ``window``."""
    bp: Series | None = case.state.get("bp")
    if bp is None:
        return [], []
    begin = bisect_left(bp["t"], midnight(case.facts, window.first))
    end = bisect_left(bp["t"], midnight(case.facts, window.last + 1))
    return bp["id"][begin:end], bp["m"][begin:end]


def _severity(case: Case, rule: Rule, last: int, window: Window) -> tuple[str, bool]:
    """Yellow; orange for two valid weeks in a row above target under treatment, or for a mean far above (M)."""
    limits, days, mean = rule.limits, case.state["days"], window.mean
    if not window.enough or mean is None:
        return "yellow", False
    s, d = _limits(case, rule, days[last][0])
    old = "target" not in case.state and case.aged(limits["old_age"], midnight(case.facts, days[last][0]))
    if (mean[0] >= s or mean[1] >= d) and case.takes(limits["antihypertensives"]):
        length = limits["window"]
        before = bisect_left(days, days[last][0] - length + 1, key=lambda row: row[0]) - 1
        if before >= 0 and days[before][0] > days[last][0] - 2 * length:
            week = summary.window(case.state, rule, before)
            if week.enough and week.mean is not None and (week.mean[0] >= s or week.mean[1] >= d):
                return case.judged(rule, "orange", *(("old_age", "old_systolic", "old_diastolic") if old else ()))
    if mean[0] >= limits["orange_systolic"]:
        return case.judged(rule, "orange", "orange_systolic")
    if mean[1] >= limits["orange_diastolic"]:
        return case.judged(rule, "orange", "orange_diastolic")
    return "yellow", False


def _began(case: Case, rule: Rule, last: int, window: Window) -> tuple[int, int]:
    """First reading of the first high window of the run that lasts until now, and the day that window ended on."""
    days: list[Row] = case.state["days"]
    earliest = case.state["from"] + rule.limits["window"] - 1
    first, began = window.first, days[last][0]
    for at in range(last - 1, -1, -1):
        if days[at][0] < earliest:
            break
        level, _, earlier = _verdict(case, rule, at)
        if level == CLEAR:
            break
        if level == HIGH:
            first, began = earlier.first, days[at][0]
    times: list[int] = case.state["bp"]["t"]  # only asked for when something new is raised
    return times[min(bisect_left(times, midnight(case.facts, first)), len(times) - 1)], began


def _as_it_was(alert: dict[str, Any], rule: Rule) -> Finding:
    """What the data neither show nor refute any longer: the alert stands as it is."""
    return Finding(
        alert["sev"], alert["onset"], alert["latest"], alert["ev"], alert["det"], alert["mark"],
        judgement=alert["judg"], again=rule.limits["again_days"] * DAY,
    )  # fmt: skip


def low_treated(case: Case, rule: Rule) -> list[Finding]:
    """Low pressure under treatment at 65 and older: a low 7-day mean, or a confirmed low value. Wholly (M)."""
    state, limits = case.state, rule.limits
    bp: Series | None = state.get("bp")
    active = next((a for a in of_rule(state, rule.rule) if a["cond"] == "active"), None)
    if not case.takes(limits["antihypertensives"]):
        return []
    if bp is None:
        return [] if active is None else [_as_it_was(active, rule)]
    at = bp["t"][-1]
    if not case.aged(limits["age"], at):
        return []
    old = case.aged(limits["old_age"], at)
    name = "old_mean" if old else "mean"
    limit = limits[name]
    if active is None and min(bp["s"]) >= limit:
        return []
    reasons, rests = [], []
    gap = limits["episode_hours"] * HOUR
    hits = [i for i in range(len(bp["t"])) if bp["s"][i] < limits["confirmed"]]
    latest = episodes(bp["t"], hits, gap, [])[-1:]
    until = None
    ids: list[str] = []
    if latest and case.now < bp["t"][latest[0][-1]] + gap:
        low, quiet = below(limits["confirmed"]), limits["quiet_minutes"] * MINUTE
        if confirmed(bp["s"], bp["t"], low, quiet, latest[0][0], len(bp["t"]))[0]:
            reasons.append("confirmed-low")
            rests.append("confirmed")
            ids = [bp["id"][i] for i in latest[0]]
            until = bp["t"][latest[0][-1]] + gap
    mean_low, window = _mean_low(case, rule)
    if mean_low:
        reasons.append("weekly-mean")
        rests.append(name)
        until = None
    if not reasons:
        return []
    severity, judgement = case.judged(rule, "yellow", *rests)
    if window is not None:
        ids = [id for id, m in zip(*_columns(case, window), strict=True) if m][-20:] if mean_low else ids
    detail = {
        "reasons": reasons, "mean": None if window is None else _round(window.mean), "age_80_or_older": old,
        "limits": {"mean": limit, "confirmed": limits["confirmed"]},
    }  # fmt: skip
    if until is not None:
        case.wake_at(until)
    onset = active["onset"] if active is not None else at
    mark = [reasons, day_of_last(case)]
    return [Finding(severity, onset, at, ids, detail, mark, judgement=judgement, again=limits["again_days"] * DAY)]


def day_of_last(case: Case) -> int:
    """The last measured day that counts, or 0."""
    days = case.state.get("days")
    return days[-1][0] if days else 0


def _low_verdict(case: Case, rule: Rule, at: int) -> tuple[int | None, Window]:
    """Verdict on the day of row ``at``: the weekly mean is low, clearly is not, or neither."""
    limits, day = rule.limits, case.state["days"][at][0]
    window = _window(case, case.rule(summary.RULE), at)
    if not window.enough or window.mean is None:
        return None, window
    limit = limits["old_mean" if case.aged(limits["old_age"], midnight(case.facts, day)) else "mean"]
    if window.mean[0] < limit:
        return HIGH, window
    return (CLEAR if window.mean[0] >= limit + limits["clear"] else None), window


def _mean_low(case: Case, rule: Rule) -> tuple[bool, Window | None]:
    """Whether the weekly mean is low by the latest decisive verdict; with the newest window."""
    days: list[Row] = case.state.get("days", [])
    earliest = case.state["from"] + case.rule(summary.RULE).limits["window"] - 1
    newest: Window | None = None
    for at in range(len(days) - 1, -1, -1):
        if days[at][0] < earliest:
            break
        level, window = _low_verdict(case, rule, at)
        newest = newest or window
        if level is not None:
            return level == HIGH, newest
    return _base(case, rule) == HIGH, newest


def settle(case: Case, until: int) -> None:
    """Keep, of the days that sums of ``until`` on can no longer judge, the latest verdict."""
    state = case.state
    days: list[Row] = state.get("days", [])
    if not days:
        return
    pressure, low = case.rule(summary.RULE), case.rule("bp-low-treated")
    span = pressure.limits["window"] - 1
    treated = case.takes(low.limits["antihypertensives"])
    for at, row in enumerate(days):
        if row[0] >= until + span:
            break
        if row[0] >= state["from"] + span:
            _keep(case, pressure, _verdict(case, pressure, at)[0])
            if treated:
                _keep(case, low, _low_verdict(case, low, at)[0])


def _keep(case: Case, rule: Rule, level: int | None) -> None:
    if level is not None:
        case.state.setdefault("base", {})[rule.rule] = level


def _base(case: Case, rule: Rule) -> int | None:
    level: int | None = case.state.get("base", {}).get(rule.rule)
    return level


def _round(mean: tuple[float, ...] | None) -> dict[str, float] | None:
    return None if mean is None else {"systolic": round(mean[0], 2), "diastolic": round(mean[1], 2)}
