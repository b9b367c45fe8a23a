"""What the report says of a life: the first page, figures with their sources, gaps as gaps, the same bytes."""

from datetime import date
from typing import Any

import pytest

from analytics import printed
from analytics.report.build import build
from analytics.report.chart import draw
from analytics.report.facts import Facts
from analytics.report.names import name
from analytics.report.sources import Sources
from tests.report.lives import HOME, ZONE, alert, area, event, facts, id_of, reading, task, visit, whole_life


def page(template: str, asked: Facts) -> str:
    made, sources = build(asked), Sources()
    return printed.html(
        template, report=made, charts={each.name: draw(each.name, asked) for each in made.pictures}, lang=asked.lang,
        zone=ZONE, numbers=sources.numbers, listed=sources.listed, marks=made.changes, plainly=lambda text: text or "",
        named=lambda kind, code: name(kind, code, asked.lang), foot="x",
    )  # fmt: skip


def test_nobody_has_a_birthday_before_it_comes() -> None:
    assert build(facts()).age == 67, "born on 21 November 1958, known until the 20th"


def test_a_gap_is_a_gap_and_never_a_normal_value() -> None:
    made = build(facts(events=[event("condition-diagnosed.v1", 10, code="I10")]))
    assert not any(figure.text for figure in [*made.pressure, *made.glucose, *made.organs, *made.habits])
    assert made.pictures == []
    asked = {gap.text: gap.reason for gap in made.gaps}
    assert {"近1年血钾", "近3个月诊室血压", "近1年心电图（左室肥厚指标）"} <= asked.keys()
    assert "近半年糖化血红蛋白" not in asked, "nobody said diabetes"
    assert asked["近1年血钾"] == "从未记录"
    text = page("report.html", facts())
    assert "无记录" in text
    assert "正常" not in text


def test_what_is_too_old_is_a_gap_with_its_day() -> None:
    old = event("x", 200, results=[{"name": "hba1c_percent", "value": 7.1, "unit": "%"}])
    old["type"] = "mailiu.examination.recorded.v1"
    made = build(facts(events=[old, event("condition-diagnosed.v1", 10, code="E11.9")]))
    [gap] = [gap for gap in made.gaps if gap.text == "近半年糖化血红蛋白"]
    assert gap.reason == "最近一次 2026-05-04"
    [figure] = [figure for figure in made.glucose if figure.name == "hba1c"]
    assert (figure.text, figure.sources) == ("7.1", [old["id"]])


def test_the_first_page_names_the_three_gravest() -> None:
    asked = facts(
        alerts=[alert(3, "yellow"), alert(1, "orange"), alert(2, "red"), alert(1, "red", handling="closed")],
        control=[area("glucose", "controlled"), area("blood-pressure", "uncontrolled", "为什么")],
        tasks=[task("follow-up", "overdue", date(2026, 11, 1))],
    )
    problems = build(asked).problems
    assert [each.text for each in problems] == ["red告警", "orange告警", "血压未达标"]
    assert problems[2].reason == "为什么"
    assert all(each.sources for each in problems)
    assert len(build(facts()).problems) == 3, "gaps are problems, too"


def test_a_quiet_life_shows_overdue_tasks_and_drugs_not_taken() -> None:
    asked = facts(
        tasks=[task("follow-up", "overdue", date(2026, 11, 1)), task("annual-check", "due", date(2026, 12, 1))],
        events=[visit(9, adherence="regular"), visit(3, adherence="none")],
    )
    assert [each.text for each in build(asked).problems[:2]] == ["随访逾期", "服药依从性：不服药"]
    assert build(asked).problems[0].reason == "应在 2026-11-01 前完成"


def test_drugs_are_those_not_stopped_and_a_repeat_is_no_change() -> None:
    amlodipine: dict[str, Any] = {"code": "C08CA01", "dose": "5 mg", "frequency": "qd"}
    events = [
        event("medication-prescribed.v1", 90, **amlodipine), event("medication-prescribed.v1", 60, **amlodipine),
        event("medication-prescribed.v1", 30, **amlodipine | {"dose": "10 mg"}),
        event("medication-prescribed.v1", 50, code="C09AA02"), event("medication-stopped.v1", 20, code="C09AA02"),
    ]  # fmt: skip
    made = build(facts(events=events))
    assert [(drug.label, drug.dose, drug.since) for drug in made.drugs] == [("氨氯地平", "10 mg", date(2026, 8, 22))]
    assert [(each.what, each.label) for each in made.changes] == [
        ("started", "氨氯地平 5 mg qd"),
        ("started", "依那普利"),
        ("changed", "氨氯地平 10 mg qd"),
        ("stopped", "依那普利"),
    ]  # fmt: skip


def test_a_condition_has_its_onset_first_diagnosis_and_end() -> None:
    made = build(facts(events=[
        event("condition-diagnosed.v1", 100, code="I10", onset="2020-01-01"),
        event("condition-diagnosed.v1", 50, code="I10", onset="2019-01-01"),
        event("condition-diagnosed.v1", 90, code="E11.9", certainty="suspected"),
        event("condition-resolved.v1", 40, code="E11.9"),
    ]))  # fmt: skip
    hypertension, diabetes = made.conditions
    assert (hypertension.label, hypertension.onset, hypertension.diagnosed) == (
        "原发性高血压", date(2019, 1, 1), date(2026, 8, 12),
    )  # fmt: skip
    assert (diabetes.label, diabetes.resolved) == ("2型糖尿病", date(2026, 10, 11))
    assert len(hypertension.sources) == len(diabetes.sources) == 2


