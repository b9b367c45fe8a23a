"""Follow-up visits by the national specification: how each is classified, and what has to follow the latest.

Pure and independent of order: a person's visits are a set sorted by (time, id), and what follows is computed from all
of them. Source: national basic public health service specification, third edition (2017), hypertension and type 2
diabetes.

In the state ``visits`` holds, by the visit's programme (hypertension, diabetes or both), the latest six: [time, id,
mode, systolic, diastolic, fasting glucose, marks, the clinician's own class, day agreed for the next visit].
"""

from bisect import insort
from typing import Any, NamedTuple

from streams.calendar import DAY, birthday, day_number, day_of
from streams.case import Case
from streams.rules import Rule
from streams.state import State

Visit = list[Any]
PROGRAMMES = ("hypertension", "diabetes")
COMPLETED = "mailiu.chronic.follow-up-completed.v3"

TIME, ID, MODE, SYSTOLIC, DIASTOLIC, GLUCOSE, MARKS, ENTERED, NEXT = range(9)
REMOTE, CLINIC, HOME = 0, 1, 2
#: Marks, added up: adverse reaction; new or worse complication; danger sign of hypertension, of diabetes; referred.
ADVERSE, COMPLICATION, DANGER_PRESSURE, DANGER_SUGAR, REFERRED = 1, 2, 4, 8, 16
DANGER = {"hypertension": DANGER_PRESSURE, "diabetes": DANGER_SUGAR}
KEPT = 6

SATISFACTORY, UNSATISFACTORY, REACTION, COMPLICATED = (
    "satisfactory",
    "unsatisfactory",
    "adverse-reaction",
    "complication",
)
_MODES = {"clinic": CLINIC, "home-visit": HOME}


class Step(NamedTuple):
    """What follows a person's visits in one programme.

    ``phase`` is routine, revisit or after-referral; ``base`` the [time, id] from which it counts; ``due`` its last
    local day; ``refer`` why the person should be referred, with the visit that says so, if that was not done yet.
    """

    phase: str
    reason: str
    base: list[Any]
    due: int
    urgent: bool
    detail: dict[str, Any]
    refer: tuple[str, Visit] | None


def note(case: Case) -> bool:
    """Remember the visit in the event being folded; whether it is news."""
    event, data = case.event, case.event.data
    pressure, limits = data.get("blood_pressure") or {}, case.rule("follow-up").limits
    symptoms = set(data.get("symptoms", ()))
    marks = (
        ADVERSE * bool(data.get("adverse_reaction"))
        + COMPLICATION * (data.get("complication") in ("new", "worse"))
        + DANGER_PRESSURE * (not symptoms.isdisjoint(limits["danger_hypertension"]))
        + DANGER_SUGAR * (not symptoms.isdisjoint(limits["danger_diabetes"]))
        + REFERRED * (data.get("referral") is not None)
    )
    following = data.get("next_visit")
    visit: Visit = [
        min(event.time, event.recorded), event.identity, _MODES.get(data["mode"], REMOTE), pressure.get("systolic"),
        pressure.get("diastolic"), data.get("fasting_glucose"), marks, data.get("classification"),
        None if following is None else day_number(following),
    ]  # fmt: skip
    visits = case.state.setdefault("visits", {}).setdefault(data["programme"], [])
    if any(other[ID] == visit[ID] for other in visits):
        return False
    insort(visits, visit, key=lambda v: (v[TIME], v[ID]))
    del visits[:-KEPT]
    return True


def take_back(state: State, id: str) -> bool:
    """Take the visit ``id`` out again; whether there was one."""
    for programme, visits in state.get("visits", {}).items():
        for visit in visits:
            if visit[ID] == id:
                visits.remove(visit)
                if not visits:
                    del state["visits"][programme]
                return True
    return False


def visits(state: State, programme: str) -> list[Visit]:
    """The remembered visits of a programme, those of both programmes among them, oldest first."""
    kept = state.get("visits")
    if kept is None:
        return []
    return sorted([*kept.get(programme, ()), *kept.get("both", ())], key=lambda v: (v[TIME], v[ID]))


def classify(case: Case, programme: str, visit: Visit, rule: Rule) -> str | None:
    """The class of a visit by its figures; by the clinician's word where it has none; ``None`` where nobody said."""
    limits = rule.limits
    if visit[MARKS] & COMPLICATION:
        return COMPLICATED
    if visit[MARKS] & ADVERSE:
        return REACTION
    entered: str | None = visit[ENTERED]
    if programme == "diabetes":
        if visit[GLUCOSE] is None:
            return entered
        return SATISFACTORY if limits["danger_glucose_low"] < visit[GLUCOSE] < limits["glucose"] else UNSATISFACTORY
    if visit[SYSTOLIC] is None:
        return entered
    old = case.aged(limits["old_age"], visit[TIME])
    systolic = limits["old_systolic" if old else "systolic"]
    return SATISFACTORY if visit[SYSTOLIC] < systolic and visit[DIASTOLIC] < limits["diastolic"] else UNSATISFACTORY


