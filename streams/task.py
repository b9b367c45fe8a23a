"""The task's life cycle: what a person needs (`streams.agenda`) becomes revisions of one task a need.

A task that is wanted and not open is opened; one that is no longer wanted is done or cancelled, with its cause; the
rest are kept in line. Status follows core time alone: planned until the day it opens, due, overdue once its last day
passed. Follow-up visits and the annual examination that are due close together share an appointment (clinical decision
31).

In the state a task is a dict of short keys: id, key (kind/what of), k(ind), of (programme, alert or order), b(ase:
[time, id] it counts from), ph(ase), rs (reason), pr(iority), due and open (days), st(atus), rev(ision), at (opened), v
(rule version), det(ail), inst(itution) and, once they apply, into, who (assignee), plan (day of the appointment),
calls, res(ult), step, title, touched (somebody acted on it). An ended task is forgotten: the tables have it.
"""

from collections.abc import Callable
from typing import Any

from streams import agenda, follow_up
from streams.agenda import Want
from streams.calendar import day_number, day_of, day_text, midnight
from streams.case import Case
from streams.event import Input, rfc3339, uuid5
from streams.rules import Rule
from streams.state import newest

StoredTask = dict[str, Any]

RULE, DUE = "follow-up", "task"  # the rule's name; the key in the due index
TOGETHER = ("follow-up", "annual-check")
#: Fields that follow what is wanted.
_WANTED = (("rs", "reason"), ("pr", "priority"), ("due", "due"), ("open", "opens"), ("det", "detail"), ("ph", "phase"))
_OPTIONAL = (("assignee", "who"), ("calls", "calls"), ("result", "res"), ("step", "step"), ("title", "title"),
    ("merged_into", "into"))  # fmt: skip
_STATUS_EVENT = {"due": "fell-due", "overdue": "overdue"}
#: What may change the tasks beside time.
TYPES = frozenset(
    {
        follow_up.COMPLETED,
        *(f"mailiu.chronic.{what}.v2" for what in ("condition-diagnosed", "condition-resolved")),
        *(
            f"mailiu.resident.{what}.v1"
            for what in (
                "registered", "details-changed", "contracted", "transferred", "consent-given", "consent-withdrawn",
            )
        ),
        *(
            f"mailiu.maternal.{what}.v1"
            for what in ("pregnancy-registered", "pregnancy-ended", "delivery-recorded")
        ),
        *(f"mailiu.alert.{what}.v1" for what in ("contact-attempted", "closed")),
        *(
            f"mailiu.task.{what}.v1"
            for what in ("assigned", "rescheduled", "contacted", "completed", "dropped", "ordered")
        ),
        "mailiu.reading.retracted.v1",
    }
)  # fmt: skip


def conclude(case: Case) -> bool:
    """Bring the tasks into line with what the person needs now; whether any of them changed."""
    state = case.state
    if not any(name in state for name in ("dx", "tasks", "orders", "stopped")) and not any(
        "step" in alert for alert in state["alerts"]
    ):
        return False
    rule = case.rule(RULE)
    case.wake = []
    wants = {want.key: want for want in agenda.wanted(case, rule)}
    told: list[tuple[StoredTask, str]] = []
    kept: list[StoredTask] = []
    for task in state.get("tasks", ()):
        want = wants.pop(task["key"], None)
        end = agenda.ended(case, task, want, rule)
        if end is not None:
            task["st"], task["end"] = end
            told.append((task, end[0]))
            if want is not None:
                wants[want.key] = want
            continue
        assert want is not None
        kept.append(task)
        if _adapt(case, task, want, rule):
            told.append((task, "changed"))
    for want in wants.values():
        if not _skipped(case, want):
            task = _open(case, want, rule)
            kept.append(task)
            told.append((task, "opened"))
    kept.sort(key=lambda task: (task["due"], task["key"]))
    for task in kept:
        now = _status(case, task)
        kind = _STATUS_EVENT.get(now, "changed") if now != task["st"] else None
        task["st"] = now
        if kind is not None:
            told = _tell(told, task, kind)
    for task in _merge(kept, rule.limits["merge_days"]):
        told = _tell(told, task, "merged" if "into" in task else "changed")
    _settle(case, kept)
    for task, kind in told:
        _emit(case, task, kind)
    return bool(told)


def _tell(told: list[tuple[StoredTask, str]], task: StoredTask, kind: str) -> list[tuple[StoredTask, str]]:
    """One event says all that became of a task: opened before a new status, that before a change."""
    for at, (other, said) in enumerate(told):
        if other is task:
            if said == "changed":
                told[at] = (task, kind)
            return told
    return [*told, (task, kind)]


