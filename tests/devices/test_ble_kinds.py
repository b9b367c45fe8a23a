"""Raw Bluetooth values of the other kinds, put together by hand from the GATT Specification Supplement's fields.

Every vector is written field by field, least significant byte first, with the arithmetic beside it. SFLOAT words: the
first hex digit is the exponent (two's complement), the other three the mantissa.
"""

from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mqtt_ingest import ble_2a1c, ble_2a5e, ble_2a9d, ble_2a18, ble_2a19, ble_2a37
from mqtt_ingest.decoded import Decoded, Undecodable
from mqtt_ingest.formats import BLUETOOTH, FORMATS, decode, unhex
from mqtt_ingest.gatt import float32
from tests.devices.data import attempt

TIME = "e807 03 0f 06 1e 2d"  # 0x07e8 = 2024, March, 15th, 06:30:45
WHEN = datetime(2024, 3, 15, 6, 30, 45)
Decoder = Callable[[bytes], list[Decoded | Undecodable]]


def one(decoder: Decoder, *fields: str) -> Decoded:
    (result,) = decoder(bytes.fromhex("".join(fields)))
    assert isinstance(result, Decoded), result
    return result


# ---- glucose


def test_glucose_in_mass() -> None:
    """Flags 0x02: concentration in kg/L. 0xb05a = 90 * 10**-5 kg/L = 90 mg/dL; 90 / 18.0156 = 4.9957 mmol/L."""
    got = one(ble_2a18.decode, "02", "0500", TIME, "5ab0", "11")  # type 1 capillary whole blood, place 1 finger
    assert got.kind == "glucose"
    assert got.values["value"] == pytest.approx(4.996, abs=0.0005)
    assert (got.seq, got.time, got.about) == (5, WHEN, {"specimen": "capillary"})


def test_glucose_in_moles_with_offset_and_status() -> None:
    """Flags 0x0f: all. 0xc048 = 72 * 10**-4 mol/L = 7.2 mmol/L; 0xffc4 = -60 minutes."""
    got = one(ble_2a18.decode, "0f", "0100", TIME, "c4ff", "48c0", "f8", "0000")  # -60 min; 8 plasma, 15 unknown place
    assert got.values == {"value": 7.2}
    assert got.time == datetime(2024, 3, 15, 5, 30, 45)
    assert (got.about, got.status) == ({"specimen": "plasma"}, {})


@pytest.mark.parametrize(
    ("status", "flags", "value_sent"),
    [
        ("2000", ("meter-high",), "HI"),  # bit 5: higher than the device can process
        ("4000", ("meter-low",), "LO"),  # bit 6
        ("0400", (), "sample too small"),  # bit 2
        ("0004", (), "device fault"),  # bit 10
        ("1200", (), "sensor malfunction, wrong strip"),  # bits 1 and 4
    ],
)
def test_what_the_meter_could_not_measure_has_no_value(status: str, flags: tuple[str, ...], value_sent: str) -> None:
    got = one(ble_2a18.decode, "0a", "0100", TIME, "5ab0", "11", status)
    assert (got.technical, got.flags, got.fault[1], got.values) == ("error-code", flags, value_sent, {})


@pytest.mark.parametrize(("word", "flag"), [("fe07", "meter-high"), ("0208", "meter-low")])
def test_an_infinite_concentration_is_the_meters_hi_or_lo(word: str, flag: str) -> None:
    assert one(ble_2a18.decode, "02", "0100", TIME, word, "11").flags == (flag,)


@pytest.mark.parametrize(
    ("word", "reason"), [("ff07", "not-a-number"), ("0008", "not-at-this-resolution"), ("0108", "not-a-number")]
)
def test_a_special_concentration_is_a_technical_fault(word: str, reason: str) -> None:
    assert one(ble_2a18.decode, "02", "0100", TIME, word, "11").technical == reason


@pytest.mark.parametrize("kind", ["1a", "41"])  # type 10, place 4: control solution
def test_control_solution_is_nobodys(kind: str) -> None:
    assert one(ble_2a18.decode, "02", "0100", TIME, "5ab0", kind).technical == "control-solution"


def test_a_low_battery_and_a_clock_in_doubt() -> None:
    got = one(ble_2a18.decode, "0a", "0100", TIME, "5ab0", "11", "0108")  # bits 0 and 11
    assert got.status == {"battery_low": True}
    assert got.time is None
    assert "2024-03-15T06:30:45" in got.about["note"]
    assert got.values["value"] == pytest.approx(4.996, abs=0.0005)


def test_a_record_without_concentration_has_no_value() -> None:
    assert one(ble_2a18.decode, "00", "0100", TIME).technical == "no-value"


