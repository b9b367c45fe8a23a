"""What a file becomes: its format and mapping found by content, every row with exactly one outcome."""

import asyncio
import csv
from collections import Counter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.replay.account import Account
from infra.replay.formats import Row, open_source
from infra.replay.ledger import Ledger, content
from infra.replay.mapping import Target, UnknownFormat, mapping_for, read_mapping, shipped
from infra.replay.run import Replay
from schemas.envelope import InvalidEvent, identity
from schemas.registry import parse

EXAMPLES = Path(__file__).parents[2] / "examples"
TARGET = Target(zone=ZoneInfo("Asia/Shanghai"), institution="I01")


def rows(path: Path, target: Target = TARGET, own: Path | None = None) -> list[Row]:
    return list(open_source(path, target, own).rows(lambda _: None))


def events(path: Path, target: Target = TARGET) -> list[dict[str, Any]]:
    return [event for row in rows(path, target) for event in row.events if isinstance(event, dict)]


def account_of(path: Path, target: Target = TARGET, own: Path | None = None) -> Account:
    """The account of a dry run."""
    with Ledger(None) as ledger:
        return asyncio.run(Replay(open_source(path, target, own), ledger, None).run())


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusals(path: Path, target: Target = TARGET) -> list[tuple[str, str, object]]:
    found = []
    for row in rows(path, target):
        for event in row.events:
            try:
                if isinstance(event, InvalidEvent):
                    raise event
                parse(event)
            except InvalidEvent as refusal:
                found.append((refusal.code, refusal.field, refusal.value))
    return found


# ---- CSV


def test_a_plain_csv_gives_a_reading_a_row(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.csv",
        "resident,time,systolic,diastolic,pulse\nR1,2026-03-02T07:00:00,142,90,\nR2,2026-03-02T07:00:00Z,128.5,80,66\n",
    )
    first, second = events(file)
    assert first["subject"] == "R1"
    assert first["time"] == "2026-03-01T23:00:00.000Z"  # local to Asia/Shanghai
    assert first["data"] == {"systolic": 142, "diastolic": 90}
    assert second["time"] == "2026-03-02T07:00:00.000Z"
    assert second["data"] == {"systolic": 128.5, "diastolic": 80, "pulse": 66}
    assert {first["institution"], second["institution"]} == {"I01"}
    assert account_of(file).accepted == 2


def test_exports_with_a_byte_order_mark_semicolons_or_in_gb18030_are_read(tmp_path: Path) -> None:
    text = "resident;time;systolic;diastolic;note\nR1;2026-03-02T07:00:00+08:00;142;90;晨起\n"
    for name, raw in (("bom", text.encode("utf-8-sig")), ("gb", text.encode("gb18030"))):
        (event,) = events(write(tmp_path / name, raw))
        assert event["data"]["note"] == "晨起"


def test_the_same_content_is_one_event_in_whatever_file_it_comes(tmp_path: Path) -> None:
    header, row = "resident,time,systolic,diastolic\n", "R1,2026-03-02T07:00:00+08:00,142,90\n"
    twice = write(tmp_path / "a.csv", header + row + row)
    other = write(tmp_path / "b.csv", "systolic,diastolic,resident,time\n142.0,90,R1,2026-03-01T23:00:00Z\n")
    assert account_of(twice).as_json()["duplicate"] == 1
    assert events(other)[0]["id"] == events(twice)[0]["id"]
    changed = write(tmp_path / "c.csv", header + row.replace("142", "143"))
    assert events(changed)[0]["id"] != events(twice)[0]["id"]


def test_one_id_with_other_content_is_a_conflict(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.csv",
        "id,resident,time,systolic,diastolic\n7,R1,2026-03-02T07:00:00Z,142,90\n7,R1,2026-03-02T07:00:00Z,124,90\n"
        "7,R2,2026-03-02T07:00:00Z,124,90\n",
    )
    account = account_of(file)
    assert (account.accepted, account.rejected) == (2, 1)
    assert account.rejected_by_reason == Counter({"conflict: id": 1})


