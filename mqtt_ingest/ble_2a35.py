"""Bluetooth Blood Pressure Measurement (characteristic 0x2A35), raw bytes.

Layout (Bluetooth GATT Specification Supplement, Blood Pressure Measurement): flags (1 byte), systolic, diastolic, mean
(SFLOAT, little endian), then, as the flags say: time (7 bytes), pulse (SFLOAT), user (1), measurement status (2).
Flags: bit 0 kPa instead of mmHg, 1 time, 2 pulse, 3 user, 4 status; 5 to 7 are reserved and must be 0. SFLOAT
(IEEE 11073-20601): 4 bits exponent and 12 bits mantissa, both in two's complement; value = mantissa * 10**exponent.
"""

from datetime import datetime

from mqtt_ingest.decoded import Decoded, Undecodable, reading, representable

SPECIAL = {
    0x07FF: "NaN", 0x0800: "NRes", 0x07FE: "+INF", 0x0802: "-INF", 0x0801: "NaN",  # 0x0801 is reserved
}  # fmt: skip
STATUS = {0: "body-movement", 1: "cuff-loose", 2: "irregular-pulse", 5: "improper-position"}
RATE = {1: "pulse-high", 2: "pulse-low"}


def sfloat(word: int) -> float | str:
    """The value of a 16-bit SFLOAT, or the name of the special value it stands for."""
    if word in SPECIAL:
        return SPECIAL[word]
    exponent, mantissa = word >> 12, word & 0x0FFF
    if exponent >= 8:
        exponent -= 16
    if mantissa >= 0x0800:
        mantissa -= 0x1000
    return float(mantissa * 10**exponent) if exponent >= 0 else mantissa / 10**-exponent


def decode(payload: bytes) -> list[Decoded | Undecodable]:
    """The one reading in ``payload``. Raises `Undecodable` where its length or flags are wrong.

    A time with an unknown part (year, month or day 0) or that is no date is no time at all; user 255 is "unknown".
    """
    if not payload:
        raise Undecodable("unreadable", "payload", payload, "empty")
    flags = payload[0]
    if flags & 0xE0:
        raise Undecodable("invalid", "flags", f"0x{flags:02x}", "reserved bits are set")
    lengths = {1: 7, 2: 2, 3: 1, 4: 2}
    expected = 7 + sum(length for bit, length in lengths.items() if flags >> bit & 1)
    if len(payload) != expected:
        raise Undecodable("unreadable", "length", len(payload), f"the flags demand {expected} bytes")
    at = 1

    def take(length: int) -> bytes:
        nonlocal at
        at += length
        return payload[at - length : at]

    def word() -> int:
        return int.from_bytes(take(2), "little")

    raw: dict[str, float | str] = {name: sfloat(word()) for name in ("systolic", "diastolic", "mean")}
    time = _time(take(7)) if flags & 2 else None
    if flags & 4:
        raw["pulse"] = sfloat(word())
    user = take(1)[0] if flags & 8 else None
    marks = _status(word()) if flags & 16 else []
    return [reading("blood-pressure", raw, "kPa" if flags & 1 else "mmHg", time=time, user=user, flags=marks)]


def _time(raw: bytes) -> datetime | None:
    year, month, day, hour, minute, second = int.from_bytes(raw[:2], "little"), *raw[2:]
    try:
        return representable("time", datetime(year, month, day, hour, minute, second))
    except ValueError:
        return None


def _status(bits: int) -> list[str]:
    marks = [name for bit, name in STATUS.items() if bits >> bit & 1]
    if rate := RATE.get(bits >> 3 & 3):
        marks.append(rate)
    return marks
