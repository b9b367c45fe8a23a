"""What is missing or strange rather than high or low: check the person, too few readings, no readings."""

from bisect import bisect_left

from streams import plan
from streams.calendar import DAY, HOUR, MINUTE, day_of, day_text, midnight
from streams.case import RANK, Case, Finding, closings, episodes, received, youngest
from streams.facts import LATENESS
from streams.rules import Rule
from streams.state import Series

SEVERITY = {"meter-high": "red", "meter-low": "red", "out-of-limits": "orange", "person-unknown": "orange"}
#: Values of nobody's device that are a crisis by another rule's (M) limits.
JUDGED = {"oxygen-unknown": "oxygen-low", "pulse-unknown": "pulse-rate"}


def check_person(case: Case, rule: Rule) -> list[Finding]:
    """A device's trouble that says something of the person: never a reading, never a clinical rule's evidence.

    A glucose meter's HI or LO is red (the value is beyond what it can show); a value outside limits, or a crisis value
    of nobody's device, orange; several failed measurements in a short time rest on (M) limits.
    """
    trouble: Series | None = case.state.get("trouble")
    if trouble is None:
        return []
    t, what, late, ids = trouble["t"], trouble["w"], trouble["l"], trouble["id"]
    limits = rule.limits
    failed = [i for i, kind in enumerate(what) if kind == "failed"]
    least, span = limits["failures"], limits["minutes"] * MINUTE
    hits = {i for i, kind in enumerate(what) if kind != "failed"}
    for at in range(len(failed) - least + 1):
        if t[failed[at + least - 1]] - t[failed[at]] <= span:
            hits.update(failed[at : at + least])
    gap = limits["episode_hours"] * HOUR
    found = []
    for one in episodes(t, sorted(hits), gap, closings(case.state, rule.rule)):
        reasons = sorted({what[i] for i in one})
        candidates = [(SEVERITY[reason], False) for reason in reasons if reason in SEVERITY]
        if "failed" in reasons:
            candidates.append(case.judged(rule, "orange", "failures", "minutes"))
        for name in JUDGED.keys() & set(reasons):
            other = case.rule(JUDGED[name])
            candidates.append(case.judged(other, "orange", *other.judged))
        severity, judgement = max(candidates, key=lambda c: (RANK[c[0]], not c[1]))
        severity = case.by_age(severity, min((late[i] for i in one), key=youngest))
        others = sum(what[i] != "failed" for i in one)
        detail = {"reasons": reasons, "events": len(one), "limits": {"failures": least, "minutes": limits["minutes"]}}
        until = max(received(t[i], late[i]) for i in one) + gap
        found.append(
            Finding(
                severity, t[one[0]], t[one[-1]], [ids[i] for i in one], detail, [reasons, others], until=until,
                judgement=judgement,
            )
        )  # fmt: skip
    return found


def adherence(case: Case, rule: Rule) -> list[Finding]:
    """Fewer readings in the last whole week of the plan than make a mean; not while paused, not once it ended."""
    state, facts, limits = case.state, case.facts, rule.limits
    today = day_of(facts, case.now)
    for one in state.get("plans", ()):
        if one[plan.FIRST] > today:
            case.wake_at(midnight(facts, one[plan.FIRST]))
    current = plan.on(state, today) if "plans" in state else None
    if current is None or "blood-pressure" not in current[plan.KINDS] or plan.ended(state, current, case.now):
        return []
    enrolled = plan.taking_part(state, facts, case.now)
    if enrolled is None:
        return []
    first, last, length = current[plan.FIRST], current[plan.LAST], limits["window"]
    week = (today - first) // length - 1
    if last is not None:
        week = min(week, (last + 1 - first) // length - 1)
    begin = first + week * length
    end = begin + length
    if last is None or end + length <= last + 1:
        case.wake_at(midnight(facts, end + length))
    if week < 0 or begin < max(state["from"], day_of(facts, enrolled)):
        return []
    since, until = midnight(facts, begin), midnight(facts, end)
    if any(start < until and since < stop for start, stop in plan.pauses(state, facts)):
        return []
    rows = [row for row in state.get("days", ()) if begin <= row[0] < end]
    n, days, ids = sum(row[1] for row in rows), len(rows), _ids(case, since, until)
    least, least_days = limits["readings"], limits["days"]
    if current[plan.SCHEDULE] == "weekly":
        least, least_days = max(current[plan.MORNING] + current[plan.EVENING], 1), 1
    if n >= least and days >= least_days:
        return []
    detail = {
        "readings": n, "days": days, "from": day_text(begin), "to": day_text(end - 1),
        "schedule": current[plan.SCHEDULE], "limits": {"readings": least, "days": least_days},
    }  # fmt: skip
    over = until + LATENESS
    return [Finding("yellow", since, until, ids, detail, [begin], until=over, again=length * DAY)]


def _ids(case: Case, since: int, until: int) -> list[str]:
    """Ids of the pressures between two instants that count."""
    bp: Series | None = case.state.get("bp")
    if bp is None:
        return []
    begin, end = bisect_left(bp["t"], since), bisect_left(bp["t"], until)
    return [bp["id"][i] for i in range(begin, end) if bp["m"][i]]


def expected(case: Case) -> tuple[plan.Plan, int] | None:
    """The plan by which readings are expected now, and since when they have been; wakes the rule when that changes."""
    state, facts, now = case.state, case.facts, case.now
    if "plans" not in state:
        return None
    pauses = plan.pauses(state, facts)
    today = day_of(facts, now)
    for one in state["plans"]:
        if one[plan.FIRST] > today:
            case.wake_at(midnight(facts, one[plan.FIRST]))
    for start, end in pauses:
        if start <= now < end:
            case.wake_at(end)
    current = plan.expects(state, facts, now)
    if current is None:
        return None
    if current[plan.LAST] is not None:
        case.wake_at(midnight(facts, current[plan.LAST] + 1))
    enrolled = plan.taking_part(state, facts, now) or 0
    return current, max([midnight(facts, current[plan.FIRST]), enrolled, *(end for _, end in pauses if end <= now)])


def silence(case: Case, rule: Rule) -> list[Finding]:
    """Nothing of a kind that the plan expects for longer than its schedule allows. Rests on (M) limits."""
    state, now, wanted = case.state, case.now, expected(case)
    if wanted is None:
        return []
    current, begun = wanted
    name = f"{current[plan.SCHEDULE]}_days"
    allowed = rule.limits[name] * DAY
    heard = {
        kind: max(begun, state[series]["t"][-1] if (series := SERIES_OF.get(kind, kind)) in state else begun)
        for kind in current[plan.KINDS]
    }
    silent = sorted(kind for kind, last in heard.items() if now >= last + allowed)
    for kind, last in heard.items():
        if kind not in silent:
            case.wake_at(last + allowed)
    if not silent:
        return []
    since = min(heard[kind] for kind in silent)
    severity, judgement = case.judged(rule, "yellow", name)
    detail = {"kinds": silent, "schedule": current[plan.SCHEDULE], "limits": {"days": rule.limits[name]}}
    return [Finding(severity, since, since, [], detail, [silent], judgement=judgement, again=allowed)]


SERIES_OF = {"blood-pressure": "bp", "glucose": "gl"}