def dangers(case: Case, programme: str, visit: Visit, rule: Rule) -> list[str]:
    """Why a visit was an emergency, in codes; empty if it was none."""
    limits, found = rule.limits, []
    systolic, diastolic, glucose = visit[SYSTOLIC], visit[DIASTOLIC], visit[GLUCOSE]
    if systolic is not None:
        if systolic >= limits["danger_systolic"] or diastolic >= limits["danger_diastolic"]:
            found.append("pressure")
        elif (systolic >= limits["systolic"] or diastolic >= limits["diastolic"]) and case.pregnant(
            visit[TIME], limits["postpartum_days"] * DAY
        ):
            found.append("pressure-in-pregnancy")
    if programme == "diabetes" and glucose is not None:
        if glucose >= limits["danger_glucose_high"]:
            found.append("glucose-high")
        if glucose <= limits["danger_glucose_low"]:
            found.append("glucose-low")
    if visit[MARKS] & DANGER[programme]:
        found.append("signs")
    return found


def next_step(case: Case, programme: str, since: list[Any], rule: Rule) -> Step:
    """What follows: ``since`` is the [time, id] of the diagnosis, or of the refusal of the latest turn."""
    limits, facts = rule.limits, case.facts
    known = visits(case.state, programme)
    classed = [(visit, kind) for visit in known if (kind := classify(case, programme, visit, rule)) is not None]
    latest, kind = classed[-1] if classed else (None, None)
    if latest is not None and latest[:2] > since:
        danger = dangers(case, programme, latest, rule)
        if danger or kind != SATISFACTORY:
            later = [visit for visit in known if visit[:2] > latest[:2]]
            return _after_failure(case, classed, danger, later, limits)
    faces = [visit for visit in known if visit[MODE] != REMOTE or limits["remote_counts"]]
    base, due = since, limits["interval_days"]
    agreed = None
    if faces and faces[-1][:2] > since:
        base, agreed = faces[-1][:2], faces[-1][NEXT]
    first = not faces and base is since
    day = day_of(facts, base[0])
    last = day + due if agreed is None or not day < agreed < day + due else agreed
    detail = {"limits": {"interval_days": due}} | ({} if kind is None else {"class": kind})
    return Step("routine", "first-visit" if first else "quarterly", base, last, False, detail, None)


def _after_failure(
    case: Case, classed: list[tuple[Visit, str]], danger: list[str], later: list[Visit], limits: dict[str, Any]
) -> Step:
    """``later``: contacts since the failure that brought no figures; after a referral one of them will do."""
    latest, kind = classed[-1]
    row = 0
    for _, other in reversed(classed):
        if other != kind:
            break
        row += 1
    if danger:
        refer = "emergency"
    elif kind == COMPLICATED:
        refer = "complication"
    elif row >= limits["failures"]:
        refer = "reaction-persists" if kind == REACTION else "uncontrolled-twice"
    else:
        refer = ""
    asked = bool(refer and later)
    base = later[-1] if asked else latest
    day = day_of(case.facts, base[TIME])
    last = day + limits["revisit_days"]
    agreed = base[NEXT]
    if agreed is not None and day < agreed < last:
        last = agreed
    reason = "revisit-adverse-reaction" if kind == REACTION else "revisit-uncontrolled"
    detail: dict[str, Any] = {"class": kind, "in_row": row, "limits": {"revisit_days": limits["revisit_days"]}}
    for name, value in (("systolic", SYSTOLIC), ("diastolic", DIASTOLIC), ("fasting_glucose", GLUCOSE)):
        if latest[value] is not None:
            detail[name] = latest[value]
    if danger:
        detail["dangers"] = danger
    phase = "after-referral" if refer and not asked else "revisit"
    return Step(
        phase, reason if phase == "revisit" else phase, base[:2], last, bool(danger), detail,
        (refer, latest) if refer else None,
    )  # fmt: skip


def settles(case: Case, programme: str, phase: str, visit: Visit, rule: Rule) -> bool:
    """Whether ``visit`` does what a task of ``phase`` asks for.

    A quarterly visit is face to face; a revisit needs figures to judge by; after a referral any contact will do.
    """
    if phase == "routine":
        return bool(visit[MODE] != REMOTE or rule.limits["remote_counts"])
    return phase == "after-referral" or classify(case, programme, visit, rule) is not None


def since_when(case: Case, programme: str, rule: Rule) -> list[Any] | None:
    """[time, id] from which the person is managed in the programme, or ``None`` who is not (or not yet 35)."""
    codes, age = tuple(rule.limits[programme]), rule.limits["age"]
    found = [
        entry[:2] for code, entry in case.state.get("dx", {}).items() if entry[2] and code.startswith(codes)
    ]  # fmt: skip
    if not found:
        return None
    first: list[Any] = min(found)
    birth = case.state.get("birth")
    if birth is not None and (grown := birthday(case.facts["zone"], birth[2], age)) > first[0]:
        if grown > case.now:
            case.wake_at(grown)
            return None
        return [grown, first[1]]
    return first
