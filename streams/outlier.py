"""A value of a shared cuff that does not look like this person's: "was it you?". It alarms all the same."""

from math import sqrt

from streams.calendar import DAY, HOUR
from streams.case import Case, Finding, episodes, received
from streams.rules import Rule
from streams.state import SHARED, Series


def shared_cuff(case: Case, rule: Rule) -> list[Finding]:
    """A systolic pressure from a cuff of several people, far from all others of this person (clinical decision 18).

    Answered by `reading.confirmed` (yes) or `reading.retracted` (no). Until then it counts like any other.
    """
    bp: Series | None = case.state.get("bp")
    limits = rule.limits
    if bp is None or not any(mark & SHARED for mark in bp["f"]):
        return []
    t, s, ids, late = bp["t"], bp["s"], bp["id"], bp["l"]
    others = len(s) - 1
    if others < limits["readings"]:
        return []
    total, squares = sum(s), sum(value * value for value in s)
    strange: dict[int, float] = {}
    for i, value in enumerate(s):
        if bp["f"][i] & SHARED:
            mean = (total - value) / others
            spread = sqrt(max((squares - value * value) / others - mean * mean, 0))
            if abs(value - mean) >= max(limits["deviations"] * spread, limits["least"]):
                strange[i] = round(mean, 1)
    answers: Series = case.state.get("yes", {"r": []})
    found = []
    for one in episodes(t, sorted(strange), limits["episode_hours"] * HOUR, []):
        open_ones = [i for i in one if ids[i] not in answers["r"]]
        last = (open_ones or one)[-1]
        until = max(received(t[i], late[i]) for i in one)
        if open_ones:
            until += limits["open_days"] * DAY
        detail = {
            "stage": "asked" if open_ones else "confirmed", "systolic": s[last], "diastolic": bp["d"][last],
            "usual_systolic": strange[last], "limits": {name: limits[name] for name in ("deviations", "least")},
        }  # fmt: skip
        evidence = [ids[i] for i in one]
        mark = [detail["stage"], evidence[-1]]
        severity, judgement = case.judged(rule, "technical", *rule.judged)
        found.append(Finding(severity, t[one[0]], t[one[-1]], evidence, detail, mark, until=until, judgement=judgement))
    return found
