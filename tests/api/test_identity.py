"""Who a resident is, over HTTP: sealed in the log, opened for those who care, found by number, erased for ever."""

import json
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from infra.clients import consumer
from infra.vault import vault
from schemas.topics import AUDIT, EVENTS
from tests.api.people import House
from tests.stack import Stack

pytestmark = pytest.mark.stack

WANG: dict[str, Any] = {
    "name": "欧阳小明",
    "phone": "+86 138-0013-8000",
    "contacts": [{"id": "c1", "name": "欧阳芳", "phone": "13900139000", "relationship": "CHILD"}],
}
WEIGHTS, CHECK = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), "10X98765432"


def number() -> str:
    """An ID number of a test's own: the remainder decides the check character (GB 11643, 6)."""
    born = date(1930, 1, 1) + timedelta(uuid4().int % 20_000)
    first = f"110105{born:%Y%m%d}{uuid4().int % 1000:03}"
    return first + CHECK[sum(int(d) * w for d, w in zip(first, WEIGHTS, strict=True)) % 11]


@pytest.fixture
def house(api: httpx.Client) -> House:
    """An institution of this test's own."""
    return House(api)


def record(house: House, resident: str, role: Any = "integrator", **changed: Any) -> httpx.Response:
    body = WANG | {"institution": house.id} | changed
    return house.api.post(f"/v1/residents/{resident}/identity", headers=house.token(role), json=body)


def show(house: House, resident: str, role: Any = "clinician", **parameters: Any) -> httpx.Response:
    return house.api.get(
        f"/v1/residents/{resident}/identity", headers=house.token(role), params={"purpose": "TREAT", **parameters}
    )


def look_up(house: House, **what: str) -> httpx.Response:
    headers = house.token("integrator")
    return house.api.post("/v1/residents/lookup", headers=headers, json={"purpose": "TREAT", **what})


def known(house: House) -> str:
    """A resident that the tables know."""
    resident = house.resident()
    house.get(f"/v1/residents/{resident}")
    return resident


async def values(topic: str) -> list[bytes]:
    """Every value on ``topic``."""
    found = list[bytes]()
    async with consumer(topic) as reader:
        ends = await reader.end_offsets(sorted(reader.assignment()))
        while any([await reader.position(place) < end for place, end in ends.items()]):
            for records in (await reader.getmany(timeout_ms=500)).values():
                found += [record.value for record in records]
    return found


async def test_recorded_it_lies_sealed_in_the_log_opens_for_a_clinician_and_is_erased(
    house: House, serving: Stack
) -> None:
    resident, id_number = known(house), number()
    taken = record(house, resident, id_number=id_number)
    assert taken.status_code == 202, taken.text
    assert "欧阳" not in taken.text
    assert "138" not in taken.json()["resident"]
    events = [json.loads(value) for value in await values(EVENTS) if resident.encode() in value]
    [sealed] = [event for event in events if event["type"] == "mailiu.resident.identity-recorded.v1"]
    assert set(sealed["data"]) == {"sealed"}
    assert (sealed["actor"], sealed["institution"]) == (f"integrator@{house.id}", house.id)

    shown = show(house, resident).json()
    assert (shown["name"], shown["phone"], shown["id_number"]) == ("欧阳小明", "13800138000", id_number)
    assert shown["contacts"] == [{"id": "c1", "name": "欧阳芳", "phone": "13900139000", "relationship": "CHILD"}]
    assert shown["masked"] is False
    assert look_up(house, id_number=id_number).json() == {"residents": [resident]}

    position = house.position
    printed = serving.mailiu("erase", resident, "--yes", "--actor", "N. Li").stdout
    assert printed == f"{resident} is erased\n"
    assert show(house, resident).status_code == 410
    assert record(house, resident).status_code == 410
    assert look_up(house, id_number=id_number).status_code == 404
    [erased] = [json.loads(v) for v in await values(EVENTS) if b"resident.erased" in v and resident.encode() in v]
    assert (erased["actor"], erased["institution"], erased["data"]) == ("N. Li", house.id, {"reason": "requested"})
    assert house.get(f"/v1/residents/{resident}", wait=position)["sex"] == "female"
    assert "already" not in serving.mailiu("erase", resident, "--yes").stdout

    trail = [json.loads(value) for value in await values(AUDIT)]
    done = [(each["action"], each["what"], each.get("purpose")) for each in trail if resident in each["residents"]]
    assert ("recorded", "identity", None) in done
    assert ("viewed", "identity", "TREAT") in done
    assert ("looked-up", "lookup by id-number", "TREAT") in done
    assert ("erased", "identity", None) in done
    assert serving.mailiu("audit", "verify").returncode == 0
    listed = json.loads(serving.mailiu("audit", "list", "--resident", resident, "--actor", "N. Li", "--json").stdout)
    assert [each["action"] for each in listed] == ["erased"]


