"""What puts a contracted person on the ward round: the reasons, their weight, and whether a decision covers them.

Everything is read from what was concluded already (alerts, tasks, control, prompts, level), so that a page of the round
is one row a person. A decision takes the person off the list; a reason that it did not have before it, or the day on
which to look again, brings the person back. In the state ``contract`` is [time, id, team, doctor] or [time, id] once it
ended, ``labels`` {label: [time, id, holds]}, and ``round`` holds ``said`` (a number of what was said last) and ``by``,
the latest decision: [time, id, day to look again or None, [key, code, still there] for each reason, level then].
"""

from typing import Any
from zlib import crc32

import orjson

from streams import agenda, level
from streams.calendar import day_number, day_of, day_text, midnight
from streams.case import RANK, Case
from streams.event import TICK, rfc3339
from streams.rules import Rule
from streams.state import State, newest

ASSESSED = "mailiu.round.need-assessed.v1"
RULE, NAME = "round", "round"
EVIDENCE = 5
Reason = dict[str, Any]
#: What changes the round without anything else being put out.
TYPES = frozenset(
    {
        "mailiu.chronic.condition-diagnosed.v2", "mailiu.chronic.condition-resolved.v2", "mailiu.resident.died.v1",
        *(
            f"mailiu.resident.{what}.v1"
            for what in (
                "registered", "details-changed", "contracted", "contract-ended", "transferred", "labelled",
                "unlabelled", "consent-given",
                "consent-withdrawn",
            )
        ),
        "mailiu.round.decided.v1",
    }
)  # fmt: skip


def conclude(case: Case) -> bool:
    """Put out the person's place on the round if it changed; nothing rests on it."""
    state = case.state
    contract = state.get("contract")
    kept: dict[str, Any] = state.get(NAME, {})
    if contract is None or (len(contract) == 2 and "said" not in kept) or _untouched(case):
        return False
    rule = case.rule(RULE)
    reasons = [] if len(contract) == 2 else _reasons(case, rule)
    following = _again(case, rule, kept, reasons)
    gone = _cover(kept.get("by"), reasons)
    reasons.sort(key=lambda reason: (-reason["points"], reason["key"]))
    said = [
        _who(state), case.institution, level.current(case), rule.version, following, gone,
        [(reason["key"], reason["points"], reason["new"]) for reason in reasons], _labels(case), _conditions(case),
        kept.get("by", ())[:2],
    ]  # fmt: skip
    digest = crc32(orjson.dumps(said))
    if kept.get("said") != digest:
        kept["said"] = digest
        state[NAME] = kept
        _tell(case, rule, reasons, following, gone)
    return False


def _untouched(case: Case) -> bool:
    """Whether nothing can have changed: nothing was put out, and it is neither time nor an event that counts here."""
    if case.outputs or case.event.type in TYPES:
        return False
    return case.event.type != TICK or case.state["due"].get(NAME, case.now + 1) > case.now


def end(case: Case) -> None:
    """The person died: off the list."""
    if len(case.state.get("contract", ())) == 4:
        case.state["contract"] = [case.event.time, case.event.identity]
        conclude(case)


def contract(case: Case) -> None:
    """A contract begins or ends, or the person goes to another institution, which ends it."""
    event = case.event
    if newest(case.state.get("contract"), event.time, event.identity):
        begins = event.type == "mailiu.resident.contracted.v1"
        terms = [event.data.get("team"), event.data.get("doctor")] if begins else []
        case.state["contract"] = [event.time, event.identity, *terms]


def label(case: Case) -> None:
    """A label holds, or no longer."""
    event, labels = case.event, case.state.setdefault("labels", {})
    name = event.data["label"]
    if newest(labels.get(name), event.time, event.identity):
        labels[name] = [event.time, event.identity, int(event.type == "mailiu.resident.labelled.v1")]


def decided(case: Case) -> None:
    """A decision on the round. Only people of the institution that manages the person decide."""
    event, kept = case.event, case.state.setdefault(NAME, {})
    if event.institution == case.institution and newest(kept.get("by"), event.time, event.identity):
        day = event.data.get("next")
        seen = [[_short(reason["key"]), reason["code"], 1] for reason in event.data.get("reasons", ())]
        following = None if day is None else day_number(day)
        stood = event.data.get("level", level.current(case))
        kept["by"] = [event.time, event.identity, following, seen, stood]


