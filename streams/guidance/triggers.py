"""What there is to say something about: triggers with their figures, from control, habits, adherence and goals.

Pure: everything comes as rows; the same rows give the same triggers in the same order.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from schemas.guidance import UNITS

Row = Mapping[str, Any]
ENOUGH_EXERCISE = 150  #: min/wk; Chinese hypertension guideline 2024
GOALS = {
    "fasting-glucose": ("空腹血糖低于", "fasting glucose below"), "hba1c": ("糖化血红蛋白低于", "HbA1c below"),
    "ldl-cholesterol": ("低密度脂蛋白胆固醇低于", "LDL cholesterol below"), "weight": ("体重不超过", "weight at most"),
    "salt": ("食盐每天不超过", "salt at most"), "smoking": ("吸烟每天不超过", "smoking at most"),
    "alcohol": ("饮酒每天不超过", "alcohol at most"), "exercise": ("运动每周不少于", "exercise at least"),
    "staple-food": ("主食每天不超过", "staple food at most"), "monitoring": ("自测每周不少于", "readings at least"),
}  # fmt: skip
#: What a goal is counted in, in words.
COUNTED = {
    "mmol/L": ("mmol/L", "mmol/L"), "%": ("%", "%"), "kg": ("公斤", "kg"), "g/d": ("克", "g a day"),
    "{cigarettes}/d": ("支", "cigarettes a day"), "min/wk": ("分钟", "minutes a week"), "/wk": ("次", "times a week"),
}  # fmt: skip


class Trigger(NamedTuple):
    """One thing to say something about: its code, figures for the words, where it comes from, and the rule if any."""

    code: str
    figures: dict[str, str]
    evidence: list[str]
    rule: str | None = None


def triggers(areas: Iterable[Row], told: Iterable[Row]) -> list[Trigger]:
    """Triggers of a person: ``areas`` as control has them, ``told`` events (event, id, data) in order."""
    return [*(one for area in areas for one in _control(area)), *_habits(list(told))]


def _control(area: Row) -> Iterable[Trigger]:
    figures = {f"target_{_name(each)}": _figure(each) for each in area["targets"]}
    figures |= {_name(each): _figure(each) for each in area["values"]}
    counts = [each["n"] for each in area["values"] if each.get("n")]
    figures |= {"n": str(counts[-1])} if counts else {}
    figures["shown"] = ", ".join(f"{_figure(each)} {_spoken(each['unit'])}" for each in area["values"][:2])
    evidence = [str(id) for id in area["evidence"]]
    rule = f"control@{area['rule_version']}"
    codes = [f"status:{area['area']}:{area['status']}"]
    codes += [f"reason:{code}" for code in area["reasons"]] + [f"pattern:{code}" for code in area["patterns"]]
    return [Trigger(code, figures, evidence, rule) for code in codes]


def _habits(told: list[Row]) -> Iterable[Trigger]:
    """Of habits, adherence and each goal what was said last."""
    last: dict[str, tuple[Any, str]] = {}
    goals: dict[str, tuple[Row, str]] = {}
    for event in told:
        data, id = event["data"], str(event["id"])
        if event["event"] in ("goal-set", "goal-ended"):
            goals[data["goal"]] = (data, id)
            continue
        habits = data if event["event"] == "lifestyle-recorded" else data.get("lifestyle") or {}
        if event["event"] != "adherence-reported":
            last |= {name: (value, id) for name, value in habits.items() if value is not None}
            if (count := habits.get("smoking_per_day")) is not None:
                last["smoking"] = ("current" if count > 0 else "not now", id)
        if data.get("adherence") is not None:
            last["adherence"] = (data["adherence"], id)
    yield from _of_habits(last)
    for name, (data, id) in sorted(goals.items()):
        if "review" in data:
            yield Trigger("goal", _goal(name, data), [id])


def _of_habits(last: dict[str, tuple[Any, str]]) -> Iterable[Trigger]:
    def of(name: str) -> Any:
        return last[name][0] if name in last else None

    if of("smoking") == "current":
        yield Trigger("habit:smoking", {}, [last["smoking"][1]])
    if of("salt") in ("medium", "heavy"):
        yield Trigger("habit:salt", {}, [last["salt"][1]])
    if (of("alcohol_per_day") or 0) > 0:
        yield Trigger("habit:alcohol", {}, [last["alcohol_per_day"][1]])
    times, minutes = of("exercise_per_week"), of("exercise_minutes")
    if times is not None and times * (minutes or 0) < ENOUGH_EXERCISE:
        yield Trigger("habit:exercise", {"minutes": f"{times * (minutes or 0):.0f}"}, [last["exercise_per_week"][1]])
    if of("adherence") in ("intermittent", "none"):
        yield Trigger("adherence:missed", {}, [last["adherence"][1]])


def _goal(name: str, data: Row) -> dict[str, str]:
    words = {}
    for language, at in (("zh", 0), ("en", 1)):
        space = " " * at
        value = data.get("value")
        limit = "" if value is None else f"{GOALS[name][at]}{space}{value:g}{space}{COUNTED[UNITS[name]][at]}"
        done = data.get("intervention") or ""
        words[language] = ("，", ", ")[at].join(filter(None, (limit, done)))
    return words | {"review": data["review"]}


def _name(each: Row) -> str:
    return str(each["measure"]).replace("-", "_")


def _spoken(unit: str) -> str:
    """A unit as people write it."""
    return unit.replace("mm[Hg]", "mmHg").replace("kg/m2", "kg/m²")


def _figure(each: Row) -> str:
    return f"{each['value']:.0f}" if each["unit"] in ("mm[Hg]", "cm") else f"{each['value']:.1f}"
