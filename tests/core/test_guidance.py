"""Guidance: every sentence has a reason and a source, none is about starting or stopping a drug, both languages."""

import re
import string
from typing import Any

from streams.guidance.codes import codes
from streams.guidance.compose import compose, digest, templates
from streams.guidance.triggers import triggers


def control(area: str = "blood-pressure", **more: Any) -> dict[str, Any]:
    return {
        "area": area, "status": "uncontrolled", "reasons": ["home-high"], "patterns": ["morning"],
        "targets": [{"measure": "home-systolic", "value": 135.0, "unit": "mm[Hg]", "basis": "default"},
                    {"measure": "home-diastolic", "value": 85.0, "unit": "mm[Hg]", "basis": "default"}],
        "values": [{"measure": "home-systolic", "value": 142.4, "unit": "mm[Hg]", "n": 26},
                   {"measure": "home-diastolic", "value": 88.1, "unit": "mm[Hg]", "n": 26}],
        "evidence": ["e1"], "rule_version": 1,
    } | more  # fmt: skip


def visit(**data: Any) -> dict[str, Any]:
    return {"event": "follow-up-completed", "id": "v1", "data": data}


def said(*told: dict[str, Any], areas: tuple[dict[str, Any], ...] = ()) -> dict[str, dict[str, str]]:
    return {each.template: each.text for each in compose(triggers(areas, told))}


def test_each_sentence_names_its_figures_its_evidence_and_its_rule() -> None:
    first, second = compose(triggers([control()], []))
    assert "142/88" in first.text["zh"]
    assert "135/85" in first.text["en"]
    assert "26" in first.text["zh"]
    assert (first.when, first.evidence, first.rule) == ("reason:home-high", ["e1"], "control@1")
    assert second.template == "bp-morning"
    assert first.source


def test_habits_and_adherence_are_those_told_last() -> None:
    first = visit(
        lifestyle={"smoking_per_day": 10, "salt": "heavy", "alcohol_per_day": 2, "exercise_per_week": 2,
                   "exercise_minutes": 30}, adherence="intermittent"
    )  # fmt: skip
    found = said(first)
    assert set(found) == {"salt", "smoking", "alcohol", "exercise", "adherence"}
    assert "60" in found["exercise"]["zh"]
    later = visit(lifestyle={"smoking_per_day": 0, "salt": "light", "exercise_per_week": 5}, adherence="regular")
    assert set(said(first, later)) == {"alcohol"}


def test_a_goal_is_told_until_it_ends() -> None:
    goal = {
        "event": "goal-set", "id": "g",
        "data": {"goal": "salt", "value": 5, "start": "2026-03-01", "review": "2026-06-01", "intervention": "限盐勺"},
    }  # fmt: skip
    assert said(goal)["goal"]["zh"] == "与您约定的目标：食盐每天不超过5克，限盐勺，2026-06-01复查。"
    assert said(goal)["goal"]["en"].startswith("The goal we agreed on: salt at most 5 g a day")
    assert not said(goal, {"event": "goal-ended", "id": "h", "data": {"goal": "salt"}})


def test_what_is_signed_is_what_is_said() -> None:
    one, other = compose(triggers([control()], [])), compose(triggers([control(patterns=[])], []))
    assert digest(one) == digest(compose(triggers([control()], [])))
    assert digest(one) != digest(other)


def test_no_template_starts_stops_or_changes_a_drug_and_each_has_a_source() -> None:
    """Clinical decision 21."""
    order = re.compile(r"停用|停药|加药|加用|改用|换药|减量|加量|\b(dose|stop taking|start taking|switch)\b", re.I)
    for each in templates():
        assert each["source"]["zh"]
        assert each["source"]["en"]
        assert not order.search(each["zh"] + each["en"]), each["template"]
        fields = [{name for _, name, _, _ in string.Formatter().parse(each[lang]) if name} for lang in ("zh", "en")]
        assert fields[0] - {"zh"} == fields[1] - {"en"}, each["template"]


def test_every_code_has_words() -> None:
    triggered = {each["when"].split(":", 1)[1] for each in templates() if each["when"].startswith(("reason:", "patt"))}
    assert triggered <= codes("reason").keys() | codes("pattern").keys()
