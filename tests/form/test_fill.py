"""Forms 4.3 and 4.4 from events: codes as the national lists have them, gaps as gaps, nothing typed twice."""

import csv
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import orjson
import pytest

from analytics import printed
from analytics.form.definition import TITLES, form
from analytics.form.examination import exam_record, examinations
from analytics.form.fill import Filled, fill
from analytics.form.record import visit_record, visits
from schemas.examination import EVENTS as EXAMINATIONS
from schemas.follow_up import EVENTS, FormSymptom

SHARED = Path(__file__).parents[3] / "shared" / "data" / "forms"
ZONE = ZoneInfo("Asia/Shanghai")
EXAMPLE = Path("schemas/examples/mailiu.chronic.follow-up-completed.v3/pass/clinic-visit-of-both-programmes.json")
VISIT = orjson.loads(EXAMPLE.read_bytes())["data"]
PERSON = {"resident": "R-2041", "name": None}


def event(type: str, day: int, data: dict[str, Any], hour: int = 1) -> dict[str, Any]:
    time = datetime(2026, 3, day, hour, tzinfo=UTC)
    return {
        "id": f"{type}-{day}-{hour}", "type": f"mailiu.chronic.{type}", "time": time, "institution": "I01",
        "actor": "S-9", "data": data,
    }  # fmt: skip


def visit(day: int, **data: Any) -> dict[str, Any]:
    data = {"programme": "both", "mode": "clinic"} | data
    EVENTS["mailiu.chronic.follow-up-completed.v3"].model_validate(data)
    return event("follow-up-completed.v3", day, data)


def laboratory(time: datetime, name: str, value: float, unit: str) -> dict[str, Any]:
    data = {"results": [{"name": name, "value": value, "unit": unit}]}
    EXAMINATIONS["mailiu.examination.recorded.v1"].model_validate(data)
    return event("x", 1, data) | {"id": name + str(time), "type": "mailiu.examination.recorded.v1", "time": time}


def filled(number: str, events: Iterable[dict[str, Any]], **more: Any) -> dict[str, Filled]:
    """The form of the last visit."""
    events = list(events)
    last = visits(events, form(number).programmes)[-1]
    return {each.field.name: each for each in fill(form(number), visit_record(last, events, PERSON | more, ZONE), "zh")}


@pytest.mark.parametrize("number", sorted(TITLES))
def test_a_form_has_the_fields_of_the_catalogue_in_its_order(number: str) -> None:
    if not SHARED.exists():
        pytest.skip("the gathered catalogue is not here")
    with (SHARED / "forms.csv").open(encoding="utf-8") as file:
        wanted = [row for row in csv.DictReader(file) if row["form"] == number]
    with (SHARED / "codes.csv").open(encoding="utf-8") as file:
        codes = {(row["code_list"], row["code"]): row["label_zh"] for row in csv.DictReader(file)}
    codes = {key: label.replace("(", "（").replace(")", "）") for key, label in codes.items()}
    ours = [(prefix, field) for each in form(number).fields for prefix, field in
            [("", each), *((f"{each.name}[].", item) for item in each.items)]]  # fmt: skip
    assert [prefix + field.name for prefix, field in ours] == [row["field"] for row in wanted]
    for (_, field), row in zip(ours, wanted, strict=True):
        assert (field.type, field.unit, field.ws) == (row["type"], row["unit"], row["ws_identifier"])
        assert field.required == (row["required"] == "yes")
        known = {code: label for (name, code), label in codes.items() if name == row["code_list"]}
        assert known.items() <= {code.code: code.label.zh for code in field.codes}.items()


