"""Bluetooth Battery Level (characteristic 0x2A19): one byte, the charge in %. It says something of the device only."""

from typing import Any

from mqtt_ingest.decoded import Undecodable


def decode(payload: bytes) -> dict[str, Any]:
    """The device's status. Raises `Undecodable`; values above 100 are reserved."""
    if len(payload) != 1:
        raise Undecodable("unreadable", "length", len(payload), "the flags demand 1 bytes")
    if payload[0] > 100:
        raise Undecodable("invalid", "battery", payload[0], "a whole number from 0 to 100 is needed")
    return {"battery": payload[0]}
