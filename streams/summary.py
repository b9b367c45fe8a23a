"""The home blood pressure summary: mean, readings, period, morning and evening, by the protocol that applies.

The protocol is the prescribed seven-day week without its first measured day, where a plan prescribes one, else the
rolling seven days that end on the last measured day. Only measured home values with a believable time count, and none
that was taken while consent for monitoring stood withdrawn.

Means come from one row a local day: ``[day, n, S, D, morning n, S, D, evening n, S, D]``, S and D being sums. A row is
always recomputed from the sorted readings of its day, so that it does not depend on the order they came in.
"""

from bisect import bisect_left
from typing import Any

from streams import consent, plan
from streams.calendar import DAY, HOUR, day_of, day_text, local, midnight
from streams.case import Case
from streams.rules import Rule
from streams.state import State

Row = list[Any]
RULE = "bp-sustained-high"


class Window:
    """The sums over some days: ``rows`` of them, first to last; ``measured`` counts what makes the window valid."""

    __slots__ = ("enough", "evening", "first", "last", "mean", "morning", "mornings", "n", "protocol", "rows")

    def __init__(self, protocol: str, rows: list[Row], first: int, last: int, enough: bool) -> None:
        self.protocol, self.rows, self.first, self.last, self.enough = protocol, rows, first, last, enough
        n = s = d = mn = ms = md = en = es = ed = days = 0
        for row in rows:
            n += row[1]
            s += row[2]
            d += row[3]
            if row[4]:
                days += 1
                mn += row[4]
                ms += row[5]
                md += row[6]
            en += row[7]
            es += row[8]
            ed += row[9]
        self.n = n
        self.mean = (s / n, d / n) if n else None
        self.morning, self.mornings = ((ms / mn, md / mn, mn) if mn else None), days
        self.evening = (es / en, ed / en, en) if en else None


def counts(case: Case) -> int:
    """1 if this pressure may enter means: measured at home, by a device not known to be unfit, at a known time."""
    data = case.event.data
    if (
        data.get("place", "home") != "home"
        or data.get("source", "measured") != "measured"
        or data.get("clock") == "untrusted"
        or "unknown-user" in data.get("flags", ())
    ):
        return 0
    models: dict[str, int] = case.facts["models"]
    if not models:
        return 1
    model = data.get("model") or case.state.get("worn", {}).get(data.get("device"))
    return models.get(model, 1)


def refresh(case: Case, day: int | None) -> None:
    """Recompute the row of ``day`` from its readings, and the summary; without a day (another plan) only that."""
    state, rule = case.state, case.rule(RULE)
    days: list[Row] = state.setdefault("days", [])
    if day is None:
        state.pop("held", None)
    else:
        row = _row(case, rule, day)
        at = len(days)
        if at and days[-1][0] >= day:
            at = bisect_left(days, day, key=lambda r: r[0])
            if at < len(days) - 1 or days[at][0] != day:
                state.pop("held", None)  # an earlier day changed: later ones may be judged otherwise
        there = at < len(days) and days[at][0] == day
        if row[1]:
            days[at : at + there] = [row]
        else:
            del days[at : at + there]
            state.pop("held", None)
    _summarise(case, rule)


def _row(case: Case, rule: Rule, day: int) -> Row:
    row: Row = [day, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    bp = case.state.get("bp")
    if bp is None:
        return row
    facts, limits, times = case.facts, rule.limits, bp["t"]
    begin = midnight(facts, day)
    morning, noon = limits["morning_from"] * HOUR, limits["morning_to"] * HOUR
    evening, night = limits["evening_from"] * HOUR, limits["evening_to"] * HOUR
    at = bisect_left(times, begin)
    end = midnight(facts, day + 1)
    stopped = consent.ever_withdrawn(case.state, consent.MONITORING)
    while at < len(times) and times[at] < end:
        if bp["m"][at] and not (stopped and _withheld(case, times[at])):
            s, d = bp["s"][at], bp["d"][at]
            row[1] += 1
            row[2] += s
            row[3] += d
            clock = local(facts, times[at]) - day * DAY
            part = 4 if morning <= clock < noon else 7 if evening <= clock < night else 0
            if part:
                row[part] += 1
                row[part + 1] += s
                row[part + 2] += d
        at += 1
    return row


def _withheld(case: Case, instant: int) -> bool:
    """Whether what was measured at ``instant`` may not be used: consent for monitoring stood withdrawn."""
    return consent.withdrawn(case.state, consent.MONITORING, instant, case.facts["zone"])


def refresh_all(case: Case) -> None:
    """Recompute every day that is still open to late readings: what may be used has changed."""
    if "days" in case.state and "bp" in case.state:
        for day in sorted({day_of(case.facts, time) for time in case.state["bp"]["t"]}):
            refresh(case, day)


def window(state: State, rule: Rule, at: int) -> Window:
    """The window that ends on the day of row ``at``: the prescribed week where one holds that day, else rolling."""
    days: list[Row] = state["days"]
    day: int = days[at][0]
    limits = rule.limits
    length = limits["window"]
    plan_then = plan.on(state, day) if "plans" in state else None
    if plan_then is not None and plan_then[plan.SCHEDULE] == "week" and plan_then[plan.FIRST] >= state["from"]:
        begun = bisect_left(days, plan_then[plan.FIRST], key=lambda row: row[0])
        one = days[begun][0]  # day 1 is the first day measured
        if one < plan_then[plan.FIRST] + length and day < one + length:
            rows = days[begun : at + 1]
            enough = len(rows) >= limits["days"] and sum(row[1] for row in rows) >= limits["readings"]
            return Window("week", rows[1:], one, day, enough)
    first = day - length + 1
    begun = at
    while begun and days[begun - 1][0] >= first:
        begun -= 1
    rows = days[begun : at + 1]
    readings, least_days = limits["readings"], limits["days"]
    if plan_then is not None and plan_then[plan.SCHEDULE] == "weekly":
        readings, least_days = max(plan_then[plan.MORNING] + plan_then[plan.EVENING], 1), 1
    enough = len(rows) >= least_days and sum(row[1] for row in rows) >= readings
    return Window("rolling", rows, first, day, enough)


def _summarise(case: Case, rule: Rule) -> None:
    """Keep the summary current: ``home`` in the state, `described` by name."""
    state = case.state
    if not state["days"]:
        state.pop("home", None)
        return
    w = case.home = window(state, rule, len(state["days"]) - 1)
    parts = (w.mean, w.morning, w.evening)
    state["home"] = [w.protocol, w.enough, w.n, len(w.rows), w.first, w.last, *(p and list(p) for p in parts)]


def described(state: State) -> dict[str, Any] | None:
    """The home summary in the state with its names: means in mm[Hg], days as ISO dates."""
    home = state.get("home")
    if home is None:
        return None
    protocol, enough, n, days, first, last, mean, morning, evening = home
    return {
        "protocol": protocol, "enough": enough, "readings": n, "days": days, "from": day_text(first),
        "to": day_text(last), "mean": _pair(mean), "morning": _pair(morning), "evening": _pair(evening),
    }  # fmt: skip


def _pair(values: list[float] | None) -> dict[str, float] | None:
    if values is None:
        return None
    return {"systolic": values[0], "diastolic": values[1], **({"readings": values[2]} if len(values) > 2 else {})}
