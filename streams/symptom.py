"""Danger symptoms: red at any pressure and any age, without waiting for a second reading."""

from streams.calendar import HOUR
from streams.case import Case, Finding, closings, episodes, received, youngest
from streams.rules import Rule
from streams.state import Series


def danger(case: Case, rule: Rule) -> list[Finding]:
    """Reports of a danger symptom."""
    reports: Series | None = case.state.get("sx")
    if reports is None:
        return []
    t, late, codes = reports["t"], reports["l"], set(rule.limits["symptoms"])
    hits = [i for i in range(len(t)) if not codes.isdisjoint(reports["c"][i])]
    gap = rule.limits["episode_hours"] * HOUR
    found = []
    for one in episodes(t, hits, gap, closings(case.state, rule.rule)):
        said = sorted({code for i in one for code in reports["c"][i] if code in codes})
        best = min((late[i] for i in one), key=youngest)
        until = max(received(t[i], late[i]) for i in one) + gap
        ids = [reports["id"][i] for i in one]
        found.append(
            Finding(
                case.by_age("red", best), t[one[0]], t[one[-1]], ids, {"symptoms": said}, [said, ids[-1]], until=until
            )
        )
    return found
