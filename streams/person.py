"""What stands of a person: examinations, office pressures, habits, family history; who they are.

All are sets sorted by (time, id), so that copies and order do not matter; what is dated ahead of its receipt counts
from its receipt. In the state: ``sex`` [time, id, sex]; ``lab`` {name: [[time, id, value], …]}, newest last, in the
measure's canonical unit, a finding as its word, a plaque as 0 or 1, with ``home_weight`` from the scale; ``office``
[[time, id, systolic, diastolic], …]; `results` and `pressures` give the latest three and six of them. ``life`` {name:
[time, id, value]}; ``fam`` {condition: [time, id, 1]}, with ``asked`` [time, id, conditions] for the event that told it
all; ``ascvd`` and ``early-cvd`` are of first-degree relatives. What stood before the newest habit or family history is
in ``past`` (`streams.standing`).
"""

from typing import Any

from schemas.examination import HEALTH, RECORDED
from schemas.history import FAMILY, FIRST, LIFESTYLE
from streams import standing
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
    values = results(state, name)
    return values[-1][2] if values else None


def results(state: State, name: str) -> list[list[Any]]:
    """The latest three values of an examination ``[time, id, value]``, newest last."""
    values: list[list[Any]] = state.get("lab", {}).get(name, [])
    return values[-KEPT:]


def pressures(state: State) -> list[list[Any]]:
    """The latest six pressures of the office ``[time, id, systolic, diastolic]``, newest last."""
    values: list[list[Any]] = state.get("office", [])
    return values[-KEPT_OFFICE:]


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
    entries = case.state.setdefault("lab", {}).setdefault(name, [])
    standing.keep(entries, [_time(case), case.event.identity, value], KEPT, case.now)


def in_office(case: Case, systolic: float, diastolic: float) -> None:
    """Keep a pressure of the office."""
    entry = [_time(case), case.event.identity, systolic, diastolic]
    standing.keep(case.state.setdefault("office", []), entry, KEPT_OFFICE, case.now)


def habits(case: Case, told: dict[str, Any]) -> None:
    """Keep habits; who smokes follows from what was said last, in words or as cigarettes a day."""
    for name, value in told.items():
        if value not in (None, []):
            key = "smoking_said" if name == "smoking" else name
            standing.note(case.state, "life", key, [_time(case), case.event.identity, value], case.now)
    if "life" in case.state:
        _smoking(case.state["life"])


def _smoking(life: dict[str, list[Any]]) -> None:
    life.pop("smoking", None)
    words, count = life.get("smoking_said"), life.get("smoking_per_day")
    if count is None or (words is not None and words[:2] >= count[:2]):
        if words is not None:
            life["smoking"] = words
    elif count[2] > 0:
        life["smoking"] = [*count[:2], "current"]
    elif words is not None:
        life["smoking"] = [*count[:2], "former" if words[2] == "current" else words[2]]
    # else: no cigarette today says nothing of the years before


def family(case: Case) -> None:
    """The whole family history, as it is told now."""
    told: set[str] = set()
    for one in case.event.data["relatives"]:
        condition, relative = one["condition"], one["relative"]
        near = relative in FIRST
        told.add(condition if near or condition != "diabetes" else "diabetes-second-degree")
        if condition in CARDIOVASCULAR and near:
            told.add("ascvd")
            if one.get("onset_age") is not None and one["onset_age"] < EARLY[relative]:
                told.add("early-cvd")
    standing.note(case.state, "fam", "asked", [_time(case), case.event.identity, sorted(told)], case.now)
    _family(case.state)


def _family(state: State) -> None:
    """Spread what was told last over the conditions."""
    if "fam" in state:
        time, id, told = asked = state["fam"]["asked"]
        state["fam"] = {"asked": asked, **{name: [time, id, 1] for name in told}}


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
    for name in [name for name, values in state.get("lab", {}).items() if not values]:
        del state["lab"][name]
    for name in ("lab", "office"):
        if name in state and not state[name]:
            del state[name]
    if "life" in state:
        state["life"].pop("smoking", None)  # it follows from the others
        found |= standing.take_back(state, "life", id)
        _smoking(state.get("life", {}))
    if "fam" in state:
        state["fam"] = {"asked": state["fam"]["asked"]}
        found |= standing.take_back(state, "fam", id)
        _family(state)
    return found


def _time(case: Case) -> int:
    return min(case.event.time, case.event.recorded)
