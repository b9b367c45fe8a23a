"""Values of examinations are brought to one unit, and the limits tell a wrong unit from a sick person."""

import pytest

from schemas.measure import by_loinc, canonical
from schemas.reading import GlucoseMeasured


@pytest.mark.parametrize(
    ("name", "value", "unit", "limit"),
    [
        ("fasting_glucose", 7.0, "mg/dL", "below 1 mmol/L; is it in mmol/L?"),
        ("glucose_2h", 11.1, "mg/dL", "below 1 mmol/L; is it in mmol/L?"),
        ("hba1c_percent", 9.5, "mmol/mol", "below 3.5 %; is it in %?"),
        ("ldl_cholesterol", 4.2, "mg/dL", "below 0.2 mmol/L; is it in mmol/L?"),
        ("triglycerides", 9, "mg/dL", "below 0.2 mmol/L; is it in mmol/L?"),
        ("potassium", 140, "mmol/L", "above 12 mmol/L; is it in mg/L?"),
        ("total_cholesterol", 200, "mmol/L", "above 30 mmol/L; is it in mg/dL?"),
    ],
)
def test_a_value_in_another_unit_is_refused_with_the_unit_that_fits(
    name: str, value: float, unit: str, limit: str
) -> None:
    with pytest.raises(ValueError, match=name) as refused:
        canonical(name, value, unit)
    assert str(refused.value).endswith(limit)


@pytest.mark.parametrize(
    ("name", "value", "unit", "expected"),
    [  # molar masses: urea 60.06 g/mol, 28.01 g of them nitrogen; potassium 39.10 g/mol; creatinine 113.12 g/mol
        ("urea", 30, "mg/dL", 300 / 60.06),
        ("urea_nitrogen", 14, "mg/dL", 140 / 28.01),
        ("potassium", 156.4, "mg/L", 156.4 / 39.10),
        ("uacr", 3, "mg/mmol", 3 / 0.11312),
    ],
)
def test_a_mass_becomes_a_number_of_moles_by_its_molar_mass(
    name: str, value: float, unit: str, expected: float
) -> None:
    assert canonical(name, value, unit) == pytest.approx(expected, rel=1e-3)


def test_a_code_of_urea_nitrogen_is_not_urea_and_a_ratio_without_a_unit_is_none_of_one_unit() -> None:
    assert by_loinc()["3094-0"] == ("urea_nitrogen", "mg/dL")
    assert by_loinc()["3091-6"] == ("urea", "mg/dL")
    assert {by_loinc()[code][0] for code in ("9318-7", "14959-1", "32294-1")} == {"uacr"}


def test_what_a_meter_shows_as_low_keeps_its_own_limit() -> None:
    assert GlucoseMeasured(value=0.6).value == 0.6