@pytest.mark.parametrize(
    ("row", "code", "field", "value"),
    [
        ("R1,2026-03-02T07:00:00Z,2047,90", "out-of-limits", "data.systolic", 2047),
        ("R1,2026-03-02T07:00:00Z,abc,90", "invalid", "data.systolic", "abc"),
        ("R1,2026-03-02T07:00:00Z,nan,90", "invalid", "data.systolic", "nan"),
        ("R1,2026-03-02T07:00:00Z,,90", "invalid", "data.systolic", None),
        ("R1,2026-03-02T07:00:00Z,90,142", "invalid", "data.diastolic", 142),
        ("R1,yesterday,142,90", "invalid", "time", "yesterday"),
        (",2026-03-02T07:00:00Z,142,90", "invalid", "subject", None),
        ("R 1,2026-03-02T07:00:00Z,142,90", "invalid", "subject", "R 1"),
        ("R1,2026-03-02T07:00:00Z,142", "invalid", "row", 3),
        ("R1,2026-03-02T07:00:00Z,142,90,5", "invalid", "row", 5),
    ],
)
def test_a_refused_row_names_field_and_value(tmp_path: Path, row: str, code: str, field: str, value: object) -> None:
    header = "resident,time,systolic,diastolic\n"
    good = "R9,2026-03-02T07:00:00Z,120,80\n"
    file = write(tmp_path / "a.csv", f"{header}{row}\n{good}")
    assert refusals(file) == [(code, field, value)]
    assert (rows(file)[0].raw.decode() == f"{header}{row}\n") is True  # the row under its header: a CSV of its own
    account = account_of(file)
    assert (account.rows, account.accepted, account.rejected) == (2, 1, 1)


def test_an_open_quote_costs_its_own_row_and_what_it_swallowed_is_kept(tmp_path: Path) -> None:
    lines = ["resident,time,systolic,diastolic,note", 'R1,2026-03-02T07:00:00Z,142,90,"opened', "x" * 200_000]
    lines += ["R2,2026-03-02T07:00:00Z,142,90,fine"]
    file = write(tmp_path / "a.csv", "\n".join(lines) + "\n")
    found = rows(file)
    assert sum(len(row.raw) - len(lines[0]) - 1 for row in found) == len("\n".join(lines[1:])) + 1
    assert found[0].events
    assert isinstance(found[0].events[0], InvalidEvent)
    account = account_of(file)
    assert account.rows == account.accepted + account.rejected


def test_an_own_mapping_is_data(tmp_path: Path) -> None:
    own = write(
        tmp_path / "clinic.toml",
        """
title = "our clinic's glucose list"
header = ["card", "day", "mgdl"]
[[event]]
type = "mailiu.reading.glucose-measured.v1"
subject = "card"
time = { column = "day", read = "instant" }
[event.data]
value = { column = "mgdl", read = "number", divide = 18.0156, decimals = 1 }
context = { column = "when", codes = { F = "fasting", P = "after-meal-2h" }, optional = true }
""",
    )
    file = write(tmp_path / "a.csv", "card,day,mgdl,when\nC1,2026-03-02,126,F\nC1,2026-03-03,126,X\n")
    first = rows(file, own=own)[0].events[0]
    assert isinstance(first, dict)
    assert first["data"] == {"value": 7.0, "context": "fasting"}
    account = account_of(file, own=own)
    assert account.rejected_by_reason == Counter({"invalid: data.context": 1})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("title = 'x'", "header"),
        ("title = ", "Invalid value"),
        ("title='x'\nheader=[]\ncolour=1\nevent=[]", "colour"),
        ("title='x'\nheader=[]\n[[event]]\ntype='t'\ntime={}\ndata={}", "`value` or `column`"),
    ],
)
def test_a_wrong_mapping_is_refused_with_what_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(UnknownFormat, match=complaint):
        read_mapping(text, "mine")


def test_no_mapping_names_the_columns_found_and_what_would_fit() -> None:
    with pytest.raises(UnknownFormat, match=r"\['a', 'b'\].*cardx-smbp"):
        mapping_for(["a", "b"])


def test_the_mapping_that_needs_most_columns_is_taken() -> None:
    for mapping in shipped():
        assert mapping_for([*mapping.header, "another"]).name == mapping.name


# ---- NDJSON of events


