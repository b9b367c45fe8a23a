"""Single pressures: crisis with its closed re-measure loop, confirmed low pressure, a child's reading.

Each function reads the whole kept series, so that late, repeated and retracted readings need no code of their own.
"""

from typing import Any

from streams import notice
from streams.calendar import HOUR, MINUTE
from streams.case import Case, Finding, at_most, closings, episodes, received, youngest
from streams.confirm import below, confirmed, episode_end
from streams.rules import Rule
from streams.state import Series


def crisis(case: Case, rule: Rule) -> list[Finding]:
    """Pressure at crisis level in an adult outside pregnancy (which has limits of its own).

    The first value is red at once and asks for a repeat. The next value settles it: at crisis level, or so in the mean
    of both, confirmed; after `quiet_minutes` below that, orange or yellow. Nothing in `repeat_minutes`: phone call.
    """
    bp: Series | None = case.state.get("bp")
    if bp is None:
        return []
    limits = rule.limits
    s, d, t = bp["s"], bp["d"], bp["t"]
    systolic, diastolic = limits["systolic"], limits["diastolic"]
    if max(s) < systolic and max(d) < diastolic:
        return []
    hits = [i for i in range(len(t)) if s[i] >= systolic or d[i] >= diastolic]
    if not case.adult(t[0]) or "gestation" in case.state:
        hits = [i for i in hits if case.adult(t[i]) and not pregnancy_rules(case, t[i])]
    gap, ends = limits["episode_hours"] * HOUR, closings(case.state, rule.rule)
    found = []
    for hits_of_one in episodes(t, hits, gap, ends):
        until = max(received(t[i], bp["l"][i]) for i in hits_of_one) + gap
        found.append(_crisis_episode(case, rule, bp, hits_of_one, until, ends))
    return found


def _crisis_episode(case: Case, rule: Rule, bp: Series, hits: list[int], until: int, ends: list[int]) -> Finding:
    s, d, t, ids, late, limits = bp["s"], bp["d"], bp["t"], bp["id"], bp["l"], rule.limits
    systolic, diastolic = limits["systolic"], limits["diastolic"]
    last = episode_end(t, hits[-1], limits["episode_hours"] * HOUR, ends)
    stage, sure = "awaiting-repeat", False
    pending: int | None = hits[0]
    repeat: int | None = None
    for i in range(hits[0] + 1, last):
        if s[i] >= systolic or d[i] >= diastolic:
            sure = sure or pending is not None
            stage, pending, repeat = "awaiting-repeat", i, None
        elif pending is not None and not sure:
            if (s[pending] + s[i]) / 2 >= systolic or (d[pending] + d[i]) / 2 >= diastolic:
                sure, repeat = True, i
            elif t[i] - t[pending] >= limits["quiet_minutes"] * MINUTE:
                high = s[i] >= limits["moderate_systolic"] or d[i] >= limits["moderate_diastolic"]
                stage, pending, repeat = "moderate" if high else "downgraded", None, i
    best = min((late[i] for i in hits), key=youngest)
    severity, ask = "red", None
    if sure:
        stage = "confirmed"
    elif stage in ("moderate", "downgraded"):
        severity = "orange" if stage == "moderate" else "yellow"
    loud = case.by_age("red", best)
    if stage == "awaiting-repeat":
        assert pending is not None
        asked = received(t[pending], late[pending]) + limits["repeat_minutes"] * MINUTE
        if loud != "red":
            stage = "call-today" if loud == "orange" else "review"
        elif case.now >= asked:
            stage = "no-repeat"
        else:
            case.wake_at(asked)
            if ids[pending] == case.event.identity:
                ask = asked
    latest = hits[-1]
    detail: dict[str, Any] = {
        "stage": stage, "systolic": s[latest], "diastolic": d[latest], "crisis_readings": len(hits),
        "limits": {"systolic": systolic, "diastolic": diastolic},
    }  # fmt: skip
    if repeat is not None:
        detail["repeat"] = {"id": ids[repeat], "systolic": s[repeat], "diastolic": d[repeat]}
    return Finding(
        at_most(severity, loud), t[hits[0]], t[latest], [ids[i] for i in hits], detail,
        [stage, len(hits), ids[latest], repeat if repeat is None else ids[repeat]], until=until, ask=ask,
    )  # fmt: skip


