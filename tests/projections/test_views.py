"""What the served names show, on events made by hand; every expected value follows from the event itself."""

import orjson
import pytest

from projections import migrate
from projections.compare import compare, newest
from projections.schema import declared
from schemas.envelope import identity
from schemas.registry import BROADCAST
from tests.projections.play import Database, event, pressure

pytestmark = pytest.mark.stack


def test_a_reading_with_everything(database: Database) -> None:
    database.play(
        pressure(
            "R1", "2026-03-02T07:12:30.000+08:00", 146, 92.5, "7f3a", mean=110, pulse=71, device="D-0417", user_slot=2,
            flags=["irregular-pulse"], device_time="2026-03-02T07:10:30+08:00", clock="corrected", position="sitting",
            arm="left", place="office", source="self-reported", _recordedtime="2026-03-02T07:12:34.120+08:00",
        )
    )  # fmt: skip
    [row] = database.rows("SELECT * FROM readings")
    assert row == {
        "id": str(identity("test", "7f3a")),
        "resident": "R1", "institution": "I01", "kind": "blood-pressure", "time": "2026-03-01T23:12:30.000Z",
        "recordedtime": "2026-03-01T23:12:34.120Z", "knowntime": "2026-03-01T23:12:34.120Z", "systolic": 146.0,
        "diastolic": 92.5, "mean": 110.0, "pulse": 71.0, "value": None, "unit": "mm[Hg]", "context": None,
        "place": "office", "source": "self-reported", "device": "D-0417", "user_slot": 2, "flags": ["irregular-pulse"],
        "clock": "corrected", "device_time": "2026-03-01T23:10:30.000Z", "position_of_body": "sitting", "arm": "left",
        **dict.fromkeys(("model", "activity", "leads", "duration", "sampling_rate", "urgent", "trace", "trace_type")),
        **dict.fromkeys(("trace_bytes", "distance", "energy")),
        "event_source": "test", "origin": "live", "retracted": 0, "topic": "events", "partition": 0, "offset": 0,
    }  # fmt: skip


def test_what_a_reading_leaves_out_has_the_meaning_that_the_schema_gives_it(database: Database) -> None:
    database.play(
        pressure("R1", "2026-03-02T00:00:00Z", 120, 80),
        event("reading.glucose-measured.v1", "R1", "2026-03-02T00:00:01Z", value=6.1),
        event("reading.weight-measured.v1", "R1", "2026-03-02T00:00:02Z", value=61.25, unit="kg"),
    )
    rows = database.rows(
        "SELECT kind, value, unit, context, place, source, clock, position_of_body, mean FROM readings ORDER BY time"
    )
    rest = {"place": "home", "source": "measured", "clock": "trusted", "mean": None}
    bp = {"kind": "blood-pressure", "value": None, "unit": "mm[Hg]", "context": None, "position_of_body": "unknown"}
    glucose = {"kind": "glucose", "value": 6.1, "unit": "mmol/L", "context": "random", "position_of_body": None}
    weight = {"kind": "weight", "value": 61.25, "unit": "kg", "context": None, "position_of_body": None}
    assert rows == [bp | rest, glucose | rest, weight | rest]


