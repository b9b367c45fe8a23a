"""Statistics over HTTP: an answer says what it is, what it has seen, and to whom it may be shown."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from analytics.suppression import hidden
from infra.clock import clock
from infra.settings import settings
from schemas.envelope import rfc3339
from tests.api.people import House, bearer

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def house(api: httpx.Client) -> House:
    """An institution with seven residents with hypertension, six of them at target at their last visit."""
    house = House(api)
    for number in range(7):
        resident = house.resident(days=400)
        systolic = 150 if number == 0 else 130
        house.post(
            house.event("mailiu.chronic.condition-diagnosed.v1", resident, {"code": "I10"}, 400),
            house.event(
                "mailiu.chronic.follow-up-completed.v2", resident,
                {"mode": "clinic", "blood_pressure": {"systolic": systolic, "diastolic": 80}}, 0.01,
            ),
        )  # fmt: skip
    return house


def month(days: float = 0) -> str:
    return f"{(clock().now() - timedelta(days=days)).astimezone(settings().zone):%Y-%m}"


def test_a_visit_moves_the_control_rate_of_its_institution(house: House) -> None:
    answer = house.get("/v1/statistics/control-hearts", role="manager", by="month,institution")
    now = [row for row in answer["rows"] if row["month"] == month(0.01)]
    assert [(row["institution"], row["numerator"], row["denominator"]) for row in now] == [(house.id, 6, 7)]
    assert now[0]["value"] == 6 / 7


def test_an_answer_carries_its_definition_position_lag_and_whether_it_may_still_move(house: House) -> None:
    answer = house.get("/v1/statistics/control-hearts", role="manager")
    definition = answer["definition"]
    assert (definition["id"], definition["version"], definition["versions"]) == ("control-hearts", 1, [1])
    assert definition["source"]
    assert set(definition["text"]) == {"zh", "en"}
    seen = dict(each.split(":") for each in answer["position"].split(","))
    for each in house.position.split(","):
        partition, offset = each.split(":")
        assert int(seen[partition]) > int(offset)
    assert answer["lag"].keys() == {"events", "derived", "fold"}
    assert answer["institutions"] == [house.id]
    assert len(answer["rows"]) == 12 or month(0) == month(0.01)


def test_an_answer_as_of_an_instant_that_every_partition_has_passed_is_final(house: House) -> None:
    then = rfc3339(clock().now() - timedelta(hours=1))
    before = house.get("/v1/statistics/registered", role="manager", as_of=then)
    assert (before["as_of"], before["rows"], before["provisional"]) == (then, [], False)
    soon = house.get("/v1/statistics/registered", role="manager", as_of=rfc3339(clock().now() + timedelta(hours=1)))
    assert soon["provisional"]
    assert soon["rows"][-1]["numerator"] == 7


def test_a_month_that_has_not_ended_is_provisional(house: House) -> None:
    assert house.get("/v1/statistics/registered", role="manager")["provisional"]


def test_the_parts_of_the_programme_add_up(house: House) -> None:
    figures = {
        id: house.get(f"/v1/statistics/{id}", role="manager")["rows"][-1]
        for id in ("control-hearts", "uncontrolled", "missed-visits", "visited-without-pressure", "under-care")
    }
    outcomes = ("control-hearts", "uncontrolled", "missed-visits", "visited-without-pressure")
    assert sum(figures[id]["numerator"] for id in outcomes) == figures["control-hearts"]["denominator"] == 7
    assert figures["under-care"]["value"] == 1


def test_without_months_a_state_is_that_of_the_last_month_asked_for(house: House) -> None:
    whole = house.get("/v1/statistics/registered", role="manager", by="institution")
    assert [(row["institution"], row["month"], row["numerator"]) for row in whole["rows"]] == [(house.id, None, 7)]
    assert whole["rows"][0]["denominator"] is None  # no population figure, no rate


def test_an_analyst_sees_no_small_count_and_a_manager_sees_it(house: House) -> None:
    [shown] = house.get("/v1/statistics/uncontrolled", role="manager", by="institution")["rows"]
    assert (shown["numerator"], shown["suppressed"]) == (1, False)
    for id in ("uncontrolled", "control-hearts"):  # one of seven, and the six that leave one
        [row] = house.get(f"/v1/statistics/{id}", role="analyst", by="institution")["rows"]
        assert (row["numerator"], row["denominator"], row["value"], row["suppressed"]) == (None, None, None, True)
    [row] = house.get("/v1/statistics/registered", role="analyst", by="institution")["rows"]
    assert (row["numerator"], row["suppressed"]) == (7, False)


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [(0, 0, False), (0, 7, False), (7, 7, False), (1, 7, True), (4, 20, True), (5, 20, False), (16, 20, True),
     (15, 20, False), (3, None, True), (5, None, False), (0, 4, True)],
)  # fmt: skip
def test_a_count_of_one_to_four_is_hidden_wherever_it_could_be_read_off(
    numerator: int, denominator: int | None, expected: bool
) -> None:
    assert hidden(numerator, denominator) is expected


def test_another_institution_is_not_for_this_token(house: House, api: httpx.Client) -> None:
    path = "/v1/statistics/registered"
    refused = api.get(path, headers=house.token("manager"), params={"institution": "I-elsewhere"})
    assert refused.status_code == 403
    other = api.get(path, headers=bearer("manager", "I-elsewhere")).json()
    assert other["rows"] == []
    district = api.get(
        path, headers=bearer("manager", "*"), params={"institution": house.id, "wait": house.position}
    ).json()
    assert district["rows"][-1]["numerator"] == 7


def test_home_readings_and_alerts_are_counted(house: House) -> None:
    resident = house.resident()
    house.post(house.crisis(resident))
    today = clock().now().astimezone(settings().zone).date().isoformat()
    daily: dict[str, Any] = {"from": today, "by": "day"}
    readings = house.get("/v1/statistics/home-readings-per-day", role="manager", **daily)
    assert [(row["day"], row["numerator"], row["denominator"]) for row in readings["rows"]] == [(today, 1, 1)]
    alerts = house.get("/v1/statistics/alerts-by-severity", role="manager", **daily)
    assert [(row["severity"], row["numerator"], row["value"]) for row in alerts["rows"]] == [("red", 1, 1)]
    [alert] = house.get("/v1/alerts")["items"]
    taken = house.api.post(f"/v1/alerts/{alert['id']}/acknowledge", headers=house.token())
    house.position = taken.json()["position"]
    [row] = house.get("/v1/statistics/median-acknowledge-time", role="manager", **daily)["rows"]
    assert (row["numerator"], row["denominator"]) == (1, 1)
    acknowledged = house.get(f"/v1/alerts/{alert['id']}")["acknowledged_time"]
    waited = datetime.fromisoformat(acknowledged) - datetime.fromisoformat(alert["raised_time"])
    assert row["value"] == pytest.approx(waited.total_seconds())
