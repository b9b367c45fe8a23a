"""One card a resident, and what people do with it: call, hand over, acknowledge in bulk (clinical decisions 3, 4)."""

from typing import Any
from uuid import uuid4

import pytest

from infra.vault import vault
from schemas.identity import Contact, Identity
from tests.api.people import bearer
from tests.notice.conftest import Centre, wait_until
from tests.notice.receiver import Receiver

pytestmark = pytest.mark.stack


def do(centre: Centre, path: str, body: dict[str, Any], **token: Any) -> dict[str, Any]:
    """An act by REST; what was answered, and the position to wait for."""
    answer = centre.api.post(path, json=body, headers=centre.token(**token))
    assert answer.status_code == 202, answer.text
    taken: dict[str, Any] = answer.json()
    centre.position = taken["position"]
    return taken


def test_a_card_holds_what_one_needs_to_act(centre: Centre, receiver: Receiver) -> None:
    centre.staff("nurse")
    resident = centre.willing()
    centre.post(
        centre.event("mailiu.chronic.condition-diagnosed.v1", resident, {"code": "I10"}, days=90),
        centre.event("mailiu.chronic.condition-diagnosed.v1", resident, {"code": "E11.9"}, days=90),
        centre.event(
            "mailiu.chronic.medication-prescribed.v1", resident,
            {"code": "C08CA01", "dose": "5 mg", "frequency": "qd"}, days=80,
        ),
        centre.event(
            "mailiu.chronic.target-set.v1", resident,
            {"systolic": 130, "diastolic": 80, "reason": "diabetes", "review": "2030-01-01", "doctor": "D1"}, days=70,
        ),
        centre.event("mailiu.reading.glucose-measured.v1", resident, {"value": 17.2}),
        centre.crisis(resident),
    )  # fmt: skip
    wait_until(lambda: bool(receiver.of(resident, "repeat")), "the resident is asked")
    card = centre.get(f"/v1/residents/{resident}/card")
    assert (card["severity"], card["unreached"], card["sex"]) == ("red", False, "female")
    assert card["age"] >= 75  # born on 1 May 1950
    assert [(a["severity"], a["rule"]) for a in card["alerts"]] == [("red", "bp-crisis"), ("orange", "glucose-high")]
    assert {c["code"] for c in card["conditions"]} == {"I10", "E11.9"}
    assert [(d["code"], d["dose"]) for d in card["drugs"]] == [("C08CA01", "5 mg")]
    assert (card["target"]["systolic"], card["target"]["diastolic"]) == (130, 80)
    pressure = next(day for day in card["days"] if day["kind"] == "blood-pressure")
    assert (pressure["n"], pressure["systolic"], pressure["highest"]) == (1, 190, 190)
    assert "repeat" in {told["purpose"] for told in card["told"]}
    assert {told["kind"] for told in card["told"]} == {"resident"}
    [line] = centre.get("/v1/cards")["items"]
    assert (line["resident"], line["severity"], line["open_alerts"]) == (resident, "red", 2)
    assert line["alert"]["rule"] == "bp-crisis"
    stranger = bearer("clinician", "I-elsewhere")
    assert centre.api.get(f"/v1/residents/{resident}/card", headers=stranger).status_code == 404
    assert centre.api.get("/v1/cards", headers=stranger).json()["items"] == []


