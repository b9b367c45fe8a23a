"""Bluetooth pulse oximeters: PLX Spot-Check (characteristic 0x2A5E) and PLX Continuous Measurement (0x2A5F), raw bytes.

Layout (Bluetooth GATT Specification Supplement): flags (1 byte), oxygen saturation and pulse rate (SFLOAT each), then,
as the flags say, of a spot check: time (7), measurement status (2), device and sensor status (3), pulse amplitude index
(SFLOAT); flags: bits 0 to 3 in this order, 4 the device's clock is not set. Of a continuous measurement: a pair for the
fast and one for the slow average, measurement status, device and sensor status, pulse amplitude index; bits 0 to 4.
"""

from datetime import datetime

from mqtt_ingest.decoded import Decoded, Undecodable, failed, reading
from mqtt_ingest.gatt import Fields, names, note, opened

STORED = 9
#: Bits of the measurement status: not a person's, no value to believe, weak.
NOBODY = {10: "demonstration", 11: "test"}
NO_VALUE = {12: "calibration", 13: "unavailable", 15: "invalid"}
DOUBTED = {6: "early estimate", 14: "questionable"}
#: Bits of the device and sensor status: no value to believe, weak.
SENSOR_FAULTS = {
    1: "equipment malfunction", 11: "sensor unconnected to the user", 12: "unknown sensor", 14: "sensor malfunction",
    15: "sensor disconnected",
}  # fmt: skip
WEAK = {
    2: "irregular signal processing", 3: "inadequate signal", 4: "poor signal", 5: "low perfusion", 6: "erratic signal",
    7: "no pulse in the signal", 8: "questionable pulse", 10: "interference", 13: "sensor displaced",
}  # fmt: skip


def spot_check(payload: bytes) -> list[Decoded | Undecodable]:
    """The one reading in ``payload``, with the pulse where there is one. Raises `Undecodable`."""
    fields = opened(payload, 5, {0: 7, 1: 2, 2: 3, 3: 2}, known=0x1F)
    oxygen, pulse = fields.sfloat(), fields.sfloat()
    time = fields.time() if fields.has(0) else None
    return _reading(fields, 1, oxygen, pulse, None if fields.has(4) else time)


def continuous(payload: bytes) -> list[Decoded | Undecodable]:
    """The reading of the normal average, with the pulse where there is one. Raises `Undecodable`."""
    fields = opened(payload, 5, {0: 4, 1: 4, 2: 2, 3: 3, 4: 2}, known=0x1F)
    oxygen, pulse = fields.sfloat(), fields.sfloat()
    fields.number(4 * (fields.has(0) + fields.has(1)))
    return _reading(fields, 2, oxygen, pulse, None)


def _reading(
    fields: Fields, statuses: int, oxygen: float | str, pulse: float | str, time: datetime | None
) -> list[Decoded | Undecodable]:
    """The reading, judged by the measurement's and the sensor's status, whose flags begin at bit ``statuses``."""
    measured = fields.number(2) if fields.has(statuses) else 0
    sensor = fields.number(3) if fields.has(statuses + 1) else 0
    if nobody := names(measured, NOBODY):
        return [failed("oxygen", "test-data", "status", ", ".join(nobody), time=time)]
    if faults := names(measured, NO_VALUE) + names(sensor, SENSOR_FAULTS):
        return [failed("oxygen", "error-code", "status", ", ".join(faults), time=time)]
    if oxygen == 0:
        return [failed("oxygen", "no-value", "value", 0, time=time)]
    weak = names(measured, DOUBTED) + names(sensor, WEAK)
    flags = ["backlog"] * (measured >> STORED & 1) + ["poor-signal"] * bool(weak)
    return [reading("oxygen", {"value": oxygen, "pulse": pulse}, "%", flags=flags, time=time, about=note(*weak))]
