"""Bindings on the topic `devices`: by interval and slot, whatever order they come in."""

from typing import Any

from streams.event import DEVICES
from tests.core.resident import DAY, START, Resident


def on_topic(r: Resident) -> dict[str, dict[str, Any]]:
    """The compacted topic: the latest value by key."""
    return {output.key: output.value for output in r.outputs if output.topic == DEVICES}


def test_a_binding_ends_where_it_is_unbound() -> None:
    r = Resident()
    r.event("device.bound.v1", {"device": "D1", "user_slot": 2}, START)
    key = f"D1/2/R1/{START}"
    assert on_topic(r)[key] == {
        "kind": "binding", "device": "D1", "user_slot": 2, "resident": "R1", "institution": "I01", "from": START,
        "to": None,
    }  # fmt: skip
    r.event("device.unbound.v1", {"device": "D1", "user_slot": 2}, START + DAY)
    assert on_topic(r)[key]["to"] == START + DAY
    assert len(on_topic(r)) == 1


def test_an_unbinding_may_come_first() -> None:
    r = Resident()
    r.event("device.unbound.v1", {"device": "D1"}, START + DAY)
    assert not on_topic(r)
    r.event("device.bound.v1", {"device": "D1"}, START, recorded=START + 2 * DAY)
    assert on_topic(r)[f"D1/*/R1/{START}"]["to"] == START + DAY


def test_bound_again_is_another_interval_and_slots_are_apart() -> None:
    r = Resident()
    r.event("device.bound.v1", {"device": "D1"}, START)
    r.event("device.unbound.v1", {"device": "D1"}, START + DAY)
    r.event("device.bound.v1", {"device": "D1"}, START + 2 * DAY)
    r.event("device.bound.v1", {"device": "D1", "user_slot": 1}, START + 2 * DAY)
    spans = [(value["user_slot"], value["from"], value["to"]) for value in on_topic(r).values()]
    assert spans == [(None, START, START + DAY), (None, START + 2 * DAY, None), (1, START + 2 * DAY, None)]


def test_a_device_in_stock_is_known_by_its_institution() -> None:
    r = Resident("device:D1", born=None)
    r.event("device.registered.v1", {"device": "D1", "model": "M1", "kind": "glucose"}, START)
    assert on_topic(r)["D1"] == {
        "kind": "device", "device": "D1", "institution": "I01", "model": "M1", "measures": "glucose",
    }  # fmt: skip


def test_of_what_is_said_of_a_gateway_the_latest_stands() -> None:
    r = Resident("device:D1", born=None)
    said = {"device": "D1", "gateway": "GW"}
    r.event("device.gateway-authorized.v1", said, START)
    key = "D1/gateway/GW"
    assert on_topic(r)[key] == {
        "kind": "gateway", "device": "D1", "gateway": "GW", "institution": "I01", "authorized": True, "from": START,
    }  # fmt: skip
    r.event("device.gateway-revoked.v1", said, START + 2 * DAY)
    r.event("device.gateway-authorized.v1", said, START + DAY, recorded=START + 3 * DAY)
    assert on_topic(r)[key]["authorized"] is False
    assert on_topic(r)[key]["from"] == START + 2 * DAY