def test_a_whole_visit_fills_both_forms() -> None:
    hypertension, diabetes = filled("4.3", [visit(2, **VISIT)]), filled("4.4", [visit(2, **VISIT)])
    assert not [name for name, each in (hypertension | diabetes).items() if each.missing and name != "name"]
    codes = {
        "visit_mode": "1", "salt_intake": "2", "salt_intake_target": "1", "psych_adjust": "1",
        "compliance_behavior": "2", "med_adherence": "1", "adverse_reaction": "2", "followup_class": "3",
    }  # fmt: skip
    assert {name: each.codes for name, each in hypertension.items() if name in codes} == {
        name: (code,) for name, code in codes.items()
    }
    assert diabetes["hypoglycaemia"].codes == ("2",)
    assert (diabetes["dorsalis_pedis"].codes, diabetes["dorsalis_pedis_side"].codes) == (("2",), ("2",))
    assert (hypertension["sbp"].text, hypertension["dbp"].text, diabetes["fasting_glucose"].text) == (
        "138",
        "86",
        "6.4",
    )
    assert hypertension["bmi"].text == "25.2", "68.5 kg at 1.65 m"
    assert hypertension["referral_org_dept"].text == "区人民医院 心内科"
    assert hypertension["doctor_signature"].text == "S-101"
    assert [[item.text for item in row] for row in hypertension["medications"].rows] == [
        ["苯磺酸氨氯地平片", "1", "5", "mg"], ["二甲双胍片", "2", "0.5", "g"],
    ]  # fmt: skip


def test_a_symptom_has_the_number_that_its_form_gives_it() -> None:
    both = [visit(2, symptoms=["headache", "polydipsia", "leg-oedema"])]
    assert filled("4.3", both)["symptom"].codes == ("2", "9", "10")
    assert filled("4.3", both)["symptom"].text == "头痛头晕; 下肢水肿; 其他 (多饮)"
    assert filled("4.4", both)["symptom"].codes == ("2", "8", "10")
    assert filled("4.4", [visit(2, symptoms=["none"])])["symptom"].codes == ("1",)


def test_every_symptom_of_a_form_has_a_number_on_one() -> None:
    numbered = set().union(*(code.words for number in ("4.3", "4.4") for field in form(number).fields
                             if field.name == "symptom" for code in field.codes))  # fmt: skip
    assert set(get_args(FormSymptom)) <= numbered


def test_what_no_event_has_stays_empty_and_what_the_list_has_not_gets_no_number() -> None:
    call = filled("4.3", [visit(2, mode="video")])
    assert (call["visit_mode"].codes, call["visit_mode"].text) == ((), "视频（表内无此项）")
    assert call["adverse_reaction"].codes == (), "not asked is not none"
    assert {name for name, each in call.items() if each.missing} >= {"sbp", "symptom", "weight", "med_adherence"}
    assert not any(each.text for name, each in call.items() if name not in {
        "form_no", "visit_date", "visit_mode", "doctor_signature"})  # fmt: skip


def test_what_other_events_know_is_not_typed_again() -> None:
    events = [
        event("medication-prescribed.v1", 1, {"code": "C09AA02", "dose": "10 mg", "frequency": "bid"}),
        event("medication-prescribed.v1", 1, {"code": "C08CA01", "dose": "半片", "frequency": "睡前"}),
        event("medication-prescribed.v1", 1, {"code": "A10BA02"}),
        event("medication-stopped.v1", 2, {"code": "A10BA02"}),
        event("medication-prescribed.v1", 9, {"code": "C03CA01"}),
        visit(3, height=160, weight=64),
        visit(4, weight=51.2),
    ]
    events += [
        laboratory(datetime(2026, 1, 5, tzinfo=UTC), "hba1c_percent", 7.2, "%"),
        laboratory(datetime(2025, 1, 5, tzinfo=UTC), "hba1c_percent", 9.0, "%"),
        laboratory(datetime(2026, 3, 3, 23, tzinfo=UTC), "fasting_glucose", 6.1, "mmol/L"),
    ]
    four = filled("4.4", events)
    assert (four["height"].value, four["bmi"].text) == (160, "20")
    assert [[item.text for item in row] for row in four["medications"].rows] == [
        ["C08CA01", "睡前", "半片", ""], ["C09AA02", "2", "10", "mg"],
    ]  # fmt: skip
    assert (four["hba1c"].text, four["aux_exam_date"].text, four["fasting_glucose"].text) == (
        "7.2",
        "2026-01-05",
        "6.1",
    )


def test_a_visit_belongs_to_its_programmes_form_and_its_local_day() -> None:
    late = visit(2, programme="hypertension") | {"time": datetime(2026, 3, 2, 17, tzinfo=UTC)}
    assert visits([late], form("4.4").programmes) == []
    assert filled("4.3", [late])["visit_date"].text == "2026-03-03"


