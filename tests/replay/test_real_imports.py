"""Real data through the whole stack: every row accounted for, and the figures that their sources give."""

import csv
import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.replay.reading_back import Reader, data_file, replay
from tests.stack import ROOT, Stack

pytestmark = pytest.mark.stack
EXAMPLES = ROOT / "examples"


def events(path: Path, subject: str, institution: str, *told: tuple[str, str, dict[str, Any]]) -> Path:
    """An NDJSON file of events about ``subject``: (type, time, data)."""
    lines = [
        orjson.dumps(
            {
                "id": f"{subject}/{n}", "source": "test/real", "type": f"mailiu.{type}", "subject": subject,
                "time": time, "institution": institution, "data": data,
            }
        )
        for n, (type, time, data) in enumerate(told)
    ]  # fmt: skip
    path.write_bytes(b"\n".join(lines))
    return path


def test_the_28_cardx_readings_have_the_guideline_mean(stack: Stack, tmp_path: Path) -> None:
    """Expected: 135.42/87.54 of 24 without day 1, 134.32/86.75 of all 28 (computed from the readings, not the printed
    averages). Days are local to Asia/Shanghai, where the week begins on 2 March.
    """
    file = data_file("smbp_hl7_cardx_28_readings.csv")
    known = events(
        tmp_path / "known.ndjson", "R-CARDX", "I-CARDX",
        ("resident.registered.v1", "2023-02-01T00:00:00Z", {"sex": "female", "birth_date": "1961-05-05"}),
        ("monitoring.plan-set.v1", "2023-03-01T00:00:00Z", {"schedule": "week", "start": "2023-03-02"}),
    )  # fmt: skip
    replay(stack, known)
    (account,) = replay(stack, file, "--resident", "R-CARDX", "--institution", "I-CARDX")
    assert (account["rows"], account["accepted"]) == (28, 28)
    with Reader(stack, "I-CARDX") as reader:
        reader.until(
            lambda: reader.count("SELECT count() AS n FROM readings WHERE resident = 'R-CARDX'"), 28, "readings"
        )
        home = reader.get("/v1/residents/R-CARDX/blood-pressure")
        assert (home["protocol"], home["mean"]["n"], home["enough"]) == ("week", 24, True)
        assert (round(home["mean"]["systolic"], 2), round(home["mean"]["diastolic"], 2)) == (135.42, 87.54)
        whole = home["whole"]
        assert (whole["n"], round(whole["systolic"]["mean"], 2), round(whole["diastolic"]["mean"], 2)) == (
            28, 134.32, 86.75,
        )  # fmt: skip
        (means,) = reader.sql(
            "SELECT round(avg(systolic), 2) AS s, round(avg(diastolic), 2) AS d FROM readings "
            "WHERE resident = 'R-CARDX'"
        )
        assert (means["s"], means["d"]) == (134.32, 86.75)


def test_an_import_raises_what_is_open_now_once_and_sounds_no_siren(stack: Stack, tmp_path: Path) -> None:
    """The same week as if it had ended yesterday: its home mean is above the limit, which is yellow and nothing else.

    The week of 2023 itself says nothing of today and raises nothing.
    """
    with data_file("smbp_hl7_cardx_28_readings.csv").open() as file:
        rows = list(csv.DictReader(file))
    later = datetime.now(UTC).date() - date(2023, 3, 9)
    lines = ["resident,time,systolic,diastolic"]
    for row in rows:
        at = datetime.fromisoformat(row["effectiveDateTime"]) + later
        lines.append(f"R-RECENT,{at.isoformat()},{row['systolic_mmhg']},{row['diastolic_mmhg']}")
    recent = tmp_path / "recent.csv"
    recent.write_text("\n".join(lines) + "\n")
    known = events(
        tmp_path / "known.ndjson", "R-RECENT", "I-CARDX",
        ("resident.registered.v1", "2023-02-01T00:00:00Z", {"sex": "female", "birth_date": "1961-05-05"}),
    )  # fmt: skip
    accounts = replay(stack, known, recent, "--institution", "I-CARDX")
    assert [account["accepted"] for account in accounts] == [1, 28]
    with Reader(stack, "I-CARDX") as reader:
        reader.until(
            lambda: [
                (alert["resident"], alert["rule"], alert["severity"], alert["condition"])
                for alert in reader.get("/v1/alerts")["items"]
            ],
            [("R-RECENT", "bp-sustained-high", "yellow", "active")],
            "alerts of the import",
        )