def test_an_electrocardiogram_has_its_trace_by_hash_and_what_a_clinician_read(database: Database) -> None:
    sha, when = "ab" * 32, "2026-03-02T00:00:00Z"
    trace = {"sha256": sha, "media_type": "application/dicom", "bytes": 48210}
    ecg = {"leads": 1, "duration": 30, "sampling_rate": 300, "heart_rate": 88, "urgent": True, "trace": trace}
    database.play(
        event("reading.ecg-measured.v1", "R1", when, "e", **ecg),
        event("reading.ecg-measured.v1", "R1", when, "f", leads=12, duration=10, sampling_rate=500),
        event("reading.ecg-read.v1", "R1", "2026-03-02T01:00:00Z", reading=str(identity("test", "e")),
              conclusion="abnormal", text="ST", _actor="D1"),
        event("reading.activity-measured.v1", "R1", when, value=6412, distance=4210.5),
    )  # fmt: skip
    columns = "kind, value, unit, leads, duration, sampling_rate, urgent, trace, trace_type, trace_bytes, distance"
    assert database.rows(f"SELECT {columns} FROM readings ORDER BY kind DESC") == [
        {
            "kind": "ecg", "value": 88.0, "unit": "/min", "leads": 1, "duration": 30.0, "sampling_rate": 300.0,
            "urgent": True, "trace": sha, "trace_type": "application/dicom", "trace_bytes": 48210, "distance": None,
        },
        {
            "kind": "activity", "value": 6412.0, "unit": "{steps}", "leads": None, "duration": None,
            "sampling_rate": None, "urgent": None, "trace": None, "trace_type": None, "trace_bytes": None,
            "distance": 4210.5,
        },
    ]  # fmt: skip
    [remark] = database.rows("SELECT event, reading, conclusion, text, actor FROM reading_remarks")
    assert remark == {
        "event": "ecg-read", "reading": str(identity("test", "e")), "conclusion": "abnormal", "text": "ST",
        "actor": "D1",
    }  # fmt: skip
    assert database.rows("SELECT missing FROM unparsed") == [{"missing": "data.trace"}]


def test_a_retraction_may_come_before_or_after_and_only_for_its_own_resident(database: Database) -> None:
    first, second, other = database.play(
        pressure("R1", "2026-03-02T00:00:00Z", 120, 80, "a"),
        pressure("R1", "2026-03-02T01:00:00Z", 130, 80, "b"),
        pressure("R2", "2026-03-02T01:00:00Z", 140, 80, "c"),
    )
    late = pressure("R1", "2026-03-02T02:00:00Z", 150, 80, "d")
    ids = [dict(record.headers)["ce_id"].decode() for record in (first, second, other)]
    for n, (resident, reading) in enumerate(
        [("R1", ids[0]), ("R1", str(identity("test", "d"))), ("R1", ids[2]), ("R9", ids[1])]
    ):
        time = f"2026-03-02T03:00:0{n}Z"
        database.play(event("reading.retracted.v1", resident, time, reading=reading, reason="not-mine"))
    database.play(late)
    rows = database.rows("SELECT systolic, retracted FROM readings ORDER BY systolic")
    assert rows == [
        {"systolic": 120.0, "retracted": 1}, {"systolic": 130.0, "retracted": 0},
        {"systolic": 140.0, "retracted": 0}, {"systolic": 150.0, "retracted": 1},
    ]  # fmt: skip


def test_the_lowest_offset_of_an_identity_wins_and_the_other_is_reported(database: Database) -> None:
    database.play(pressure("R1", "2026-03-02T00:00:00Z", 120, 80, "same"))
    database.play(
        pressure("R1", "2026-03-02T00:00:05Z", 199, 99, "same"), pressure("R1", "2026-03-02T09:00:00Z", 121, 81, "x")
    )
    database.play(
        pressure("R1", "2026-03-02T00:00:00Z", 120, 80, "same"), pressure("R1", "2026-03-02T09:00:00Z", 121, 81, "x")
    )
    for _ in range(2):
        rows = database.rows("SELECT systolic, offset FROM readings ORDER BY systolic")
        assert rows == [{"systolic": 120.0, "offset": 0}, {"systolic": 121.0, "offset": 2}]
        database.client.command("OPTIMIZE TABLE readings_v1 FINAL")
    [conflict] = database.rows("SELECT resident, kept_offset, latest_offset, contents FROM conflicts")
    assert conflict == {"resident": "R1", "kept_offset": 0, "latest_offset": 3, "contents": 2}


