"""Blood pressure in pregnancy: lower limits, from registration to 42 days after delivery."""

from streams.calendar import DAY, HOUR, MINUTE, day_of
from streams.case import RANK, Case, Finding, closings, episodes, received, youngest
from streams.rules import Rule
from streams.state import Series


def raised(case: Case, rule: Rule) -> list[Finding]:
    """One severe value is red at once; else the mean of a day decides, and a symptom makes it red."""
    bp: Series | None = case.state.get("bp")
    if bp is None or "gestation" not in case.state:
        return []
    limits = rule.limits
    s, d, t = bp["s"], bp["d"], bp["t"]
    if max(s) < limits["watch_systolic"] and max(d) < limits["watch_diastolic"]:
        return []
    after = limits["after_delivery_days"] * DAY
    days: dict[int, list[int]] = {}
    severe: set[int] = set()
    for i in range(len(t)):
        if case.pregnant(t[i], after):
            if s[i] >= limits["severe_systolic"] or d[i] >= limits["severe_diastolic"]:
                severe.add(i)
            if bp["m"][i]:
                days.setdefault(day_of(case.facts, t[i]), []).append(i)
    levels: dict[int, str] = {}
    for readings in days.values():
        level = _level(rule, sum(s[i] for i in readings) / len(readings), sum(d[i] for i in readings) / len(readings))
        if level:
            levels.update(dict.fromkeys(readings, level))
    gap, ends = limits["episode_hours"] * HOUR, closings(case.state, rule.rule)
    quiet = limits["watch_again_days"] * DAY
    seen_to = {i for i in levels if levels[i] == "watch" and any(end < t[i] <= end + quiet for end in ends)}
    hits = sorted(severe | (levels.keys() - seen_to))
    return [_episode(case, rule, bp, one, severe, levels) for one in episodes(t, hits, gap, ends)]


def _level(rule: Rule, systolic: float, diastolic: float) -> str:
    limits = rule.limits
    if systolic >= limits["systolic"] or diastolic >= limits["diastolic"]:
        return "raised"
    return "watch" if systolic >= limits["watch_systolic"] or diastolic >= limits["watch_diastolic"] else ""


def _episode(case: Case, rule: Rule, bp: Series, hits: list[int], severe: set[int], levels: dict[int, str]) -> Finding:
    limits, t, ids, late = rule.limits, bp["t"], bp["id"], bp["l"]
    worst = [i for i in hits if i in severe]
    near = limits["symptom_hours"] * HOUR
    codes, reports, delay = case.symptoms(limits["red_symptoms"], t[hits[0]] - near, t[hits[-1]] + near)
    mean_raised = any(levels.get(i) == "raised" for i in hits)
    judgement, ask = False, None
    repeat = limits["repeat_minutes"] * MINUTE
    if worst:
        severity = "red"
        stage = "severe-persisting" if t[worst[-1]] - t[worst[0]] >= repeat else "severe"
        newest = worst[-1]
        answered_by = repeat + limits["grace_minutes"] * MINUTE
        first = len(worst) == 1 or t[newest] - t[worst[-2]] > answered_by
        if first and ids[newest] == case.event.identity and case.fresh(late[newest]):
            ask = received(t[newest], late[newest]) + answered_by
    elif mean_raised:
        severity, stage = ("red", "raised-with-symptoms") if codes else ("orange", "raised")
    else:
        severity, judgement = case.judged(rule, "orange", "watch_systolic", "watch_diastolic")
        stage = "watch"
    best = min((late[i] for i in hits), key=youngest)
    if codes and stage == "raised-with-symptoms":
        best = min(best, delay, key=youngest)
    severity = min(severity, case.by_age("red", best), key=RANK.__getitem__)
    detail = {
        "stage": stage, "systolic": bp["s"][hits[-1]], "diastolic": bp["d"][hits[-1]], "symptoms": codes,
        "severe_readings": len(worst),
        "limits": {
            "severe": [limits["severe_systolic"], limits["severe_diastolic"]],
            "raised": [limits["systolic"], limits["diastolic"]],
            "watch": [limits["watch_systolic"], limits["watch_diastolic"]],
        },
    }  # fmt: skip
    until = max(received(t[i], late[i]) for i in hits) + limits["episode_hours"] * HOUR
    mark = [stage, codes, len(worst), day_of(case.facts, t[hits[-1]])]
    evidence = [*reports, *(ids[i] for i in hits)]
    return Finding(severity, t[hits[0]], t[hits[-1]], evidence, detail, mark, until=until, judgement=judgement, ask=ask)
