"""Bluetooth Glucose Measurement (characteristic 0x2A18), raw bytes, with its context (0x2A34) where that is appended.

Layout (Bluetooth GATT Specification Supplement, Glucose Measurement): flags (1 byte), sequence number (2), base time
(7), then, as the flags say: time offset in minutes (signed, 2), concentration (SFLOAT) with type and sample location
(4 bits each), sensor status (2). Flags: bit 0 offset, 1 concentration, 2 mol/L instead of kg/L, 3 status, 4 a context
follows. The context is a value of its own (Glucose Measurement Context); a gateway may append it to the measurement's.
"""

from datetime import datetime, timedelta
from typing import Any

from mqtt_ingest.decoded import Decoded, Undecodable, failed, reading, representable
from mqtt_ingest.gatt import Fields, names, note, opened

#: Type of fluid -> specimen; 10 is the meter's control solution. Whole blood from a vein or artery has no name here.
SPECIMEN = {1: "capillary", 2: "capillary", 4: "plasma", 6: "plasma", 8: "plasma", 9: "interstitial"}
CONTROL_FLUID, CONTROL_PLACE, OTHER_SITE = 10, 4, 2
BATTERY, HIGH, LOW, CLOCK = 1 << 0, 1 << 5, 1 << 6, 1 << 11
#: Bits of the sensor status with which there is no value to believe.
FAULTS = {
    1: "sensor malfunction", 2: "sample too small", 3: "strip insertion", 4: "wrong strip", 7: "too warm",
    8: "too cold", 9: "strip pulled too soon", 10: "device fault",
}  # fmt: skip
MEAL = {1: "before-meal", 2: "random", 3: "fasting", 4: "random", 5: "bedtime"}
AFTER_MEAL = 2  #: how long after, the context does not say


def decode(payload: bytes) -> list[Decoded | Undecodable]:
    """The one reading in ``payload``. Raises `Undecodable` where its length or flags are wrong.

    A test with control solution is nobody's. A result beyond what the meter can show (HI, LO) has no value, but is
    marked, so that somebody looks. Where the meter doubts its own clock, the reading has no time.
    """
    fields = opened(payload, 10, {0: 2, 1: 3, 3: 2}, known=0x1F, more=4)
    seq, base = fields.number(2), fields.time()
    time = _shifted(base, fields.number(2, signed=True)) if fields.has(0) else base
    amount: float | str | None = fields.sfloat() if fields.has(1) else None
    kind = fields.number(1) if fields.has(1) else 0
    status = fields.number(2) if fields.has(3) else 0
    about, remarks = _context(fields.rest, seq)
    if specimen := SPECIMEN.get(kind & 0xF):
        about["specimen"] = specimen
    if kind >> 4 == OTHER_SITE:
        remarks.append("alternative site")
    if status & CLOCK and time is not None:
        remarks.append(f"clock in doubt: {time.isoformat()}")
    about |= note(*remarks)
    rest: dict[str, Any] = {
        "seq": seq, "time": None if status & CLOCK else time,
        "status": {"battery_low": True} if status & BATTERY else {},
    }  # fmt: skip
    if kind & 0xF == CONTROL_FLUID or kind >> 4 == CONTROL_PLACE:
        return [failed("glucose", "control-solution", "type", kind, about=about, **rest)]
    if status & (HIGH | LOW) or amount in ("+INF", "-INF"):
        high = status & HIGH or amount == "+INF"
        flag, shown = ("meter-high", "HI") if high else ("meter-low", "LO")
        return [failed("glucose", "error-code", "value", shown, flags=[flag], about=about, **rest)]
    if faults := names(status, FAULTS):
        return [failed("glucose", "error-code", "status", ", ".join(faults), about=about, **rest)]
    if amount is None:
        return [failed("glucose", "no-value", "value", None, about=about, **rest)]
    return [reading("glucose", {"value": amount}, "mol/L" if fields.has(2) else "kg/L", about=about, **rest)]


def _shifted(base: datetime | None, minutes: int) -> datetime | None:
    """The time on the meter's screen: the base time, which never jumps, and the user's corrections of it."""
    return None if base is None else representable("time", base + timedelta(minutes=minutes))


def _context(value: bytes, seq: int) -> tuple[dict[str, Any], list[str]]:
    """What the appended context adds to a reading: when in relation to a meal, and remarks. Raises `Undecodable`."""
    if not value:
        return {}, []
    fields: Fields = opened(value, 3, {7: 1, 0: 3, 1: 1, 2: 1, 3: 3, 4: 3, 6: 2}, known=0xFF, at="context.")
    if (own := fields.number(2)) != seq:
        raise Undecodable("invalid", "context.seq", own, f"the measurement's is {seq}")
    if fields.has(7):
        fields.number(1)
    if fields.has(0):
        fields.number(3)
    meal = fields.number(1) if fields.has(1) else 0
    about = {"context": MEAL[meal]} if meal in MEAL else {}
    return about, ["after a meal"] if meal == AFTER_MEAL else []