def test_a_batch_that_arrives_twice_changes_nothing(database: Database) -> None:
    played = [
        database.play(
            event("resident.registered.v1", "R1", "2026-03-01T00:00:00Z", sex="female", birth_date="1950-01-01"),
            event("chronic.condition-diagnosed.v1", "R1", "2026-03-01T00:00:00Z", code="I10"),
            event("chronic.follow-up-completed.v1", "R1", "2026-03-01T01:00:00Z", systolic=150, diastolic=90),
            *(pressure("R1", f"2026-03-02T0{n}:00:00Z", 120 + n, 80) for n in range(5)),
        ),
        database.play(
            *(pressure("R2", f"2026-03-02T0{n}:00:00Z", 120 + n, 80, _recordedtime=f"2026-03-02T0{9 - n}:00:00Z")
              for n in range(5)),
            partition=1,
        ),
    ]  # fmt: skip
    before = database.content()
    for records in played:
        database.insert(records)
        database.insert(records[2:])
    assert database.content() == before
    with Database.new("played once") as once:
        for records in played:
            once.insert(records)
        assert once.content() == before


SESSION = "0b0e7c35-6d0c-5b1e-9f6e-3a5b1f0e7c35"


def test_what_goes_to_every_partition_is_read_once(database: Database) -> None:
    types = {
        "organization.institution-registered.v1": {"institution": "I01", "name": "东风社区卫生服务中心"},
        "organization.area-described.v1": {"north": True, "urban": False},
        "organization.team-formed.v1": {"team": "T1", "name": "一组", "members": ["S1"]},
        "organization.staff-registered.v1": {"staff": "S1", "role": "nurse"},
        "organization.holiday-calendar-set.v1": {"year": 2026, "holidays": ["2026-01-01"]},
        "organization.rota-set.v1": {
            "role": "nurse", "start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z", "shifts": [],
        },
        "organization.leave-recorded.v1": {
            "staff": "S1", "start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z",
        },
        "organization.visit-slots-set.v1": {"team": "T1", "slots": [12, 12, 12, 12, 8, 0, 0]},
        "organization.round-opened.v1": {"session": SESSION},
        "organization.round-closed.v1": {"session": SESSION, "summary": {"decided": 2, "left": 1}},
        "rule.activated.v1": {"rule": "bp-crisis", "version": 2},
        "rule.approved.v1": {"rule": "bp-crisis", "version": 2, "physician": "S9"},
        "device.model-registered.v1": {"model": "M1", "maker": "maker", "kinds": ["weight"]},
    }  # fmt: skip
    assert {f"mailiu.{type}" for type in types} == BROADCAST
    events = [event(type, "I01", "2026-03-01T00:00:00Z", **data) for type, data in types.items()]
    for partition in (1, 0, 2):
        database.play(*events, partition=partition)
    for table, number in (("organization_events_v1", 6), ("device_events", 1), ("timeline", 0), ("institutions", 1),
                          ("teams", 1), ("staff", 1), ("rules", 2), ("device_models", 1), ("rotas", 1),
                          ("leaves", 1), ("areas", 1), ("visit_slots", 1), ("round_sessions", 1)):  # fmt: skip
        assert database.rows(f"SELECT count() AS n FROM {table}") == [{"n": number}], table
    assert database.rows("SELECT DISTINCT partition FROM organization_events_v1") == [{"partition": 0}]


def test_knowntime_never_falls_behind_what_was_known(database: Database) -> None:
    hours = (3, 5, 4, 6, 1)
    database.play(
        *(
            pressure("R1", "2026-03-02T00:00:00Z", 120, 80, f"{h}", _recordedtime=f"2026-03-02T0{h}:00:00Z")
            for h in hours
        )
    )
    rows = database.rows("SELECT recordedtime, knowntime FROM readings ORDER BY offset")
    assert [row["recordedtime"][12] for row in rows] == ["3", "5", "4", "6", "1"]
    assert [row["knowntime"][12] for row in rows] == ["3", "5", "5", "6", "6"]


