"""Records that may be of one person are found by what the vault knows; merged ones have one identity between them."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from infra import vault
from infra.stack.scratch import wait_until
from tests.api.people import House, bearer
from tests.api.test_identity import number, record, show
from tests.stack import Stack

pytestmark = pytest.mark.stack

MERGED, UNMERGED = "mailiu.resident.merged.v1", "mailiu.resident.unmerged.v1"


@pytest.fixture(scope="module")
def carrying(serving: Stack) -> Stack:
    serving.up("carrier")
    return serving


@pytest.fixture
def house(api: httpx.Client, carrying: Stack) -> House:
    return House(api)


def person(house: House, born: str = "1950-05-01", **identity: Any) -> str:
    """A registered resident of whom the vault knows ``identity``."""
    id = f"R-{uuid4().hex[:12]}"
    registered = {"sex": "female", "birth_date": born}
    house.post(house.event("mailiu.resident.registered.v1", id, registered, 50))
    assert record(house, id, **{"phone": None, "contacts": [], **identity}).status_code == 202
    return id


def pairs(house: House, **parameters: Any) -> list[tuple[set[str], list[str], bool, list[str]]]:
    answer = house.get("/v1/residents/duplicates", purpose="CAREMGT", **parameters)
    return [(set(each["residents"]), each["matched_by"], each["doubtful"], each["differs"]) for each in answer["items"]]


def phone() -> str:
    return f"139{uuid4().int % 10**8:08}"


def test_cards_find_pairs_and_a_phone_alone_only_with_the_date_of_birth(house: House, api: httpx.Client) -> None:
    card, passport, id_number, shared, home = "HC" + uuid4().hex[:10], "E" + uuid4().hex[:8], number(), phone(), phone()
    by_id = {person(house, id_number=id_number), person(house, id_number=id_number)}
    by_card = {person(house, health_card=card.lower()), person(house, health_card=f"{card[:4]} {card[4:]}")}
    by_passport = {person(house, passport=passport), person(house, "1951-05-01", passport=passport)}
    by_phone = {person(house, phone=shared), person(house, phone=f"+86 {shared}")}
    mother, child = person(house, phone=home), person(house, "1980-01-01", phone=home)
    other = House(api)
    theirs = person(other, id_number=id_number)

    found = pairs(house)
    assert sorted(found, key=lambda pair: pair[1]) == [
        (by_card, ["health-card"], False, []),
        (by_id, ["id-number"], False, []),
        (by_passport, ["passport"], True, ["birth_date"]),
        (by_phone, ["phone"], True, []),
    ]
    assert not {mother, child, theirs} & set().union(*(pair[0] for pair in found))
    assert pairs(other) == []
    both = api.get(
        "/v1/residents/duplicates", params={"purpose": "CAREMGT"}, headers=bearer("clinician", house.id, other.id)
    )
    assert sum(theirs in each["residents"] for each in both.json()["items"]) == 2
    for text in (card, passport, id_number, shared, home):
        assert text not in both.text

    pages, cursor = list[set[str]](), None
    while True:
        more: dict[str, str] = {} if cursor is None else {"cursor": cursor}
        page = house.get("/v1/residents/duplicates", purpose="CAREMGT", limit=1, **more)
        pages += [set(each["residents"]) for each in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert pages == [pair[0] for pair in found]
    for wrong, status in (({"purpose": "CURIOUS"}, 422), ({"purpose": "TREAT", "cursor": "x"}, 422)):
        answer = api.get("/v1/residents/duplicates", params=wrong, headers=house.token())
        assert answer.status_code == status
    answer = api.get("/v1/residents/duplicates", params={"purpose": "TREAT"}, headers=house.token("analyst"))
    assert answer.status_code == 403


def opened(resident: str) -> str | None:
    """The phone of ``resident`` as the sender of notices finds it."""
    try:
        return vault.open(resident).phone
    except vault.Unknown:
        return None


def test_who_was_merged_has_one_identity_each_its_own_again_and_is_erased_as_one(house: House, carrying: Stack) -> None:
    mine = phone()
    old, survivor = person(house, phone=mine), house.resident()
    house.post(house.event(MERGED, old, {"into": survivor, "matched_by": "id-card"}))
    wait_until(lambda: opened(survivor) == mine, "the survivor has the old record's phone")
    house.get(f"/v1/residents/{survivor}")
    assert show(house, survivor).json()["phone"] == mine
    newer = phone()
    assert record(house, survivor, phone=newer).status_code == 202
    assert (opened(old), opened(survivor)) == (newer, newer)
    assert pairs(house) == []
    vault.vault().forget()
    assert " merged" in carrying.mailiu("vault", "rebuild").stdout
    assert (opened(old), opened(survivor)) == (newer, newer)

    house.post(house.event(UNMERGED, old, {"survivor": survivor}))
    wait_until(lambda: opened(old) == mine, "each has its own again")
    assert opened(survivor) == newer
    assert record(house, survivor, phone=mine).status_code == 202
    assert pairs(house) == [], "somebody looked at this pair and parted it"

    house.post(house.event(MERGED, old, {"into": survivor, "matched_by": "id-card"}))
    house.get(f"/v1/residents/{survivor}")
    printed = carrying.mailiu("erase", survivor, "--yes").stdout
    assert f"{old} is erased" in printed
    assert f"{survivor} is erased" in printed
    assert show(house, survivor).status_code == 410
