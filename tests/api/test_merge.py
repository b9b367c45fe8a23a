"""Two records of one person on the real parts: one resident, one alert, counted once; killed midway; two again."""

import random
from typing import Any

import httpx
import pytest

from infra.stack.scratch import wait_until
from tests.api.people import READING, House, bearer
from tests.stack import Stack

pytestmark = pytest.mark.stack

MERGED, UNMERGED = "mailiu.resident.merged.v1", "mailiu.resident.unmerged.v1"
COUNTED = ("registered", "under-care", "control-hearts", "control-home", "home-readings-per-day")


@pytest.fixture(scope="module")
def carrying(serving: Stack) -> Stack:
    serving.up("carrier")
    return serving


@pytest.fixture
def house(api: httpx.Client, carrying: Stack) -> House:
    return House(api)


def life(house: House, first: str, second: str, seed: int = 7) -> list[dict[str, Any]]:
    """Sixty days of one person, told of two ids by turns, in the order in which it happened."""
    chance, told = random.Random(seed), list[tuple[str, dict[str, Any], float]]()
    told += [("mailiu.chronic.condition-diagnosed.v1", {"code": "I10"}, days) for days in (200.0, 199.0)]
    for day in range(20, 0, -1):
        for _ in range(3):
            values = {"systolic": chance.randrange(118, 139), "diastolic": chance.randrange(70, 84)}
            told.append((READING, values, day + chance.random() / 2))
    visit = {"blood_pressure": {"systolic": 132, "diastolic": 80}}
    told += [
        ("mailiu.chronic.follow-up-completed.v2", visit, 40.0),
        ("mailiu.chronic.follow-up-completed.v2", visit, 9.0),
    ]
    told.sort(key=lambda one: -one[2])
    ids = (first, second)
    return [house.event(type, ids[n % 2], data, days) for n, (type, data, days) in enumerate(told)]


def figures(house: House) -> dict[str, Any]:
    """Numerator and denominator of each statistic at this institution, exactly."""
    shown = {}
    for indicator in COUNTED:
        answer = house.get(f"/v1/statistics/{indicator}", "manager")
        shown[indicator] = [(row["numerator"], row["denominator"]) for row in answer["rows"]]
    return shown


def shown(house: House, resident: str) -> dict[str, Any]:
    """The summary of a resident without what names the record."""
    found = house.get(f"/v1/residents/{resident}")
    return {name: found[name] for name in ("birth_date", "home_blood_pressure")} | {
        "conditions": [(each["code"], each["certainty"]) for each in found["conditions"]]
    }


def alerts(house: House, resident: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = house.get("/v1/alerts", resident=resident)["items"]
    return items


def test_the_survivor_is_both_lives_and_counts_once_until_they_part(house: House, api: httpx.Client) -> None:
    plain = House(api)
    one = plain.resident(300)
    plain.post(*life(plain, one, one))
    old, survivor = house.resident(300), house.resident(300)
    house.post(*life(house, old, survivor))
    two = figures(house)
    house.post(house.event(MERGED, old, {"into": survivor, "matched_by": "id-card"}))
    found = house.get(f"/v1/residents/{old}")
    assert (found["resident"], found["records"]) == (survivor, [survivor, old])
    assert shown(house, old) == shown(house, survivor) == shown(plain, one)
    assert figures(house) == figures(plain)
    assert (two["registered"][-1][0], figures(house)["registered"][-1][0]) == (2, 1)
    house.post(house.event(UNMERGED, old, {"survivor": survivor}))
    assert house.get(f"/v1/residents/{old}")["resident"] == old
    assert figures(house) == two


def test_an_alert_moves_and_what_comes_under_the_old_id_is_the_survivors(house: House, carrying: Stack) -> None:
    old, survivor = house.resident(), house.resident()
    house.post(house.crisis(old))
    [alert] = alerts(house, old)
    killed = carrying.kill("carrier")
    house.post(house.event(MERGED, old, {"into": survivor, "matched_by": "person"}))
    carrying.wait_restarted("carrier", killed)
    moved = [(alert["id"], survivor)]
    wait_until(lambda: [(each["id"], each["resident"]) for each in alerts(house, survivor)] == moved, "it moves")
    assert alerts(house, old) == alerts(house, survivor), "the old id answers as the survivor"
    again = house.api.post(f"/v1/alerts/{alert['id']}/close", headers=house.token(), json={"outcome": "called-120"})
    assert again.status_code == 202, again.text
    house.position = again.json()["position"]
    assert alerts(house, survivor)[0]["handling"] == "closed"
    house.post(house.event("mailiu.chronic.symptom-reported.v1", old, {"symptoms": ["chest-pain"]}))
    wait_until(lambda: "symptom-red" in {each["rule"] for each in alerts(house, survivor)}, "the survivor's alert")
    carrying.kill("carrier")
    house.post(house.event(UNMERGED, old, {"survivor": survivor}))
    wait_until(lambda: {each["rule"] for each in alerts(house, old)} >= {"symptom-red"}, "the alert is its own again")


def test_only_who_cares_for_both_merges(house: House, api: httpx.Client) -> None:
    other = House(api)
    mine, theirs = house.resident(), other.resident()
    house.get(f"/v1/residents/{mine}")
    for subject, into, field in ((mine, theirs, "data.into"), (theirs, mine, "institution"), (mine, mine, "data.into")):
        event = house.event(MERGED, subject, {"into": into, "matched_by": "person"})
        answer = api.post("/v1/events", headers=house.token("integrator"), json=event)
        [result] = answer.json()["results"]
        assert (answer.status_code in (409, 422), result["field"]) == (True, field)
    both = api.post(
        "/v1/events",
        headers=bearer("integrator", house.id, other.id),
        json=house.event(MERGED, mine, {"into": theirs, "matched_by": "person"}),
    )
    assert both.status_code == 202, both.text


def test_tables_and_fold_are_what_the_log_says(house: House, carrying: Stack) -> None:
    old, survivor = house.resident(), house.resident()
    house.post(house.crisis(old), house.event(MERGED, old, {"into": survivor, "matched_by": "person"}))
    wait_until(lambda: alerts(house, survivor), "the alert moves")
    print(carrying.mailiu("verify").stdout[-600:])
