"""What each event changes in the state, and which rules it may concern.

A handler returns the names of the rules to evaluate. Evidence is `streams.measured`'s; of standing facts the entry with
the latest (time, id) stands.
"""

from collections.abc import Callable

from schemas import examination, history
from schemas.chronic import who_code
from streams import (
    agenda,
    alert,
    binding,
    consent,
    delivery,
    device,
    device_command,
    follow_up,
    goal,
    latecomer,
    need,
    notice,
    person,
    plan,
    questionnaire,
    regimen,
    standing,
    summary,
    task,
)
from streams.calendar import day_of
from streams.case import Case
from streams.measured import EVIDENCE, GLUCOSE, MARKED, NOTHING, WATCH, Touched
from streams.state import newest, remember, remove

PRESSURE = ("bp-crisis", "bp-low", "bp-sustained-high", "bp-low-treated", "bp-pregnancy", "child-reading")
VITAL = ("pulse-rate", "oxygen-low", "fever-diabetes", "weight-gain-heart-failure", "ecg-unread")
PERSON = (
    *PRESSURE, *GLUCOSE, *VITAL, *MARKED, *WATCH, "symptom-red", "check-person", "drug-in-pregnancy", latecomer.RULE,
    questionnaire.RULE,
)  # fmt: skip


def retracted(case: Case) -> Touched:
    """What an event said was wrong: a reading, visit, examination, diagnosis, drug, habit or family history.

    It is gone, also if it comes (again) later; what it had taken the place of stands again.
    """
    reading = case.event.data["reading"]
    remember(case.state, "gone", case.now, reading)
    follow_up.take_back(case.state, reading)
    person.take_back(case.state, reading)
    regimen.take_back(case.state, reading)
    coded = [name for name in ("dx", "rx") if standing.take_back(case.state, name, reading)]
    if coded:
        case.state.pop("held", None)
    agenda.take_back(case.state, reading)
    was = remove(case.state, reading)
    if was is not None and was[0] == "bp":
        summary.refresh(case, day_of(case.facts, was[1]))
    return NOTHING if was is None and not coded else PERSON


def registered(case: Case) -> Touched:
    """The record began: birth date, and the institution that manages the resident."""
    _stand(case, "inst", case.event.institution)
    return details(case)


def details(case: Case) -> Touched:
    """Birth date and sex, as registered or corrected."""
    person.identified(case)
    born = case.event.data.get("birth_date")
    if born is None or not _stand(case, "birth", born):
        return NOTHING
    case.state.pop("held", None)
    heed(case)  # whether a child's consent counts is settled by the birth date
    return PERSON


def transferred(case: Case) -> Touched:
    """Another institution manages the resident from now on: open alerts are new to its people."""
    need.contract(case)
    before = case.institution
    if _stand(case, "inst", case.event.data["to_institution"]) and case.institution != before:
        alert.handed_over(case)
    return NOTHING


def contracted(case: Case) -> Touched:
    """The contract says which institution manages the resident."""
    need.contract(case)
    before = case.institution
    if case.event.institution and _stand(case, "inst", case.event.institution) and case.institution != before:
        alert.handed_over(case)
    return NOTHING


def died(case: Case) -> Touched:
    """Nothing is asked of or about a dead resident: what is open is cleared, nothing is due."""
    notice.recall(case, "died")
    _stand(case, "died", True)
    task.end_all(case, "died")
    alert.clear_all(case, "died")
    need.end(case)
    return NOTHING


def _stand(case: Case, name: str, *values: object) -> bool:
    """Let the standing fact ``name`` be ``values``, unless a later one stands. Whether it now stands."""
    event = case.event
    if not newest(case.state.get(name), event.time, event.identity):
        return False
    case.state[name] = [event.time, event.identity, *values]
    return True


def diagnosed(case: Case) -> Touched:
    """A condition, confirmed or not (only confirmed ones count)."""
    confirmed = case.event.data.get("certainty", "confirmed") == "confirmed"
    return _coded(case, "dx", who_code(case.event.data["code"]), confirmed)


def resolved(case: Case) -> Touched:
    """A condition no longer holds."""
    return _coded(case, "dx", who_code(case.event.data["code"]), False)


def prescribed(case: Case) -> Touched:
    """A drug is taken from now on."""
    regimen.note(case)
    return _coded(case, "rx", case.event.data["code"], True)


