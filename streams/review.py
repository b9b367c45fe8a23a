"""Medication review prompts: what a clinician should look at again. None says which drug to start, stop or change.

Of each kind there is one prompt at most. A clinician's answer settles it until something else is found. In the state
``review`` holds ``said`` (by kind what was told last: status, findings, mark) and ``answered`` (by kind the mark that
was answered).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from streams.calendar import DAY, day_of
from streams.case import Case
from streams.control import BLOOD_PRESSURE, GLUCOSE
from streams.event import rfc3339
from streams.guidance.codes import codes
from streams.person import pressures, results
from streams.regimen import STOPPED, since
from streams.rules import Rule, approved
from streams.scores.person import known

PROMPTED, ANSWERED = "mailiu.chronic.review-prompted.v1", "mailiu.chronic.review-answered.v1"
RULE = "review"
PRESCRIBED = "mailiu.chronic.medication-prescribed.v1"


class Prompt(NamedTuple):
    """What is found of one kind. A clinician's answer to it holds as long as its ``mark`` is the same."""

    findings: list[str]
    mark: list[str]
    drugs: list[str] = []
    conditions: list[str] = []
    values: list[dict[str, Any]] = []
    evidence: list[str] = []
    rests: tuple[str, ...] = ()


def conclude(case: Case) -> bool:
    """Compare what should be reviewed with what was told; whether anything changed."""
    state, rule = case.state, case.rule(RULE)
    kept: dict[str, Any] = state.setdefault("review", {})
    case.wake, changed = [], False
    for kind, function in KINDS.items():
        found, before = function(case, rule), kept.get("said", {}).get(kind)
        if case.event.type == ANSWERED and case.event.data["kind"] == kind and before is not None:
            kept.setdefault("answered", {})[kind] = before[2]
        if found is None:
            if before is None or before[0] == "settled":
                continue
            found, status = Prompt([], []), "settled"
        else:
            status = "settled" if kept.get("answered", {}).get(kind) == found.mark else "open"
        now = [status, found.findings, found.mark]
        if now != before:
            changed = True
            kept.setdefault("said", {})[kind] = now
            _tell(case, rule, kind, status, found)
    at = min((at for at in case.wake if at > case.now), default=None)
    if at is not None:
        state["due"][RULE] = at
    else:
        state["due"].pop(RULE, None)
    if not kept:
        del state["review"]
    return changed


def _tell(case: Case, rule: Rule, kind: str, status: str, found: Prompt) -> None:
    judged = not rule.judged.isdisjoint(found.rests) and not approved(rule, case.institution, case.facts)
    pairs = [rule.limits[code] for code in found.findings if kind == "interacting-conditions"]
    text = {
        language: "；".join([codes("prompt")[kind][language], *(pair[language] for pair in pairs)])
        if language == "zh"
        else " ".join([codes("prompt")[kind][language], *(f"{pair[language].capitalize()}." for pair in pairs)])
        for language in ("zh", "en")
    }
    data = {
        "kind": kind, "status": status, "findings": found.findings, "drugs": found.drugs,
        "conditions": found.conditions, "values": found.values, "evidence": found.evidence, "text": text,
        "judgement": judged, "rule": RULE, "rule_version": rule.version,
    }  # fmt: skip
    case.emit(PROMPTED, f"{case.event.subject}/review/{kind}/{case.event.identity}", data)


def _taken(case: Case, groups: list[str]) -> list[str]:
    """ATC codes of the drugs of these ``groups`` that are prescribed now."""
    prefixes = tuple(groups)
    return sorted(c for c, entry in case.state.get("rx", {}).items() if entry[2] and c.startswith(prefixes))


def inertia(case: Case, rule: Rule) -> Prompt | None:
    """Two visits in a row above target, and no drug of the kind was changed since the first of them."""
    findings, values, evidence, drugs = [], [], [], []
    lowering = case.rule("bp-sustained-high").limits["antihypertensives"]
    told = case.state.get("control", {})
    for area, measure, rows, groups in (
        (BLOOD_PRESSURE, "office-systolic", _by_day(case, pressures(case.state)), lowering),
        (GLUCOSE, "fasting-glucose", _by_day(case, results(case.state, "fasting_glucose")), ["A10"]),
    ):
        limits = {limit[0]: limit[1] for limit in told.get(area, (None, [], [], []))[3]}
        if measure not in limits or len(rows) < 2:
            continue
        first, last = rows[-2], rows[-1]
        if not all(_above(limits, row, measure) for row in (first, last)) or last[0] - first[0] > (
            rule.limits["inertia_days"] * DAY
        ):
            continue
        some = [code for code in case.state.get("rx", {}) if code.startswith(tuple(groups))]
        if any(since(case.state, code) >= first[0] for code in some):
            continue
        findings.append(f"{area}-twice-above")
        unit = "mm[Hg]" if area == BLOOD_PRESSURE else "mmol/L"
        values += [
            {"measure": measure, "value": round(row[2], 2), "unit": unit, "time": rfc3339(row[0])}
            for row in (first, last)
        ]
        evidence += [first[1], last[1]]
        drugs += _taken(case, groups)
    return Prompt(findings, evidence, drugs, [], values, evidence) if findings else None


