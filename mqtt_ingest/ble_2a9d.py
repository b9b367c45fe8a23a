"""Bluetooth Weight Measurement (characteristic 0x2A9D), raw bytes.

Layout (Bluetooth GATT Specification Supplement, Weight Measurement): flags (1 byte), weight (2), then, as the flags
say: time (7), user (1), body mass index in 0.1 kg/m2 (2) with height (2). Flags: bit 0 imperial, 1 time, 2 user, 3
index and height. Weight is in 0.005 kg or 0.01 lb, height in 0.001 m or 0.1 in; weight 0xFFFF is a measurement that
failed.
"""

from typing import Any

from mqtt_ingest.decoded import Decoded, Undecodable, failed, reading
from mqtt_ingest.gatt import note, opened

FAILED = 0xFFFF
METRES_IN_AN_INCH = 0.0254


def decode(payload: bytes) -> list[Decoded | Undecodable]:
    """The one reading in ``payload``; index and height are its note. Raises `Undecodable`."""
    fields = opened(payload, 3, {1: 7, 2: 1, 3: 4}, known=0x0F)
    imperial, raw = fields.has(0), fields.number(2)
    time = fields.time() if fields.has(1) else None
    user = fields.number(1) if fields.has(2) else None
    about: dict[str, str] = {}
    if fields.has(3):
        index, height = fields.number(2) / 10, fields.number(2)
        metres = height / 10 * METRES_IN_AN_INCH if imperial else height / 1000
        about = note(f"{index:.1f} kg/m2" if index else None, f"{metres:.3f} m" if height else None)
    rest: dict[str, Any] = {"time": time, "user": user, "about": about}
    if raw == FAILED:
        return [failed("weight", "error-code", "weight", "0xFFFF", **rest)]
    value = raw / 100 if imperial else raw * 5 / 1000
    return [reading("weight", {"value": value}, "lb" if imperial else "kg", **rest)]