def test_events_come_in_as_they_are_and_mailius_own_are_passed_over(tmp_path: Path) -> None:
    lines = [
        {"id": "1", "source": "rest/his", "type": "mailiu.reading.weight-measured.v1", "subject": "R1",
         "time": "2026-03-02T07:00:00Z", "recordedtime": "2026-03-02T07:00:09Z", "data": {"value": 61.2}},
        {"id": "2", "source": "clock/1", "type": "mailiu.clock.ticked.v1", "subject": "clock",
         "time": "2026-03-02T07:00:00Z", "data": {}},
        {"id": "3", "source": "rest/his", "type": "mailiu.reading.weight-measured.v1", "subject": "R1",
         "time": "2026-03-02T07:00:00Z", "institution": "I02", "data": {"value": 6120}},
    ]  # fmt: skip
    text = b"\n".join(map(orjson.dumps, lines)) + b'\n{"cut off": \n\n[1]\n'
    file = write(tmp_path / "a.ndjson", text)
    account = account_of(file)
    assert (account.rows, account.accepted, account.rejected, account.unmapped) == (5, 1, 3, 1)
    assert account.unmapped_by_reason == Counter({"made by Mailiu itself, and made again": 1})
    assert refusals(file) == [
        ("out-of-limits", "data.value", 6120), ("unreadable", "row", b'{"cut off": \n'), ("invalid", "row", "1"),
    ]  # fmt: skip
    event = parse(events(file)[0])
    assert event.identity == identity("rest/his", "1")
    assert event.institution == "I01"
    assert event.recordedtime is None  # the gateway's own


def test_a_broken_first_line_costs_no_other(tmp_path: Path) -> None:
    good = (EXAMPLES / "district.ndjson").read_bytes()
    account = account_of(write(tmp_path / "a.ndjson", b'{"cut off": \n' + good))
    assert (account.rows, account.accepted, account.rejected) == (16, 15, 1)


def test_one_json_array_or_one_pretty_printed_event_is_read_too(tmp_path: Path) -> None:
    event = orjson.loads((EXAMPLES / "district.ndjson").read_bytes().splitlines()[0])
    for text in (orjson.dumps([event, event]), orjson.dumps(event, option=orjson.OPT_INDENT_2)):
        assert parse(events(write(tmp_path / "a.json", text))[0]).type == event["type"]


# ---- FHIR


def observation(**changes: Any) -> dict[str, Any]:
    def quantity(code: str, value: float) -> dict[str, Any]:
        coding = {"coding": [{"system": "http://loinc.org", "code": code}]}
        return {"code": coding, "valueQuantity": {"value": value, "unit": "mmHg", "code": "mm[Hg]"}}

    return {
        "resourceType": "Observation", "id": "o1", "status": "final", "subject": {"reference": "Patient/R7"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "effectiveDateTime": "2026-03-02T07:00:00+08:00",
        "component": [quantity("8462-4", 80), quantity("8480-6", 120)],
    } | changes  # fmt: skip


def one(tmp_path: Path, resource: dict[str, Any], target: Target = TARGET) -> Row:
    (row,) = rows(write(tmp_path / "r.json", orjson.dumps(resource)), target)
    return row


def test_an_observation_is_a_reading_of_its_patient(tmp_path: Path) -> None:
    (event,) = one(tmp_path, observation()).events
    assert isinstance(event, dict)
    assert (event["subject"], event["time"]) == ("R7", "2026-03-01T23:00:00.000Z")
    assert event["data"] == {"systolic": 120, "diastolic": 80, "place": "office"}
    at_home = one(tmp_path, observation(performer=[{"reference": "Patient/R7"}])).events[0]
    assert isinstance(at_home, dict)
    assert at_home["data"]["place"] == "home"
    other = one(tmp_path, observation(), TARGET.model_copy(update={"resident": "R8"})).events[0]
    assert isinstance(other, dict)
    assert other["subject"] == "R8"


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"status": "entered-in-error"}, "entered-in-error", "status"),
        ({"subject": None}, "invalid", "subject.reference"),
        ({"effectiveDateTime": None}, "invalid", "effectiveDateTime"),
        ({"component": []}, "invalid", "systolic"),
    ],
)
def test_an_observation_without_a_value_is_refused(
    tmp_path: Path, changes: dict[str, Any], code: str, field: str
) -> None:
    changed = {name: value for name, value in observation(**changes).items() if value is not None}
    write(tmp_path / "r.json", orjson.dumps(changed))
    ((found_code, found_field, _),) = refusals(tmp_path / "r.json")
    assert (found_code, found_field) == (code, field)


