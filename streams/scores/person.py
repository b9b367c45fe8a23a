"""What the fold knows of a person, as inputs of scores: each with the event that said so."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from streams.calendar import DAY, birthday, day_of, day_text
from streams.case import Case
from streams.person import pressures
from streams.scores.inputs import Unusable
from streams.scores.model import in_force
from streams.scores.run import run
from streams.state import State

Standing = list[Any]  # [time, id, value, …]


class Known(NamedTuple):
    """A value and where it is from; ``event`` and ``time`` are empty where nobody said anything."""

    value: Any
    event: str | None = None
    time: int | None = None


@cache
def mapping() -> dict[str, Any]:
    """Which conditions, drugs and measurements answer which input."""
    return tomllib.loads((files(__package__) / "person.toml").read_text(encoding="utf-8"))


def known(case: Case) -> dict[str, Known]:
    """Every input that can be answered for the person now, in the vocabulary's units."""
    state, sources = case.state, mapping()
    found: dict[str, Known] = {}
    birth, sex = state.get("birth"), state.get("sex")
    if birth is not None:
        found["age"] = Known(completed_years(case, birth[2]), birth[1], birth[0])
    if sex is not None and sex[2] in ("male", "female"):
        found["sex"] = Known(sex[2], sex[1], sex[0])
    for group, name in (("conditions", "dx"), ("drugs", "rx")):
        for input, prefixes in sources[group].items():
            found[input] = _any(state.get(name), tuple(prefixes))
    _family(state, sources["family"], found)
    _measured(state, sources["measured"]["names"], found)
    for input, source in sources["findings"].items():
        standing = state.get("lab", {}).get(source["of"])
        if standing and not (input in found and found[input].value):
            time, id, word = standing[-1][:3]
            found[input] = Known(word in source["yes"], id, time)
    _office(state, sources["grade"], found)
    life = state.get("life", {})
    if "smoking" in life:
        time, id, said = life["smoking"][:3]
        found["smoker"] = Known(said == "current", id, time)
    elif "smoking_per_day" in life:
        time, id, cigarettes = life["smoking_per_day"][:3]
        found["smoker"] = Known(cigarettes > 0, id, time)
    _kidney(case, found)
    if case.pregnant(case.now, sources["pregnancy"]["days_after_delivery"] * DAY):
        found["pregnant"] = Known(True)
    area = case.facts.get("areas", {}).get(case.institution)
    if area is not None:
        found["north"], found["urban"] = Known(bool(area[0]), area[2], area[3]), Known(bool(area[1]), area[2], area[3])
    return found


def completed_years(case: Case, birth: str) -> int:
    """Age in completed years at core time."""
    day = day_of(case.facts, case.now)
    age = int(day_text(day)[:4]) - int(birth[:4])
    return age if case.now >= birthday(case.facts["zone"], birth, age) else age - 1


def _any(entries: dict[str, Standing] | None, prefixes: tuple[str, ...]) -> Known:
    """Whether an entry whose code begins with one of ``prefixes`` holds, and the latest that says so."""
    fitting = [entry for code, entry in (entries or {}).items() if code.startswith(prefixes)]
    holding = [entry for entry in fitting if entry[2]]
    if not fitting:
        return Known(False)
    time, id = max((entry[0], entry[1]) for entry in holding or fitting)
    return Known(bool(holding), id, time)


def _family(state: State, names: dict[str, list[str]], found: dict[str, Known]) -> None:
    """The family history; nothing where it was never taken."""
    family = state.get("fam")
    if not family:
        return
    asked = max((entry[0], entry[1]) for entry in family.values())
    for input, keys in names.items():
        one = _any(family, tuple(keys))
        found[input] = one if one.event else Known(False, asked[1], asked[0])
    distant = "diabetes-second-degree"
    first = _any({key: entry for key, entry in family.items() if key != distant}, ("diabetes",))
    second = _any(family, (distant,))
    if first.value:
        found["family_history_diabetes"] = first._replace(value="first-degree")
    elif second.value:
        found["family_history_diabetes"] = second._replace(value="second-degree")
    else:
        found["family_history_diabetes"] = Known("none", first.event or asked[1], first.time or asked[0])


def _measured(state: State, names: list[str], found: dict[str, Known]) -> None:
    """The latest examinations; the body mass index of the latest weight, unless a later one was entered."""
    labs = state.get("lab", {})
    for name in names:
        if name in labs:
            time, id, value = labs[name][-1][:3]
            found[name] = Known(value, id, time)
    height, weight, bmi = (labs[name][-1] if labs.get(name) else None for name in ("height", "weight", "bmi"))
    if bmi is not None and (weight is None or bmi[0] >= weight[0]):
        found["bmi"] = Known(bmi[2], bmi[1], bmi[0])
    elif height is not None and weight is not None:
        found["bmi"] = Known(weight[2] / (height[2] / 100) ** 2, weight[1], weight[0])


def _office(state: State, limits: dict[str, list[float]], found: dict[str, Known]) -> None:
    """The latest pressure of the office, and the highest grade of those kept."""
    office = pressures(state)
    if not office:
        return
    time, id, systolic, diastolic = office[-1][:4]
    found["systolic"] = Known(_whole(systolic), id, time)
    found["diastolic"] = Known(_whole(diastolic), id, time)
    graded = [
        (sum(s >= one for one in limits["systolic"]), sum(d >= one for one in limits["diastolic"]), time, id)
        for time, id, s, d, *_ in office
    ]
    grade, time, id = max((max(s, d), time, id) for s, d, time, id in graded)
    if grade:
        found["hypertension_grade"] = Known(grade, id, time)


def _kidney(case: Case, found: dict[str, Known]) -> None:
    """The eGFR: as measured, or of a later creatinine."""
    entered = case.state.get("lab", {}).get("egfr")
    creatinine = found.get("creatinine")
    if creatinine is not None and (not entered or (creatinine.time or 0) > entered[-1][0]):
        given: dict[str, Any] = {name: found[name].value for name in ("sex", "age", "creatinine") if name in found}
        try:
            value = run(in_force("ckd-epi-2021", case.facts), given).value
        except Unusable:
            return
        found["egfr"] = creatinine._replace(value=value)
    elif entered:
        time, id, value = entered[-1][:3]
        found["egfr"] = Known(value, id, time)


def _whole(value: float) -> int:
    """The nearest whole number, halves up."""
    return int(value + 0.5)
