"""How well blood pressure, glucose, lipids and weight are controlled: a conclusion for each area, with its reasons.

An area is assessed from the newest values that still stand (a visit's pressure stands until the next visit is due)
against the person's own target, else the default for age and condition. It is told when the status, the reasons, the
pattern or the target changes; a value alone is not. In the state ``control`` holds, by area, what was told last and
until when it stands: ``[status, reasons, patterns, limits, until]``.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any

from streams.calendar import DAY, birthday, day_of, midnight
from streams.case import Case
from streams.event import rfc3339
from streams.goal import value as goal_value
from streams.level import class_of, said
from streams.person import pressures
from streams.rules import Rule, approved

ASSESSED = "mailiu.chronic.control-assessed.v1"
RULE = "control"
EVIDENCE = 20
HOME = "home-systolic"
#: Context of a home glucose -> its measure, its limit and the reason when its mean is not below.
AT_HOME = {
    "fasting": ("home-fasting-glucose", "fasting_glucose", "home-fasting-glucose-high"),
    "after-meal-2h": ("home-glucose-2h", "glucose_2h", "home-glucose-2h-high"),
}
RISK = "china-par"  #: the score whose high class lowers the limit of LDL cholesterol
BLOOD_PRESSURE, GLUCOSE, LIPIDS, WEIGHT = "blood-pressure", "glucose", "lipids", "weight"


class Assessment:
    """What is found of one area while it is being assessed. ``rests``: names of the limits it was compared with."""

    __slots__ = ("evidence", "missing", "patterns", "reasons", "rests", "status", "targets", "until", "values")

    def __init__(self) -> None:
        self.status: str | None = None
        self.reasons: list[str] = []
        self.missing: list[str] = []
        self.patterns: list[str] = []
        self.targets: list[tuple[str, float, str, str]] = []
        self.values: list[tuple[str, float, str, int, int | None]] = []
        self.evidence: list[str] = []
        self.rests: set[str] = set()
        self.until: list[int] = []  # when a value no longer stands

    def target(self, measure: str, value: float, unit: str, basis: str, *rests: str) -> float:
        """Note the limit that ``measure`` is compared with."""
        self.targets.append((measure, value, unit, basis))
        self.rests.update(rests)
        return value

    def value(self, measure: str, value: float, unit: str, time: int, *ids: str, n: int | None = None) -> float:
        """Note a value that is compared, with the events it comes from."""
        self.values.append((measure, value, unit, time, n))
        self.evidence += [id for id in ids if id not in self.evidence]
        return value

    def judge(self) -> None:
        """The status that follows from the reasons and from what is there."""
        self.status = "uncontrolled" if self.reasons else "controlled" if self.values else "not-enough-data"
        if self.status == "not-enough-data":
            self.reasons = self.missing


def conclude(case: Case) -> bool:
    """Assess the areas that the event concerns and put out those that changed. Whether any did."""
    state, rule = case.state, case.rule(RULE)
    told: dict[str, list[Any]] = state.setdefault("control", {})
    changed = False
    for area in _concerned(case):
        found, before = AREAS[area](case, rule), told.get(area)
        if found is None:
            if before is None or before[0] == "not-applicable":
                continue
            found = Assessment()
            found.status = "not-applicable"
        limits = [[measure, value, basis] for measure, value, _, basis in found.targets]
        now = [found.status, found.reasons, found.patterns, limits]
        if before is None or now != before[:4]:
            changed = True
            _tell(case, rule, area, found, before)
        told[area] = [*now, min((at for at in found.until if at > case.now), default=None)]
    _schedule(case, rule, told)
    if not told:
        del state["control"]
    return changed


def _concerned(case: Case) -> Iterable[str]:
    """The areas that the event concerns; what changes the risk concerns the limit of the lipids."""
    areas = CONCERNS.get(case.event.type)
    if areas is None:
        return AREAS
    return (*areas, LIPIDS) if said(case, RISK) else areas


def _tell(case: Case, rule: Rule, area: str, found: Assessment, before: list[Any] | None) -> None:
    judged = not found.rests.isdisjoint(rule.judged) and not approved(rule, case.institution, case.facts)
    evidence = found.evidence + (_home_readings(case) if any(value[0] == HOME for value in found.values) else [])
    targets = [dict(zip(("measure", "value", "unit", "basis"), each, strict=True)) for each in found.targets]
    values = [
        {"measure": measure, "value": round(value, 2), "unit": unit, "time": rfc3339(time)} | ({"n": n} if n else {})
        for measure, value, unit, time, n in found.values
    ]
    data = {
        "area": area, "status": found.status, **({} if before is None else {"before": before[0]}),
        "reasons": found.reasons, "patterns": found.patterns, "targets": targets, "values": values,
        "evidence": evidence[-EVIDENCE:], "judgement": judged, "rule": RULE, "rule_version": rule.version,
    }  # fmt: skip
    case.emit(ASSESSED, f"{case.event.subject}/control/{area}/{case.event.identity}", data)


def _schedule(case: Case, rule: Rule, told: dict[str, list[Any]]) -> None:
    """Look again when a value no longer stands, or at the birthday from which other targets hold."""
    state, birth = case.state, case.state.get("birth")
    instants = [area[4] for area in told.values() if area[4] is not None]
    if birth is not None and instants:
        ages = (rule.limits["diabetes_ldl_age"], rule.limits["older"], rule.limits["old"])
        instants += [birthday(case.facts["zone"], birth[2], age) for age in ages]
    at = min((instant for instant in instants if instant > case.now), default=None)
    if at is not None:
        state["due"][RULE] = at
    else:
        state["due"].pop(RULE, None)


def blood_pressure(case: Case, rule: Rule) -> Assessment | None:
    """Office and home pressure: both must be below target. Without a diagnosis only the pattern is told."""
    limits, found = rule.limits, Assessment()
    diagnosed = case.has(limits["hypertension"])
    if not diagnosed and ("office" not in case.state or "home" not in case.state):
        return None
    office, home = _office(case, limits["office_days"], found), _home(case, limits["home_days"], found)
    if not diagnosed and (office is None or home is None):
        return None
    if diagnosed:
        if office is not None:
            s, d = _pressure_target(case, rule, found, "office")
            if office[0] >= s or office[1] >= d:
                found.reasons.append("office-high")
        else:
            found.missing.append("no-recent-office")
        if home is not None:
            s, d = _pressure_target(case, rule, found, "home")
            if home[0] >= s or home[1] >= d:
                found.reasons.append("home-high")
        else:
            found.missing.append("home-not-enough")
    found.patterns = _patterns(case, rule, office, home, diagnosed)
    if not diagnosed and found.patterns in ([], ["morning"]):
        return None
    found.judge()
    if not diagnosed:
        found.status, found.reasons = "undiagnosed", []
    return found


def _office(case: Case, days: int, found: Assessment) -> tuple[float, float] | None:
    """The mean of the last day with an office pressure, if it still stands."""
    readings = pressures(case.state)
    if not readings or readings[-1][0] + days * DAY <= case.now:
        return None
    time = readings[-1][0]
    same = [one for one in readings if day_of(case.facts, one[0]) == day_of(case.facts, time)]
    s, d, ids = sum(one[2] for one in same) / len(same), sum(one[3] for one in same) / len(same), [o[1] for o in same]
    found.until.append(time + days * DAY)
    return (
        found.value("office-systolic", s, "mm[Hg]", time, *ids, n=len(same)),
        found.value("office-diastolic", d, "mm[Hg]", time, n=len(same)),
    )


def _home(case: Case, days: int, found: Assessment) -> tuple[float, float] | None:
    """The home mean, if there are enough readings and it still stands."""
    home = case.state.get("home")
    if home is None:
        return None
    _, enough, n, _, _, last, mean, _, _ = home
    until = midnight(case.facts, last + days)
    if not enough or mean is None or until <= case.now:
        return None
    time = midnight(case.facts, last)
    found.until.append(until)
    return (
        found.value(HOME, mean[0], "mm[Hg]", time, n=n),
        found.value("home-diastolic", mean[1], "mm[Hg]", time, n=n),
    )


def _home_readings(case: Case) -> list[str]:
    """Identities of the readings in the home mean that are still kept, the latest ones."""
    bp, home = case.state.get("bp"), case.state["home"]
    if bp is None:
        return []
    begin = bisect_left(bp["t"], midnight(case.facts, home[4]))
    end = bisect_left(bp["t"], midnight(case.facts, home[5] + 1))
    return [id for id, counts in zip(bp["id"][begin:end], bp["m"][begin:end], strict=True) if counts][-EVIDENCE:]


def _pressure_target(case: Case, rule: Rule, found: Assessment, place: str) -> tuple[float, float]:
    limits, target = rule.limits, case.state.get("target")
    rests: tuple[str, ...] = ()
    home = case.rule("bp-sustained-high").limits
    if target is not None:
        s, d, basis = target[2], target[3], "personal"
    elif case.aged(limits["old"], case.now):
        basis = "age"
        s, d = (limits["old_systolic"], limits["old_diastolic"])
        if place == "home":
            s, d = home["old_systolic"], home["old_diastolic"]
    elif case.has(limits["diabetes"]) and not case.aged(limits["older"], case.now):
        prefix = "diabetes_home_" if place == "home" else "diabetes_"
        s, d, basis = limits[f"{prefix}systolic"], limits[f"{prefix}diastolic"], "condition"
        rests = (f"{prefix}systolic", f"{prefix}diastolic")
    else:
        s, d, basis = limits["office_systolic"], limits["office_diastolic"], "default"
        if place == "home":
            s, d = home["systolic"], home["diastolic"]
    found.target(f"{place}-systolic", s, "mm[Hg]", basis, *rests)
    found.target(f"{place}-diastolic", d, "mm[Hg]", basis)
    return s, d


def _patterns(
    case: Case, rule: Rule, office: tuple[float, float] | None, home: tuple[float, float] | None, diagnosed: bool
) -> list[str]:
    """White-coat, masked or sustained, where office and home are known; morning from the home mean alone."""
    limits, patterns = rule.limits, []
    at_home = limits["pattern_home_systolic"], limits["pattern_home_diastolic"]
    if office is not None and home is not None:
        in_office = office[0] >= limits["pattern_office_systolic"] or office[1] >= limits["pattern_office_diastolic"]
        outside = home[0] >= at_home[0] or home[1] >= at_home[1]
        treated = case.takes(case.rule("bp-sustained-high").limits["antihypertensives"])
        if in_office and outside:
            patterns.append("sustained")
        elif in_office or outside:
            patterns.append(("white-coat" if in_office else "masked") + ("-uncontrolled" if treated else ""))
    if home is not None:
        _, _, _, _, first, last, _, morning, _ = case.state["home"]
        if morning is not None and (morning[0] >= at_home[0] or morning[1] >= at_home[1]):
            mornings = sum(1 for row in case.state["days"] if first <= row[0] <= last and row[4])
            if mornings >= limits["mornings"]:
                patterns.append("morning")
    return patterns


def glucose(case: Case, rule: Rule) -> Assessment | None:
    """Glucose fasting and two hours after a meal, at visits and at home, and HbA1c in diabetes: all must fit."""
    limits, found = rule.limits, Assessment()
    if not case.has(limits["diabetes"]):
        return None
    goal = goal_value(case, "fasting-glucose")
    fasting = _latest(case, found, "fasting_glucose", "fasting-glucose", "mmol/L", limits["office_days"])
    if fasting is not None:
        limit = found.target(
            "fasting-glucose", goal or limits["fasting_glucose"], "mmol/L", "personal" if goal else "default"
        )
        if fasting >= limit:
            found.reasons.append("fasting-glucose-high")
        elif fasting <= limits["fasting_low"]:
            found.reasons.append("fasting-glucose-low")
    after = _latest(case, found, "glucose_2h", "glucose-2h", "mmol/L", limits["office_days"])
    if after is not None and after >= found.target("glucose-2h", limits["glucose_2h"], "mmol/L", "default"):
        found.reasons.append("glucose-2h-high")
    for context, (measure, name, reason) in AT_HOME.items():
        mean = _home_glucose(case, rule, found, context, measure)
        personal = goal if context == "fasting" else None
        if mean is not None and mean >= found.target(
            measure, personal or limits[name], "mmol/L", "personal" if personal else "default"
        ):
            found.reasons.append(reason)
    hba1c = _latest(case, found, "hba1c_percent", "hba1c", "%", limits["hba1c_days"])
    if hba1c is not None:
        goal, old = goal_value(case, "hba1c"), case.aged(limits["old"], case.now)
        name = "old_hba1c" if old else "hba1c"
        basis = "personal" if goal else "age" if old else "default"
        if hba1c >= found.target("hba1c", goal or limits[name], "%", basis, *(() if goal else (name,))):
            found.reasons.append("hba1c-high")
    if not found.values:
        found.missing = ["no-recent-glucose"]
    found.judge()
    return found


def _home_glucose(case: Case, rule: Rule, found: Assessment, context: str, measure: str) -> float | None:
    """The mean of the home values of one context in the days that count, if there are enough."""
    gl, limits = case.state.get("gl"), rule.limits
    if gl is None:
        return None
    days, since = limits["home_glucose_days"] * DAY, case.now - limits["home_glucose_days"] * DAY
    at = [i for i, time in enumerate(gl["t"]) if gl["c"][i] == context and since < time <= case.now]
    if len(at) < limits["home_glucose_readings"]:
        return None
    found.until.append(gl["t"][at[0]] + days)
    mean = sum(gl["v"][i] for i in at) / len(at)
    return found.value(measure, mean, "mmol/L", gl["t"][at[-1]], *(gl["id"][i] for i in at), n=len(at))


def lipids(case: Case, rule: Rule) -> Assessment | None:
    """LDL cholesterol: by cardiovascular disease, diabetes from 40 years or a high risk, else of all under care."""
    limits, found = rule.limits, Assessment()
    disease, diabetes = case.has(limits["disease"]), case.has(limits["diabetes"])
    if not (disease or diabetes or case.has(limits["hypertension"]) or case.has(limits["lipids"])):
        return None
    ldl = _latest(case, found, "ldl_cholesterol", "ldl-cholesterol", "mmol/L", limits["yearly_days"])
    if ldl is None:
        found.missing = ["no-recent-ldl"]
    else:
        goal = goal_value(case, "ldl-cholesterol")
        name, basis = "ldl", "default"
        if disease:
            name, basis = "disease_ldl", "condition"
        elif diabetes and case.aged(limits["diabetes_ldl_age"], case.now):
            name, basis = "diabetes_ldl", "condition"
        elif class_of(case, RISK) == "high":
            name, basis = "risk_ldl", "risk"
        limit, basis = (goal, "personal") if goal else (limits[name], basis)
        if ldl >= found.target("ldl-cholesterol", limit, "mmol/L", basis, *(() if goal else (name,))):
            found.reasons.append("ldl-high")
    found.judge()
    return found


def weight(case: Case, rule: Rule) -> Assessment | None:
    """Body mass index and waist, or the agreed weight; of the weights of visits and of the scale at home the newest."""
    limits, found = rule.limits, Assessment()
    if not any(case.has(limits[name]) for name in ("hypertension", "diabetes", "obesity")):
        return None
    goal = goal_value(case, "weight")
    labs = case.state.get("lab", {})
    name = max(("weight", "home_weight"), key=lambda name: labs[name][-1][:2] if name in labs else [])
    kilos = _latest(case, found, name, name.replace("_", "-"), "kg", limits["weight_days"])
    if kilos is not None and goal and kilos > found.target("weight", goal, "kg", "personal"):
        found.reasons.append("weight-above-goal")
    height, bmi = labs.get("height"), None
    if kilos is not None and height:
        bmi = found.value("bmi", kilos / (height[-1][2] / 100) ** 2, "kg/m2", labs[name][-1][0])
    if bmi is not None and not goal and bmi >= found.target("bmi", limits["bmi"], "kg/m2", "default"):
        found.reasons.append("bmi-high")
    elif bmi is not None and bmi < limits["bmi_low"]:
        found.reasons.append("bmi-low")
    sex = case.state.get("sex")
    waist = _latest(case, found, "waist", "waist", "cm", limits["weight_days"])
    limit = None if sex is None else limits.get(f"waist_{sex[2]}")
    if waist is not None and limit is not None and waist >= found.target("waist", limit, "cm", "default"):
        found.reasons.append("waist-high")
    if not found.values:
        found.missing = ["no-recent-weight"]
    found.judge()
    if found.status == "controlled" and not found.targets:
        found.status, found.reasons = "not-enough-data", ["no-height"]
    return found


def _latest(case: Case, found: Assessment, name: str, measure: str, unit: str, days: int) -> float | None:
    """The newest value of an examination, if it still stands."""
    values: list[list[Any]] = case.state.get("lab", {}).get(name, [])
    if not values or values[-1][0] + days * DAY <= case.now:
        return None
    time, id, value = values[-1][:3]
    found.until.append(time + days * DAY)
    return found.value(measure, value, unit, time, id)


AREAS: dict[str, Callable[[Case, Rule], Assessment | None]] = {
    BLOOD_PRESSURE: blood_pressure, GLUCOSE: glucose, LIPIDS: lipids, WEIGHT: weight,
}  # fmt: skip
#: Areas that an event concerns, where these are not all.
CONCERNS: dict[str, tuple[str, ...]] = {
    "mailiu.reading.blood-pressure-measured.v1": (BLOOD_PRESSURE,),
    "mailiu.reading.glucose-measured.v1": (GLUCOSE,),
    "mailiu.reading.weight-measured.v1": (WEIGHT,),
    "mailiu.monitoring.plan-set.v1": (BLOOD_PRESSURE,),
    "mailiu.chronic.target-set.v1": (BLOOD_PRESSURE,),
    "mailiu.chronic.medication-prescribed.v1": (BLOOD_PRESSURE,),
    "mailiu.chronic.medication-stopped.v1": (BLOOD_PRESSURE,),
    "mailiu.resident.consent-given.v1": (BLOOD_PRESSURE,),
    "mailiu.resident.consent-withdrawn.v1": (BLOOD_PRESSURE,),
}
TYPES = frozenset(CONCERNS) | {
    "mailiu.chronic.condition-diagnosed.v2", "mailiu.chronic.condition-resolved.v2",
    "mailiu.chronic.follow-up-completed.v3", "mailiu.chronic.goal-set.v1", "mailiu.chronic.goal-ended.v1",
    "mailiu.resident.registered.v1", "mailiu.resident.details-changed.v1", "mailiu.reading.retracted.v1",
    "mailiu.examination.recorded.v1", "mailiu.examination.health-examined.v1",
}  # fmt: skip
