"""Bluetooth Blood Pressure Measurement (characteristic 0x2A35), raw bytes.

Layout (Bluetooth GATT Specification Supplement, Blood Pressure Measurement): flags (1 byte), systolic, diastolic, mean
(SFLOAT), then, as the flags say: time (7 bytes), pulse (SFLOAT), user (1), measurement status (2). Flags: bit 0 kPa
instead of mmHg, 1 time, 2 pulse, 3 user, 4 status; 5 to 7 are reserved and must be 0.
"""

from mqtt_ingest.decoded import Decoded, Undecodable, reading
from mqtt_ingest.gatt import names, opened

STATUS = {0: "body-movement", 1: "cuff-loose", 2: "irregular-pulse", 5: "improper-position"}
RATE = {1: "pulse-high", 2: "pulse-low"}


def decode(payload: bytes) -> list[Decoded | Undecodable]:
    """The one reading in ``payload``. Raises `Undecodable` where its length or flags are wrong.

    A time with an unknown part (year, month or day 0) or that is no date is no time at all; user 255 is "unknown".
    """
    fields = opened(payload, 7, {1: 7, 2: 2, 3: 1, 4: 2}, known=0x1F)
    raw: dict[str, float | str] = {name: fields.sfloat() for name in ("systolic", "diastolic", "mean")}
    time = fields.time() if fields.has(1) else None
    if fields.has(2):
        raw["pulse"] = fields.sfloat()
    user = fields.number(1) if fields.has(3) else None
    marks = _status(fields.number(2)) if fields.has(4) else []
    return [reading("blood-pressure", raw, "kPa" if fields.has(0) else "mmHg", time=time, user=user, flags=marks)]


def _status(bits: int) -> list[str]:
    marks = names(bits, STATUS)
    if rate := RATE.get(bits >> 3 & 3):
        marks.append(rate)
    return marks