def test_every_row_of_synthea_is_accounted_for(stack: Stack) -> None:
    patients, observations = data_file("synthea_patients.csv"), data_file("synthea_observations_replay.csv")
    known, account = replay(stack, patients, observations, "--institution", "I-SYNTHEA")
    with patients.open() as file:
        people = list(csv.DictReader(file))
    with observations.open() as file:
        rows = list(csv.DictReader(file))
    mapped = [row for row in rows if row["kind"] in ("bp", "weight_kg", "glucose_mgdl")]
    different = {(row["patient_id"], row["effective"], row["kind"], row["value1"], row["value2"]) for row in mapped}
    assert known["rows"] == known["accepted"] == len(people)
    assert account["rows"] == len(rows) == 40_068
    assert account["unmapped"] == sum(account["unmapped_by_reason"].values()) == len(rows) - len(mapped)
    assert (account["accepted"], account["duplicate"]) == (len(different), len(mapped) - len(different))
    assert account["rejected"] == 0
    with Reader(stack, "I-SYNTHEA") as reader:
        reader.until(
            lambda: reader.count("SELECT count() AS n FROM readings WHERE institution = 'I-SYNTHEA'"),
            account["events"]["accepted"], "readings",
        )  # fmt: skip
        assert reader.count("SELECT count() AS n FROM residents WHERE institution = 'I-SYNTHEA'") == len(people)
        pressures = [float(row["value1"]) for row in rows if row["kind"] == "bp"]
        (found,) = reader.sql(
            "SELECT avg(systolic) AS s FROM readings WHERE institution = 'I-SYNTHEA' AND kind = 'blood-pressure'"
        )
        assert math.isclose(found["s"], sum(pressures) / len(pressures), rel_tol=1e-9)
    print(account)


def test_every_row_of_nhanes_is_accounted_for(stack: Stack) -> None:
    file = data_file("nhanes_2009_2012_subset.csv")
    (account,) = replay(stack, file, "--institution", "I-NHANES")
    with file.open() as opened:
        rows = list(csv.DictReader(opened))
    pairs = [(row[f"BPSys{n}"], row[f"BPDia{n}"]) for row in rows for n in (1, 2, 3) if row[f"BPSys{n}"] != "NA"]
    believable = sum(d != "NA" and 20 <= float(d) < float(s) and 50 <= float(s) <= 300 for s, d in pairs)
    weights = sum(row["Weight"] != "NA" for row in rows)
    empty = sum(row["Weight"] == "NA" and all(row[f"BPSys{n}"] == "NA" for n in (1, 2, 3)) for row in rows)
    assert account["rows"] == len(rows) == 6_779
    assert account["accepted"] + account["duplicate"] + account["rejected"] + account["unmapped"] == len(rows)
    assert account["events"] == {
        "accepted": believable + weights, "duplicate": 0, "rejected": len(pairs) - believable
    }  # fmt: skip
    assert account["rejected_by_reason"] == {"out-of-limits: data.diastolic": len(pairs) - believable}
    assert account["unmapped"] == empty
    with Reader(stack, "I-NHANES") as reader:
        reader.until(
            lambda: reader.count("SELECT count() AS n FROM readings WHERE institution = 'I-NHANES'"),
            account["events"]["accepted"], "readings",
        )  # fmt: skip
        reader.until(
            lambda: reader.count(
                "SELECT uniqExact(id) AS n FROM rejected_messages WHERE source = 'replay/nhanes_2009_2012_subset.csv'"
            ),
            account["events"]["rejected"], "rejected messages",
        )  # fmt: skip
    print(account)


def test_the_example_week_has_its_mean_in_the_api(stack: Stack) -> None:
    """140.04/88.50 of 24: computed from the file by `test_replay_files`, printed in its page."""
    files = [EXAMPLES / name for name in ("district.ndjson", "week.csv", "bundle.json")]
    for account in replay(stack, *files, "--institution", "I01"):
        assert account["rejected"] == 0
    with Reader(stack, "I01") as reader:
        reader.until(
            lambda: reader.count("SELECT count() AS n FROM readings WHERE resident = 'R-1001'"), 28, "readings"
        )
        home = reader.get("/v1/residents/R-1001/blood-pressure")
        assert (home["protocol"], home["mean"]["n"]) == ("week", 24)
        assert (round(home["mean"]["systolic"], 2), round(home["mean"]["diastolic"], 2)) == (140.04, 88.50)
        known = reader.get("/v1/residents/R-1002")
        assert (known["sex"], known["birth_date"], [c["code"] for c in known["conditions"]]) == (
            "male", "1951-02-20", ["I10"],
        )  # fmt: skip
