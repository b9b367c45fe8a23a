"""`mailiu simulate` and `mailiu simulate score` as people call them."""

from pathlib import Path

import orjson
from typer.testing import CliRunner

from infra.cli import app

RUN = CliRunner()


def test_a_district_to_a_file_and_its_score(tmp_path: Path) -> None:
    out = tmp_path / "district.ndjson.zst"
    made = RUN.invoke(app, ["simulate", "--residents", "150", "--days", "20", "--seed", "4", "--out", str(out)])
    assert made.exit_code == 0, made.output
    truth = tmp_path / "district.truth.ndjson.zst"
    assert out.is_file()
    assert truth.is_file()
    assert len(list(tmp_path.iterdir())) == 2
    scored = RUN.invoke(app, ["simulate", "score", str(truth), str(out), "--json", "--processes", "1"])
    assert scored.exit_code == 0, scored.output
    result = orjson.loads(scored.stdout)
    assert {"rules", "total", "fold"} <= set(result)
    assert result["fold"]["unfoldable"] == 0
    table = RUN.invoke(app, ["simulate", "score", str(truth), str(out), "--processes", "1", "--no-clinicians"])
    assert "hand-work per 100 people a day" in table.stdout


def test_what_cannot_be_done_is_said_in_a_line(tmp_path: Path) -> None:
    for arguments, said in (
        (["simulate"], "--out FILE, --live"),
        (["simulate", "--live", "--out", str(tmp_path / "x")], "--out FILE, --live"),
        (["simulate", "--out", str(tmp_path / "no" / "x")], "no folder"),
        (["simulate", "--out", str(tmp_path / "x"), "--start", "monday"], "2025-03-03"),
        (["simulate", "score", str(tmp_path / "x")], "no file"),
    ):
        done = RUN.invoke(app, arguments)
        assert done.exit_code == 1, arguments
        assert said in str(done.exception), arguments
    (tmp_path / "empty").write_bytes(b"{}\n")
    done = RUN.invoke(app, ["simulate", "score", str(tmp_path / "empty")])
    assert "no truth" in str(done.exception)
