"""The management level of a person: how closely primary care follows, from 0 (no chronic disease known) to 3.

The level is the highest of the criteria that hold, the points their sum. It rests on what was just concluded (control,
scores, prompts, tasks) and on diagnoses. In the state ``level`` holds ``said`` [level, codes, rule version] and
``classes``, the latest class of each score that counts.
"""

from typing import Any

from streams.case import Case
from streams.rules import Rule, approved

ASSESSED = "mailiu.resident.level-assessed.v1"
SCORED = "mailiu.score.computed.v1"
RULE = "level"
#: Score -> class -> criterion. Where the guideline prints a range, its upper end counts.
CLASSES = {
    "htn-risk-stratum-cn": {
        "low": "stratum_low", "moderate": "stratum_moderate", "moderate-to-high": "stratum_high",
        "high": "stratum_high", "high-to-very-high": "stratum_very_high", "very-high": "stratum_very_high",
    },
    "china-par": {"high": "risk_high"},
}  # fmt: skip
CONTROL = {"blood-pressure": "pressure_uncontrolled", "glucose": "glucose_uncontrolled"}
CODED = ("disease", "diabetes_complicated", "kidney")
#: What may change a level beside another conclusion.
TYPES = frozenset(
    {
        "mailiu.chronic.condition-diagnosed.v2", "mailiu.chronic.condition-resolved.v2", "mailiu.reading.retracted.v1",
    }
)  # fmt: skip


def conclude(case: Case) -> bool:
    """Put out the level if it, its reasons or the rule's version changed; whether it did."""
    state = case.state
    kept: dict[str, Any] = state.get(RULE, {})
    _note_classes(case, kept)
    if not kept and "dx" not in state:
        return False
    rule = case.rule(RULE)
    found = sorted(_criteria(case, rule, kept.get("classes", {})))
    level = max((rule.limits[code][0] for code in found), default=0)
    said, now = kept.get("said"), [level, found, rule.version]
    if said == now or (said is None and not level):
        if kept:
            state[RULE] = kept
        return False
    data: dict[str, Any] = {"level": level} | ({} if said is None else {"before": said[0]})
    weights = [(rule.limits[code], code) for code in found]
    data["points"] = sum(points for (_, points), _ in weights)
    data["reasons"] = [
        {"code": code.replace("_", "-"), "level": at, "points": points}
        for (at, points), code in sorted(weights, reverse=True)
    ]
    judged = not rule.judged.isdisjoint(found) and not approved(rule, case.institution, case.facts)
    data |= {"judgement": judged, "rule": RULE, "rule_version": rule.version}
    kept["said"] = now
    state[RULE] = kept
    case.emit(ASSESSED, f"{case.event.subject}/level/{case.event.identity}", data)
    return True


def current(case: Case) -> int:
    """The level last said, 0 before anything was."""
    said = case.state.get(RULE, {}).get("said")
    return 0 if said is None else int(said[0])


def said(case: Case, model: str) -> bool:
    """Whether the score was said because of this event."""
    return any(output.type == SCORED and output.value["data"]["model"] == model for output in case.outputs)


def class_of(case: Case, model: str) -> str | None:
    """The class of a score of `CLASSES` that is in force now, also of one that was just said."""
    kept = {"classes": dict(case.state.get(RULE, {}).get("classes", {}))}
    _note_classes(case, kept)
    return kept["classes"].get(model)


def _note_classes(case: Case, kept: dict[str, Any]) -> None:
    """Keep the classes of the scores that were said because of this event."""
    for output in case.outputs:
        if output.type == SCORED and output.value["data"]["model"] in CLASSES:
            data = output.value["data"]
            classes = kept.setdefault("classes", {})
            classes.pop(data["model"], None)
            if (name := data.get("class")) is not None:
                classes[data["model"]] = name


def _criteria(case: Case, rule: Rule, classes: dict[str, str]) -> set[str]:
    """Names of the criteria that hold."""
    state, limits = case.state, rule.limits
    found = {code for code in CODED if case.has(limits[f"{code}_codes"])}
    if found or case.has(limits["chronic_codes"]):
        found.add("chronic")
    found |= {CLASSES[model][name] for model, name in classes.items() if name in CLASSES[model]}
    control = state.get("control", {})
    found |= {code for area, code in CONTROL.items() if control.get(area, [""])[0] == "uncontrolled"}
    prompts = state.get("review", {}).get("said", {})
    if any(kind in limits["review_kinds"] and said[0] == "open" for kind, said in prompts.items()):
        found.add("review")
    if any(task["k"] == "referral" for task in state.get("tasks", ())):
        found.add("referral")
    return found
