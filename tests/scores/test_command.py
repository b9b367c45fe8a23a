"""`mailiu score`: lines in order, both forms of input, errors that name field, value and limit; the official limits."""

import json
import subprocess
import sys
from typing import Any

import jsonschema
import pytest

from streams.scores.model import released
from streams.scores.run import FUNCTIONS, Unusable, newest, run
from streams.scores.schema import input_schema
from tests.scores.test_vectors import needs_data
from tests.scores.vectors import SOURCES, rows, worked

WHOLE: dict[str, Any] = {
    "sex": "male", "age": 50, "systolic": 130, "diastolic": 80, "total_cholesterol_mg_dl": 200,
    "hdl_cholesterol_mg_dl": 50, "waist": 85, "on_antihypertensives": 0, "diabetes": 0, "smoker": 0,
    "family_history_ascvd": 0, "north": 1, "urban": 1,
}  # fmt: skip
NAMES = {
    "sex": "sex", "age": "age", "region": "north", "area": "urban", "waist": "waist", "sbp": "systolic",
    "dbp": "diastolic", "drug": "on_antihypertensives", "dm": "diabetes", "csmoke": "smoker",
    "fh_ascvd": "family_history_ascvd", "tc": "total_cholesterol_mg_dl", "hdlc": "hdl_cholesterol_mg_dl",
    "tc_mmol": "total_cholesterol", "hdlc_mmol": "hdl_cholesterol",
}  # fmt: skip
#: Where we differ from the official calculator on purpose: diastolic pressure enters no equation, sex is a code, the
#: unit is part of the name.
OTHERWISE = {"missing_dbp", "dbp=", "sex=9", "missing_tc_unit", "missing_hdlc_unit"}