def test_a_page_prints_alike_each_time_and_escapes_what_people_wrote() -> None:
    three = filled("4.3", [visit(2, symptom_text="<script>alert(1)</script>")])
    values = {"form": form("4.3"), "lang": "zh", "person": PERSON, "pages": [[three]], "units": {}, "foot": "x"}
    page = printed.html("form.html", **values)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    made = printed.pdf(page)
    assert made == printed.pdf(page)
    assert made.startswith(b"%PDF")


EXAM = {
    "results": [
        {"name": "height", "value": 165, "unit": "cm"}, {"name": "weight", "value": 68.5, "unit": "kg"},
        {"name": "urine_protein", "finding": "1+"}, {"name": "ecg", "finding": "left-ventricular-hypertrophy"},
    ],
    "blood_pressure_left": {"systolic": 142, "diastolic": 88}, "symptoms": ["dizziness", "polyuria"],
    "findings": {"lips": "ruddy", "dentition": ["missing", "denture"], "leg_oedema": "none", "rales": "other",
                 "elder_self_care": "mild", "elder_cognition": "negative", "heart_disease": ["angina", "other"]},
    "notes": {"rales_other": "哮鸣音", "heart_disease_other": "早搏"},
    "lifestyle": {"smoking": "former", "diet": ["salty", "oily"], "alcohol_stopped": True, "drunk_past_year": False},
    "medications": [{"name": "氨氯地平", "dose": "5 mg", "frequency": "qd", "duration": "2年", "adherence": "regular"}],
    "admissions": [{"start": "2025-11-02", "end": "2025-11-09", "reason": "不稳定心绞痛", "facility": "区人民医院"}],
    "evaluation": "abnormal", "abnormalities": ["血压偏高", "左心室肥厚"], "guidance": ["re-check-advised"],
    "risk_control": ["quit-smoking", "weight-loss"], "target_weight": 65,
}  # fmt: skip


def test_a_health_examination_fills_form_3_with_what_other_events_know() -> None:
    EXAMINATIONS["mailiu.examination.health-examined.v1"].model_validate(EXAM)
    exam = event("x", 9, EXAM) | {"type": "mailiu.examination.health-examined.v1"}
    events = [
        exam,
        laboratory(datetime(2026, 3, 12, tzinfo=UTC), "ldl_cholesterol", 3.5, "mmol/L"),
        laboratory(datetime(2026, 1, 1, tzinfo=UTC), "creatinine", 80, "umol/L"),
        event("lifestyle-recorded.v1", 1, {"smoking": "current", "exercise": "occasionally"}),
    ]
    assert examinations(events) == [exam]
    form3 = {each.field.name: each for each in fill(form("3"), exam_record(exam, events, PERSON, ZONE), "zh")}
    codes = {
        "symptom": ("3", "11"), "lips": ("1",), "dentition": ("2", "4"), "leg_oedema": ("1",), "rales": ("4",),
        "elder_self_care": ("2",), "elder_cognition": ("1",), "heart_disease": ("3", "7"), "smoking_status": ("2",),
        "diet_habit": ("4", "5"), "drinking_quit": ("2",), "drunk_past_year": ("2",), "exercise_frequency": ("3",),
        "ecg": ("2",), "exam_evaluation": ("2",), "exam_guidance": ("2",), "risk_control": ("1", "5"),
    }  # fmt: skip
    assert {name: form3[name].codes for name in codes} == codes
    assert (form3["sbp_left"].text, form3["bmi"].text, form3["ldl_c"].text) == ("142", "25.2", "3.5")
    assert form3["creatinine"].value is None, "of two months before"
    assert (form3["ecg_desc"].text, form3["rales_other"].text) == ("左心室肥厚", "哮鸣音")
    assert form3["exam_abnormalities"].text == "血压偏高；左心室肥厚"
    assert form3["medications"].rows[0][-1].codes == ("1",)
    assert [item.text for item in form3["admissions"].rows[0]] == [
        "2025-11-02",
        "2025-11-09",
        "不稳定心绞痛",
        "区人民医院",
        "",
    ]
    assert form3["hemoglobin"].missing is False, "the form does not ask it of everybody"
    assert form3["temperature"].missing