def test_what_lacks_a_required_field_is_unparsed_and_nothing_is_invented(database: Database) -> None:
    bare = {k: v for k, v in pressure("R1", "2026-03-02T00:00:00Z", 120, 80, "none").items() if k != "institution"}
    no_time = pressure("R1", "0000-00-00T00:00:00Z", 120, 80, "year 0")
    missing = {
        "data.systolic": event("reading.blood-pressure-measured.v1", "R1", "2026-03-02T00:00:00Z", diastolic=80),
        "data.diastolic": event(
            "reading.blood-pressure-measured.v1", "R1", "2026-03-02T00:00:01Z", systolic=80, diastolic="high"
        ),
        "data.value": event("reading.weight-measured.v1", "R1", "2026-03-02T00:00:02Z", value={"kg": 61}),
        "institution": bare,
        "time": no_time,
        "data.reading": event("reading.retracted.v1", "R1", "2026-03-02T00:00:03Z", reading="not a UUID"),
        "data.birth_date": event("resident.registered.v1", "R1", "2026-03-02T00:00:04Z", sex="male", birth_date="0"),
        "data.to_institution": event("resident.transferred.v1", "R1", "2026-03-02T00:00:05Z"),
        "data.code": event("chronic.condition-diagnosed.v1", "R1", "2026-03-02T00:00:06Z", code=None),
        "data.device": event("device.status-reported.v1", "device:D1", "2026-03-02T00:00:07Z", battery=5),
        "data.blood_pressure": event(
            "chronic.follow-up-completed.v2", "R1", "2026-03-02T00:00:08Z",
            blood_pressure={"systolic": 5000, "diastolic": 90},
        ),
    }  # fmt: skip
    places = {field: database.play(each)[0].offset for field, each in missing.items()}
    garbage = [database.raw(value, key=b"R1").offset for value in (b"\xff\x00garbage", b"", b"[1]", b'"text"', b"{}")]
    database.play(pressure("R1", "2026-03-02T10:00:00Z", 133, 85, "good"))
    assert [row["systolic"] for row in database.rows("SELECT systolic FROM readings")] == [133.0]
    found = {(row["offset"], row["missing"]) for row in database.rows("SELECT offset, missing FROM unparsed")}
    assert {(offset, field) for field, offset in places.items()} <= found
    assert {offset for offset, _ in found} == {*places.values(), *garbage}
    assert database.rows("SELECT resident FROM residents") == []
    assert database.rows("SELECT resident FROM conditions") == []


def test_residents_and_their_institutions_by_time_and_offset(database: Database) -> None:
    def happened(type: str, time: str, **data: object) -> dict:
        return event(f"resident.{type}.v1", "R1", time, **data)

    database.play(
        happened("registered", "2026-01-01T00:00:00Z", sex="female", birth_date="1950-02-28"),
        happened("transferred", "2026-03-01T00:00:00Z", to_institution="I03"),
        happened("contracted", "2026-02-01T00:00:00Z", team="T1", doctor="S1", _institution="I02"),  # arrives late
        happened("contracted", "2026-02-10T00:00:00Z", team="T2", _institution="I02"),
        happened("details-changed", "2026-01-05T00:00:00Z", birth_date="1951-02-28"),
        happened("labelled", "2026-01-02T00:00:00Z", label="lives-alone"),
        happened("labelled", "2026-01-02T00:00:00Z", id="frail", label="frail"),
        happened("unlabelled", "2026-01-03T00:00:00Z", label="frail"),
    )
    [row] = database.rows("SELECT * EXCEPT (contract, knowntime) FROM residents")
    assert row == {
        "resident": "R1", "sex": "female", "birth_date": "1951-02-28", "institution": "I03", "team": None,
        "doctor": None, "contracted_time": None, "registered_time": "2026-01-01T00:00:00.000Z", "died_time": None,
        "death_cause": None, "labels": ["lives-alone"],
    }  # fmt: skip
    intervals = [
        ("I01", "2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"),
        ("I02", "2026-02-01T00:00:00.000Z", "2026-03-01T00:00:00.000Z"),
        ("I03", "2026-03-01T00:00:00.000Z", None),
    ]
    query = "SELECT institution, from_time, to_time FROM resident_institutions WHERE resident = 'R1' ORDER BY from_time"
    assert [tuple(row.values()) for row in database.rows(query)] == intervals
    database.play(
        happened("contracted", "2026-03-05T00:00:00Z", team="T3", doctor="S3", _institution="I03"),
        happened("died", "2026-04-01T00:00:00Z", cause="I63.9"),
    )
    [row] = database.rows("SELECT team, doctor, contracted_time, died_time, death_cause FROM residents")
    assert list(row.values()) == ["T3", "S3", "2026-03-05T00:00:00.000Z", "2026-04-01T00:00:00.000Z", "I63.9"]
    intervals[-1] = ("I03", "2026-03-01T00:00:00.000Z", "2026-04-01T00:00:00.000Z")
    assert [tuple(row.values()) for row in database.rows(query)] == intervals
    database.play(happened("contract-ended", "2026-03-20T00:00:00Z", reason="moved", _institution="I03"))
    [row] = database.rows("SELECT team, institution FROM residents")
    assert row == {"team": None, "institution": "I03"}


