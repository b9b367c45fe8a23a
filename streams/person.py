"""What stands of a person: examinations, office pressures, habits, family history; who they are.

All are sets sorted by (time, id), so that copies and order do not matter; what is dated ahead of its receipt counts
from its receipt. In the state: ``sex`` [time, id, sex]; ``lab`` {name: [[time, id, value], …]}, the latest three,
newest last, in the measure's canonical unit, a finding as its word, a plaque as 0 or 1; ``office`` [[time, id,
systolic, diastolic], …], the latest six; ``life`` {name: [time, id, value]}; ``fam`` {condition: [time, id, 1]}, with
``asked`` [time, id, 0] for the event that told it all; ``ascvd`` and ``early-cvd`` are of first-degree relatives.
"""

from bisect import insort
from typing import Any

from schemas.examination import HEALTH, RECORDED
from schemas.history import FAMILY, FIRST, LIFESTYLE
from streams.case import Case
from streams.state import State, newest

#: Types that change what stands here, beside visits, readings and retractions.
TYPES = frozenset({RECORDED, HEALTH, LIFESTYLE, FAMILY, "mailiu.chronic.adherence-reported.v1"})
KEPT, KEPT_OFFICE = 3, 6
PLAQUE = "carotid_plaque"
#: Age below which cardiovascular disease of a first-degree relative is early (ESC 2021 prevention guideline).
EARLY = {"father": 55, "brother": 55, "son": 55, "mother": 65, "sister": 65, "daughter": 65}
CARDIOVASCULAR = ("coronary-heart-disease", "stroke")
#: Fields of a visit that are examinations, by their name there.
AT_A_VISIT = {
    "weight": "weight", "height": "height", "waist": "waist", "heart_rate": "heart_rate",
    "fasting_glucose": "fasting_glucose", "glucose_2h": "glucose_2h", "hba1c": "hba1c_percent",
}  # fmt: skip


def lab(state: State, name: str) -> Any:
    """The newest value of an examination, or ``None``."""
    values = state.get("lab", {}).get(name)
    return values[-1][2] if values else None


def said(state: State, name: str) -> Any:
    """What was last said of a habit, or ``None``."""
    entry = state.get("life", {}).get(name)
    return None if entry is None else entry[2]


def examined(case: Case) -> None:
    """Results of an examination, or of the annual one with its pressures and habits."""
    data = case.event.data
    for result in data.get("results", ()):
        value = result.get("value")
        if value is None:
            value = result["finding"] if result["name"] != PLAQUE else int(result["finding"] == "present")
        measured(case, result["name"], value)
    arms = [arm for side in ("left", "right") if (arm := data.get(f"blood_pressure_{side}"))]
    if arms:  # the arm with the higher pressure is the person's (Chinese guideline 2024)
        arm = max(arms, key=lambda arm: (arm["systolic"], arm["diastolic"]))
        in_office(case, arm["systolic"], arm["diastolic"])
    if data.get("lifestyle"):
        habits(case, data["lifestyle"])


def visited(case: Case) -> None:
    """What a follow-up visit measured and heard."""
    data = case.event.data
    for field, name in AT_A_VISIT.items():
        if data.get(field) is not None:
            measured(case, name, data[field])
    pressure = data.get("blood_pressure")
    if pressure is not None:
        in_office(case, pressure["systolic"], pressure["diastolic"])
    lifestyle = data.get("lifestyle") or {}
    habits(case, {"psychology" if name == "psychological" else name: value for name, value in lifestyle.items()})
    if data.get("adherence") is not None:
        habits(case, {"adherence": data["adherence"]})


def measured(case: Case, name: str, value: Any) -> None:
    """Keep a value of an examination."""
    _keep(case.state.setdefault("lab", {}).setdefault(name, []), [_time(case), case.event.identity, value], KEPT)


def in_office(case: Case, systolic: float, diastolic: float) -> None:
    """Keep a pressure of the office."""
    entry = [_time(case), case.event.identity, systolic, diastolic]
    _keep(case.state.setdefault("office", []), entry, KEPT_OFFICE)


def _keep(entries: list[list[Any]], entry: list[Any], most: int) -> None:
    if all(other[1] != entry[1] for other in entries):
        insort(entries, entry, key=lambda one: (one[0], one[1]))
        del entries[:-most]


def habits(case: Case, told: dict[str, Any]) -> None:
    """Keep habits; who smokes follows from what was said last, in words or as cigarettes a day."""
    life: dict[str, list[Any]] = case.state.get("life", {})
    time, id = _time(case), case.event.identity
    for name, value in told.items():
        key = "smoking_said" if name == "smoking" else name
        if value not in (None, []) and newest(life.get(key), time, id):
            life[key] = [time, id, value]
    if life:
        case.state["life"] = life
        _smoking(life)


def _smoking(life: dict[str, list[Any]]) -> None:
    words, count = life.get("smoking_said"), life.get("smoking_per_day")
    if count is None or (words is not None and words[:2] >= count[:2]):
        if words is not None:
            life["smoking"] = words
    elif count[2] > 0:
        life["smoking"] = [*count[:2], "current"]
    elif words is not None:
        life["smoking"] = [*count[:2], "former" if words[2] == "current" else words[2]]
    else:
        life.pop("smoking", None)  # no cigarette today says nothing of the years before


def family(case: Case) -> None:
    """The whole family history, as it is told now."""
    event, before = case.event, case.state.get("fam", {}).get("asked")
    if not newest(before, _time(case), event.identity):
        return
    stamp = [_time(case), event.identity]
    told: dict[str, list[Any]] = {"asked": [*stamp, 0]}
    for one in event.data["relatives"]:
        condition, relative = one["condition"], one["relative"]
        near = relative in FIRST
        told[condition if near or condition != "diabetes" else "diabetes-second-degree"] = [*stamp, 1]
        if condition in CARDIOVASCULAR and near:
            told["ascvd"] = [*stamp, 1]
            if one.get("onset_age") is not None and one["onset_age"] < EARLY[relative]:
                told["early-cvd"] = [*stamp, 1]
    case.state["fam"] = told


def adherence(case: Case) -> None:
    """How the drugs are taken, all of them; of a single drug the tables tell."""
    if case.event.data.get("code") is None:
        habits(case, {"adherence": case.event.data["adherence"]})


def identified(case: Case) -> None:
    """The sex, as registered or corrected."""
    event, sex = case.event, case.event.data.get("sex")
    if sex is not None and newest(case.state.get("sex"), event.time, event.identity):
        case.state["sex"] = [event.time, event.identity, sex]


def take_back(state: State, id: str) -> bool:
    """Take everything that the event ``id`` said out again; whether it said anything."""
    found = False
    for kept in [*state.get("lab", {}).values(), state.get("office", [])]:
        for entry in [entry for entry in kept if entry[1] == id]:
            kept.remove(entry)
            found = True
    for name in ("lab", "life", "fam"):
        entries = state.get(name, {})
        for key in [key for key, entry in entries.items() if not entry or (name != "lab" and entry[1] == id)]:
            del entries[key]
            found = True
        if name in state and not entries:
            del state[name]
    if state.get("office") == []:
        del state["office"]
    if found and "life" in state:
        _smoking(state["life"])
    return found


def _time(case: Case) -> int:
    return min(case.event.time, case.event.recorded)
