"""Devices as the tables serve them: gateways, the latest reading, status and calibration."""

import orjson

from tests.projections.play import Database, event, pressure

AT = "2026-03-02T00:00:{:02d}.000Z"


def gateway(authorized: bool, name: str = "GW") -> dict[str, object]:
    return {"kind": "gateway", "device": "D1", "gateway": name, "institution": "I01", "authorized": authorized,
            "from": 1_772_409_600_000}  # fmt: skip


def test_who_may_publish_for_a_device(database: Database) -> None:
    for key, fact in (
        ("D1/gateway/GW", gateway(True)), ("D1/gateway/G2", gateway(True, "G2")),
        ("D1/gateway/G2", gateway(False, "G2")), ("rule/bp-low", {"kind": "rule", "rule": "bp-low", "version": 1}),
    ):  # fmt: skip
        database.raw(orjson.dumps(fact), "devices", key.encode())
    assert database.rows("SELECT device, gateway FROM device_gateways") == [{"device": "D1", "gateway": "GW"}]
    assert database.rows("SELECT * FROM unparsed_device") == []


def test_what_a_device_last_said_and_measured(database: Database) -> None:
    said = {"device": "D1", "battery_low": True, "calibrated": "2025-03-01", "calibration_due": "2026-03-01"}
    database.play(
        event("device.registered.v1", "device:D1", AT.format(0), device="D1", model="M1"),
        event("device.status-reported.v1", "R1", AT.format(1), **said),
        event("device.status-reported.v1", "R1", AT.format(2), device="D1", battery=41),
        pressure("R1", AT.format(3), 130, 80, device="D1", clock="corrected", device_time="2026-03-01T23:00:03Z"),
        pressure("R2", AT.format(4), 131, 81, device="D1", clock="trusted", device_time=AT.format(4)),
    )
    (device,) = database.rows("SELECT * FROM devices")
    assert (device["battery"], device["battery_low"], device["calibration_due"]) == (41, True, "2026-03-01")
    (heard,) = database.rows("SELECT * FROM device_readings")
    assert (heard["device"], heard["clock"]) == ("D1", "trusted")
