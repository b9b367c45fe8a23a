"""Lying and standing pressure: asked for after a fall or dizziness on standing, and judged wherever a pair is there."""

from streams.calendar import HOUR, MINUTE
from streams.case import Case, Finding, closings, episodes, received
from streams.rules import Rule
from streams.state import LYING, STANDING, Series

Item = tuple[int, str, int, str]  # time, id, lateness, what: report, drop or steady


def orthostatic(case: Case, rule: Rule) -> list[Finding]:
    """A pair with a drop; or a report without a pair since, which asks for one. A steady pair answers it.

    A pair is a standing pressure and the last lying one within `pair_minutes` before. Adults only.
    """
    items = sorted([*_reports(case, rule), *_pairs(case, rule)])
    hits = [n for n, item in enumerate(items) if item[3] != "steady"]
    if not hits:
        return []
    times = [item[0] for item in items]
    gap, found = rule.limits["episode_hours"] * HOUR, []
    for one in episodes(times, hits, gap, closings(case.state, rule.rule)):
        drops = [items[n] for n in one if items[n][3] == "drop"]
        last = items[one[-1]]
        answer = next((item for item in items[one[-1] + 1 :] if item[0] <= last[0] + gap), None)
        until = max(received(items[n][0], items[n][2]) for n in one) + gap
        if drops:
            stage = "drop"
        elif answer is not None:
            stage, until = "no-drop", received(answer[0], answer[2])
        else:
            stage = "pair-wanted"
        detail = {
            "stage": stage, "drops": len(drops),
            "limits": {"systolic": rule.limits["systolic"], "diastolic": rule.limits["diastolic"]},
        }  # fmt: skip
        ids = [items[n][1] for n in one]
        found.append(
            Finding("yellow", times[one[0]], times[one[-1]], ids, detail, [stage, len(one), ids[-1]], until=until)
        )
    return found


def _reports(case: Case, rule: Rule) -> list[Item]:
    sx: Series | None = case.state.get("sx")
    if sx is None:
        return []
    codes = rule.limits["symptoms"]
    rows = zip(sx["t"], sx["id"], sx["l"], sx["c"], strict=True)
    return [(t, id, late, "report") for t, id, late, said in rows if case.adult(t) and any(c in codes for c in said)]


def _pairs(case: Case, rule: Rule) -> list[Item]:
    bp: Series | None = case.state.get("bp")
    if bp is None or not any(mark & STANDING for mark in bp["f"]):
        return []
    limits, found = rule.limits, []
    lying: int | None = None
    for i, time in enumerate(bp["t"]):
        if bp["f"][i] & LYING:
            lying = i
        elif bp["f"][i] & STANDING and lying is not None and case.adult(time):
            if time - bp["t"][lying] > limits["pair_minutes"] * MINUTE:
                continue
            systolic, diastolic = bp["s"][lying] - bp["s"][i], bp["d"][lying] - bp["d"][i]
            dropped = systolic >= limits["systolic"] or diastolic >= limits["diastolic"]
            found.append((time, bp["id"][i], bp["l"][i], "drop" if dropped else "steady"))
    return found
