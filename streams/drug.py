"""Drugs that harm an unborn child, in pregnancy or where one is planned: call the prescriber the same day."""

from streams.calendar import DAY
from streams.case import Case, Finding
from streams.rules import Rule


def in_pregnancy(case: Case, rule: Rule) -> list[Finding]:
    """A drug of the rule's list is prescribed to somebody who is pregnant or plans to be (clinical decision 23)."""
    state = case.state
    if "rx" not in state or ("gestation" not in state and "planning" not in state):
        return []
    planning = state.get("planning")
    if case.pregnant(case.now, 0):
        why = "pregnant"
    elif planning is not None and planning[2]:
        why = "planned"
    else:
        return []
    taken = {code: entry for code, entry in state["rx"].items() if entry[2]}
    harmful = {
        name: sorted(code for code in taken if code.startswith(tuple(codes)))
        for name, codes in rule.limits["drugs"].items()
    }
    harmful = {name: codes for name, codes in harmful.items() if codes}
    if not harmful:
        return []
    entries = sorted(taken[code] for codes in harmful.values() for code in codes)
    detail = {"stage": why, "drugs": harmful}
    mark = [why, sorted(harmful)]
    onset, latest = entries[0][0], entries[-1][0]
    evidence = [entry[1] for entry in entries]
    return [Finding("orange", onset, latest, evidence, detail, mark, again=rule.limits["again_days"] * DAY)]