def _skipped(case: Case, want: Want) -> bool:
    """Whether somebody ended this very task by hand already."""
    skip = case.state.get("skips", {}).get(want.key)
    return skip is not None and (skip[:2] > want.base or want.kind in ("home-visit", "ordered"))


def _open(case: Case, want: Want, rule: Rule) -> StoredTask:
    id = uuid5(f"task\n{want.key}\n{case.event.subject}\n{case.event.identity}")
    task: StoredTask = {
        "id": id, "key": want.key, "k": want.kind, "of": want.of, "b": want.base, "st": "planned", "rev": 0,
        "at": case.now, "v": rule.version, "inst": case.institution,
        **{short: getattr(want, name) for short, name in _WANTED},
    }  # fmt: skip
    if want.kind == "ordered":
        order = case.state["orders"][want.of]
        task["title"] = order[1]
        if order[4] is not None:
            task["who"] = order[4]
    task["st"] = _status(case, task)
    return task


def _adapt(case: Case, task: StoredTask, want: Want, rule: Rule) -> bool:
    """Let ``task`` be what is wanted now; whether anything changed."""
    changed = bool(task.pop("touched", 0))
    if want.kind == "home-visit":  # it was asked for when it was opened
        return _moved(case, task) or changed
    if want.base != task["b"] and want.reason == task["rs"] == "first-visit" and want.base > task["b"]:
        return _moved(case, task) or changed  # diagnosed again: the wait for the first visit does not begin anew
    for short, name in (("b", "base"), *_WANTED):
        value = getattr(want, name)
        if task[short] != value:
            task[short], changed = value, True
    if changed:
        task["v"] = rule.version
    return _moved(case, task) or changed


def _moved(case: Case, task: StoredTask) -> bool:
    """Another institution manages the person: the task is its own, and nobody's there yet."""
    if task["inst"] == case.institution:
        return False
    task["inst"] = case.institution
    for name in ("who", "plan"):
        task.pop(name, None)
    return True


def _status(case: Case, task: StoredTask) -> str:
    today = day_of(case.facts, case.now)
    return "planned" if today < task["open"] else "due" if today <= task["due"] else "overdue"


def _merge(tasks: list[StoredTask], days: int) -> list[StoredTask]:
    """Put what is due close together into the appointment of the first; the tasks for which that changed."""
    changed: list[StoredTask] = []
    lead: StoredTask | None = None
    for task in tasks:
        if task["k"] not in TOGETHER:
            continue
        if lead is None or task["due"] - lead["due"] > days:
            lead, into = task, None
        else:
            into = lead["id"]
        if task.get("into") != into:
            task.pop("into", None)
            if into is not None:
                task["into"] = into
            changed.append(task)
    return changed


def _settle(case: Case, kept: list[StoredTask]) -> None:
    """Keep the open tasks, forget words that ended what is no longer wanted, and set when time changes something."""
    state = case.state
    if kept:
        state["tasks"] = kept
    else:
        state.pop("tasks", None)
    for key in [key for key in state.get("skips", ()) if key.startswith(("home-visit/", "ordered/"))]:
        if key.startswith("ordered/") or all(alert["id"] != key[11:] for alert in state["alerts"]):
            del state["skips"][key]
    wake = [at for at in case.wake if at > case.now]
    for task in kept:
        if task["st"] != "overdue":
            wake.append(midnight(case.facts, task["open"] if task["st"] == "planned" else task["due"] + 1))
    if wake:
        state["due"][DUE] = min(wake)
    else:
        state["due"].pop(DUE, None)


def end_all(case: Case, why: str) -> None:
    """Cancel every open task because of what happened to the person; a reported death is confirmed by it."""
    for task in case.state.pop("tasks", ()):
        if task["k"] == "confirm-status" and why == "died":
            task["st"], task["end"] = "done", case.event.identity
        else:
            task["st"], task["end"] = "cancelled", why
        _emit(case, task, task["st"])
    case.state["due"].pop(DUE, None)