def score(*arguments: str, given: str = "") -> list[dict[str, Any]]:
    """The lines that the command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", "score", *arguments],
        input=given, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_lines_come_out_in_order_and_bad_ones_say_what_is_wrong() -> None:
    lines = [json.dumps(WHOLE), "no json", json.dumps(WHOLE | {"age": 19}), "[1]", json.dumps({"sex": "male"})]
    good, unreadable, young, listed, few = score("china-par", given="\n".join(lines) + "\n\n")
    assert good["model"] == "china-par"
    assert (good["unit"], good["class"], good["version"]) == ("%", "low", 1)
    assert unreadable["error"]["reason"] == "unreadable"
    assert young["error"] == {
        "model": "china-par", "reason": "out-of-range", "field": "age", "value": 19,
        "message": "age must be between 20 and 85", "message_zh": "年龄应在20-85之间",
    }  # fmt: skip
    assert listed["error"]["reason"] == few["error"]["reason"] == "missing"
    assert "waist" in few["error"]["missing"]


def test_csv_is_read_by_its_header_and_a_series_is_one_input() -> None:
    first, second, third = score("bp-category-cn", given="systolic,diastolic,age\n142,84,\n118,79,50\n118,high,50\n")
    assert (first["class"], second["class"], third["error"]["field"]) == ("grade-1", "normal", "diastolic")
    [series] = score("bp-variability", given="time,systolic\n2026-03-02,130\n2026-03-01,120\n2026-03-03,150\n")
    found = series["values"]["systolic"]
    assert (found["n"], found["mean"], found["range"], found["arv"]) == (3, 400 / 3, 30, 15)


def test_variability_follows_its_formulas() -> None:
    [found] = score("bp-variability", given='{"readings": [120, 130, 110, 140]}')
    systolic = found["values"]["systolic"]
    assert systolic["sd"] == pytest.approx((500 / 3) ** 0.5)  # deviations -5, 5, -15, 15
    assert systolic["cv"] == pytest.approx(100 * (500 / 3) ** 0.5 / 125)
    assert systolic["arv"] == pytest.approx(20)  # steps 10, 20, 30
    assert systolic["sv"] == pytest.approx((1400 / 3) ** 0.5)
    assert (systolic["peak"], systolic["trough"]) == (15, 15)


@needs_data
def test_china_par_takes_and_refuses_what_the_official_calculator_does_with_its_words() -> None:
    model = newest("china-par")
    assert model is not None
    for row in rows("china_par_official_validation_cases.csv"):
        case = row["case"]
        if case in OTHERWISE:
            continue
        given = dict(WHOLE)
        name, _, text = case.removeprefix("missing_").partition("=")
        if name in ("tc_unit", "hdlc_unit"):
            continue  # a unit is the end of a name here
        field = NAMES[name]
        if name.endswith("_mmol"):
            del given[f"{field}_mg_dl"]
        given[field] = None if text == "" else float(text) if text.replace(".", "").isdigit() else text
        try:
            run(model, given)
            accepted, said = True, ""
        except Unusable as error:
            accepted, said = False, error.texts["zh"]
        assert accepted == (row["accepted"] == "True"), (case, said)
        if text != "abc":  # no number and no code are told apart here
            assert said == row["message"], case


def test_a_score_is_not_for_everybody() -> None:
    for name, field in (("china-par", "cardiovascular_disease"), ("china-par", "pregnant")):
        model = newest(name)
        assert model is not None
        with pytest.raises(Unusable) as error:
            run(model, WHOLE | {field: True})
        assert (error.value.reason, error.value.field) == ("not-applicable", field)
        assert set(error.value.texts) == {"zh", "en"}


def test_what_a_form_does_not_ask_or_leaves_unticked_counts_as_absent_and_says_so() -> None:
    person = {"sex": "male", "age": 50, "smoker": 1, "systolic": 140, "total_cholesterol": 6.3, "hdl_cholesterol": 1.4}
    model = newest("score2")
    assert model is not None
    told = run(model, person | {"risk_region": "low"})
    assert told.value == pytest.approx(6.3, abs=0.05)  # the paper's example
    assert ("assumed-absent" in told.warnings, told.absent) == (True, ("diabetes",))
    asked = run(model, person | {"risk_region": "low", "diabetes": False})
    assert (asked.value, "assumed-absent" in asked.warnings, asked.absent) == (told.value, False, ())


@pytest.mark.parametrize(
    "more", [{"diabetes": 1}, {"total_cholesterol_mg_dl": 290}, {"ldl_cholesterol": 4.9}, {"egfr": 59}]
)
def test_who_is_high_risk_without_scoring_is_told(more: dict[str, Any]) -> None:
    model = newest("china-par")
    assert model is not None
    assert "high-without-scoring" not in run(model, WHOLE).warnings
    assert "high-without-scoring" in run(model, WHOLE | more).warnings


def test_every_model_is_listed_with_a_function_and_a_schema_that_its_vectors_meet() -> None:
    assert {row["model"] for row in json.loads(_text("--list", "--json"))} == set(FUNCTIONS) == set(released())
    for vector in worked():
        model = newest(vector.model)
        assert model is not None
        jsonschema.validate(vector.given, input_schema(model))
    schema = json.loads(_text("china-par", "--schema"))
    assert schema["properties"]["waist"]["x-unit"] == "cm"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"sex": "male"}, schema)


def test_an_unknown_model_is_one_clear_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", "score", "qrisk"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no model 'qrisk'" in done.stderr


def _text(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "infra.cli", "score", *arguments], capture_output=True, text=True, check=True
    ).stdout


def test_other_units_are_converted_by_the_models_own_factor() -> None:
    models = {name: newest(name) for name in ("china-par", "score2-diabetes", "ckd-epi-2021")}
    factors = {
        name: {unit.name: (unit.factor, unit.offset) for field in model.inputs.values() for unit in field.also}
        for name, model in models.items()
        if model is not None
    }
    assert factors["china-par"]["total_cholesterol_mg_dl"] == (0.0259, 0)
    assert factors["score2-diabetes"]["total_cholesterol_mg_dl"] == (0.02586, 0)
    assert factors["score2-diabetes"]["hba1c_percent"] == (10.929, -2.15)
    assert factors["ckd-epi-2021"]["creatinine_mg_dl"] == (88.4, 0)


def test_every_source_of_vectors_is_used() -> None:
    assert len({source.__name__ for source in SOURCES}) == len(SOURCES)