def test_the_home_mean_names_the_readings_of_its_period() -> None:
    inside, outside = reading(1, 140, 90), reading(30, 150, 95)
    untold = reading(2, 160, 99, source="self-reported")
    made = build(facts(home=HOME, readings=[inside, outside, untold, reading(0.5, 120, 80, clock="untrusted")]))
    mean = made.pressure[0]
    assert (mean.text, mean.sources) == ("136/86（12次，6天）", [inside["id"]])
    few = build(facts(home=HOME | {"enough": False})).pressure[0]
    assert few.text.endswith("次数不足，不作判断")


def test_an_office_pressure_is_of_a_visit_face_to_face() -> None:
    pair = {"systolic": 150, "diastolic": 90}
    called = build(facts(events=[visit(5, mode="phone", blood_pressure=pair)]))
    assert not called.pressure[3].text
    seen = build(facts(events=[visit(5, blood_pressure=pair), visit(2, mode="phone", blood_pressure=pair)]))
    assert (seen.pressure[3].text, seen.pressure[3].sources) == ("150/90", [id_of(("follow-up-completed.v3", 5))])


def test_an_annual_examination_has_an_office_pressure_of_the_higher_arm() -> None:
    arms = {
        "blood_pressure_left": {"systolic": 150, "diastolic": 84},
        "blood_pressure_right": {"systolic": 154, "diastolic": 82},
    }
    examined = event("x", 2, **arms) | {"type": "mailiu.examination.health-examined.v1"}
    made = build(facts(events=[visit(5, blood_pressure={"systolic": 140, "diastolic": 90}), examined]))
    assert (made.pressure[3].text, made.pressure[3].sources) == ("154/82", [examined["id"]])


def test_the_next_visit_is_the_day_agreed_on_or_that_of_the_first_task() -> None:
    tasks = [
        task("follow-up", "due", date(2026, 12, 5)),
        task("referral", "due", date(2026, 11, 30), merged_into=id_of(1)),
    ]
    assert build(facts(tasks=tasks, events=[visit(9, next_visit="2026-12-01")])).next_visit == date(2026, 12, 1)
    assert build(facts(tasks=tasks, events=[visit(9, next_visit="2026-11-01")])).next_visit == date(2026, 12, 5)
    assert build(facts()).next_visit is None


def test_a_visit_that_is_overdue_is_not_called_the_next_one_to_come() -> None:
    late = facts(tasks=[task("follow-up", "overdue", date(2026, 11, 1))])
    assert "已逾期" in page("report.html", late)
    assert "请尽快来（应在 2026-11-01 前）" in page("plain.html", late)
    assert "已逾期" not in page("report.html", facts(tasks=[task("follow-up", "due", date(2026, 12, 1))]))


@pytest.mark.parametrize(("lang", "label"), [("zh", "甘精胰岛素注射液"), ("en", "insulin glargine")])
def test_a_drug_has_its_written_name_in_chinese_and_that_of_its_code_in_english(lang: str, label: str) -> None:
    written = event("medication-prescribed.v1", 9, code="A10AE04", name="甘精胰岛素注射液")
    assert [drug.label for drug in build(facts(lang=lang, events=[written])).drugs] == [label]


def test_only_what_a_physician_signed_reaches_the_resident() -> None:
    sentences = [
        {"text": {"zh": "少吃盐", "en": "less salt"}, "reason": {"zh": "重", "en": "heavy"}, "evidence": [id_of(1)]}
    ]
    draft = facts(guidance=sentences)
    assert "少吃盐" in page("report.html", draft)
    assert "少吃盐" not in page("plain.html", draft)
    sentence = {"template": "salt", "version": 1, "text": {"zh": "少吃盐。", "en": "Eat less salt."}}
    signed = facts(events=[event("guidance-signed.v1", 1, digest="0" * 64, sentences=[sentence])], guidance=sentences)
    assert "少吃盐。" in page("plain.html", signed)
    assert [(point.text, point.signed) for point in build(signed).guidance] == [("少吃盐。", True), ("少吃盐", False)]


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("template", ["report.html", "plain.html"])
def test_the_same_facts_give_the_same_bytes(lang: str, template: str) -> None:
    first = page(template, whole_life(lang))
    assert page(template, whole_life(lang)) == first
    assert printed.pdf(first) == printed.pdf(first)


def test_every_figure_on_the_page_names_an_event_that_is_listed() -> None:
    made, text = build(whole_life()), page("report.html", whole_life())
    known = {str(each) for figure in [*made.pressure[:1], *made.glucose, *made.organs, *made.habits] if figure.text
             for each in figure.sources}  # fmt: skip
    assert known
    listed = text[text.index("来源事件") :]
    missing = {each for each in known if each not in listed}
    assert missing <= {str(each) for each in made.pressure[0].sources}, "of many events the first, the last, a digest"
    assert {each.name for each in made.pictures} == {"trend", "day", "spread", "glucose"}
    assert text.count("<svg") == 4
