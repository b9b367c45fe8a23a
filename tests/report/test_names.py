"""Words of the report: nothing that the fold can say is printed as a bare code."""

from typing import get_args

import pytest

from analytics.report.names import name, unit
from analytics.report.sources import Sources
from schemas import alert, guidance, task
from tests.report.lives import id_of

#: Reasons of tasks, as `streams.agenda` and `streams.follow_up` give them.
REASONS = (
    "first-visit", "quarterly", "revisit-uncontrolled", "revisit-adverse-reaction", "after-referral", "emergency",
    "complication", "reaction-persists", "uncontrolled-twice", "yearly", "calls-in-vain", "ordered", "reported-moved",
    "reported-dead",
)  # fmt: skip
SAID = {
    "area": get_args(guidance.Area), "status": get_args(guidance.Status), "task": get_args(task.Kind),
    "programme": get_args(task.Programme), "state": ("planned", "due", "overdue"), "why": REASONS,
    "severity": get_args(alert.Severity), "basis": ("default", "age", "condition", "personal"),
    "change": ("started", "changed", "stopped"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "code"), [(kind, code) for kind, codes in SAID.items() for code in codes])
def test_everything_that_is_said_has_words_in_both_languages(kind: str, code: str) -> None:
    chinese = name(kind, code, "zh")
    assert chinese != code
    assert any("一" <= letter <= "鿿" for letter in chinese)
    assert name(kind, code, "en")


def test_a_code_has_the_name_of_the_nearest_above_it_and_an_unknown_one_its_own() -> None:
    assert name("condition", "E11.9", "zh") == "2型糖尿病"
    assert name("condition", "Z99", "zh") == "Z99"
    assert (unit("ldl_cholesterol"), unit("no-such")) == ("mmol/L", "")


def test_few_events_have_a_number_each_and_many_share_one_with_a_digest_of_all() -> None:
    sources, many = Sources(), [id_of(each) for each in range(9)]
    assert sources.numbers(many[:2]) == [1, 2]
    assert sources.numbers([many[1]]) == [2]
    assert sources.numbers(many) == sources.numbers(many) == [3]
    assert sources.numbers(many[:8]) == [4]
    listed = dict(sources.listed())
    assert listed[1] == str(many[0])
    assert listed[3].startswith(f"9 × [{many[0]} … {many[8]}] SHA-256 ")