def test_erasing_asks_first(house: House, serving: Stack) -> None:
    resident = known(house)
    record(house, resident)
    assert serving.mailiu("erase", resident, check=False).returncode == 1  # nobody answers
    assert show(house, resident).status_code == 200


@pytest.mark.parametrize(("role", "status", "masked"), [("nurse", 200, False), ("integrator", 200, True),
                                                        ("admin", 200, True), ("manager", 403, None),
                                                        ("analyst", 403, None)])  # fmt: skip
def test_names_are_for_those_who_care(house: House, role: Any, status: int, masked: bool | None) -> None:
    resident = known(house)
    record(house, resident)
    answer = show(house, resident, role)
    assert answer.status_code == status
    assert answer.json().get("masked") is masked
    assert ("小明" in answer.text) is (masked is False)


def test_without_a_purpose_nothing_is_shown(house: House) -> None:
    resident = known(house)
    record(house, resident)
    assert show(house, resident, purpose="CURIOUS").status_code == 422


def test_another_institution_neither_sees_nor_finds_nor_overwrites(house: House, api: httpx.Client) -> None:
    resident, id_number = known(house), number()
    record(house, resident, id_number=id_number)
    other = House(api)
    unknown = look_up(other, id_number=number())
    assert show(other, resident).status_code == 404
    assert record(other, resident, name="Somebody Else").status_code == 404
    assert record(other, resident, institution=house.id).status_code == 403
    answer = look_up(other, id_number=id_number)
    assert answer.status_code == 404
    assert answer.json() == unknown.json()  # nothing tells whoever exists elsewhere from whoever does not exist
    assert show(house, resident).json()["name"] == "欧阳小明"


def test_a_resident_registered_just_now_may_be_recorded_before_the_tables_know(house: House) -> None:
    assert record(house, f"R-{uuid4().hex[:12]}").status_code == 202


def test_the_same_key_is_the_same_event_and_the_latest_record_counts(house: House) -> None:
    resident = known(house)
    body = WANG | {"institution": house.id}
    path, headers = f"/v1/residents/{resident}/identity", house.token("nurse") | {"Idempotency-Key": "1"}
    first, again = (house.api.post(path, headers=headers, json=body).json() for _ in range(2))
    assert first["identity"] == again["identity"]
    record(house, resident, phone="13700137000")
    assert show(house, resident).json()["phone"] == "13700137000"
    assert look_up(house, phone="137 0013 7000").json() == {"residents": [resident]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"id_number": "110105194912310021"}, {"phone": "138001380"}, {"name": ""}, {"name": "x" * 61}, {"nick": "小明"},
        {"contacts": [{"id": "c1", "name": "欧阳芳", "phone": "?", "relationship": "CHILD"}]},
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_never_repeated(house: House, wrong: dict[str, Any]) -> None:
    answer = record(house, f"R-{uuid4().hex[:12]}", **wrong)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["value"] is None
    for text in ("110105194912310021", "138001380", "xxx", "小明", "欧阳"):
        assert text not in answer.text


def test_nobody_may_append_identities_or_erasures_as_plain_events(house: House) -> None:
    for type, data in (("identity-recorded", {"sealed": "A" * 40}), ("erased", {"reason": "requested"})):
        event = house.event(f"mailiu.resident.{type}.v1", house.resident(), data)
        assert house.api.post("/v1/events", headers=house.token("admin"), json=event).status_code == 422


def test_a_comment_with_a_name_or_a_number_is_refused(house: House) -> None:
    resident = known(house)
    record(house, resident)
    for text in ("已联系欧阳 小明", "家属 13900139000"):
        event = house.event("mailiu.reading.weight-measured.v1", resident, {"value": 60, "note": text})
        answer = house.api.post("/v1/events", headers=house.token("integrator"), json=event)
        assert (answer.status_code, answer.json()["results"][0]["field"]) == (422, "data.note")


def test_the_vault_follows_the_log_and_a_new_master_secret_is_taken_up(house: House, serving: Stack) -> None:
    resident, gone = known(house), known(house)
    record(house, resident, phone="13600136000")
    record(house, gone)
    serving.mailiu("erase", gone, "--yes")
    vault().forget()
    assert show(house, resident).status_code == 404
    assert " recorded" in serving.mailiu("vault", "rebuild").stdout
    assert show(house, resident).json()["phone"] == "13600136000"
    assert show(house, gone).status_code == 410
    assert "new master secret" in serving.mailiu("vault", "rotate").stdout
    assert show(house, resident).json()["phone"] == "13600136000"
    assert look_up(house, phone="13600136000").json()["residents"] == [resident]