def test_of_two_assignments_at_one_instant_the_later_offset_holds(database: Database) -> None:
    register = {"sex": "male", "birth_date": "1950-01-01"}
    database.play(
        event("resident.registered.v1", "R1", "2026-01-01T00:00:00Z", **register),
        event("resident.transferred.v1", "R1", "2026-01-01T00:00:00Z", to_institution="I05"),
    )
    rows = database.rows("SELECT institution, to_time FROM resident_institutions")
    assert rows == [{"institution": "I05", "to_time": None}]


def test_conditions_and_medication_show_what_holds(database: Database) -> None:
    def happened(type: str, time: str, **data: object) -> dict:
        return event(f"chronic.{type}.v1", "R1", time, **data)

    database.play(
        happened("condition-diagnosed", "2026-01-01T00:00:00Z", code="I10", certainty="suspected"),
        happened("condition-diagnosed", "2026-02-01T00:00:00Z", code="I10", onset="2025-12-01"),
        happened("condition-diagnosed", "2026-01-01T00:00:00Z", id="dm", code="E11"),
        happened("condition-resolved", "2026-03-01T00:00:00Z", code="E11"),
        happened("medication-prescribed", "2026-01-01T00:00:00Z", code="C08CA01", dose="5 mg", frequency="qd"),
        happened("medication-stopped", "2026-02-01T00:00:00Z", code="C08CA01", reason="adverse-reaction"),
        happened("medication-prescribed", "2026-03-01T00:00:00Z", code="C08CA01", dose="2.5 mg"),
        happened(
            "target-set", "2026-01-01T00:00:00Z", systolic=130, diastolic=80, reason="diabetes", review="2026-09-01"
        ),
        happened("target-set", "2025-01-01T00:00:00Z", systolic=150, diastolic=90, reason="old", review="2025-09-01"),
    )
    rows = database.rows("SELECT code, certainty, onset, diagnosed_time, resolved_time FROM conditions ORDER BY code")
    assert [list(row.values()) for row in rows] == [
        ["E11", "confirmed", None, "2026-01-01T00:00:00.000Z", "2026-03-01T00:00:00.000Z"],
        ["I10", "confirmed", "2025-12-01", "2026-02-01T00:00:00.000Z", None],
    ]
    [row] = database.rows("SELECT dose, frequency, prescribed_time, stopped_time FROM medications")
    assert list(row.values()) == ["2.5 mg", None, "2026-03-01T00:00:00.000Z", None]
    [row] = database.rows("SELECT systolic, reason, review FROM targets")
    assert list(row.values()) == [130.0, "diabetes", "2026-09-01"]


def test_a_diagnosis_is_kept_as_coded_and_served_by_the_category_of_the_who(database: Database) -> None:
    told = {"code": "I10.x00x002", "certainty": "confirmed", "category": "problem-list-item", "diagnoser": "S-101"}
    database.play(
        event("chronic.condition-diagnosed.v1", "R1", "2026-01-01T00:00:00Z", code="I10", certainty="suspected"),
        event("chronic.condition-diagnosed.v1", "R1", "2026-01-01T00:00:00Z", "b", code="E11", certainty="suspected"),
        event("chronic.condition-diagnosed.v2", "R1", "2026-01-02T00:00:00Z", **told),
    )
    columns = "code, original, certainty, category, diagnoser"
    assert [tuple(row.values()) for row in database.rows(f"SELECT {columns} FROM conditions ORDER BY code")] == [
        ("E11", "E11", "provisional", None, None),
        ("I10", "I10.x00x002", "confirmed", "problem-list-item", "S-101"),
    ]