@pytest.mark.parametrize(
    ("meal", "context"),
    [("01", "before-meal"), ("02", "random"), ("03", "fasting"), ("04", "random"), ("05", "bedtime"), ("09", None)],
)
def test_the_context_says_when_in_relation_to_a_meal(meal: str, context: str | None) -> None:
    """Context flags 0x03: carbohydrate (id and SFLOAT) and meal; its sequence number is the measurement's."""
    got = one(ble_2a18.decode, "12", "0500", TIME, "5ab0", "11", "03", "0500", "01", "32d0", meal)
    assert got.about.get("context") == context


def test_another_measurements_context_is_refused() -> None:
    with pytest.raises(Undecodable) as error:
        ble_2a18.decode(bytes.fromhex("12 0500" + TIME + "5ab0 11" + "02 0600 03"))
    assert error.value.field == "context.seq"


def test_a_context_may_also_not_be_there() -> None:
    assert one(ble_2a18.decode, "12", "0500", TIME, "5ab0", "11").about == {"specimen": "capillary"}


# ---- weight


def test_weight_in_kilograms() -> None:
    """0x3840 = 14400; 14400 * 0.005 kg = 72 kg."""
    got = one(ble_2a9d.decode, "00", "4038")
    assert (got.kind, got.values, got.time, got.user) == ("weight", {"value": 72}, None, None)


def test_weight_in_pounds_with_everything() -> None:
    """0x3e5c = 15964; 159.64 lb * 0.45359237 = 72.41148 kg. Index 0x00f5 = 24.5 kg/m2; 0x02a8 = 68.0 in = 1.727 m."""
    got = one(ble_2a9d.decode, "0f", "5c3e", TIME, "02", "f500", "a802")
    assert got.values["value"] == pytest.approx(72.41148, abs=0.0005)
    assert (got.time, got.user, got.about) == (WHEN, 2, {"note": "24.5 kg/m2; 1.727 m"})


def test_height_in_metres() -> None:
    """0x06c3 = 1731 * 0.001 m."""
    assert one(ble_2a9d.decode, "08", "4038", "f500", "c306").about == {"note": "24.5 kg/m2; 1.731 m"}


def test_a_weighing_that_failed() -> None:
    assert one(ble_2a9d.decode, "00", "ffff").technical == "error-code"


# ---- oxygen


def test_a_spot_check() -> None:
    """0x0061 = 97 %, 0x0048 = 72 /min."""
    got = one(ble_2a5e.spot_check, "01", "6100", "4800", TIME)
    assert (got.kind, got.values, got.time, got.flags) == ("oxygen", {"value": 97, "pulse": 72}, WHEN, ())


def test_a_spot_check_with_everything() -> None:
    """0xf3cc = 972 * 10**-1 % = 97.2 %. Stored (bit 9), fully qualified (8); low perfusion (bit 5)."""
    got = one(ble_2a5e.spot_check, "1f", "ccf3", "4800", TIME, "0003", "200000", "1ef0")
    assert got.values == {"value": 97.2, "pulse": 72}
    assert got.time is None  # the device says that its clock is not set
    assert (got.flags, got.about) == (("backlog", "poor-signal"), {"note": "low perfusion"})


def test_continuous_takes_the_normal_average() -> None:
    """Fast 90 %, slow 98 % stand beside the normal 95 %."""
    got = one(ble_2a5e.continuous, "03", "5f00", "4600", "5a00", "4600", "6200", "4600")
    assert got.values == {"value": 95, "pulse": 70}


@pytest.mark.parametrize(
    ("measured", "sensor", "reason"),
    [
        ("0004", "000000", "test-data"),  # bit 10: for demonstration
        ("0008", "000000", "test-data"),  # bit 11: for testing
        ("0020", "000000", "error-code"),  # bit 13: unavailable
        ("0080", "000000", "error-code"),  # bit 15: invalid
        ("0000", "000800", "error-code"),  # bit 11: sensor unconnected to the user
        ("0000", "008000", "error-code"),  # bit 15: sensor disconnected
    ],
)
def test_no_oxygen_without_a_finger(measured: str, sensor: str, reason: str) -> None:
    got = one(ble_2a5e.spot_check, "06", "6100", "4800", measured, sensor)
    assert (got.technical, got.values) == (reason, {})


@pytest.mark.parametrize(
    ("oxygen", "reason"), [("ff07", "not-a-number"), ("0000", "no-value"), ("2600", "out-of-limits")]
)
def test_no_oxygen_without_a_value(oxygen: str, reason: str) -> None:
    """0x26 = 38 %, below what an oximeter can tell."""
    assert one(ble_2a5e.spot_check, "00", oxygen, "4800").technical == reason


def test_the_pulse_may_be_missing() -> None:
    assert one(ble_2a5e.spot_check, "00", "6100", "ff07").values == {"value": 97}


# ---- temperature


