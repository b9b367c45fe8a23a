"""Pulse, oxygen, temperature and weight: limits that are our own judgement (clinical decision 13).

No early-warning score is computed from home data. Pulses come from cuffs, oximeters and heart-rate readings.
"""

from statistics import median

from streams import notice
from streams.calendar import DAY, HOUR, MINUTE
from streams.case import RANK, Case, Finding, at_most, closings, episodes, received, youngest
from streams.confirm import above, below, confirmed, episode_end
from streams.rules import Rule
from streams.state import ACTIVE, AT_REST, Series

Pulse = tuple[int, str, int, float, bool]  # time, id, lateness, /min, at rest


def pulses(case: Case) -> list[Pulse]:
    """Every pulse but those taken while active, by time. Cuffs and oximeters measure at rest."""
    state, found = case.state, []
    for name in ("bp", "oxygen"):
        series: Series | None = state.get(name)
        if series is not None:
            measured = zip(series["t"], series["id"], series["l"], series["p"], strict=True)
            found += [(t, id, late, p, True) for t, id, late, p in measured if p is not None]
    series = state.get("heart-rate")
    if series is not None:
        counted = zip(series["t"], series["id"], series["l"], series["v"], series["r"], strict=True)
        found += [(t, id, late, v, r == AT_REST) for t, id, late, v, r in counted if r != ACTIVE]
    found.sort()
    return found


def _ordinary(case: Case, low: float, high: float) -> bool:
    """Whether no pulse at all lies outside; quickly, for this is so nearly always."""
    for name, column in (("bp", "p"), ("oxygen", "p"), ("heart-rate", "v")):
        if name in case.state:
            known = list(filter(None, case.state[name][column]))
            if known and (min(known) < low or max(known) > high):
                return False
    return True


def pulse_rate(case: Case, rule: Rule) -> list[Finding]:
    """A pulse far too slow or fast, or at rest too slow or fast, confirmed by the next one or the mean of both.

    Slow is no finding under a beta-blocker or where it is usual; far too slow always is. Adults only.
    """
    limits = rule.limits
    low, high = limits["low"], limits["high"]
    if _ordinary(case, low, high):
        return []
    found = [pulse for pulse in pulses(case) if case.adult(pulse[0])]
    times, rates = [pulse[0] for pulse in found], [pulse[3] for pulse in found]
    resting = [pulse[3] if pulse[4] else None for pulse in found]
    slow_is_known = case.takes(limits["beta_blockers"]) or _usually_slow(resting, limits["usual_readings"], low)
    if slow_is_known:
        low = limits["far_low"]
    hits = [
        i
        for i, rate in enumerate(rates)
        if rate < limits["far_low"] or rate > limits["far_high"] or (found[i][4] and (rate < low or rate > high))
    ]
    gap, quiet, ends = limits["episode_hours"] * HOUR, limits["quiet_minutes"] * MINUTE, closings(case.state, rule.rule)
    findings = []
    for one in episodes(times, hits, gap, ends):
        span = one[0], episode_end(times, one[-1], gap, ends)
        far = [confirmed(rates, times, beyond, quiet, *span)
               for beyond in (below(limits["far_low"]), above(limits["far_high"]))]  # fmt: skip
        near = [confirmed(resting, times, beyond, quiet, *span) for beyond in (below(low), above(high))]
        if any(sure for sure, _ in far):
            stage, severity, rests = "far-outside", "red", ("far_low", "far_high")
        elif any(sure for sure, _ in near):
            stage, severity, rests = "outside", "orange", ("low", "high")
        else:
            waiting = {found[i][1] for _, i in (*far, *near) if i is not None and case.fresh(found[i][2])}
            if case.event.identity in waiting:
                expires = case.event.recorded + limits["repeat_minutes"] * MINUTE
                notice.ask(case, f"{rule.rule}/{case.event.subject}", rule, expires)
            continue
        severity, judgement = case.judged(rule, severity, *rests)
        severity = case.by_age(severity, min((found[i][2] for i in one), key=youngest))
        ids, last = [found[i][1] for i in one], one[-1]
        detail = {
            "stage": stage, "pulse": rates[last], "unit": "/min", "readings": len(one),
            "limits": {"far": [limits["far_low"], limits["far_high"]], "at_rest": [low, high]},
        }  # fmt: skip
        until = max(received(found[i][0], found[i][2]) for i in one) + gap
        mark = [stage, len(one), ids[-1]]
        findings.append(
            Finding(severity, times[one[0]], times[last], ids, detail, mark, until=until, judgement=judgement)
        )
    return findings


def _usually_slow(resting: list[float | None], least: int, low: float) -> bool:
    known = [rate for rate in resting if rate is not None]
    return len(known) >= least and median(known) < low


