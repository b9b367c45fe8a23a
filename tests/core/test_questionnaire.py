"""Questionnaires as data: what is refused, how they are scored, and what an answer about self-harm does."""

import pytest

from schemas.questionnaires import newest, released
from streams.questionnaire import SCORED
from tests.core.resident import DAY, HOUR, START, Resident

OPTIONS = ("LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9")


def phq(*scores: int) -> dict[str, str]:
    return {str(item): OPTIONS[score] for item, score in enumerate(scores, 1)}


def answer(r: Resident, name: str, answers: dict[str, str], time: int, **more: str) -> None:
    data = {"questionnaire": name, "version": 1, "answers": answers}
    r.event("engagement.questionnaire-answered.v1", data, time, **more)


def scored(r: Resident) -> list[tuple[int, str, list[str]]]:
    told = [o.value["data"] for o in r.outputs if o.type == SCORED]
    return [(one["total"], one["band"], one["flags"]) for one in told]


@pytest.mark.parametrize(
    ("name", "total", "band"),
    [
        ("phq-9", 4, "minimal"), ("phq-9", 5, "mild"), ("phq-9", 10, "moderate"), ("phq-9", 15, "moderately-severe"),
        ("phq-9", 19, "moderately-severe"), ("phq-9", 20, "severe"), ("gad-7", 4, "minimal"), ("gad-7", 5, "mild"),
        ("gad-7", 10, "moderate"), ("gad-7", 15, "severe"), ("gad-7", 21, "severe"),
    ],
)  # fmt: skip
def test_totals_mean_what_their_authors_say(name: str, total: int, band: str) -> None:
    """Kroenke 2001 and Spitzer 2006: cut points 5, 10, 15 and, for PHQ-9, 20."""
    one = newest(name)
    assert one is not None
    scores = [min(3, max(0, total - 3 * item)) for item in range(len(one.items))]
    got, found, _ = one.score(phq(*scores))
    assert (got, found.code) == (total, band)


@pytest.mark.parametrize(
    ("levels", "total", "band"),
    [
        (("independent",) * 5, 0, "independent"),
        (("mild",) * 5, 3, "independent"),
        (("moderate", "mild", "independent", "independent", "independent"), 4, "mild"),
        (("moderate", "moderate", "moderate", "independent", "independent"), 9, "moderate"),
        (("moderate",) * 5, 19, "dependent"),
        (("dependent",) * 5, 37, "dependent"),
    ],
)
def test_self_care_counts_by_the_national_form(levels: tuple[str, ...], total: int, band: str) -> None:
    """Meals 0/0/3/5, washing 0/1/3/7, dressing 0/0/3/5, toilet and moving 0/1/5/10; 0-3, 4-8, 9-18, from 19."""
    one = newest("adl-elderly")
    assert one is not None
    got, found, _ = one.score({str(item): level for item, level in enumerate(levels, 1)})
    assert (got, found.code) == (total, band)


def test_every_questionnaire_names_its_source_and_speaks_both_languages() -> None:
    for versions in released().values():
        for one in versions.values():
            assert one.source
            words = [one.title, one.intro, *(item.text for item in one.items.values())]
            words += [option.text for item in one.items.values() for option in item.options.values()]
            assert all(set(text) == {"zh", "en"} and all(text.values()) for text in words)


def test_any_thought_of_self_harm_is_called_about_on_the_same_day() -> None:
    r = Resident()
    answer(r, "phq-9", phq(0, 0, 0, 0, 0, 0, 0, 0, 1), START)
    assert scored(r) == [(1, "minimal", ["self-harm-thoughts"])]
    alert = r.only("self-harm-thoughts")
    assert (alert["severity"], alert["role"], alert["detail"]["total"]) == ("orange", "nurse", 1)


def test_without_such_a_thought_nobody_is_alarmed_however_high_the_total() -> None:
    r = Resident()
    answer(r, "phq-9", phq(3, 3, 3, 3, 3, 3, 3, 3, 0), START)
    assert scored(r) == [(24, "severe", [])]
    assert not r.of("self-harm-thoughts")


def test_a_copy_scores_once_and_answers_taken_back_withdraw_the_alert() -> None:
    r = Resident()
    for _ in range(2):
        answer(r, "phq-9", phq(0, 0, 0, 0, 0, 0, 0, 0, 2), START, id="answers")
    assert len(scored(r)) == 1
    event = r.state["asked"]["id"][0]
    r.event("reading.retracted.v1", {"reading": event, "reason": "entered-in-error"}, START + HOUR)
    assert r.only("self-harm-thoughts")["condition"] == "withdrawn"


def test_imported_answers_never_call_anybody_at_once() -> None:
    r = Resident()
    answer(r, "phq-9", phq(0, 0, 0, 0, 0, 0, 0, 0, 3), START - 300 * DAY, origin="import")
    r.tick(START)
    assert scored(r)
    assert not r.of("self-harm-thoughts")
