"""The ward round through the API: who is on it and why, a decision, a session that is left and gone on with."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.level import rated
from infra.clock import clock
from infra.settings import settings
from tests.api.people import House

pytestmark = pytest.mark.stack


@pytest.mark.parametrize(
    ("visits", "months", "rating"),
    [  # every 90 days, below 140/90 or not; the last stands 92 days: nine months are good, six fair
        ("bbbb", 11.9, "good"), ("bbba", 8.9, "fair"), ("bbaa", 5.9, "poor"), ("aaaa", 0.0, "poor"), ("b", 3.0, "poor"),
    ],
)  # fmt: skip
def test_the_year_is_rated_by_the_months_below_140_and_90(visits: str, months: float, rating: str) -> None:
    now = clock().now()
    rows = [
        {"time": now - timedelta(365 - 90 * n), "systolic": 139 if one == "b" else 140, "diastolic": 89}
        for n, one in enumerate(visits)
    ]
    year = rated(rows, now)
    assert year is not None
    assert (year.months, year.rating) == (months, rating)
    assert rated([], now) is None


class Practice(House):
    """An institution whose residents are under contract."""

    def contracted(self, team: str = "T1", *codes: str, label: str | None = None) -> str:
        resident = self.resident(300)
        self.post(
            self.event("mailiu.resident.contracted.v1", resident, {"team": team, "doctor": "D1"}, 290),
            *(self.event("mailiu.chronic.condition-diagnosed.v1", resident, {"code": code}, 200) for code in codes),
            *([self.event("mailiu.resident.labelled.v1", resident, {"label": label})] if label else []),
        )
        return resident

    def on_round(self, **filters: Any) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.get("/v1/rounds", **filters)["items"]
        return items

    def said(self, path: str, status: int = 202, key: str | None = None, **body: Any) -> dict[str, Any]:
        more = {"Idempotency-Key": key} if key else {}
        answer = self.api.post(path, headers=self.token(actor="D1") | more, json=body)
        assert answer.status_code == status, answer.text
        told: dict[str, Any] = answer.json()
        if status == 202:
            self.position = told["position"]
        return told

    def decide(self, item: dict[str, Any], status: int = 202, key: str | None = None, **body: Any) -> dict[str, Any]:
        body = {"resident": item["resident"], "revision": item["revision"], "decision": "reviewed"} | body
        return self.said("/v1/rounds/decisions", status, key, **body)


@pytest.fixture(scope="module")
def practice(api: httpx.Client) -> Practice:
    return Practice(api)


def day(ahead: int) -> str:
    return str(clock().now().astimezone(settings().zone).date() + timedelta(ahead))


def test_a_round_from_the_alert_to_the_summary(practice: Practice) -> None:
    sick, well = practice.contracted("T1", "I10", "I63", label="lives-alone"), practice.contracted("T2")
    other = practice.contracted("T2", "E11")
    practice.post(practice.crisis(sick))

    first, *rest = practice.on_round()
    assert first["resident"] == sick
    assert [item["resident"] for item in rest] == [other]  # a follow-up visit is overdue
    assert (first["level"], first["team"], first["age"] > 70, first["open"]) == (3, "T1", True, True)
    crisis = first["reasons"][0]
    assert (crisis["kind"], crisis["code"], crisis["new"]) == ("alert", "bp-crisis", True)
    assert practice.get(crisis["href"])["evidence"] == crisis["evidence"]  # one click
    [task] = [reason for reason in rest[0]["reasons"] if reason["kind"] == "task"]
    assert practice.get(task["href"])["resident"] == other

    everybody = practice.get("/v1/rounds", status="all")
    assert [item["resident"] for item in everybody["items"]][-1] == well
    assert (everybody["total"], everybody["by_level"]["3"]) == (3, 1)
    for filters, found in (
        ({"team": "T2"}, [other]), ({"level": 3}, [sick]), ({"condition": "I6"}, [sick]), ({"doctor": "D2"}, []),
        ({"label": "lives-alone"}, [sick]), ({"kind": "alert"}, [sick]), ({"reason": "follow-up"}, [sick, other]),
    ):  # fmt: skip
        assert [item["resident"] for item in practice.on_round(**filters)] == found, filters

    session = practice.said("/v1/rounds/sessions", team="T1")["session"]
    assert practice.get("/v1/rounds/sessions", unfinished=True)["items"][0]["session"] == session
    practice.decide(first, 422, decision="deferred")
    practice.decide(first, 422, next=day(0))
    decision = {"session": session, "plan": ["drug-review", "visit"], "next": day(3), "note": "adherence?"}
    done = practice.decide(first, key="once", **decision)
    assert practice.on_round(session=session) == []
    assert practice.decide(first, key="once", **decision)["identity"] == done["identity"]
    practice.decide(first, 409, **decision)  # the place has moved on

    [waiting] = practice.on_round(status="waiting")
    assert (waiting["resident"], waiting["next"], waiting["open"]) == (sick, day(3), False)
    assert (waiting["latest"]["decision"], waiting["latest"]["plan"]) == ("reviewed", ["drug-review", "visit"])
    assert not any(reason["new"] for reason in waiting["reasons"])
    assert practice.get("/v1/tasks", resident=sick)["items"]  # no visit was made by it

    practice.post(practice.event("mailiu.chronic.symptom-reported.v1", sick, {"symptoms": ["chest-pain"]}))
    [back] = practice.on_round(session=session)
    assert [reason["code"] for reason in back["reasons"] if reason["new"]] == ["symptom-red"]

    going_on = practice.get(f"/v1/rounds/sessions/{session}")
    assert (going_on["summary"]["decided"], going_on["summary"]["left"], going_on["closed_time"]) == (1, 1, None)
    practice.said(f"/v1/rounds/sessions/{session}/close", note="one left")
    closed = practice.get(f"/v1/rounds/sessions/{session}")
    assert closed["summary"] == {
        "decided": 1, "by_decision": {"reviewed": 1}, "by_plan": {"drug-review": 1, "visit": 1}, "left": 1,
    }  # fmt: skip
    practice.decide(back, 409, session=session)
    practice.decide(back, decision="called")
    assert practice.get(f"/v1/rounds/sessions/{session}")["summary"]["decided"] == 1  # as it was
    practice.said(f"/v1/rounds/sessions/{session}/close", 409)


def test_the_level_names_its_criteria_and_their_source(practice: Practice) -> None:
    resident = practice.contracted("T3", "I10")
    practice.post(practice.event("mailiu.chronic.condition-diagnosed.v1", resident, {"code": "I63"}))
    level = practice.get(f"/v1/residents/{resident}/level")
    assert level["current"]["level"] == 3
    reasons = {reason["code"]: reason for reason in level["current"]["reasons"]}
    assert "guideline 2010" in reasons["disease"]["source"]
    assert reasons["disease"]["title"]["zh"]
    assert level["history"][-1]["level"] < 3
    assert level["year"] is None


def test_pages_follow_each_other_without_gap(practice: Practice) -> None:
    whole = [item["resident"] for item in practice.on_round(status="all")]
    paged, cursor = [], None
    while True:
        page = practice.get("/v1/rounds", status="all", limit=1, **({"cursor": cursor} if cursor else {}))
        paged += [item["resident"] for item in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert paged == whole
    assert len(whole) > 3


def test_another_institution_sees_and_decides_nothing(practice: Practice, api: httpx.Client) -> None:
    item = practice.on_round(status="all")[0]
    other = Practice(api)
    other.position = practice.position
    assert other.on_round(status="all") == []
    other.decide(item, 404)
    assert other.get("/v1/rounds/decisions")["items"] == []
    session = practice.said("/v1/rounds/sessions")["session"]
    practice.get(f"/v1/rounds/sessions/{session}")
    answer = api.get(f"/v1/rounds/sessions/{session}", headers=other.token())
    assert answer.status_code == 404


def test_who_goes_is_off_the_round(practice: Practice) -> None:
    resident = practice.contracted("T9", "I10")
    assert practice.on_round(team="T9")
    practice.post(practice.event("mailiu.resident.died.v1", resident, {}))
    assert practice.on_round(team="T9", status="all") == []
