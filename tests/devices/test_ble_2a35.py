"""Raw Bluetooth blood pressure: vectors of other decoders, the special SFLOATs of IEEE 11073-20601, bad lengths."""

from datetime import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mqtt_ingest.ble_2a35 import decode
from mqtt_ingest.decoded import Decoded, Undecodable
from mqtt_ingest.formats import unhex
from mqtt_ingest.gatt import sfloat
from tests.devices.data import attempt, need, rows

FLAGS = {
    "body_movement_detected": "body-movement",
    "cuff_too_loose": "cuff-loose",
    "irregular_pulse_detected": "irregular-pulse",
    "improper_measurement_position": "improper-position",
    "pulse_rate_below_lower_limit": "pulse-low",
    "pulse_rate_exceeds_upper_limit": "pulse-high",
}


def one(payload: str) -> Decoded:
    (result,) = decode(bytes.fromhex(payload))
    assert isinstance(result, Decoded)
    return result


def test_vectors_of_two_other_decoders() -> None:
    for row in need(rows("blp_2a35_payloads.csv")):
        got = one(row["hex"])
        factor = 7.500617 if row["unit"] == "kPa" else 1
        for name, column in (("systolic", "systolic"), ("diastolic", "diastolic"), ("mean", "map")):
            assert got.values[name] == pytest.approx(float(row[column]) * factor, abs=0.001)
        assert got.values.get("pulse") == (float(row["pulse"]) if row["pulse"] else None)
        assert got.time == (datetime.fromisoformat(row["timestamp"]) if row["timestamp"] else None)
        assert got.user == (int(row["user_id"]) if row["user_id"] else None)
        assert set(got.flags) == {FLAGS[flag] for flag in row["status_flags"].split("|") if flag}


def test_a_reading_of_a_real_cuff() -> None:
    """124/86, mean 97, pulse 51, 2024-06-15T17:17:27, status 0: as its own screen showed it."""
    got = one("167c0056006100e807060f11111b33000000")
    assert got.values == {"systolic": 124, "diastolic": 86, "mean": 97, "pulse": 51}
    assert got.time == datetime(2024, 6, 15, 17, 17, 27)
    assert got.flags == ()


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (0x0078, 120.0),  # 120: the exponent is two's complement, not biased
        (0xF06B, 10.7),  # 107 * 10**-1
        (0x1010, 160.0),  # 16 * 10**1
        (0xE4B0, 12.0),  # 1200 * 10**-2
        (0x0FFF, -1.0),
        (0x07FF, "NaN"),
        (0x0800, "NRes"),
        (0x07FE, "+INF"),
        (0x0802, "-INF"),
        (0x0801, "NaN"),  # reserved
        (0xF7FF, "NaN"),  # the mantissa range ends at 2**11 - 3, whatever the exponent
        (0xF7FD, 204.5),  # 2045 * 10**-1, its end
    ],
)
def test_sfloat(word: int, value: float | str) -> None:
    assert sfloat(word) == value


@pytest.mark.parametrize(
    ("systolic", "reason"),
    [("ff07", "not-a-number"), ("0008", "not-at-this-resolution"), ("fe07", "infinite"), ("0208", "infinite")],
)
def test_a_special_value_is_a_technical_fault_that_names_its_field(systolic: str, reason: str) -> None:
    got = one(f"00{systolic}50005d00")
    assert (got.technical, got.fault[0], got.values) == (reason, "systolic", {})
    assert "systolic" in got.message["zh"]
    assert "systolic" in got.message["en"]


def test_a_failed_measurement_without_error_flag() -> None:
    """2047/2047/2047: every pressure NaN."""
    assert one("00ff07ff07ff07").technical == "not-a-number"


def test_mean_and_pulse_may_be_missing() -> None:
    got = one("0478005000ff07ff07")
    assert got.values == {"systolic": 120, "diastolic": 80}
    assert got.technical is None


@pytest.mark.parametrize(
    "time", ["0000030f061e2d", "e807000f061e2d", "e8070300061e2d", "e8070d0f061e2d", "ffff030f061e2d"]
)
def test_an_unknown_or_impossible_date_is_no_time(time: str) -> None:
    got = one(f"02780050005d00{time}")
    assert got.time is None
    assert got.values["systolic"] == 120


@pytest.mark.parametrize("status", [(0b01000, "pulse-high"), (0b10000, "pulse-low"), (0b100000, "improper-position")])
def test_status_bits(status: tuple[int, str]) -> None:
    assert one(f"1078005000{'5d00'}{status[0]:02x}00").flags == (status[1],)


@pytest.mark.parametrize("payload", ["", "00", "007800500000", "00780050005d0000", "02780050005d00", "20780050005d00"])
def test_a_wrong_length_or_a_reserved_flag_is_refused(payload: str) -> None:
    with pytest.raises(Undecodable):
        decode(bytes.fromhex(payload))


@given(st.binary(max_size=24))
@example(b"\x1f" + b"\xff" * 18)
def test_bytes_decode_or_are_refused_by_name(payload: bytes) -> None:
    (result,) = attempt(decode, payload)
    if isinstance(result, Undecodable):
        assert result.field
        assert result.message["zh"]
        return
    assert (result.technical is None) == bool(result.values)
    if result.values:
        assert 50 <= result.values["systolic"] <= 300
        assert 20 <= result.values["diastolic"] < result.values["systolic"]


@given(st.integers(0, 255), st.binary(min_size=6, max_size=18))
def test_no_value_can_be_taken_for_hex_text(flags: int, rest: bytes) -> None:
    payload = bytes([flags]) + rest
    if unhex(payload) != payload:
        with pytest.raises(Undecodable):
            decode(payload)
