"""Bluetooth Temperature Measurement (characteristic 0x2A1C), raw bytes.

Layout (Bluetooth GATT Specification Supplement, Temperature Measurement): flags (1 byte), temperature (FLOAT), then, as
the flags say: time (7), where it was measured (1). Flags: bit 0 degrees Fahrenheit instead of Celsius, 1 time, 2 place.
"""

from mqtt_ingest.decoded import Decoded, Undecodable, reading
from mqtt_ingest.gatt import note, opened

PLACES = {
    1: "armpit", 2: "body", 3: "ear", 4: "finger", 5: "gastro-intestinal tract", 6: "mouth", 7: "rectum", 8: "toe",
    9: "tympanum",
}  # fmt: skip


def decode(payload: bytes) -> list[Decoded | Undecodable]:
    """The one reading in ``payload``; where it was measured is its note. Raises `Undecodable`."""
    fields = opened(payload, 5, {1: 7, 2: 1}, known=0x07)
    value = fields.float32()
    time = fields.time() if fields.has(1) else None
    place = PLACES.get(fields.number(1)) if fields.has(2) else None
    unit = "[degF]" if fields.has(0) else "Cel"
    return [reading("temperature", {"value": value}, unit, time=time, about=note(place))]
