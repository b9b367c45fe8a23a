"""Tasks through the API: from a diagnosis to the visit that does them, the acts between, and the week's plan."""

from datetime import date, datetime, timedelta
from typing import Any

import httpx
import pytest

from api.visit_plan import first_day
from infra.clock import clock
from infra.settings import settings
from tests.api.people import House

pytestmark = pytest.mark.stack

DIAGNOSED = "mailiu.chronic.condition-diagnosed.v1"


def today() -> date:
    return clock().now().astimezone(settings().zone).date()


def next_weekday(weekday: int) -> date:
    """The next day of the week (Monday 0) after today."""
    return next(day for n in range(1, 8) if (day := today() + timedelta(n)).weekday() == weekday)


class Team(House):
    """An institution with a team and residents under contract."""

    def act(self, path: str, status: int = 202, **body: Any) -> dict[str, Any]:
        answer = self.api.post(path, headers=self.token(actor="N01"), json=body)
        assert answer.status_code == status, answer.text
        if status == 202:
            self.position = answer.json()["position"]
        said: dict[str, Any] = answer.json()
        return said

    def hypertensive(self, days: float) -> str:
        """A resident under contract with T1, diagnosed so many days ago."""
        resident = self.resident(days + 30)
        self.post(
            self.event("mailiu.resident.contracted.v1", resident, {"team": "T1", "doctor": "D1"}, days + 20),
            self.event(DIAGNOSED, resident, {"code": "I10"}, days),
        )
        return resident

    def tasks(self, **filters: Any) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.get("/v1/tasks", **filters)["items"]
        return items


@pytest.fixture(scope="module")
def team(api: httpx.Client) -> Team:
    return Team(api)


@pytest.mark.parametrize(("hour", "day"), [(0, 25), (16, 25), (17, 26), (23, 26)])
def test_a_plan_made_after_hours_begins_tomorrow(hour: int, day: int) -> None:
    assert first_day(datetime(2026, 11, 25, hour, 30, tzinfo=settings().zone)) == date(2026, 11, day)


def test_a_task_from_the_diagnosis_to_the_visit(team: Team) -> None:
    resident = team.hypertensive(120)
    team.post(team.event(DIAGNOSED, resident, {"code": "E11"}, 100))
    [task] = team.tasks(resident=resident)
    assert (task["kind"], task["reason"], task["status"], task["form"]) == (
        "follow-up", "first-visit", "overdue", "4.3"
    )  # fmt: skip
    assert (task["team"], task["doctor"], task["together"][0]["form"]) == ("T1", "D1", "4.4")
    assert task["detail"]["limits"]["interval_days"] == 90
    assert team.tasks(team="T1", doctor="D1", resident=resident) == [task]
    assert team.tasks(team="T2", resident=resident) == []
    path = f"/v1/tasks/{task['id']}"
    team.act(f"{path}/assign", assignee="N02")
    team.act(f"{path}/contact", result="not-reached")
    said = team.act(f"{path}/reschedule", 422, day=str(next_weekday(6)))
    assert said["errors"][0]["field"] == "day"
    team.act(f"{path}/reschedule", 422, day=str(today() - timedelta(1)))
    team.act(f"{path}/contact", 422, result="refused")
    team.act(f"{path}/complete", 409)
    team.act(f"{path}/contact", result="appointment", day=str(next_weekday(2)))
    one = team.get(path)
    assert (one["assignee"], one["planned"], one["result"], one["calls"]) == (
        "N02", str(next_weekday(2)), "appointment", 0
    )  # fmt: skip
    changes = [change["change"] for change in one["history"]]
    assert (changes[0], changes[-3:]) == ("opened", ["changed"] * 3)
    visit = {
        "programme": "both", "mode": "clinic", "fasting_glucose": 6.1,
        "blood_pressure": {"systolic": 146, "diastolic": 88},
    }  # fmt: skip
    team.post(team.event("mailiu.chronic.follow-up-completed.v3", resident, visit))
    done = team.tasks(resident=resident, status="done", kind="follow-up")
    assert [each["id"] for each in done if each["programme"] == "hypertension"] == [task["id"]]
    assert len({each["done_by"] for each in done}) == 1
    [planned] = team.tasks(resident=resident, status="planned", kind="follow-up")
    both = [planned, *planned["together"]]
    assert {each["programme"] for each in both} == {"hypertension", "diabetes"}
    for each in both:  # born in 1950: below 150/90
        assert (each["reason"], each["due"]) == ("quarterly", str(today() + timedelta(90)))
    team.act(f"{path}/assign", 409, assignee="N01")


