"""Diagnoses by ICD-10: the WHO's, the national extension, and what the older version said."""

import pytest
from pydantic import ValidationError

from schemas.chronic import ConditionDiagnosed, who_code
from schemas.registry import upcast

DIAGNOSED = "mailiu.chronic.condition-diagnosed"


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("I10", "I10"), ("I10.x00", "I10"), ("I10.x00x002", "I10"), ("E11.900x001", "E11.9"), ("E11.901", "E11.9"),
        ("I48.0", "I48.0"), ("E11.2+", "E11.2"), ("N08.3*", "N08.3"),
    ],
)  # fmt: skip
def test_a_code_is_kept_as_coded_and_belongs_to_a_category_of_the_who(code: str, category: str) -> None:
    assert ConditionDiagnosed(code=code).code == code
    assert who_code(code) == category


@pytest.mark.parametrize("code", ["38341003", "I1", "i10", "I10.", "I10.x00x2", "I10.x00x002x001", "高血压"])
def test_another_code_is_refused(code: str) -> None:
    with pytest.raises(ValidationError, match="code"):
        ConditionDiagnosed(code=code)


def test_what_was_suspected_is_provisional() -> None:
    assert upcast(f"{DIAGNOSED}.v1", {"code": "E11", "certainty": "suspected", "onset": None}) == (
        f"{DIAGNOSED}.v2", {"code": "E11", "certainty": "provisional"},
    )  # fmt: skip
    assert upcast(f"{DIAGNOSED}.v1", {"code": "I10"})[1] == {"code": "I10", "certainty": "confirmed"}
    assert upcast("mailiu.chronic.condition-resolved.v1", {"code": "I10"}) == (
        "mailiu.chronic.condition-resolved.v2", {"code": "I10"},
    )  # fmt: skip