def oxygen_low(case: Case, rule: Rule) -> list[Finding]:
    """Oxygen too low, by the resident's own baseline in COPD; milder once the next value is normal again.

    A value that the device itself doubts (poor signal) is only asked for again, until another one agrees.
    """
    ox: Series | None = case.state.get("oxygen")
    limits = rule.limits
    if ox is None or min(ox["v"]) >= limits["orange"]:
        return []
    v, t, ids, late, doubt = ox["v"], ox["t"], ox["id"], ox["l"], ox["f"]
    orange, red, names = _oxygen_limits(case, rule, v)
    hits = [i for i in range(len(t)) if v[i] < orange]
    gap, ends = limits["episode_hours"] * HOUR, closings(case.state, rule.rule)
    found = []
    for one in episodes(t, hits, gap, ends):
        last = one[-1]
        ask = None
        if ids[last] == case.event.identity and case.fresh(late[last]):
            ask = received(t[last], late[last]) + limits["repeat_minutes"] * MINUTE
        if len(one) == 1 and doubt[last]:
            if ask is not None:
                notice.ask(case, f"{rule.rule}/{case.event.subject}", rule, ask)
            continue
        stage, severity = ("red", "red") if min(v[i] for i in one) < red else ("orange", "orange")
        severity, judgement = case.judged(rule, severity, *names)
        if episode_end(t, last, gap, ends) > last + 1:
            stage, severity = "recovered", at_most(severity, "yellow")
        severity = case.by_age(severity, min((late[i] for i in one), key=youngest))
        detail = {
            "stage": stage, "value": v[last], "unit": "%", "lowest": min(v[i] for i in one), "readings": len(one),
            "limits": {"red": red, "orange": orange}, "own_baseline": "drop_orange" in names,
        }  # fmt: skip
        until = max(received(t[i], late[i]) for i in one) + gap
        found.append(
            Finding(
                severity, t[one[0]], t[last], [ids[i] for i in one], detail, [stage, len(one), ids[last]], until=until,
                judgement=judgement, ask=ask,
            )
        )  # fmt: skip
    return found


def _oxygen_limits(case: Case, rule: Rule, values: list[float]) -> tuple[float, float, tuple[str, str]]:
    """Below which it is orange and red, and the names of the limits used."""
    limits = rule.limits
    if not case.has(limits["copd"]):
        return limits["orange"], limits["red"], ("orange", "red")
    if len(values) < limits["baseline_readings"]:
        return limits["copd_orange"], limits["copd_red"], ("copd_orange", "copd_red")
    own = min(median(values), 100)
    orange, red = own - limits["drop_orange"], own - limits["drop_red"]
    return min(orange, limits["orange"]), min(red, limits["red"]), ("drop_orange", "drop_red")


def fever_diabetes(case: Case, rule: Rule) -> list[Finding]:
    """High fever in diagnosed diabetes."""
    heat: Series | None = case.state.get("temperature")
    limit = rule.limits["value"]
    if heat is None or max(heat["v"]) < limit or not case.has(rule.limits["diabetes"]):
        return []
    hits = [i for i, value in enumerate(heat["v"]) if value >= limit]
    return [
        _single(case, rule, heat, one, {"value": heat["v"][one[-1]], "unit": "Cel", "limits": {"value": limit}})
        for one in _grouped(case, rule, heat, hits)
    ]


def weight_gain(case: Case, rule: Rule) -> list[Finding]:
    """Weight that rose fast in heart failure: water, until somebody says otherwise."""
    scale: Series | None = case.state.get("weight")
    gain, span = rule.limits["gain"], rule.limits["days"] * DAY
    if scale is None or max(scale["v"]) - min(scale["v"]) < gain or not case.has(rule.limits["heart_failure"]):
        return []
    t, v = scale["t"], scale["v"]
    rises: dict[int, float] = {}
    for i in range(1, len(t)):
        before = [v[j] for j in range(i) if t[j] >= t[i] - span]
        if before and v[i] - min(before) >= gain:
            rises[i] = round(v[i] - min(before), 3)
    found = []
    for one in _grouped(case, rule, scale, sorted(rises)):
        limits = {"gain": gain, "days": rule.limits["days"]}
        detail = {"value": v[one[-1]], "gain": rises[one[-1]], "unit": "kg", "limits": limits}
        found.append(_single(case, rule, scale, one, detail))
    return found


def _grouped(case: Case, rule: Rule, series: Series, hits: list[int]) -> list[list[int]]:
    return episodes(series["t"], hits, rule.limits["episode_hours"] * HOUR, closings(case.state, rule.rule))


def _single(case: Case, rule: Rule, series: Series, one: list[int], detail: dict[str, object]) -> Finding:
    """A finding that one value makes: orange, resting on the rule's (M) limits."""
    t, ids, late = series["t"], series["id"], series["l"]
    severity, judgement = case.judged(rule, "orange", *rule.judged)
    severity = min(severity, case.by_age("orange", min((late[i] for i in one), key=youngest)), key=RANK.__getitem__)
    until = max(received(t[i], late[i]) for i in one) + rule.limits["episode_hours"] * HOUR
    mark = [len(one), ids[one[-1]]]
    evidence = [ids[i] for i in one]
    return Finding(
        severity, t[one[0]], t[one[-1]], evidence, detail, mark, until=until, judgement=judgement
    )  # fmt: skip
