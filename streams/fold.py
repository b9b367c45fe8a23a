"""The fold: one event after another, one resident's state and what follows from it.

Pure: no clock, no I/O, no randomness. An event first changes the state (`streams.apply`), which names the rules it may
concern; each of these, and on a tick each that is due, is evaluated over the whole kept state, and
`streams.alert.reconcile` puts out the difference. Imported events only change the state; what is open then is raised by
the first tick.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any

from streams import (
    care,
    consent,
    control,
    device,
    drug,
    glucose,
    latecomer,
    level,
    merge,
    need,
    outlier,
    person,
    posture,
    pregnancy,
    pressure,
    questionnaire,
    review,
    rhythm,
    score,
    sustained,
    symptom,
    task,
    vital,
    watch,
)
from streams.alert import emit, of_rule, reconcile
from streams.apply import HANDLERS
from streams.calendar import HOUR, day_of, midnight
from streams.case import Case, Finding
from streams.escalation import ESCALATION, escalate
from streams.escalation import due as reschedule
from streams.event import DEVICES, TICK, Input, Output
from streams.facts import Facts, learn, new_facts
from streams.measured import EVIDENCE
from streams.rules import Rule
from streams.state import KEPT_DAYS, OPEN_DAYS, State, forget, known, new_state, remember

__all__ = ["VERSION", "due", "fold", "learn", "new_facts"]

VERSION = 5  # raised when a change of the fold changes state or outputs
IMPORT = "import"  # key in the due index: imported, nothing evaluated yet

#: Every rule: its function, and the limit (hours) that separates two episodes, or None for a lasting condition.
RULES: dict[str, tuple[Callable[[Case, Rule], list[Finding]], str | None]] = {
    "bp-crisis": (pressure.crisis, "episode_hours"),
    "bp-low": (pressure.low, "episode_hours"),
    "bp-sustained-high": (sustained.high, None),
    "bp-low-treated": (sustained.low_treated, None),
    "bp-pregnancy": (pregnancy.raised, "episode_hours"),
    "symptom-red": (symptom.danger, "episode_hours"),
    "glucose-low": (glucose.low, "episode_hours"),
    "glucose-high": (glucose.high, "episode_hours"),
    "glucose-lows-repeated": (glucose.lows_repeated, None),
    "check-person": (watch.check_person, "episode_hours"),
    "adherence-low": (watch.adherence, None),
    "readings-silent": (watch.silence, None),
    "child-reading": (pressure.child_reading, "episode_hours"),
    "bp-orthostatic": (posture.orthostatic, "episode_hours"),
    "pulse-rate": (vital.pulse_rate, "episode_hours"),
    "oxygen-low": (vital.oxygen_low, "episode_hours"),
    "fever-diabetes": (vital.fever_diabetes, "episode_hours"),
    "weight-gain-heart-failure": (vital.weight_gain, "episode_hours"),
    "pulse-irregular": (rhythm.irregular, None),
    "ecg-unread": (rhythm.unread, "episode_hours"),
    "self-harm-thoughts": (questionnaire.self_harm, "episode_hours"),
    "shared-cuff-outlier": (outlier.shared_cuff, "episode_hours"),
    "crisis-late": (latecomer.review, "episode_hours"),
    "drug-in-pregnancy": (drug.in_pregnancy, None),
    "device-silent": (device.silent, None),
    "device-suspect": (device.suspect, None),
}

#: What is concluded of a person beside alerts (control, scores, tasks …), in this order: the function, which puts out
#: what changed and says whether anything did (then all after it look again), and the types that concern it.
CONCLUSIONS: dict[str, tuple[Callable[[Case], bool], frozenset[str]]] = {
    score.NAME: (score.conclude, score.TYPES),
    "control": (control.conclude, control.TYPES),
    "review": (review.conclude, review.TYPES),
    "task": (task.conclude, task.TYPES),
    level.RULE: (level.conclude, level.TYPES),
    need.NAME: (need.conclude, frozenset(HANDLERS)),
}
CONCERNED: dict[str, set[str]] = {}
for _name, (_, _types) in CONCLUSIONS.items():
    for _type in _types | person.TYPES:
        CONCERNED.setdefault(_type, set()).add(_name)


def fold(state: State | None, event: Input, facts: Facts) -> tuple[State, list[Output]]:
    """The resident's state after ``event`` and its consequences; ``facts`` have learned the event already.

    The state may be changed in place. A tick is an `Input` of type `clock.ticked` whose subject is the resident.
    """
    if state is None:
        state = new_state()
    today = day_of(facts, facts["core"])
    case = Case(state, event, facts, midnight(facts, today - OPEN_DAYS))
    if today - KEPT_DAYS > state["from"]:
        sustained.settle(case, today - KEPT_DAYS)
        forget(state, facts, case.horizon, today - KEPT_DAYS)
    if event.type == TICK:
        _tick(case)
        return state, case.outputs
    about_merging = event.type in merge.ABOUT or event.type == merge.CARRIED
    handler = HANDLERS.get(event.type)
    if (handler is None and not about_merging) or known(state, event.identity):
        return state, case.outputs
    if event.type in care.MANAGED and not care.may(case):
        remember(state, "seen", case.now, event.identity)
    elif about_merging:
        _merging(case)
    elif "into" in state:
        merge.forward(case)
    else:
        _take(case)
    return state, case.outputs


def _take(case: Case) -> None:
    """Let the event change the state, and evaluate what it concerns."""
    state, event = case.state, case.event
    if event.institution is not None:
        state["sender"] = event.institution
    touched = [*HANDLERS[event.type](case), *device.heard(case)]
    if event.type not in EVIDENCE:
        remember(state, "seen", case.now, event.identity)
    merge.note(state, event)
    if event.origin == "import":
        state["due"].setdefault(IMPORT, event.recorded)
    elif "died" not in state:
        evaluate(case, touched)
        conclude(case, CONCERNED.get(event.type, ()))


def _merging(case: Case) -> None:
    """Two records of one person become one, or two again; what is carried from one to the other is folded here."""
    state, event = case.state, case.event
    remember(state, "seen", case.now, event.identity)
    about = merge.ABOUT.get(event.type)
    if about is not None:
        about(case)
    elif "into" in state and event.data.get("carry") is None:
        merge.pass_on(case)
        return
    again = merge.complete(case) or event.type == "mailiu.resident.returned.v1"
    for one in merge.later(case) if event.type == merge.CARRIED else ():
        carried = Case(state, one, case.facts, case.horizon)
        touched = merge.take(carried)
        if "into" not in state and "died" not in state:
            evaluate(carried, touched)
            conclude(carried, CONCERNED.get(one.type, ()))
        case.outputs += [output for output in carried.outputs if output.topic != DEVICES]
    if again and "into" not in state:
        evaluate(case, RULES)
        conclude(case, CONCLUSIONS)


def due(state: State) -> int | None:
    """Core time (ms) at which a tick must reach this subject, or ``None``."""
    return min(state["due"].values(), default=None)


def evaluate(case: Case, rules: Iterable[str]) -> None:
    """Compare what each of ``rules`` finds now with its alerts."""
    state = case.state
    alerted = {alert["rule"] for alert in state["alerts"]}
    emergencies = consent.withdrawn(state, consent.MONITORING, case.now, case.facts["zone"])
    for name in rules:
        function, gap = RULES[name]
        rule, case.wake = case.rule(name), []
        found = function(case, rule)
        if emergencies:
            found = _emergencies(state, name, found)
            if not found and not any(alert["cond"] == "active" for alert in of_rule(state, name)):
                state["due"].pop(name, None)
                continue
        if found or case.wake or name in alerted or name in state["due"]:
            reconcile(case, rule, found, None if gap is None else rule.limits[gap] * HOUR)


def conclude(case: Case, names: Collection[str]) -> None:
    """Draw the conclusions ``names`` again, and all after one that changed. Each keeps its own entry in ``due``."""
    if names:
        changed = False
        for name, (function, _) in CONCLUSIONS.items():
            if changed or name in names:
                changed = function(case) or changed


def _emergencies(state: State, rule: str, found: list[Finding]) -> list[Finding]:
    """What of ``found`` is still told once consent for monitoring is withdrawn: red, and what became of a red.

    An emergency needs no consent (Personal Information Protection Law of the PRC, article 13, item 4).
    """
    told = [(alert["onset"], alert["latest"]) for alert in of_rule(state, rule) if alert["cond"] == "active"]
    return [f for f in found if f.severity == "red" or any(a <= f.latest and f.onset <= b for a, b in told)]


def _tick(case: Case) -> None:
    pending: dict[str, Any] = case.state["due"]
    if "died" in case.state:
        pending.clear()
        return
    if pending.pop(IMPORT, None) is not None:
        case.quiet = True
        evaluate(case, RULES)
        conclude(case, CONCLUSIONS)
        case.quiet = False
    else:
        fallen = sorted(name for name, at in pending.items() if at <= case.now)
        evaluate(case, [name for name in fallen if name in RULES])
        conclude(case, fallen)
    if pending.get(ESCALATION, case.now + 1) <= case.now:
        for alert in case.state["alerts"]:
            if escalate(case, alert):
                emit(case, alert, "escalated")
        reschedule(case)
    conclude(case, (need.NAME,))