def test_a_task_of_ones_own(team: Team) -> None:
    resident = team.resident()
    assert team.get(f"/v1/residents/{resident}")["resident"] == resident
    said = team.act("/v1/tasks", resident=resident, title="Potassium", due=str(today()), priority="high")
    [task] = team.tasks(resident=resident)
    assert (task["order"], task["title"], task["kind"], task["status"]) == (
        said["identity"], "Potassium", "ordered", "due"
    )  # fmt: skip
    team.act(f"/v1/tasks/{task['id']}/drop", 422, why="not-needed")
    team.act(f"/v1/tasks/{task['id']}/complete", note="4.1 mmol/L")
    assert team.tasks(resident=resident) == []
    assert team.get(f"/v1/tasks/{task['id']}")["status"] == "done"


def test_nobody_else_sees_or_moves_it(team: Team, api: httpx.Client) -> None:
    resident, other = team.hypertensive(130), Team(api)
    [task] = team.tasks(resident=resident)
    other.position = team.position
    assert other.tasks() == []
    for path in (f"/v1/tasks/{task['id']}", f"/v1/tasks/{task['id']}/assign"):
        method = "POST" if path.endswith("assign") else "GET"
        body = {"assignee": "N9"} if method == "POST" else None
        assert api.request(method, path, headers=other.token(), json=body).status_code == 404
    said = other.act("/v1/tasks/assign", ids=[task["id"]], assignee="N9")
    assert [result["problem"] for result in said["results"]] == [404]


def test_pages_follow_each_other_without_gap(team: Team) -> None:
    ids = [task["id"] for task in team.tasks(status=["planned", "due", "overdue"])]
    paged, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = team.get("/v1/tasks", status=["planned", "due", "overdue"], limit=1, **more)
        paged += [task["id"] for task in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert paged == ids
    assert len(ids) > 2


def test_the_week_is_planned_with_reasons_and_becomes_appointments(api: httpx.Client) -> None:
    team = Team(api)
    slots = {"team": "T1", "slots": [1, 1, 1, 1, 1, 0, 0], "village_days": [{"village": "V1", "weekday": 3}]}
    said = team.event("mailiu.organization.visit-slots-set.v1", team.id, slots)
    assert api.post("/v1/events", headers=team.token("manager"), json=said).status_code == 202
    late, later, far, stable = (team.hypertensive(days) for days in (110, 140, 105, 80))
    wife = team.hypertensive(78)
    team.post(
        team.event("mailiu.resident.household-joined.v1", far, {"household": "H1", "village": "V1"}),
        team.event("mailiu.resident.household-joined.v1", wife, {"household": "H1", "village": "V1"}),
    )
    made = team.get("/v1/visit-plan", team="T1")
    placed = {
        visit["task"]["resident"]: (day["day"], [why["code"] for why in visit["why"]])
        for day in made["days"]
        for visit in day["visits"]
    }
    assert placed[later][0] < placed[late][0]
    assert placed[later][1] == ["overdue"]
    assert placed[far][0] == placed[wife][0]
    assert datetime.fromisoformat(placed[far][0]).isoweekday() == 3
    assert placed[wife][1] == ["household"]
    assert stable in placed
    assert all(day["used"] <= day["slots"] == 1 for day in made["days"])
    assert all(why["zh"] and why["en"] for day in made["days"] for visit in day["visits"] for why in visit["why"])
    items = [{"task": v["task"]["id"], "day": day["day"]} for day in made["days"] for v in day["visits"]]
    said = team.act("/v1/tasks/reschedule", items=items)
    assert {result["status"] for result in said["results"]} == {"accepted"}
    again = team.get("/v1/visit-plan", team="T1")
    codes = {why["code"] for day in again["days"] for visit in day["visits"] for why in visit["why"]}
    assert "appointment" in codes
    assert "overdue" not in codes
    answer = api.get("/v1/visit-plan", headers=team.token(), params={"team": "T9"})
    assert answer.status_code == 422