def _emit(case: Case, task: StoredTask, kind: str) -> None:
    """Put out the whole task as it now is."""
    task["rev"] += 1
    data: dict[str, Any] = {
        "task": task["id"],
        "kind": task["k"],
        "reason": task["rs"],
        "status": task["st"],
        "priority": task["pr"],
        "due": day_text(task["due"]),
        "opens": day_text(task["open"]),
        "revision": task["rev"],
        "opened_time": rfc3339(task["at"]),
        "cause": task["b"][1],
        "rule": RULE,
        "rule_version": task["v"],
        "detail": task["det"],
    }
    if task["of"] in follow_up.PROGRAMMES:
        data["programme"] = task["of"]
    if task["k"] == "ordered":
        data["order"] = task["of"]
    data.update((name, task[short]) for name, short in _OPTIONAL if short in task)
    if "plan" in task:
        data["planned"] = day_text(task["plan"])
    if "end" in task:
        data["closed_time"] = rfc3339(case.now)
        data["done_by" if task["st"] == "done" else "ended"] = task["end"]
    case.emit(f"mailiu.task.{kind}.v1", f"{task['id']}/{kind}/{case.event.identity}", data)


def act(case: Case) -> None:
    """What somebody did with a task. Only people of the institution that manages the person act on it."""
    event = case.event
    if event.institution == case.institution:
        task = next((task for task in case.state.get("tasks", ()) if task["id"] == event.data.get("task")), None)
        ACTIONS[event.type](case, event, task)


def _assigned(case: Case, event: Input, task: StoredTask | None) -> None:
    if task is not None and task.get("who") != event.data["assignee"]:
        task["who"], task["touched"] = event.data["assignee"], 1


def _rescheduled(case: Case, event: Input, task: StoredTask | None) -> None:
    day = day_number(event.data["day"])
    if task is not None and task.get("plan") != day:
        task["plan"], task["touched"] = day, 1


def _contacted(case: Case, event: Input, task: StoredTask | None) -> None:
    result = event.data["result"]
    if result in ("moved", "dead", "reached", "appointment"):
        stop = result if result in ("moved", "dead") else ""
        if (stop or "stopped" in case.state) and newest(case.state.get("stopped"), event.time, event.identity):
            case.state["stopped"] = [event.time, event.identity, stop]
    if result == "refused":
        _skip(case, event, task, "refused")
    if task is None:
        return
    task["touched"], task["res"] = 1, result
    if result in ("not-reached", "wrong-number"):
        task["calls"] = task.get("calls", 0) + 1
        if result == "wrong-number":
            task["step"] = "check-number"
        elif task["calls"] >= case.rule(RULE).limits["failed_calls"]:
            task["step"] = "home-visit"
    else:
        task.pop("calls", None)
        task.pop("step", None)
    if result == "appointment":
        task["plan"] = day_number(event.data["day"])


def _completed(case: Case, event: Input, task: StoredTask | None) -> None:
    kind = event.data.get("kind") if task is None else task["k"]
    if kind in TOGETHER:  # by their own events only
        return
    _skip(case, event, task, agenda.DONE)
    if kind == "confirm-status" and newest(case.state.get("stopped"), event.time, event.identity):
        case.state["stopped"] = [event.time, event.identity, ""]


def _dropped(case: Case, event: Input, task: StoredTask | None) -> None:
    why = event.data["why"]
    if why in ("moved", "dead"):
        if newest(case.state.get("stopped"), event.time, event.identity):
            case.state["stopped"] = [event.time, event.identity, why]
    else:
        _skip(case, event, task, why)


def _skip(case: Case, event: Input, task: StoredTask | None, why: str) -> None:
    """Note that a task was ended by hand, by the task or by what the event says it is of."""
    data = event.data
    if task is not None:
        key = task["key"]
    elif data.get("kind") in (*TOGETHER, "referral"):
        key = f"{data['kind']}/{data.get('programme') or ''}"
    elif data.get("order") is not None:
        key = f"ordered/{data['order']}"
    else:
        return
    if key.startswith("ordered/"):
        case.state.get("orders", {}).pop(key[8:], None)
        if task is None:
            return
    skips = case.state.setdefault("skips", {})
    if newest(skips.get(key), event.time, event.identity):
        skips[key] = [event.time, event.identity, why]


def _ordered(case: Case, event: Input, task: StoredTask | None) -> None:
    data = event.data
    order = [event.time, data["title"], day_number(data["due"]), data.get("priority", "routine"), data.get("assignee")]
    case.state.setdefault("orders", {})[event.identity] = order


ACTIONS: dict[str, Callable[[Case, Input, StoredTask | None], None]] = {
    "mailiu.task.assigned.v1": _assigned,
    "mailiu.task.rescheduled.v1": _rescheduled,
    "mailiu.task.contacted.v1": _contacted,
    "mailiu.task.completed.v1": _completed,
    "mailiu.task.dropped.v1": _dropped,
    "mailiu.task.ordered.v1": _ordered,
}
