"""Test vectors from official calculators, papers and charts, as inputs of ours with what they ought to give.

They lie outside the repository (`../shared/data`); where that folder is absent, the tests that need it are skipped.
"""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.stack import ROOT

DATA = ROOT.parent / "shared" / "data"


class Vector(NamedTuple):
    """One case: expected value with its tolerance (half of the last digit printed, or more), expected class."""

    model: str
    source: str
    given: dict[str, Any]
    value: float | None
    tolerance: float
    name: str | None = None
    part: str | None = None  # of `values`, instead of the value


def rows(file: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV file."""
    with (DATA / file).open(encoding="utf-8") as source:
        yield from csv.DictReader(source)


def yes(text: str) -> bool:
    """1 or 0."""
    return text == "1"


def china_par_official() -> Iterator[Vector]:
    """The official calculator's displayed percentages; its units: 1 mg/dL, 2 mmol/L."""
    for row in rows("china_par_official_calculator_outputs.csv"):
        tc = "total_cholesterol" + ("_mg_dl" if row["tc_unit"] == "1" else "")
        hdl = "hdl_cholesterol" + ("_mg_dl" if row["hdlc_unit"] == "1" else "")
        given = {
            "sex": "male" if row["sex"] == "1" else "female", "age": int(row["age"]), "systolic": int(row["sbp"]),
            "diastolic": int(row["dbp"]), tc: float(row["tc"]), hdl: float(row["hdlc"]), "waist": float(row["waist"]),
            "on_antihypertensives": yes(row["drug"]), "smoker": yes(row["csmoke"]), "diabetes": yes(row["dm"]),
            "family_history_ascvd": yes(row["fh_ascvd"]), "north": yes(row["region"]), "urban": yes(row["area"]),
        }  # fmt: skip
        expected = float(row["expected_risk10_pct"])
        name = "low" if expected < 5 else "intermediate" if expected < 10 else "high"
        yield Vector("china-par", "official calculator", given, expected, 0.055, name)
        if row["expected_ideal10_pct"]:
            ideal = float(row["expected_ideal10_pct"])  # at 85 years the refit, made to the risks, is 0.1 off
            yield Vector("china-par", "official calculator, ideal state", given, ideal, 0.105, part="ideal")


def china_par_published() -> Iterator[Vector]:
    """Yang 2016 table 2 and the guideline's example; the tolerance comes with them."""
    for row in rows("china_par_published_examples.csv"):
        if row["metric"] != "risk10_pct":
            continue  # the lifetime equation is not published
        given = {
            "sex": row["sex"], "age": int(row["age"]), "systolic": int(row["sbp"]), "waist": float(row["waist_cm"]),
            "total_cholesterol_mg_dl": float(row["tc_mgdl"]), "hdl_cholesterol_mg_dl": float(row["hdl_mgdl"]),
            "on_antihypertensives": yes(row["bp_treated"]), "smoker": yes(row["smoker"]),
            "diabetes": yes(row["diabetes"]), "family_history_ascvd": yes(row["family_history"]),
            "north": yes(row["north"]), "urban": yes(row["urban"]),
        }  # fmt: skip
        tolerance = float(row["suggested_tolerance_pp"])
        yield Vector("china-par", "published examples", given, float(row["published"]), tolerance)


#: The points at which the chart's cells were computed.
SYSTOLIC = {"<120": 110, "120-139": 130, "140-159": 150, "160-179": 170, ">=180": 190}
CHOLESTEROL = {"<4": 3.5, "4-4.9": 4.5, "5-5.9": 5.5, "6-6.9": 6.5, ">=7": 7.5}


def who_chart() -> Iterator[Vector]:
    """The published East Asia chart, in whole percent."""
    for row in rows("who_cvd_2019_lab_chart_east_asia.csv"):
        low, high = row["age_band"].split("-")
        given = {
            "sex": row["sex"], "age": (int(low) + int(high) + 1) / 2, "systolic": SYSTOLIC[row["sbp_band"]],
            "total_cholesterol": CHOLESTEROL[row["tc_mmol_band"]], "diabetes": yes(row["diabetes"]),
            "smoker": yes(row["smoker"]),
        }  # fmt: skip
        yield Vector("who-cvd-2019-lab", "published chart, East Asia", given, float(row["east_asia_risk_pct"]), 0.5001)


def score2() -> Iterator[Vector]:
    """The papers' examples and a third party's tests."""
    for row in rows("score2_published_vectors.csv"):
        given: dict[str, Any] = {
            "sex": row["sex"], "age": int(row["age"]), "smoker": yes(row["smoker"]), "systolic": int(row["sbp"]),
            "total_cholesterol": float(row["tc_mmol"]), "hdl_cholesterol": float(row["hdl_mmol"]),
            "risk_region": row["region"].lower().replace(" ", "-"), "diabetes": yes(row["diabetes"]),
        }  # fmt: skip
        if row["algorithm"] == "SCORE2-Diabetes":
            given |= {"age_at_diabetes": int(row["age_dm_dx"]), "hba1c": float(row["hba1c_mmolmol"])}
            given |= {"egfr": float(row["egfr"])}
        name = row["expected_category"].lower().replace(" ", "-") or None
        expected = float(row["expected_pct"])
        yield Vector(row["algorithm"].lower(), "published examples", given, expected, 0.0501, name)


def prevent() -> Iterator[Vector]:
    """Khan 2023, table S12, the base model."""
    for row in rows("prevent2023_published_S12.csv"):
        if row["model"] != "base":
            continue
        given = {
            "sex": row["sex"], "age": int(row["age"]), "total_cholesterol_mg_dl": float(row["tc_mgdl"]),
            "hdl_cholesterol_mg_dl": float(row["hdl_mgdl"]), "systolic": int(row["sbp"]),
            "on_antihypertensives": yes(row["bp_treated"]), "on_statin": yes(row["statin"]),
            "diabetes": yes(row["diabetes"]), "smoker": yes(row["smoker"]), "egfr": float(row["egfr"]),
            "bmi": float(row["bmi"]),
        }  # fmt: skip
        digits = int(row["decimals"])
        yield Vector(
            f"prevent-{row['horizon_y']}y", "published table S12, base", given, 100 * float(row["expected_prob"]),
            50.1 * 10**-digits, part=row["endpoint"],
        )  # fmt: skip


def pooled() -> Iterator[Vector]:
    """Goff 2013; its three printed decimals leave 0.1 (black women with diabetes)."""
    for row in rows("pce_published_examples.csv"):
        if row["equation"] != "Goff2013":
            continue  # Yadlowsky's equations are others
        given = {
            "sex": row["sex"], "race": row["race"], "age": int(row["age"]), "systolic": int(row["sbp"]),
            "total_cholesterol_mg_dl": float(row["tc_mgdl"]), "hdl_cholesterol_mg_dl": float(row["hdl_mgdl"]),
            "on_antihypertensives": yes(row["bp_treated"]), "smoker": yes(row["smoker"]),
            "diabetes": yes(row["diabetes"]),
        }  # fmt: skip
        yield Vector("pce-2013", "published examples", given, float(row["expected_pct"]), 0.1)


def chinese_diabetes() -> Iterator[Vector]:
    """The grid computed from the verified table."""
    for row in rows("cdrs_cn_diabetes_risk_grid.csv"):
        given = {
            "sex": row["sex"], "age": int(row["age"]), "bmi": float(row["bmi"]), "waist": float(row["waist_cm"]),
            "systolic": int(row["sbp"]), "family_history_diabetes": yes(row["family_history_dm"]),
        }  # fmt: skip
        name = "high" if yes(row["refer_ogtt"]) else "below-cut-off"
        yield Vector("chinese-diabetes-risk", "grid of the guideline's table", given, float(row["total"]), 0, name)


CATEGORIES = {
    "正常血压": "normal", "正常高值": "high-normal",
    "1级高血压": "grade-1", "2级高血压": "grade-2", "3级高血压": "grade-3",
}  # fmt: skip


def categories() -> Iterator[Vector]:
    """The grid computed from the guideline's table; pairs in which diastolic is not below systolic are refused."""
    for row in rows("bp_category_cn_grid.csv"):
        given = {"systolic": float(row["sbp"]), "diastolic": float(row["dbp"])}
        if given["diastolic"] < given["systolic"]:
            name = CATEGORIES[row["category"]]
            yield Vector("bp-category-cn", "grid of the guideline's table", given, None, 0, name)
            for part, column in (("isolated_systolic",) * 2, ("isolated_diastolic", "isolated_diastolic_2024")):
                yield Vector("bp-category-cn", f"grid, {part}", given, float(row[column]), 0, part=part)


def home_week() -> Iterator[Vector]:
    """The 28 readings of HL7 CardX: the means of the readings themselves, not those printed beside them."""
    readings = [
        {"time": r["effectiveDateTime"], "systolic": int(r["systolic_mmhg"]), "diastolic": int(r["diastolic_mmhg"])}
        for r in rows("smbp_hl7_cardx_28_readings.csv")
    ]
    first = min(r["time"] for r in readings)[:10]
    kept = [r for r in readings if not r["time"].startswith(first)]
    for source, some, mean in (("28 readings", readings, 134.32), ("day 1 dropped", kept, 135.42)):
        yield Vector("bp-variability", f"HL7 CardX week, {source}", {"readings": some}, mean, 0.005)


#: Worked examples printed in guidelines and papers, and the points of printed tables: (model, source, input, value,
#: tolerance, class).
WORKED: list[tuple[str, str, dict[str, Any], float | None, float, str | None]] = json.loads(
    (Path(__file__).parent / "worked.json").read_text()
)


def worked() -> Iterator[Vector]:
    """The worked examples kept here."""
    for model, source, given, value, tolerance, name in WORKED:
        yield Vector(model, source, given, value, tolerance, name)


SOURCES: list[Callable[[], Iterator[Vector]]] = [
    china_par_official, china_par_published, who_chart, score2, prevent, pooled, chinese_diabetes, categories,
    home_week, worked,
]  # fmt: skip