def stopped(case: Case) -> Touched:
    """A drug is no longer taken."""
    regimen.note(case)
    return _coded(case, "rx", case.event.data["code"], False)


def _coded(case: Case, name: str, code: str, holds: bool) -> Touched:
    event = case.event
    entry = [event.time, event.identity, int(holds)]
    if not standing.note(case.state, name, code, entry, case.now):
        return NOTHING
    case.state.pop("held", None)
    return PERSON


def target(case: Case) -> Touched:
    """A personal target: changes the at-target and sustained-high rules, nothing else."""
    data = case.event.data
    if not _stand(case, "target", data["systolic"], data["diastolic"]):
        return NOTHING
    case.state.pop("held", None)
    return ("bp-sustained-high",)


def pregnancy(what: str) -> Callable[[Case], Touched]:
    """A pregnancy was registered, ended, or ended in a delivery."""

    def handler(case: Case) -> Touched:
        event = case.event
        noted = "error" if event.data.get("reason") == "entered-in-error" else what
        entries = case.state.setdefault("preg", [])
        if [event.time, event.identity, noted] not in entries:
            entries.append([event.time, event.identity, noted])
            entries.sort()
        spans: list[list[int | None]] = []
        for time, _, kind in entries:
            open_span = spans[-1] if spans and spans[-1][1] is None else None
            if kind == "registered" and open_span is None:
                spans.append([time, None, 0])
            elif kind == "error":
                if open_span is not None:
                    spans.pop()
            elif kind == "delivered":
                if open_span is None:  # never registered: the limits still run to 42 days after it
                    spans.append([time, time, 1])
                else:
                    open_span[1:] = [time, 1]
            elif kind == "ended" and open_span is not None:
                open_span[1:] = [time, 0]
        case.state["gestation"] = spans
        return PERSON

    return handler


def preconception(case: Case) -> Touched:
    """Whether a pregnancy is planned."""
    return ("drug-in-pregnancy",) if _stand(case, "planning", case.event.data["planned"]) else NOTHING


def acted(case: Case) -> Touched:
    """Somebody did something with an alert."""
    alert.handle(case)
    return NOTHING


def follows(change: Callable[[Case], None]) -> Callable[[Case], Touched]:
    """A handler that concerns no rule."""

    def handler(case: Case) -> Touched:
        change(case)
        return NOTHING

    return handler


def consented(case: Case) -> Touched:
    """Consent was given or withdrawn. A withdrawal stops messages, tasks and further use at once; red alerts stay."""
    state, now, zone = case.state, case.now, case.facts["zone"]
    consent.note(state, case.event)
    for scope in case.event.data["scopes"]:
        if scope == consent.MESSAGES and consent.withdrawn(state, scope, now, zone):
            notice.recall(case, "consent-withdrawn")
    if consent.MONITORING not in case.event.data["scopes"]:
        return NOTHING
    heed(case)
    return PERSON


def heed(case: Case) -> None:
    """Use nothing that was measured while consent for monitoring stood withdrawn, and end its tasks if it does now."""
    if consent.ever_withdrawn(case.state, consent.MONITORING):
        summary.refresh_all(case)
        if consent.withdrawn(case.state, consent.MONITORING, case.now, case.facts["zone"]):
            alert.withdraw_all(case, "consent-withdrawn", spare="red")


def enrolled(case: Case) -> Touched:
    """The resident takes part in home monitoring."""
    plan.enrolled(case)
    return WATCH


def guarded(case: Case) -> Touched:
    """A guardian was appointed or revoked: the tables serve it; the fold only sees to it who may say so."""
    return NOTHING


def answered(case: Case) -> Touched:
    """A clinician decided on a medication review prompt: `streams.review` concludes from it."""
    return NOTHING


def planned(case: Case) -> Touched:
    """A measuring plan."""
    plan.planned(case)
    summary.refresh(case, None)
    return PERSON


def plan_marked(case: Case) -> Touched:
    """The plan was paused, resumed or ended."""
    plan.marked(case)
    return WATCH


def visited(case: Case) -> Touched:
    """A follow-up visit of a national programme."""
    follow_up.note(case)
    person.visited(case)
    return NOTHING


def health_examined(case: Case) -> Touched:
    """The annual health examination."""
    agenda.checked(case)
    person.examined(case)
    return NOTHING