def test_what_was_entered_in_error_was_never_diagnosed_and_never_prescribed(database: Database) -> None:
    def entered(type: str, id: str, day: int, **data: object) -> dict:
        return event(f"chronic.{type}.v1", "R1", f"2026-01-{day:02d}T00:00:00Z", id, **data)

    def in_error(id: str) -> dict:
        wrong = {"reading": str(identity("test", id)), "reason": "entered-in-error"}
        return event("reading.retracted.v1", "R1", "2026-02-01T00:00:00Z", f"not/{id}", **wrong)

    database.play(
        in_error("no-diabetes"),
        entered("condition-diagnosed", "no-diabetes", 1, code="E11.9"),
        entered("condition-diagnosed", "hypertension", 1, code="I10", onset="2020-05-01"),
        entered("condition-resolved", "not-resolved", 2, code="I10"), in_error("not-resolved"),
        entered("medication-prescribed", "drug", 1, code="C08CA01", dose="5 mg"),
        entered("medication-prescribed", "wrong-dose", 2, code="C08CA01", dose="50 mg"), in_error("wrong-dose"),
        entered("medication-prescribed", "wrong-drug", 2, code="A10BA02"), in_error("wrong-drug"),
    )  # fmt: skip
    assert database.rows("SELECT code, onset, resolved_time FROM conditions") == [
        {"code": "I10", "onset": "2020-05-01", "resolved_time": None}
    ]
    assert database.rows("SELECT code, dose, stopped_time FROM medications") == [
        {"code": "C08CA01", "dose": "5 mg", "stopped_time": None}
    ]


def test_an_old_log_is_read_in_its_newest_form(database: Database) -> None:
    [record] = database.play(
        event(
            "chronic.follow-up-completed.v1",
            "R1",
            "2026-03-01T00:00:00Z",
            systolic=150,
            diastolic=90,
            face_to_face=False,
        )
    )
    database.play(event("chronic.follow-up-completed.v2", "R1", "2026-03-02T00:00:00Z", mode="home-visit"))
    query = "SELECT mode, systolic, diastolic FROM follow_ups ORDER BY time"
    expected = [
        {"mode": "phone", "systolic": 150.0, "diastolic": 90.0},
        {"mode": "home-visit", "systolic": None, "diastolic": None},
    ]
    assert database.rows(query) == expected
    [row] = database.client.query("SELECT value, upcast FROM log WHERE offset = 0").result_rows
    assert row[0].encode() == record.value, "the bytes are untouched"
    assert orjson.loads(row[1])["type"] == "mailiu.chronic.follow-up-completed.v3"
    # A log written before version 2 was published: the stored rows are lifted first.
    database.client.command("ALTER TABLE log UPDATE upcast = NULL WHERE 1 SETTINGS mutations_sync = 2")
    database.client.command("TRUNCATE TABLE follow_ups_v1")
    assert migrate.apply() == ["2 stored events lifted to their newest version"]
    assert database.rows(query) == expected
    assert migrate.apply() == []


def test_every_projection_built_aside_equals_the_one_that_was_fed(new: Database) -> None:
    from projections.fill import backfill
    from projections.rebuild import create

    test_residents_and_their_institutions_by_time_and_offset(new)
    test_conditions_and_medication_show_what_holds(new)
    for each in declared():
        create(new.client, each, 2)
        new.client.command("SYSTEM STOP MERGES")
        backfill(new.client, each, 2)
        for base in each.bases:
            result = compare(new.client, base, f"{base}_v1", f"{base}_v2", newest(new.client))
            assert (result.differing, result.keys) == (0, [])
    new.client.command("SYSTEM START MERGES")