def low(case: Case, rule: Rule) -> list[Finding]:
    """Systolic below the limit, confirmed by the next value or by the mean of both; red with a symptom at once."""
    bp: Series | None = case.state.get("bp")
    limit = rule.limits["systolic"]
    if bp is None or min(bp["s"]) >= limit:
        return []
    s, t, ids, late = bp["s"], bp["t"], bp["id"], bp["l"]
    hits = [i for i in range(len(t)) if s[i] < limit and case.adult(t[i])]
    gap, ends = rule.limits["episode_hours"] * HOUR, closings(case.state, rule.rule)
    near = rule.limits["symptom_hours"] * HOUR
    found = []
    for one in episodes(t, hits, gap, ends):
        end = episode_end(t, one[-1], gap, ends)
        sure, pending = confirmed(s, t, below(limit), rule.limits["quiet_minutes"] * MINUTE, one[0], end)
        codes, reports, delay = case.symptoms(rule.limits["red_symptoms"], t[one[0]] - near, t[one[-1]] + near)
        if not sure and not codes:
            if pending is not None and ids[pending] == case.event.identity and case.fresh(late[pending]):
                expires = received(t[pending], late[pending]) + rule.limits["repeat_minutes"] * MINUTE
                notice.ask(case, f"{rule.rule}/{case.event.subject}", rule, expires)
            continue
        best = min((late[i] for i in one), key=youngest)
        severity = case.by_age("red" if codes else "orange", min(best, delay, key=youngest) if codes else best)
        detail = {
            "stage": "confirmed" if sure else "with-symptoms", "systolic": s[one[-1]],
            "diastolic": bp["d"][one[-1]], "low_readings": len(one), "symptoms": codes, "limits": {"systolic": limit},
        }  # fmt: skip
        until = max(received(t[i], late[i]) for i in one) + gap
        found.append(
            Finding(
                severity, t[one[0]], t[one[-1]], [*reports, *(ids[i] for i in one)], detail,
                [sure, codes, len(one), ids[one[-1]]], until=until,
            )
        )  # fmt: skip
    return found


def child_reading(case: Case, rule: Rule) -> list[Finding]:
    """Pressure, heart rate or electrocardiogram of somebody under 18: adult rules refuse it, a clinician looks."""
    age = rule.limits["age"]
    if "birth" not in case.state or case.aged(age, case.horizon):
        return []
    entries = [
        (time, id, received(time, late))
        for name in ("bp", "heart-rate", "ecg")
        if name in case.state
        for time, id, late in zip(*(case.state[name][column] for column in ("t", "id", "l")), strict=True)
        if not case.aged(age, time, unknown=True)
    ]
    entries.sort()
    times = [time for time, _, _ in entries]
    gap = rule.limits["episode_hours"] * HOUR
    return [
        Finding(
            "yellow", times[one[0]], times[one[-1]], [entries[i][1] for i in one],
            {"readings": len(one), "limits": {"age": age}}, [times[one[-1]] // (24 * HOUR)],
            until=max(entries[i][2] for i in one) + gap,
        )
        for one in episodes(times, list(range(len(times))), gap, closings(case.state, rule.rule))
    ]  # fmt: skip


def pregnancy_rules(case: Case, instant: int) -> bool:
    """Whether the limits of pregnancy hold at ``instant``."""
    return "gestation" in case.state and case.pregnant(
        instant, case.rule("bp-pregnancy").limits["after_delivery_days"] * 24 * HOUR
    )
