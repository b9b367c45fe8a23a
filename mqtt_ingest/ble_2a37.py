"""Bluetooth Heart Rate Measurement (characteristic 0x2A37), raw bytes.

Layout (Bluetooth GATT Specification Supplement, Heart Rate Measurement): flags (1 byte), heart rate in /min (1 or 2),
then, as the flags say: energy expended in kJ (2), intervals between beats in 1/1024 s (2 each, to the end). Flags:
bit 0 heart rate of 2 bytes, 1 the sensor has contact, 2 it can tell, 3 energy, 4 intervals.
"""

from mqtt_ingest.decoded import Decoded, Undecodable, failed, reading
from mqtt_ingest.gatt import note, opened


def decode(payload: bytes) -> list[Decoded | Undecodable]:
    """The one reading in ``payload``; energy and intervals are its note. Raises `Undecodable`.

    A sensor that says it has no contact has measured nobody; a rate of 0 is none.
    """
    fields = opened(payload, 2, {0: 1, 3: 2}, known=0x1F, more=4)
    rate = fields.number(2 if fields.has(0) else 1)
    energy = f"{fields.number(2)} kJ" if fields.has(3) else None
    if len(fields.rest) % 2:
        raise Undecodable("unreadable", "length", len(payload), f"the flags demand {len(payload) + 1} bytes")
    beats = [fields.number(2) / 1024 for _ in range(len(fields.rest) // 2)]
    intervals = "RR " + " ".join(f"{seconds:.3f}" for seconds in beats) + " s" if beats else None
    if fields.has(2) and not fields.has(1):
        return [failed("heart-rate", "error-code", "contact", "none")]
    if rate == 0:
        return [failed("heart-rate", "no-value", "value", 0)]
    return [reading("heart-rate", {"value": rate}, "/min", about=note(energy, intervals))]