def _reasons(case: Case, rule: Rule) -> list[Reason]:
    """Every reason that holds. Without consent for monitoring only a red alert does (clinical decision 20)."""
    limits, state = rule.limits, case.state
    found = []
    barred = agenda.barred(case) == "consent-withdrawn"
    for alert in state["alerts"]:
        severity = alert["sev"]
        holds = alert["cond"] == "active" or (alert["cond"] == "cleared" and severity == "red")
        if alert["hand"] != "closed" and holds and not (barred and RANK[severity] < RANK["red"]):
            points = limits[f"alert_{severity}"] + (limits["unreached"] if alert.get("nobody") else 0)
            found.append(_reason(
                "alert", alert["rule"], severity, points, f"alert/{alert['id']}/{severity}", alert["id"],
                alert["onset"], alert["ev"][-EVIDENCE:],
            ))  # fmt: skip
    if barred:
        return found
    for task in state.get("tasks", ()):
        if task["st"] in ("due", "overdue") and "into" not in task:
            late = task["st"] == "overdue"
            points = limits[f"task_{task['pr']}"] + (limits["task_overdue"] if late else 0)
            since = midnight(case.facts, task["due"] + 1 if late else task["open"])
            key = f"task/{task['id']}/{task['st']}"
            base = [task["b"][1]] if task["k"] != "ordered" else []
            found.append(_reason("task", task["k"], task["st"], points, key, task["id"], since, base))
    for area, told in state.get("control", {}).items():
        if told[0] == "uncontrolled":
            points = limits[f"uncontrolled_{area.replace('-', '_')}"]
            found.append(_reason("control", area, told[0], points, f"control/{area}"))
    for kind, told in state.get("review", {}).get("said", {}).items():
        if told[0] == "open":
            points = limits["labs_missing" if kind == "labs-missing" else "review"]
            found.append(_reason("review", kind, told[0], points, f"review/{kind}"))
    return found


def _reason(
    kind: str, code: str, grade: str, points: int, key: str, of: str | None = None, since: int | None = None,
    evidence: list[str] | None = None,
) -> Reason:  # fmt: skip
    reason: Reason = {"key": key, "kind": kind, "code": code, "grade": grade, "points": points, "new": True}
    if of is not None:
        reason["of"] = of
    if since is not None:
        reason["since"] = rfc3339(since)
    if evidence:
        reason["evidence"] = evidence
    return reason


def _again(case: Case, rule: Rule, kept: dict[str, Any], reasons: list[Reason]) -> int | None:
    """The day on which to look again; from it on, that is a reason, as long as there is a chronic disease."""
    by = kept.get("by")
    case.state["due"].pop(NAME, None)
    if by is None or "contract" not in case.state or len(case.state["contract"]) == 2:
        return None
    at_level = level.current(case)
    day: int = by[2]
    if day is None:
        if not at_level:
            return None
        day = day_of(case.facts, by[0]) + rule.limits["again_days"][at_level]
    at = midnight(case.facts, day)
    if case.now < at:
        case.state["due"][NAME] = at
    elif agenda.barred(case) is None:
        points = rule.limits["next_date"]
        reasons.append(_reason("next-date", "next-date", "", points, f"next-date/{day}", since=at))
    return day


def _cover(by: list[Any] | None, reasons: list[Reason]) -> list[str]:
    """Mark what the latest decision covers; codes of what it had before it and what has gone since."""
    if by is None:
        return []
    here = {_short(reason["key"]): reason for reason in reasons}
    for seen in by[3]:
        reason = here.get(seen[0])
        if reason is None:
            seen[2] = 0  # should it come back, it is new
        elif seen[2]:
            reason["new"] = False
    return [seen[1] for seen in by[3] if not seen[2]]


def _tell(case: Case, rule: Rule, reasons: list[Reason], following: int | None, gone: list[str]) -> None:
    state = case.state
    contract, by = state["contract"], state[NAME].get("by")
    data: dict[str, Any] = {
        "contracted": len(contract) == 4, "open": any(reason["new"] for reason in reasons),
        "points": sum(reason["points"] for reason in reasons if reason["new"]), "level": level.current(case),
        "reasons": reasons, "gone": gone, "labels": _labels(case), "conditions": _conditions(case), "rule": RULE,
        "rule_version": rule.version,
    }  # fmt: skip
    if following is not None:
        data["next"] = day_text(following)
    if by is not None:
        data |= {"decided_time": rfc3339(by[0]), "level_before": by[4]}
    for name, value in zip(("team", "doctor", "sex", "birth_date"), _who(state), strict=True):
        if value is not None:
            data[name] = value
    case.emit(ASSESSED, f"{case.event.subject}/round/{state[NAME]['said']}/{case.event.identity}", data)


def _who(state: State) -> list[Any]:
    """Team and doctor of the contract, sex and date of birth."""
    terms = state["contract"][2:] or [None, None]
    return [*terms, *(state[name][2] if name in state else None for name in ("sex", "birth"))]


def _labels(case: Case) -> list[str]:
    return sorted(name for name, entry in case.state.get("labels", {}).items() if entry[2])


def _conditions(case: Case) -> list[str]:
    return sorted(code for code, entry in case.state.get("dx", {}).items() if entry[2])


def _short(key: str) -> int:
    return crc32(key.encode())
