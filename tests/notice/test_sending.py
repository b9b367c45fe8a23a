"""From a red reading to a person: signed, retried, escalated, called back, and sent once through kills."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from streams.sending.channels import secret
from tests.api.people import bearer
from tests.notice.conftest import Centre, wait_until
from tests.notice.receiver import Receiver
from tests.stack import Stack

pytestmark = pytest.mark.stack


def states(centre: Centre, resident: str, purpose: str) -> list[tuple[str, str, str | None]]:
    """(role or ref, state, person) of the notices of one purpose, by level."""
    found = [n for n in centre.notices(resident) if n["purpose"] == purpose]
    return [(n["ref"], n["state"], n["person"]) for n in sorted(found, key=lambda n: (n["level"], n["ref"]))]


def test_a_red_reading_reaches_the_nurse_on_duty_and_asks_the_resident(centre: Centre, receiver: Receiver) -> None:
    nurse, resident = centre.staff("nurse"), centre.willing()
    centre.post(centre.crisis(resident))
    wait_until(lambda: len(receiver.of(resident)) == 2, "two messages")
    [told], [asked] = receiver.of(resident, "alert"), receiver.of(resident, "repeat")
    assert (told["to"], told["person"], told["channel"], told["reference"]) == (
        {"kind": "role", "ref": "nurse"}, nurse, "app", nurse,
    )  # fmt: skip
    assert (asked["to"], asked["channel"], asked["reference"]) == (
        {"kind": "resident", "ref": resident}, "app", resident,
    )  # fmt: skip
    assert "请勿自行加服药物" in asked["text"]["zh"]
    wait_until(lambda: states(centre, resident, "alert") == [("nurse", "delivered", nurse)], "delivered in the table")
    [item] = centre.get("/v1/alerts", resident=resident)["items"]
    assert (item["level"], item["role"], item["unreached"]) == (0, "nurse", False)
    assert receiver.forged == []


def test_a_service_that_is_away_is_tried_again_under_the_same_id(centre: Centre, receiver: Receiver) -> None:
    centre.staff("nurse")
    receiver.status, resident, before = 503, centre.willing(), len(receiver.attempts)
    centre.post(centre.crisis(resident))
    wait_until(lambda: len(receiver.attempts) >= before + 4, "tried again")
    receiver.status = 200
    wait_until(lambda: len(receiver.of(resident)) == 2, "taken")
    mine = {id for id, data in receiver.calls if data["resident"] == resident}
    assert len(mine) == 2
    assert set(receiver.attempts[before:]) == mine
    wait_until(lambda: [state for _, state, _ in states(centre, resident, "alert")] == ["delivered"], "delivered")


def test_with_nobody_on_duty_the_alert_is_unreached_heads_the_list_and_says_120(
    centre: Centre, receiver: Receiver
) -> None:
    for role in ("nurse", "doctor", "institution", "district-desk"):
        centre.staff(role, on_duty=False)
    resident, later = centre.willing(), centre.willing()
    centre.post(
        centre.event(READING, resident, {"systolic": 190, "diastolic": 112}, days=6 / 1440),
        centre.event(READING, resident, {"systolic": 188, "diastolic": 111}),
    )
    wait_until(lambda: bool(receiver.of(resident, "call-120")), "120 is said")
    assert receiver.of(resident, "alert") == []
    roles = ("nurse", "doctor", "institution", "district-desk")
    wait_until(
        lambda: states(centre, resident, "alert") == [(role, "failed", None) for role in roles], "every role's failed"
    )
    centre.post(centre.crisis(later))  # newer, and its notices fail too, but one value is not confirmed
    wait_until(
        lambda: states(centre, later, "alert") == [(role, "failed", None) for role in roles], "nor could the later's"
    )
    centre.staff("nurse")
    third = centre.willing()
    centre.post(centre.crisis(third))
    wait_until(lambda: bool(receiver.of(third, "alert")), "the third is told")
    items = centre.get("/v1/alerts")["items"]
    assert [item["unreached"] for item in items] == [True, True, False]
    assert items[-1]["resident"] == third
    assert receiver.of(later, "call-120") == []
    lines = centre.get("/v1/cards")["items"]
    assert [line["unreached"] for line in lines] == [True, True, False]
    whole, paged, more = centre.get("/v1/notices", limit=500)["items"], list[dict[str, Any]](), dict[str, str]()
    while more.get("cursor", "begin") is not None:
        page = centre.get("/v1/notices", limit=3, **more)
        paged, more = paged + page["items"], {"cursor": page["next"]}
    assert [one["notice"] for one in paged] == [one["notice"] for one in whole]


def test_the_service_calls_back_signed_or_with_a_token(centre: Centre, receiver: Receiver) -> None:
    nurse, resident = centre.staff("nurse"), centre.willing()
    receiver.status = 202  # taken; delivery takes longer
    centre.post(centre.crisis(resident))
    wait_until(lambda: bool(receiver.of(resident, "alert")), "taken")
    notice = receiver.of(resident, "alert")[0]["notice"]
    wait_until(lambda: states(centre, resident, "alert") == [("nurse", "sent", nurse)], "sent, not delivered")
    body = json.dumps({"channel": "app", "person": nurse})
    path = f"/v1/notices/{notice}/delivered"
    assert centre.api.post(path, content=body, headers={"content-type": "application/json"}).status_code == 401
    assert centre.api.post(path, content=body, headers=_signed(body, minutes_ago=6)).status_code == 401
    assert centre.api.post(path, content=body + " ", headers=_signed(body)).status_code == 401
    for _ in range(2):
        answer = centre.api.post(path, content=body, headers=_signed(body))
        assert answer.status_code == 202, answer.text
    wait_until(lambda: states(centre, resident, "alert") == [("nurse", "delivered", nurse)], "delivered")
    read = centre.api.post(
        f"/v1/notices/{notice}/read", json={"channel": "app"}, headers=centre.token("integrator", actor="gateway")
    )
    assert read.status_code == 202, read.text
    wait_until(lambda: [state for _, state, _ in states(centre, resident, "alert")] == ["read"], "read")
    stranger = bearer("integrator", "I-elsewhere")
    assert centre.api.post(f"/v1/notices/{notice}/read", json={"channel": "app"}, headers=stranger).status_code == 404


def test_a_failed_call_back_moves_a_red_to_the_next_level(centre: Centre, receiver: Receiver) -> None:
    nurse, doctor = centre.staff("nurse"), centre.staff("doctor")
    receiver.status, resident = 202, centre.willing()
    centre.post(centre.crisis(resident))
    wait_until(lambda: bool(receiver.of(resident, "alert")), "the nurse's is taken")
    body = json.dumps({"reason": "number-unknown", "channel": "app", "person": nurse})
    notice = receiver.of(resident, "alert")[0]["notice"]
    answer = centre.api.post(f"/v1/notices/{notice}/failed", content=body, headers=_signed(body))
    assert answer.status_code == 202, answer.text
    centre.position = answer.json()["position"]
    wait_until(lambda: len(receiver.of(resident, "alert")) == 2, "the doctor's is taken")
    assert receiver.of(resident, "alert")[1]["person"] == doctor
    [item] = centre.get("/v1/alerts", resident=resident)["items"]
    assert (item["level"], item["role"]) == (1, "doctor")


def test_a_refused_message_fails_and_goes_on(centre: Centre, receiver: Receiver) -> None:
    centre.staff("nurse")
    for role in ("doctor", "institution", "district-desk"):
        centre.staff(role, on_duty=False)
    receiver.status, resident = 410, centre.willing()
    centre.post(centre.crisis(resident))
    wait_until(lambda: len(centre.notices(resident, state="failed")) == 5, "all failed")
    reasons = {n["ref"]: n["reason"] for n in centre.notices(resident) if n["purpose"] == "alert"}
    assert reasons == {
        "nurse": "refused", "doctor": "nobody-on-duty", "institution": "nobody-on-duty",
        "district-desk": "nobody-on-duty",
    }  # fmt: skip


def test_a_sender_killed_in_the_midst_tells_everybody_and_nobody_twice(
    centre: Centre, receiver: Receiver, sending: Stack
) -> None:
    centre.staff("nurse")
    residents = [centre.willing() for _ in range(12)]
    receiver.status = 503
    centre.post(*map(centre.crisis, residents[:6]))
    wait_until(lambda: len(receiver.attempts) > 6, "under way")
    sending.wait_restarted("sender", sending.kill("sender"))
    receiver.status = 200
    centre.post(*map(centre.crisis, residents[6:]))
    wait_until(lambda: sum(bool(receiver.of(r, "alert")) for r in residents) >= 9, "most are told")
    sending.wait_restarted("sender", sending.kill("sender"))
    wait_until(lambda: all(receiver.of(r, "alert") and receiver.of(r, "repeat") for r in residents), "all are told")
    told: dict[str, set[str]] = {}
    for id, data in receiver.calls:
        if data["resident"] in residents:
            told.setdefault(data["notice"], set()).add(id)
    print(f"\n{len(told)} notices, {sum(d['resident'] in residents for _, d in receiver.calls)} calls")
    assert len(told) == 2 * len(residents)
    assert all(len(ids) == 1 for ids in told.values()), "one notice, one webhook-id, whatever happens"
    for resident in residents:
        wait_until(lambda r=resident: {n["state"] for n in centre.notices(r)} == {"delivered"}, "delivered")


READING = "mailiu.reading.blood-pressure-measured.v1"


def _signed(body: str, minutes_ago: int = 0) -> dict[str, Any]:
    now = datetime.fromtimestamp(time.time() - 60 * minutes_ago, UTC)
    return {
        "content-type": "application/json", "webhook-id": "msg-1", "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret()).sign("msg-1", now, body),
    }  # fmt: skip


def test_the_secret_is_as_the_specification_wants_it(sending: Stack) -> None:
    assert secret().startswith("whsec_")
    assert Webhook(secret())
    assert (sending.home / "secrets" / "notice-webhook").stat().st_mode & 0o077 == 0
    assert isinstance(httpx.URL(sending.environment["MAILIU_NOTICE_WEBHOOK"]), httpx.URL)
