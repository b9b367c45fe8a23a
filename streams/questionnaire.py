"""Answered questionnaires: scored at once; thoughts of self-harm are an alert.

In the state ``asked`` is a series of totals with their flags, kept like other evidence.
"""

from schemas.questionnaires import released
from streams.calendar import HOUR
from streams.case import IMPORTED, Case, Finding, closings, episodes, received
from streams.measured import Touched
from streams.rules import Rule
from streams.state import add

SCORED = "mailiu.engagement.questionnaire-scored.v1"
RULE = "self-harm-thoughts"


def answered(case: Case) -> Touched:
    """Score the answers."""
    event, data = case.event, case.event.data
    total, band, flags = released()[data["questionnaire"]][data["version"]].score(data["answers"])
    scored = {
        "questionnaire": data["questionnaire"], "version": data["version"], "answered": event.identity,
        "total": total, "band": band.code, "flags": flags,
    }  # fmt: skip
    case.emit(SCORED, f"{event.subject}/scored/{event.identity}", scored)
    time = min(event.time, event.recorded)
    if time < case.horizon:
        return ()
    late = IMPORTED if event.origin == "import" else event.recorded - time
    add(case.state, "asked", time, event.identity, late, data["questionnaire"], total, flags)
    return (RULE,)


def self_harm(case: Case, rule: Rule) -> list[Finding]:
    """Thoughts of death or self-harm in a questionnaire, whatever its total: somebody calls on the same day."""
    asked = case.state.get("asked")
    if asked is None:
        return []
    t, gap = asked["t"], rule.limits["episode_hours"] * HOUR
    hits = [i for i, flags in enumerate(asked["f"]) if rule.rule in flags]
    found = []
    for one in episodes(t, hits, gap, closings(case.state, rule.rule)):
        last = one[-1]
        detail = {"questionnaire": asked["q"][last], "total": asked["v"][last], "item": rule.limits["item"]}
        until = max(received(t[i], asked["l"][i]) for i in one) + gap
        ids = [asked["id"][i] for i in one]
        found.append(Finding("orange", t[one[0]], t[last], ids, detail, [ids[-1]], until=until))
    return found