def test_a_laboratory_value_is_an_examination_in_the_units_it_came_in(tmp_path: Path) -> None:
    coding = {"coding": [{"system": "http://loinc.org", "code": "2093-3"}]}
    changes = {"code": coding, "component": None, "valueQuantity": {"value": 200, "unit": "mg/dL", "code": "mg/dL"}}
    changed = {name: value for name, value in observation(**changes).items() if value is not None}
    (event,) = one(tmp_path, changed).events
    assert isinstance(event, dict)
    assert event["type"] == "mailiu.examination.recorded.v1"
    assert event["data"] == {"results": [{"name": "total_cholesterol", "value": 200, "unit": "mg/dL"}]}


def test_the_example_bundle_is_a_resident_with_a_history() -> None:
    account = account_of(EXAMPLES / "bundle.json")
    assert (account.rows, account.accepted, account.unmapped, account.rejected) == (9, 8, 1, 0)
    assert account.unmapped_by_reason == Counter({"no event for Immunization": 1})
    made = events(EXAMPLES / "bundle.json")
    assert {event["subject"] for event in made} == {"R-1002"}
    assert [event["type"].split(".")[2] for event in made] == [
        "registered", "condition-diagnosed", "medication-prescribed", *["blood-pressure-measured"] * 4,
        "glucose-measured",
    ]  # fmt: skip
    assert [event["data"].get("place") for event in made[3:7]] == ["office", "home", "home", "home"]
    assert made[1]["data"] == {"code": "I10", "certainty": "confirmed", "onset": "2021-05-20"}


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        ({"resourceType": "Condition", "subject": {"reference": "Patient/1"}}, "no ICD-10 code"),
        ({"resourceType": "Encounter", "status": "finished"}, "no event for Encounter"),
        ({"resourceType": 7}, "no event for 7"),
    ],
)
def test_a_resource_that_gives_no_event_is_named(tmp_path: Path, resource: dict[str, Any], reason: str) -> None:
    row = one(tmp_path, resource)
    assert not row.events
    assert reason in (row.unmapped or "")


# ---- the example week


def test_the_example_week_has_the_mean_that_its_page_says() -> None:
    with (EXAMPLES / "week.csv").open() as file:
        pressures = [(int(row["systolic"]), int(row["diastolic"])) for row in csv.DictReader(file)][4:]
    mean = [round(sum(column) / len(pressures), 2) for column in zip(*pressures, strict=True)]
    assert f"{mean[0]:.2f}/{mean[1]:.2f} of {len(pressures)} readings" in (EXAMPLES / "README.md").read_text()
    assert account_of(EXAMPLES / "week.csv").accepted == 28


def test_the_example_district_is_accepted_whole() -> None:
    account = account_of(EXAMPLES / "district.ndjson")
    assert account.accepted == account.rows == 15


# ---- whatever comes


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_accounted_for(raw: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for head in (b"", b"resident,time,systolic,diastolic\n", b'{"resourceType":"Observation"}\n'):
            file = write(Path(folder) / "any", head + raw)
            try:
                account = account_of(file)
            except UnknownFormat:
                continue
            assert account.rows == account.accepted + account.duplicate + account.rejected + account.unmapped


def test_content_tells_what_an_event_says_and_not_how_it_came() -> None:
    event = {"id": "1", "source": "s", "data": {"a": 1, "b": 2}}
    assert content(event) == content({"data": {"b": 2, "a": 1}, "source": "s", "id": "1", "origin": "import"})
    assert content(event) != content(event | {"data": {"a": 1, "b": 3}})


def test_the_mapping_on_the_page_works(tmp_path: Path) -> None:
    page = (EXAMPLES.parent / "docs" / "replay.md").read_text()
    own = write(tmp_path / "page.toml", page.split("```toml\n")[1].split("```")[0])
    lines = [
        "number,card,day,mgdl,when,kind",
        "1,C1,2026-03-02,126,F,glu",
        "2,C1,2026-03-02,-,,glu",
        "3,C1,2026-03-02,171,,height",
    ]
    account = account_of(write(tmp_path / "a.csv", "\n".join(lines)), own=own)
    assert (account.accepted, account.unmapped) == (1, 2)
    assert account.unmapped_by_reason["no event type for height"] == 1
