"""What Bluetooth's measurement characteristics share: flags that say which fields follow, SFLOAT, FLOAT, date and time.

Bluetooth GATT Specification Supplement; all fields are little endian. SFLOAT and FLOAT (IEEE 11073-20601) are an
exponent (4, 8 bits) above a mantissa (12, 24 bits), both in two's complement: value = mantissa * 10**exponent. The five
mantissas at the ends of their range stand for no number.
"""

from collections.abc import Mapping
from datetime import datetime

from mqtt_ingest.decoded import Undecodable, representable

#: Offset from the mantissa's sign bit -> the special value, the same for 12 and 24 bits; +1 is reserved.
SPECIAL = {-2: "+INF", -1: "NaN", 0: "NRes", 1: "NaN", 2: "-INF"}


def sfloat(word: int) -> float | str:
    """The value of a 16-bit SFLOAT, or the name of the special value it stands for."""
    return _number(word, 12)


def float32(word: int) -> float | str:
    """The value of a 32-bit FLOAT, or the name of the special value it stands for."""
    return _number(word, 24)


def _number(word: int, bits: int) -> float | str:
    sign, mantissa = 1 << bits - 1, word & (1 << bits) - 1
    if mantissa - sign in SPECIAL:
        return SPECIAL[mantissa - sign]
    if mantissa >= sign:
        mantissa -= 1 << bits
    exponent, width = word >> bits, bits // 3
    if exponent >= 1 << width - 1:
        exponent -= 1 << width
    return float(mantissa * 10**exponent) if exponent >= 0 else mantissa / 10**-exponent


class Fields:
    """The fields of a value, taken one after the other; the value's length was checked against its flags."""

    def __init__(self, payload: bytes, at: int = 1) -> None:
        self.payload, self.at, self.flags = payload, at, payload[0]

    def has(self, bit: int) -> bool:
        """Whether the flag is set."""
        return bool(self.flags >> bit & 1)

    def number(self, length: int, signed: bool = False) -> int:
        """The next whole number of ``length`` bytes."""
        self.at += length
        return int.from_bytes(self.payload[self.at - length : self.at], "little", signed=signed)

    def sfloat(self) -> float | str:
        """The next SFLOAT."""
        return sfloat(self.number(2))

    def float32(self) -> float | str:
        """The next FLOAT."""
        return float32(self.number(4))

    def time(self) -> datetime | None:
        """The next date and time, local to the device; None where a part is unknown (0) or it is no date."""
        year, month, day, hour, minute, second = self.number(2), *(self.number(1) for _ in range(5))
        try:
            return representable("time", datetime(year, month, day, hour, minute, second))
        except ValueError:
            return None

    @property
    def rest(self) -> bytes:
        """What was not taken yet."""
        return self.payload[self.at :]


def opened(
    payload: bytes, fixed: int, optional: Mapping[int, int], known: int, more: int | None = None, at: str = ""
) -> Fields:
    """The fields of ``payload``: ``fixed`` bytes with the flags, and those of ``optional`` (bit -> bytes) that are set.

    ``known`` are the flags that mean something. After a flag ``more`` any number of bytes may follow; ``at`` is put
    before the names of fields. Raises `Undecodable` where the length or a reserved flag is wrong.
    """
    if not payload:
        raise Undecodable("unreadable", "payload", payload, "empty")
    flags = payload[0]
    if flags & ~known:
        raise Undecodable("invalid", f"{at}flags", f"0x{flags:02x}", "reserved bits are set")
    expected = fixed + sum(length for bit, length in optional.items() if flags >> bit & 1)
    endless = more is not None and flags >> more & 1
    if len(payload) < expected or (len(payload) > expected and not endless):
        raise Undecodable("unreadable", f"{at}length", len(payload), f"the flags demand {expected} bytes")
    return Fields(payload)


def names(bits: int, meanings: Mapping[int, str]) -> list[str]:
    """What the set bits mean, in their order."""
    return [name for bit, name in meanings.items() if bits >> bit & 1]


def note(*remarks: str | None) -> dict[str, str]:
    """Remarks as the note of a reading, if there are any."""
    said = "; ".join(remark for remark in remarks if remark)
    return {"note": said[:500]} if said else {}