def _above(limits: dict[str, float], row: list[Any], measure: str) -> bool:
    over: bool = row[2] >= limits[measure]
    return over or (measure == "office-systolic" and row[3] >= limits.get("office-diastolic", row[3] + 1))


def _by_day(case: Case, rows: list[list[Any]]) -> list[list[Any]]:
    """The last one of each day: a result that two sent, or two of one visit, are no two failures."""
    days = {day_of(case.facts, row[0]): row for row in rows}
    return [days[day] for day in sorted(days)]


def interactions(case: Case, rule: Rule) -> Prompt | None:
    """A drug with a condition, a result or another drug that it does not go with."""
    state = case.state
    if not _taken(case, [""]):
        return None
    findings: list[str] = []
    values: list[dict[str, Any]] = []
    drugs: set[str] = set()
    conditions: set[str] = set()
    evidence: set[str] = set()
    for code, pair in rule.limits.items():
        if not isinstance(pair, dict):
            continue
        taken = _taken(case, pair["drugs"])
        others = _taken(case, pair.get("with", ["-"]))
        stand = [c for c, e in state.get("dx", {}).items() if e[2] and c.startswith(tuple(pair.get("conditions", "-")))]
        lab = _result(case, pair["lab"]) if taken and "lab" in pair else []
        off = [v for v in lab if v[2] > pair.get("above", v[2]) or v[2] < pair.get("below", v[2])]
        if taken and (others or stand or off):
            findings.append(code)
            drugs.update(taken, others)
            conditions.update(stand)
            values += [
                {"measure": pair["lab"], "value": v[2], "unit": pair["lab_unit"], "time": rfc3339(v[0])} for v in off
            ]
            evidence.update(state["rx"][each][1] for each in (*taken, *others))
            evidence.update(state["dx"][each][1] for each in stand)
            evidence.update(v[1] for v in off)
    mark = [*findings, *sorted(drugs)]
    if not findings:
        return None
    return Prompt(findings, mark, sorted(drugs), sorted(conditions), values, sorted(evidence), tuple(findings))


def _result(case: Case, name: str) -> list[list[Any]]:
    """The newest result of an examination, or nothing; a filtration rate also from creatinine (CKD-EPI 2021)."""
    if name == "egfr":
        found = known(case).get(name)
        return [] if found is None or found.value is None else [[found.time, found.event, found.value]]
    return results(case.state, name)[-1:]


def resistant(case: Case, rule: Rule) -> Prompt | None:
    """Three drugs that lower pressure, a diuretic among them, for weeks, and the pressure is not controlled."""
    limits = rule.limits
    drugs = _taken(case, case.rule("bp-sustained-high").limits["antihypertensives"])
    count = sum(1 + code.startswith(tuple(limits["two_in_one"])) for code in drugs)
    told = case.state.get("control", {}).get(BLOOD_PRESSURE)
    if count < limits["resistant_drugs"] or told is None or told[0] != "uncontrolled":
        return None
    if not any(code.startswith(tuple(limits["diuretics"])) for code in drugs):
        return None
    settled = max(since(case.state, code) for code in drugs) + limits["resistant_weeks"] * 7 * DAY
    if settled > case.now:
        case.wake_at(settled)
        return None
    return Prompt(told[1], [*told[1], *drugs], drugs, evidence=sorted(case.state["rx"][code][1] for code in drugs))


def labs(case: Case, rule: Rule) -> Prompt | None:
    """No potassium or creatinine in a year though a drug is taken that may change them."""
    drugs = _taken(case, rule.limits["labs_drugs"])
    if not drugs:
        return None
    begin = min(since(case.state, code) for code in drugs) + rule.limits["labs_start_days"] * DAY
    if begin > case.now:
        case.wake_at(begin)
        return None
    findings = []
    for name in ("potassium", "creatinine"):
        values = results(case.state, name)
        until = values[-1][0] + rule.limits["labs_days"] * DAY if values else 0
        if until > case.now:
            case.wake_at(until)
        else:
            findings.append(f"{name}-missing")
    if not findings:
        return None
    evidence = sorted(case.state["rx"][code][1] for code in drugs)
    return Prompt(findings, [*findings, *drugs], drugs, evidence=evidence, rests=("labs_start_days",))


KINDS: dict[str, Callable[[Case, Rule], Prompt | None]] = {
    "treatment-inertia": inertia,
    "interacting-conditions": interactions,
    "suspected-resistant": resistant,
    "labs-missing": labs,
}
TYPES = frozenset(
    {
        PRESCRIBED, STOPPED, ANSWERED, "mailiu.chronic.condition-diagnosed.v2",
        "mailiu.chronic.condition-resolved.v2", "mailiu.chronic.follow-up-completed.v3",
        "mailiu.examination.recorded.v1", "mailiu.examination.health-examined.v1", "mailiu.reading.retracted.v1",
    }
)  # fmt: skip
