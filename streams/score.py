"""The conclusion `score`: a person's scores, said anew when what they rest on changed.

A model speaks of a person as soon as anything is known that it measures (a pressure, a laboratory value, a habit), and
then says what it still lacks. Of each it is kept what was last said, as a number, so that saying it again is cheap.
"""

from typing import Any
from zlib import crc32

import orjson

from streams.calendar import DAY, birthday
from streams.case import Case
from streams.event import TICK, rfc3339
from streams.scores.inputs import Unusable
from streams.scores.model import Model, in_force, streamed
from streams.scores.person import Known, completed_years, known, mapping
from streams.scores.run import run

NAME = "score"
TYPE = "mailiu.score.computed.v1"
#: Readings that are inputs if they were taken in the office.
READINGS = frozenset({"mailiu.reading.blood-pressure-measured.v1", "mailiu.reading.weight-measured.v1"})
#: What may change an input.
TYPES = READINGS | frozenset(
    {
        "mailiu.reading.retracted.v1",
        "mailiu.resident.registered.v1",
        "mailiu.resident.details-changed.v1",
        "mailiu.resident.transferred.v1",
        "mailiu.resident.contracted.v1",
        "mailiu.chronic.condition-diagnosed.v2",
        "mailiu.chronic.condition-resolved.v2",
        "mailiu.chronic.medication-prescribed.v1",
        "mailiu.chronic.medication-stopped.v1",
        "mailiu.chronic.follow-up-completed.v3",
        "mailiu.chronic.lifestyle-recorded.v1",
        "mailiu.chronic.family-history-recorded.v1",
        "mailiu.examination.recorded.v1",
        "mailiu.examination.health-examined.v1",
        "mailiu.maternal.pregnancy-registered.v1",
        "mailiu.maternal.pregnancy-ended.v1",
        "mailiu.maternal.delivery-recorded.v1",
    }
)
#: Inputs that everybody has: a model does not speak because of them.
COMMON = frozenset(
    {"age", "sex", "north", "urban", "pregnant", *mapping()["conditions"], *mapping()["drugs"], "hypertension_grade"}
)


def conclude(case: Case) -> bool:
    """Put out every score that is not what was last said; whether any is."""
    if case.event.type in READINGS and case.event.data.get("place") != "office":
        return False  # readings at home enter no score
    if case.event.type == TICK and case.state["due"].get(NAME, case.now) > case.now:
        return False  # time alone changed nothing yet
    state, inputs = case.state, known(case)
    said: dict[str, int] = state.get(NAME, {})
    changed = False
    for name in streamed():
        model = in_force(name, case.facts)
        if name not in said and not _speaks(model, inputs):
            continue
        data = _data(model, inputs)
        digest = _digest(data)
        if said.get(name) != digest:
            said[name] = digest
            case.emit(TYPE, f"{case.event.subject}/score/{name}/{digest}/{case.event.identity}", data)
            changed = True
    if said:
        state[NAME] = said
        _wake(case)
    return changed


def _speaks(model: Model, inputs: dict[str, Known]) -> bool:
    """Whether something that the model measures is known, and it is for people like this one."""
    if model.only_with is not None and not inputs[model.only_with].value:
        return False
    return any(name not in COMMON and name in inputs for name in model.inputs)


def _data(model: Model, inputs: dict[str, Known]) -> dict[str, Any]:
    """What is said of a model now."""
    used = {name: inputs[name] for name in model.inputs if name in inputs}
    told = {name: _input(one) for name, one in used.items()}
    data: dict[str, Any] = {"model": model.model, "version": model.version, "unit": model.unit, "inputs": told}
    try:
        if model.only_with is not None and not inputs[model.only_with].value:
            zh, en = "未诊断该模型针对的疾病", "the condition that the model is for is not diagnosed"
            raise Unusable("not-applicable", model.only_with, None, {"zh": zh, "en": en})
        result = run(model, {name: one.value for name, one in used.items()})
    except Unusable as error:
        status = "missing" if error.reason == "missing" else "not-applicable"
        reason = {"code": error.reason, "field": error.field, **error.texts}
        return data | {"status": status, "missing": list(error.missing), "reason": reason}
    data |= {"status": "computed", "warnings": list(result.warnings), "missing": list(result.absent)}
    if result.value is not None:
        data["value"] = result.value
    if result.name is not None:
        data["class"] = result.name
    if result.values:
        data["values"] = result.values
    return data


def _input(one: Known) -> dict[str, Any]:
    told: dict[str, Any] = {"value": one.value}
    if one.event is not None:
        told["event"] = one.event
    if one.time is not None:
        told["time"] = rfc3339(one.time)
    return told


def _digest(data: dict[str, Any]) -> int:
    """A number of what was said; without a value, only of why, so that each new visit does not say so again."""
    if data["status"] != "computed":
        data = {name: data[name] for name in ("version", "status", "missing", "reason")}
    return crc32(orjson.dumps(data, option=orjson.OPT_SORT_KEYS))


def _wake(case: Case) -> None:
    """Look again at the next birthday and when a pregnancy no longer counts."""
    state, instants = case.state, []
    birth = state.get("birth")
    if birth is not None:
        instants.append(birthday(case.facts["zone"], birth[2], completed_years(case, birth[2]) + 1))
    after = mapping()["pregnancy"]["days_after_delivery"] * DAY
    instants += [end + after for _, end, delivered in state.get("gestation", ()) if end is not None and delivered]
    ahead = [instant for instant in instants if instant > case.now]
    if ahead:
        state["due"][NAME] = min(ahead)
    else:
        state["due"].pop(NAME, None)
