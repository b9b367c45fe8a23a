"""Glucose: lows with the loop "15 g of sugar, measure again in 15 minutes", highs, repeated lows."""

from streams.calendar import DAY, HOUR, MINUTE
from streams.case import Case, Finding, at_most, closings, episodes, received, youngest
from streams.rules import Rule
from streams.state import Series


def low(case: Case, rule: Rule) -> list[Finding]:
    """A low in diagnosed diabetes, or a severe one in anybody but a neonate.

    Orange, and a repeat is asked for; red if severe, with a symptom, or without a repeat; yellow after a normal repeat.
    """
    gl: Series | None = case.state.get("gl")
    limits = rule.limits
    if gl is None or (min(gl["v"]) > limits["value"] and "low" not in gl["f"]):
        return []
    v, t, f = gl["v"], gl["t"], gl["f"]
    limit = limits["value"] if case.has(limits["diabetes"]) else None
    hits = [
        i
        for i in range(len(t))
        if (v[i] < limits["severe"] or f[i] == "low" or (limit is not None and v[i] <= limit))
        and case.older_than_days(limits["neonate_days"], t[i])
    ]
    gap, ends = limits["episode_hours"] * HOUR, closings(case.state, rule.rule)
    return [_low_episode(case, rule, gl, one, gap, ends) for one in episodes(t, hits, gap, ends)]


def _low_episode(case: Case, rule: Rule, gl: Series, hits: list[int], gap: int, ends: list[int]) -> Finding:
    limits, t, ids, late = rule.limits, gl["t"], gl["id"], gl["l"]
    last = hits[-1]
    severe = [i for i in hits if gl["v"][i] < limits["severe"] or gl["f"][i] == "low"]
    near = limits["symptom_hours"] * HOUR
    codes, reports, delay = case.symptoms(limits["red_symptoms"], t[hits[0]] - near, t[last] + near)
    until = min([t[last] + gap, *(end for end in ends if end >= t[last])])
    answered = last + 1 < len(t) and t[last + 1] <= until  # not a hit, so above the limit
    best = min((late[i] for i in hits), key=youngest)
    if codes:
        best = min(best, delay, key=youngest)
    loud = case.by_age("red", best)
    severity, ask = "red", None
    asked = received(t[last], late[last]) + (limits["repeat_minutes"] + limits["grace_minutes"]) * MINUTE
    if not answered and ids[last] == case.event.identity and case.fresh(late[last]):
        ask = asked
    if severe:
        stage = "severe"
    elif codes:
        stage = "with-symptoms"
    elif answered:
        severity, stage = "yellow", "recovered"
    elif case.now >= asked:
        stage = "no-repeat"
    else:
        severity, stage = "orange", "awaiting-repeat"
        case.wake_at(asked)
    detail = {
        "stage": stage, "value": gl["v"][last], "unit": "mmol/L", "lows": len(hits), "symptoms": codes,
        "limits": {"low": limits["value"], "severe": limits["severe"]},
    }  # fmt: skip
    holds_until = max(received(t[i], late[i]) for i in hits) + gap
    return Finding(
        at_most(severity, loud), t[hits[0]], t[last], [*reports, *(ids[i] for i in hits)], detail,
        [stage, codes, len(hits), ids[last]], until=holds_until, ask=ask,
    )  # fmt: skip


def high(case: Case, rule: Rule) -> list[Finding]:
    """A high: repeat and same-day call; red with a symptom of ketoacidosis or when the meter says HI."""
    gl: Series | None = case.state.get("gl")
    limits = rule.limits
    if gl is None or (max(gl["v"]) < limits["value"] and "high" not in gl["f"]):
        return []
    v, t, f, ids, late = gl["v"], gl["t"], gl["f"], gl["id"], gl["l"]
    hits = [
        i
        for i in range(len(t))
        if (v[i] >= limits["value"] or f[i] == "high") and case.older_than_days(limits["neonate_days"], t[i])
    ]
    gap, near = limits["episode_hours"] * HOUR, limits["symptom_hours"] * HOUR
    found = []
    for one in episodes(t, hits, gap, closings(case.state, rule.rule)):
        last = one[-1]
        codes, reports, delay = case.symptoms(limits["red_symptoms"], t[one[0]] - near, t[last] + near)
        beyond = any(f[i] == "high" for i in one)
        best = min((late[i] for i in one), key=youngest)
        if codes:
            best = min(best, delay, key=youngest)
        severity = case.by_age("red" if codes or beyond else "orange", best)
        detail = {
            "value": v[last], "unit": "mmol/L", "highs": len(one), "meter_high": beyond, "symptoms": codes,
            "limits": {"high": limits["value"]},
        }  # fmt: skip
        ask = None
        if len(one) == 1 and ids[last] == case.event.identity and case.fresh(late[last]):
            ask = received(t[last], late[last]) + limits["repeat_minutes"] * MINUTE
        until = max(received(t[i], late[i]) for i in one) + gap
        found.append(
            Finding(
                severity, t[one[0]], t[last], [*reports, *(ids[i] for i in one)], detail,
                [codes, beyond, len(one), ids[last]], until=until, ask=ask,
            )
        )  # fmt: skip
    return found


def lows_repeated(case: Case, rule: Rule) -> list[Finding]:
    """Two or more lows in 14 days in diagnosed diabetes: review of the medication."""
    gl: Series | None = case.state.get("gl")
    limits = rule.limits
    if gl is None or min(gl["v"]) > limits["value"] or not case.has(limits["diabetes"]):
        return []
    span = limits["days"] * DAY
    hits = [
        i
        for i, time in enumerate(gl["t"])
        if gl["v"][i] <= limits["value"]
        and time > case.now - span
        and case.older_than_days(limits["neonate_days"], time)
    ]
    lows = episodes(gl["t"], hits, limits["apart_minutes"] * MINUTE, [])
    if len(lows) < limits["lows"]:
        return []
    case.wake_at(gl["t"][lows[-limits["lows"]][-1]] + span)
    first, last = lows[0][0], lows[-1][-1]
    detail = {"lows": len(lows), "limits": {"low": limits["value"], "lows": limits["lows"], "days": limits["days"]}}
    ids = [gl["id"][i] for i in hits]
    onset, latest = gl["t"][first], gl["t"][last]
    return [Finding("yellow", onset, latest, ids, detail, [ids[-1]], again=limits["again_days"] * DAY)]