def test_temperature_in_celsius() -> None:
    """FLOAT: exponent 0xff = -1, mantissa 0x000174 = 372; 37.2 Cel. Place 6: mouth."""
    got = one(ble_2a1c.decode, "06", "740100ff", TIME, "06")
    assert (got.kind, got.values, got.time, got.about) == ("temperature", {"value": 37.2}, WHEN, {"note": "mouth"})


def test_temperature_in_fahrenheit() -> None:
    """Exponent 0xfe = -2, mantissa 0x002706 = 9990; 99.9 [degF] = (99.9 - 32) / 1.8 = 37.722 Cel."""
    assert one(ble_2a1c.decode, "01", "062700fe").values["value"] == pytest.approx(37.722, abs=0.0005)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (0x00000025, 37.0),
        (0xFF000172, 37.0),
        (0x01000004, 40.0),
        (0xFFFFFFFF, -0.1),
        (0x007FFFFF, "NaN"),
        (0x00800000, "NRes"),
        (0x007FFFFE, "+INF"),
        (0x00800002, "-INF"),
        (0x00800001, "NaN"),  # reserved
        (0x007FFFFD, 8388605.0),  # 2**23 - 3, the end of the range
    ],
)
def test_float(word: int, value: float | str) -> None:
    assert float32(word) == value


@pytest.mark.parametrize(
    ("value", "reason"),
    [("ffff7f00", "not-a-number"), ("00008000", "not-at-this-resolution"), ("feff7f00", "infinite")],
)
def test_a_special_temperature_is_a_technical_fault(value: str, reason: str) -> None:
    assert one(ble_2a1c.decode, "00", value).technical == reason


# ---- heart rate


def test_heart_rate() -> None:
    assert one(ble_2a37.decode, "00", "48").values == {"value": 72}


def test_heart_rate_with_everything() -> None:
    """Flags 0x1f. 0x0078 = 120 /min; 0x0014 = 20 kJ; 0x0200 = 512 / 1024 s, 0x0210 = 528 / 1024 s = 0.515625 s."""
    got = one(ble_2a37.decode, "1f", "7800", "1400", "0002", "1002")
    assert (got.values, got.about) == ({"value": 120}, {"note": "20 kJ; RR 0.500 0.516 s"})


@pytest.mark.parametrize(
    ("payload", "reason"), [("0448", "error-code"), ("0000", "no-value"), ("0648", None), ("0248", None)]
)
def test_without_contact_nobody_is_measured(payload: str, reason: str | None) -> None:
    """Bit 2: the sensor can tell; bit 1: it has contact."""
    assert one(ble_2a37.decode, payload).technical == reason


# ---- battery


def test_the_battery_is_the_devices_status() -> None:
    assert ble_2a19.decode(b"\x40") == {"battery": 64}
    for payload in (b"", b"\x65", b"\x40\x40"):
        with pytest.raises(Undecodable):
            ble_2a19.decode(payload)


# ---- whatever comes


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("ble-2a18", "00 0100"), ("ble-2a18", "02 0100" + TIME + "5a"), ("ble-2a18", "20 0100" + TIME),
        ("ble-2a9d", "00 40"), ("ble-2a9d", "00 4038 00"), ("ble-2a9d", "10 4038"),
        ("ble-2a5e", "00 6100"), ("ble-2a5e", "20 6100 4800"), ("ble-2a5f", "01 6100 4800"),
        ("ble-2a1c", "00 7401"), ("ble-2a1c", "08 740100ff"), ("ble-2a37", "00"), ("ble-2a37", "10 48 01"),
        ("ble-2a37", "20 48"),
    ],
)  # fmt: skip
def test_a_wrong_length_or_a_reserved_flag_is_refused(kind: str, payload: str) -> None:
    with pytest.raises(Undecodable):
        decode(kind, bytes.fromhex(payload))


@given(st.sampled_from(sorted(BLUETOOTH)), st.binary(max_size=40))
@example("ble-2a1c", b"\x00\x01\x00\x00\x7f")
@example("ble-2a1c", b"\x00\x01\x00\x00\x80")
@example("ble-2a18", b"\x13\x01\x00" + b"\x0f\x27\x0c\x1f\x17\x3b\x3b" + b"\xff\x7f" + b"\x5a\xb0\x11")
def test_bytes_decode_or_are_refused_by_name(kind: str, payload: bytes) -> None:
    for result in attempt(FORMATS[kind], payload):
        if isinstance(result, Undecodable):
            assert result.field
            assert result.message["zh"]
        else:
            assert (result.technical is None) == bool(result.values)
            assert result.as_json()


@given(st.sampled_from(sorted(BLUETOOTH)), st.binary(max_size=40))
def test_no_value_can_be_taken_for_hex_text(kind: str, payload: bytes) -> None:
    if unhex(payload) != payload:
        with pytest.raises(Undecodable):
            FORMATS[kind](payload)