def wears(case: Case) -> Touched:
    """A device is bound to another record of the same person: its model tells whether its readings may be believed."""
    data = case.event.data
    if data.get("model") is not None:
        case.state.setdefault("worn", {})[data["device"]] = data["model"]
    return NOTHING


def bound(case: Case) -> Touched:
    """A device (and slot) is, or is no longer, the resident's."""
    binding.changed(case)
    return device.RULES


def gateway(case: Case) -> Touched:
    """A gateway may, or may no longer, publish for the device."""
    binding.gateway(case)
    return NOTHING


def device_registered(case: Case) -> Touched:
    """A device joined an institution's stock."""
    binding.registered(case)
    return NOTHING


#: Everything else that changes a state.
STANDING: dict[str, Callable[[Case], Touched]] = {
    "mailiu.reading.retracted.v1": retracted,
    "mailiu.resident.registered.v1": registered,
    "mailiu.resident.details-changed.v1": details,
    "mailiu.resident.contracted.v1": contracted,
    "mailiu.resident.transferred.v1": transferred,
    "mailiu.resident.died.v1": died,
    "mailiu.chronic.condition-diagnosed.v2": diagnosed,
    "mailiu.chronic.condition-resolved.v2": resolved,
    "mailiu.chronic.medication-prescribed.v1": prescribed,
    "mailiu.chronic.medication-stopped.v1": stopped,
    "mailiu.chronic.target-set.v1": target,
    follow_up.COMPLETED: visited,
    examination.RECORDED: follows(person.examined),
    examination.HEALTH: health_examined,
    history.LIFESTYLE: follows(lambda case: person.habits(case, case.event.data)),
    history.FAMILY: follows(person.family),
    "mailiu.chronic.adherence-reported.v1": follows(person.adherence),
    **dict.fromkeys(task.ACTIONS, follows(task.act)),
    "mailiu.resident.contract-ended.v1": follows(need.contract),
    **dict.fromkeys(("mailiu.resident.labelled.v1", "mailiu.resident.unlabelled.v1"), follows(need.label)),
    "mailiu.round.decided.v1": follows(need.decided),
    "mailiu.chronic.review-answered.v1": answered,
    "mailiu.engagement.questionnaire-answered.v1": questionnaire.answered,
    **dict.fromkeys(("mailiu.chronic.goal-set.v1", "mailiu.chronic.goal-ended.v1"), follows(goal.changed)),
    "mailiu.maternal.preconception-recorded.v1": preconception,
    "mailiu.maternal.pregnancy-registered.v1": pregnancy("registered"),
    "mailiu.maternal.pregnancy-ended.v1": pregnancy("ended"),
    "mailiu.maternal.delivery-recorded.v1": pregnancy("delivered"),
    "mailiu.resident.consent-given.v1": consented,
    "mailiu.resident.consent-withdrawn.v1": consented,
    "mailiu.resident.guardian-appointed.v1": guarded,
    "mailiu.resident.guardian-revoked.v1": guarded,
    "mailiu.monitoring.enrolled.v1": enrolled,
    "mailiu.monitoring.plan-set.v1": planned,
    "mailiu.monitoring.paused.v1": plan_marked,
    "mailiu.monitoring.resumed.v1": plan_marked,
    "mailiu.monitoring.ended.v1": plan_marked,
    "mailiu.device.bound.v1": bound,
    "mailiu.device.unbound.v1": bound,
    "mailiu.device.registered.v1": device_registered,
    "mailiu.device.gateway-authorized.v1": gateway,
    "mailiu.device.gateway-revoked.v1": gateway,
    **dict.fromkeys(alert.ACTIONS, acted),
    "mailiu.alert.contact-attempted.v1": follows(delivery.attempted),
    "mailiu.alert.handover-offered.v1": follows(delivery.offered),
    "mailiu.alert.handover-accepted.v1": follows(delivery.accepted),
    "mailiu.notice.delivered.v1": follows(delivery.arrived),
    "mailiu.notice.read.v1": follows(delivery.arrived),
    "mailiu.notice.failed.v1": follows(delivery.lost),
    "mailiu.notice.expired.v1": follows(delivery.lost),
    "mailiu.device.command-ordered.v1": follows(device_command.ordered),
}
HANDLERS = EVIDENCE | STANDING
