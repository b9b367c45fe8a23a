"""`mailiu decode`: one payload a line in, one object a line out, in order; bad ones say why."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.devices.data import DATA, need, rows


def mailiu(*arguments: str, feed: str = "") -> subprocess.CompletedProcess[str]:
    """Run `mailiu decode` without any server."""
    command = [sys.executable, "-m", "infra.cli", "decode", *arguments]
    return subprocess.run(command, input=feed, capture_output=True, text=True, timeout=60, check=False)


def lines(*arguments: str, feed: str = "") -> list[dict[str, Any]]:
    done = mailiu(*arguments, feed=feed)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_json_in_order_with_an_error_where_a_line_is_bad() -> None:
    got = lines(
        "json",
        feed='{"systolic":150,"diastolic":95,"pulse":70,"user":2}\n\nbroken\n{"systolic":2047,"diastolic":2047}\n',
    )
    assert got[0] == {
        "readings": [{
            "kind": "blood-pressure", "systolic": 150, "diastolic": 95, "mean": None, "pulse": 70, "time": None,
            "user": 2, "flags": [],
        }]
    }  # fmt: skip
    assert set(got[1]) == {"error"}
    assert got[1]["error"]["reason"] == "unreadable"
    assert got[2]["readings"][0]["technical"] == "not-a-number"
    assert "systolic" not in got[2]["readings"][0]


def test_other_kinds_have_value_and_unit() -> None:
    (got,) = lines("json", feed='{"kind":"glucose","value":100,"unit":"mg/dL","context":"fasting"}')
    (reading,) = got["readings"]
    assert (reading["kind"], reading["unit"], reading["context"]) == ("glucose", "mmol/L", "fasting")
    assert reading["value"] == pytest.approx(5.551, abs=0.001)


def test_hex_and_csv_with_a_header(tmp_path: Path) -> None:
    (got,) = lines("ble-2a35", feed="1e8e005b006c00e807030f061e2d4800010000\n")
    assert got["readings"][0]["time"] == "2024-03-15T06:30:45"
    assert got["readings"][0]["user"] == 1
    table = tmp_path / "readings.csv"
    table.write_text("id,time,systolic,diastolic,flags\n a,2026-03-01T08:00:00Z,150,95,cuff-loose\nb,,130,85,\n")
    got = lines("json", str(table))
    assert [(r["readings"][0]["id"], r["readings"][0]["systolic"], r["readings"][0]["flags"]) for r in got] == [
        ("a", 150, ["cuff-loose"]), ("b", 130, []),
    ]  # fmt: skip
    vectors = need(rows("blp_2a35_payloads.csv"))
    assert len(lines("ble-2a35", str(DATA / "blp_2a35_payloads.csv"))) == len(vectors)


def test_an_open_mhealth_body_with_its_schema_told() -> None:
    body = {
        "systolic_blood_pressure": {"value": 150, "unit": "mmHg"},
        "diastolic_blood_pressure": {"value": 95, "unit": "mmHg"},
    }
    assert (
        lines("open-mhealth", "--schema", "blood-pressure:1.0", feed=json.dumps(body))[0]["readings"][0]["diastolic"]
        == 95
    )
    assert "error" in lines("open-mhealth", "--schema", "blood-pressure:4.0", feed=json.dumps(body))[0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ecg"], "no payload format"),
        (["json", "--schema", "blood-pressure:1.0"], "--schema"),
        (["open-mhealth", "--schema", "blood-pressure:9.0"], "no schema"),
        (["json", "no-such-file"], "no-such-file"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_a_code(arguments: list[str], says: str) -> None:
    done = mailiu(*arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
