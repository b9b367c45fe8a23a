"""The gate: identity, whose, when, faults, crisis values that belong to nobody; and whatever bytes come."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqtt_ingest.bindings import Bindings
from mqtt_ingest.gate import LARGEST, Answer, Gate
from schemas.registry import parse

NOW = datetime(2026, 3, 1, 8, 0, 0, 500_900, UTC)
HOUR = timedelta(hours=1)
BP = {"id": "1", "time": "2026-03-01T08:00:00Z", "systolic": 150, "diastolic": 95}


def ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


def gate(*bound: tuple[str, datetime, datetime | None, int | None], device: str = "D1") -> Gate:
    bindings = Bindings()
    bindings.apply(device, orjson.dumps({"kind": "device", "device": device, "institution": "I01"}))
    for resident, start, end, slot in bound:
        value = {"kind": "binding", "device": device, "user_slot": slot, "resident": resident, "institution": "I01"}
        times = {"from": ms(start), "to": end and ms(end)}
        bindings.apply(f"{device}/{slot}/{resident}/{start}", orjson.dumps(value | times))
    return Gate(bindings, ZoneInfo("Asia/Shanghai"))


LONG_AGO = NOW - timedelta(days=100)
MINE = ("R1", LONG_AGO, None, None)


def one(at: Gate, payload: object, received: datetime = NOW, topic: str = "mailiu/I01/D1/up/blood-pressure") -> Answer:
    (answer,) = at.take(topic, payload if isinstance(payload, bytes) else json.dumps(payload).encode(), received)
    return answer


def accepted(answer: Answer) -> dict[str, Any]:
    assert answer.event is not None, answer.refusal
    event = parse(answer.event.dumps())
    assert event == answer.event
    return event.model_dump()


def refused(answer: Answer) -> str:
    assert answer.event is None
    assert answer.refusal is not None
    assert set(answer.refusal.message) == {"zh", "en"}
    assert all(
        answer.refusal.field in text and answer.refusal.value in text for text in answer.refusal.message.values()
    )
    return answer.refusal.reason


def test_a_reading_becomes_an_event_of_its_resident() -> None:
    event = accepted(one(gate(MINE), BP | {"pulse": 70, "user": 1}))
    assert (event["id"], event["source"], event["subject"], event["institution"]) == ("1", "mqtt/I01/D1", "R1", "I01")
    assert event["type"] == "mailiu.reading.blood-pressure-measured.v1"
    assert event["time"] == "2026-03-01T08:00:00.000Z"
    assert event["data"] == {
        "systolic": 150, "diastolic": 95, "pulse": 70, "device": "D1", "user_slot": 1, "clock": "trusted",
        "device_time": "2026-03-01T08:00:00.000Z",
    }  # fmt: skip


def test_local_device_time_is_of_the_district() -> None:
    event = accepted(one(gate(MINE), BP | {"time": "2026-03-01T16:00:00"}))
    assert event["time"] == "2026-03-01T08:00:00.000Z"


def test_no_reading_lies_after_its_receipt() -> None:
    event = accepted(one(gate(MINE), {"systolic": 150, "diastolic": 95}))
    assert event["data"]["clock"] == "receipt"
    assert event["time"] == "2026-03-01T08:00:00.500Z"


# ---- identity


@pytest.mark.parametrize("payload", [BP, {k: v for k, v in BP.items() if k != "id"}, BP | {"id": None, "seq": 7}])
def test_a_resent_message_has_the_same_identity(payload: dict[str, Any]) -> None:
    first, again = one(gate(MINE), payload), one(gate(MINE), payload, NOW + 5 * HOUR)
    assert first.event is not None
    assert again.event is not None
    assert first.event.identity == again.event.identity
    assert first.content == again.content


@pytest.mark.parametrize("change", [{"systolic": 151}, {"time": "2026-03-01T08:00:01Z"}, {"user": 2}, {"seq": 8}])
def test_another_reading_has_another_identity(change: dict[str, Any]) -> None:
    base = {"systolic": 150, "diastolic": 95, "time": "2026-03-01T08:00:00Z", "seq": 7}
    first, other = one(gate(MINE), base), one(gate(MINE), base | change)
    assert first.event is not None
    assert other.event is not None
    assert first.event.identity != other.event.identity


def test_without_id_counter_and_clock_the_same_values_are_one_reading_for_two_minutes() -> None:
    at, values = gate(MINE), {"systolic": 150, "diastolic": 95}
    ids = [one(at, values, NOW + timedelta(seconds=s)).id for s in (0, 60, 300)]
    assert ids[0] == ids[1] != ids[2]


def test_the_same_id_with_other_content_is_told_apart() -> None:
    assert one(gate(MINE), BP).content != one(gate(MINE), BP | {"systolic": 151}).content


# ---- whose


def test_the_user_slot_decides() -> None:
    shared = gate(("R1", LONG_AGO, None, 1), ("R2", LONG_AGO, None, 2))
    assert accepted(one(shared, BP | {"user": 2}))["subject"] == "R2"
    assert refused(one(shared, BP | {"user": 3})) == "unbound-device"
    assert refused(one(shared, BP)) == "unbound-device"


def test_the_corrected_time_decides_and_a_rebind_moves_no_old_reading() -> None:
    rebound = gate(("R1", LONG_AGO, NOW - HOUR, None), ("R2", NOW - HOUR, None, None))
    one(rebound, BP | {"id": "0"})  # shows that the clock is right
    assert accepted(one(rebound, BP | {"id": "2", "time": "2026-03-01T06:59:59Z"}))["subject"] == "R1"
    assert accepted(one(rebound, BP | {"id": "3", "time": "2026-03-01T07:00:00.600Z"}))["subject"] == "R2"


def test_near_a_rebind_a_clock_that_is_not_trusted_leaves_it_open() -> None:
    rebound = gate(("R1", LONG_AGO, NOW - HOUR, None), ("R2", NOW - HOUR, None, None))
    wrong = BP | {"time": "2001-01-01T00:00:00Z"}
    assert refused(one(rebound, wrong)) == "ambiguous-binding"
    assert accepted(one(rebound, wrong | {"id": "2"}, NOW + timedelta(days=2)))["subject"] == "R2"


def test_an_unknown_device_and_a_wrong_institution_are_refused() -> None:
    assert refused(one(gate(MINE), BP, topic="mailiu/I01/D9/up/json")) == "unknown-device"
    assert refused(one(gate(MINE), BP, topic="mailiu/I02/D1/up/json")) == "wrong-institution"
    assert refused(one(gate(), BP)) == "unbound-device"


def test_an_unknown_user_of_a_device_of_one_resident_is_marked() -> None:
    assert accepted(one(gate(MINE), BP | {"user": 255}))["data"]["flags"] == ["unknown-user"]


@pytest.mark.parametrize(
    ("kind", "values", "crisis"),
    [
        ("blood-pressure", {"systolic": 180, "diastolic": 95}, True),
        ("blood-pressure", {"systolic": 150, "diastolic": 110}, True),
        ("blood-pressure", {"systolic": 179, "diastolic": 109}, False),
        ("glucose", {"value": 16.7}, True),
        ("glucose", {"value": 3.9}, True),
        ("glucose", {"value": 8.0}, False),
        ("oxygen", {"value": 89}, True),
        ("oxygen", {"value": 90}, False),
        ("heart-rate", {"value": 39}, True),
        ("heart-rate", {"value": 131}, True),
        ("heart-rate", {"value": 130}, False),
    ],
)
def test_a_crisis_value_of_nobody_makes_somebody_look(kind: str, values: dict[str, float], crisis: bool) -> None:
    """Clinical decision 16 with 7, 12 and 13: >=180 or >=110 mmHg, >=16.7 or <=3.9 mmol/L, <90 %, <40 or >130 /min."""
    answer = one(gate(), values, topic=f"mailiu/I01/D1/up/{kind}")
    assert refused(answer) == "unbound-device"
    assert [event.type for event in answer.also] == ["mailiu.device.person-unknown.v1"] * crisis
    for event in answer.also:
        assert (event.subject, event.institution) == ("device:D1", "I01")
        assert parse(event.dumps()).data.items() >= values.items()


# ---- faults


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"systolic": 2047, "diastolic": 2047, "mean": 2047}, "not-a-number"),
        ({"systolic": 90, "diastolic": 120}, "swapped-pair"),
        ({"systolic": 301, "diastolic": 120}, "out-of-limits"),
        ({"error": "E1"}, "error-code"),
    ],
)
def test_a_technical_fault_is_refused_and_reported(payload: dict[str, Any], reason: str) -> None:
    answer = one(gate(MINE), payload)
    assert refused(answer) == reason
    (event,) = answer.also
    assert parse(event.dumps()).data["reason"] == reason
    assert (event.type, event.subject) == ("mailiu.device.measurement-failed.v1", "R1")


def test_a_fault_of_an_unknown_device_is_only_refused() -> None:
    answer = one(gate(), {"systolic": 2047, "diastolic": 2047}, topic="mailiu/I01/D9/up/json")
    assert refused(answer) == "not-a-number"
    assert answer.also == ()


def test_three_equal_faults_without_a_clock_are_three() -> None:
    at, broken = gate(MINE), {"systolic": 2047, "diastolic": 2047}
    events = [one(at, broken, NOW + timedelta(minutes=m)).also[0] for m in (0, 5, 10)]
    assert len({event.identity for event in events}) == 3


def test_an_aggregate_is_no_reading() -> None:
    body = {
        "systolic_blood_pressure": {"value": 200, "unit": "mmHg"},
        "diastolic_blood_pressure": {"value": 95, "unit": "mmHg"},
        "effective_time_frame": {"date_time": "2026-03-01T08:00:00Z"}, "descriptive_statistic": "maximum",
    }  # fmt: skip
    schema = {"namespace": "omh", "name": "blood-pressure", "version": "4.0"}
    header = {"id": "h1", "creation_date_time": "2026-03-01T08:00:00Z", "schema_id": schema}
    assert refused(one(gate(MINE), {"header": header, "body": body})) == "invalid"


def test_an_observation_entered_in_error_takes_its_reading_back() -> None:
    parts = [
        {"code": {"coding": [{"code": code}]}, "valueQuantity": {"value": value, "code": "mm[Hg]"}}
        for code, value in (("8480-6", 200), ("8462-4", 100))
    ]
    observation = {
        "resourceType": "Observation", "id": "o1", "status": "final", "effectiveDateTime": "2026-03-01T08:00:00Z",
        "code": {"coding": [{"code": "85354-9"}]}, "component": parts,
    }  # fmt: skip
    at = gate(MINE)
    measured = one(at, observation).event
    event = accepted(one(at, observation | {"status": "entered-in-error"}))
    assert measured is not None
    assert event["type"] == "mailiu.reading.retracted.v1"
    assert event["subject"] == measured.subject == "R1"
    assert event["data"] == {"reading": str(measured.identity), "reason": "entered-in-error"}


# ---- clocks


def test_a_year_off_cuff_is_kept_with_its_own_time_beside() -> None:
    event = accepted(one(gate(MINE), BP | {"time": "2000-01-01T00:03:00Z"}))
    assert event["time"] == "2026-03-01T08:00:00.500Z"
    assert event["data"]["clock"] == "untrusted"
    assert event["data"]["device_time"] == "2000-01-01T00:03:00.000Z"


def test_a_crisis_value_of_a_wrong_clock_counts_at_receipt() -> None:
    """Clinical decision 17."""
    event = accepted(one(gate(MINE), BP | {"systolic": 190, "time": "2026-02-20T08:00:00Z"}))
    assert event["time"] == "2026-03-01T08:00:00.500Z"
    stored = accepted(one(gate(MINE), BP | {"systolic": 190, "time": "2026-02-20T08:00:00Z", "backlog": True}))
    assert stored["time"] == "2026-02-20T08:00:00.000Z"
    assert stored["data"]["flags"] == ["backlog"]


def test_an_array_is_judged_reading_by_reading() -> None:
    payload = [BP | {"id": "a", "time": "2026-02-28T08:00:00Z"}, {"id": "b", "systolic": 1}, BP | {"id": "c"}, 7]
    answers = gate(MINE).take("mailiu/I01/D1/up/json", json.dumps(payload).encode(), NOW)
    assert [answer.id for answer in answers][:3] == ["a", "b", "c"]
    assert [answer.event is not None for answer in answers] == [True, False, True, False]
    assert accepted(answers[0])["data"]["flags"] == ["backlog"]
    assert json.loads(answers[1].raw) == payload[1]
    assert answers[3].raw == b"7"


# ---- other messages


def test_status_is_reported() -> None:
    event = accepted(one(gate(MINE), {"battery": 80, "firmware": "1.2"}, topic="mailiu/I01/D1/up/status"))
    assert event["data"] == {"device": "D1", "battery": 80, "firmware": "1.2"}
    assert event["subject"] == "R1"
    assert refused(one(gate(MINE), {"battery": 180}, topic="mailiu/I01/D1/up/status")) == "invalid"


def test_what_is_too_large_or_unknown_is_refused() -> None:
    assert refused(one(gate(MINE), b" " * (LARGEST + 1))) == "too-large"
    assert refused(one(gate(MINE), BP, topic="mailiu/I01/D1/up/ecg")) == "unknown-kind"
    assert refused(one(gate(MINE), BP, topic="mailiu/I01/D 1/up/json")) == "invalid"
    assert refused(one(gate(MINE), {"resourceType": "Bundle"}, topic="mailiu/I01/D1/up/fhir")) == "unknown-kind"


KINDS = ("json", "blood-pressure", "glucose", "ble-2a35", "open-mhealth", "fhir", "status", "x")
SEEDS = [
    json.dumps(BP).encode(),
    json.dumps([BP, BP | {"id": "2"}]).encode(),
    bytes.fromhex("1678005000ff07e807030f061e2d4800"),
]


@given(
    st.sampled_from(KINDS),
    st.binary(max_size=60) | st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=3),
)
def test_every_payload_has_an_answer_and_every_event_is_valid(
    kind: str, seed: bytes, edits: list[tuple[int, int]]
) -> None:
    payload = bytearray(seed)
    for place, value in edits:
        if payload:
            payload[place % len(payload)] = value
    answers = gate(MINE).take(f"mailiu/I01/D1/up/{kind}", bytes(payload), NOW)
    assert answers
    for answer in answers:
        assert (answer.event is None) != (answer.refusal is None)
        for event in (*answer.also, *([answer.event] if answer.event else [])):
            parse(event.dumps())
        if answer.refusal:
            refused(answer)