def test_cards_are_paged_highest_first(centre: Centre) -> None:
    residents = [centre.resident() for _ in range(5)]
    for n, resident in enumerate(residents):
        if n % 2:
            centre.post(centre.crisis(resident))
        else:
            centre.post(centre.event("mailiu.reading.glucose-measured.v1", resident, {"value": 17.2}))
    seen: list[tuple[str, str]] = []
    cursor: dict[str, Any] = {}
    while True:
        page = centre.get("/v1/cards", limit=2, **cursor)
        seen += [(line["severity"], line["resident"]) for line in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert [severity for severity, _ in seen] == ["red", "red", "orange", "orange", "orange"]
    assert {resident for _, resident in seen} == set(residents)
    assert [r for s, r in seen if s == "red"] == [residents[1], residents[3]]  # the longest waiting first
    bad = centre.api.get("/v1/cards", headers=centre.token(), params={"cursor": "1.9.x"})
    assert bad.status_code == 422


def test_three_unanswered_calls_lead_to_the_contact_and_a_home_visit(centre: Centre, receiver: Receiver) -> None:
    centre.staff("nurse")
    resident, vaulted = centre.willing(), vault()
    contact = Contact(id="c1", name="李四", phone="13900139000", relationship="CHILD")
    who = Identity(name="张三", phone="13800138000", contacts=[contact])
    sealed = vaulted.seal(resident, who)
    vaulted.keep(resident, sealed, 0)
    centre.post(centre.crisis(resident))
    centre.get(f"/v1/residents/{resident}/card")  # the tables know the resident
    path = f"/v1/residents/{resident}/contact-attempts"
    call = do(centre, path, {"result": "called"}, role="nurse", actor="N7")
    assert (call["phone"], call["name"]) == ("13800138000", "张三")
    for _ in range(3):
        assert do(centre, path, {"result": "not-reached"}, role="nurse", actor="N7")["phone"] is None
    card = centre.get(f"/v1/residents/{resident}/card")
    [alert] = card["alerts"]
    assert (alert["calls"], alert["step"], alert["acknowledged_by"]) == (3, "call-contact", "N7")
    assert [a["result"] for a in card["attempts"]] == ["not-reached"] * 3 + ["called"]
    wait_until(lambda: bool(receiver.of(resident, "look-after")), "the contact is told")
    [told] = receiver.of(resident, "look-after")
    assert (told["to"]["kind"], told["person"], told["channel"], told["address"]) == (
        "contact", "c1", "sms", "13900139000",
    )  # fmt: skip
    number = do(centre, path, {"to": "contact", "result": "called"}, role="nurse", actor="N7")
    assert (number["phone"], number["name"]) == ("13900139000", "李四")
    do(centre, path, {"to": "contact", "result": "not-reached"}, role="nurse", actor="N7")
    assert centre.get(f"/v1/residents/{resident}/card")["alerts"][0]["step"] == "home-visit"
    wait_until(lambda: bool(receiver.of(resident, "home-visit")), "a visit is asked for")
    assert receiver.of(resident, "home-visit")[0]["person"] == "N7"
    assert (
        "13800138000" not in centre.api.get(f"/v1/residents/{resident}/card", headers=centre.token()).text
    )  # only the call button shows it


def test_a_card_moves_to_the_colleague_who_accepts(centre: Centre, receiver: Receiver) -> None:
    resident, other = centre.willing(), centre.willing()
    for each in (resident, other):
        centre.post(centre.crisis(each))
        centre.get(f"/v1/residents/{each}/card")
        do(centre, f"/v1/residents/{each}/contact-attempts", {"result": "reached"}, actor="D1")
    centre.get("/v1/cards")
    offered = do(centre, "/v1/cards/handover", {"to": "D2", "reason": "leave"}, actor="D1")
    assert {(r["resident"], r["status"]) for r in offered["results"]} == {(resident, "accepted"), (other, "accepted")}
    wait_until(lambda: bool(receiver.of(resident, "handover")), "D2 is told")
    assert receiver.of(resident, "handover")[0]["person"] == "D2"
    line = next(line for line in centre.get("/v1/cards")["items"] if line["resident"] == resident)
    assert (line["offered_to"], line["alert"]["assignee"]) == ("D2", None)
    refused = do(centre, "/v1/cards/accept", {"residents": [resident]}, actor="D3")
    assert refused["results"][0]["status"] == "rejected"
    accepted = do(centre, "/v1/cards/accept", {}, actor="D2")
    assert {r["resident"] for r in accepted["results"]} == {resident, other}
    for each in (resident, other):
        card = centre.get(f"/v1/residents/{each}/card")
        assert {a["assignee"] for a in card["alerts"]} == {"D2"}
        assert card["offer"] is None


def test_yellow_is_acknowledged_in_bulk_and_red_is_not(centre: Centre) -> None:
    residents = [centre.resident() for _ in range(3)]
    old = {"systolic": 190, "diastolic": 112}
    for resident in residents[:2]:  # a crisis value of three days ago is a review task
        centre.post(centre.event("mailiu.reading.blood-pressure-measured.v1", resident, old, days=3))
    centre.post(centre.crisis(residents[2]))
    items = {item["resident"]: item for item in centre.get("/v1/alerts")["items"]}
    assert [items[r]["severity"] for r in residents] == ["yellow", "yellow", "red"]
    ids, nobody = [items[r]["id"] for r in residents], str(uuid4())
    taken = do(centre, "/v1/alerts/acknowledge", {"ids": [*ids, nobody]}, role="nurse", actor="N7")
    assert [(r["status"], r["problem"]) for r in taken["results"]] == [
        ("accepted", None), ("accepted", None), ("rejected", 409), ("rejected", 404),
    ]  # fmt: skip
    after = {item["resident"]: item["handling"] for item in centre.get("/v1/alerts")["items"]}
    assert [after[r] for r in residents] == ["acknowledged", "acknowledged", "new"]
