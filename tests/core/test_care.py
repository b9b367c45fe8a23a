"""Who may say who cares for a resident: the managing institution; what another one says has no effect."""

from typing import Any

import pytest

from tests.core.resident import DAY, HOUR, START, Resident


def refused(r: Resident) -> list[dict[str, Any]]:
    return [o.value["data"] for o in r.outputs if o.type == "mailiu.resident.event-refused.v1"]


@pytest.mark.parametrize(
    ("type", "data"),
    [
        ("registered", {"sex": "male", "birth_date": "1990-01-01"}),
        ("contracted", {"team": "T9"}),
        ("transferred", {"to_institution": "I02"}),
        ("guardian-appointed", {"guardian": "G9", "relation": "other"}),
        ("consent-given", {"scopes": ["family-view"], "text_version": "T1"}),
    ],
)
@pytest.mark.parametrize("days", [500, 1])
def test_another_institution_takes_nobody_over_whatever_time_it_claims(
    type: str, data: dict[str, Any], days: int
) -> None:
    r = Resident()
    before = r.state["inst"], r.state["birth"]
    event = r.event(f"resident.{type}.v1", data, START - days * DAY, recorded=START, institution="I02")
    assert (r.state["inst"], r.state["birth"]) == before
    assert [(one["event"], one["field"], one["value"]) for one in refused(r)] == [
        (event.identity, "institution", "I02")
    ]
    r.bp(190, 115, START + HOUR)
    alert = next(o for o in r.outputs if o.type == "mailiu.alert.raised.v1")
    assert alert.value["institution"] == "I01"


def test_who_manages_hands_over_and_the_new_one_speaks_from_then_on() -> None:
    r = Resident()
    r.event("resident.transferred.v1", {"to_institution": "I02"}, START)
    r.event("resident.contracted.v1", {"team": "T1"}, START + HOUR, institution="I02")
    r.event("resident.transferred.v1", {"to_institution": "I01"}, START + 2 * HOUR, institution="I01")
    assert r.state["inst"][2] == "I02"
    assert len(refused(r)) == 1


def test_a_copy_of_what_had_effect_is_not_refused_however_late() -> None:
    r = Resident()
    transfer = {"to_institution": "I02"}
    r.event("resident.transferred.v1", transfer, START, id="moved")
    r.tick(START + 60 * DAY)
    r.event("resident.transferred.v1", transfer, START, recorded=START + 60 * DAY, id="moved")
    assert not refused(r)
    assert r.state["inst"][2] == "I02"


def test_consent_may_be_withdrawn_anywhere() -> None:
    r = Resident()
    r.event("resident.consent-given.v1", {"scopes": ["messages"], "text_version": "T1"}, START)
    r.event("resident.consent-withdrawn.v1", {"scopes": ["messages"]}, START + HOUR, institution="I02")
    assert not refused(r)
    assert r.state["consent"]["messages"][-1][2] == 0
