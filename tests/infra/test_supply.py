"""The audit of packages: findings fail it, advisories out of reach do not, and neither is silent."""

import sys
from pathlib import Path

import orjson
import pytest

from infra.supply import audit

#: In place of pip-audit, with its command line and its JSON: writes ``answer`` (or nothing) where it is told to.
TOOL = """
import sys
answer = {answer!r}
if answer:
    open(sys.argv[sys.argv.index("-o") + 1], "w").write(answer)
    sys.exit("vulns" in answer and '"id"' in answer)
sys.exit("ERROR:pip_audit: could not connect to PyPI")
"""


def run(out: Path, *packages: dict[str, object]) -> int:
    answer = orjson.dumps({"dependencies": packages, "fixes": []}).decode() if packages else ""
    return audit(out, (sys.executable, "-c", TOOL.format(answer=answer)))


def test_a_known_weakness_fails_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weak = {"id": "PYSEC-2024-1", "fix_versions": ["2.0"], "aliases": [], "description": ""}
    package = {"name": "left", "version": "1.0", "vulns": [weak]}
    assert run(tmp_path / "audit.json", package, {"name": "right", "version": "1.0", "vulns": []}) == 1
    printed = capsys.readouterr().out
    assert "left 1.0: PYSEC-2024-1, fixed in 2.0" in printed
    assert "2 packages audited, 1 known weaknesses" in printed


def test_without_findings_it_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    skipped = {"name": "ours", "skip_reason": "not on PyPI"}
    assert run(tmp_path / "audit.json", {"name": "right", "version": "1.0", "vulns": []}, skipped) == 0
    printed = capsys.readouterr()
    assert "1 packages audited, 0 known" in printed.out
    assert "ours" in printed.err


def test_advisories_out_of_reach_are_said_to_be_so_and_no_old_answer_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "audit.json"
    out.write_text('{"dependencies": []}')
    assert run(out) == 0
    assert "NOT AUDITED" in capsys.readouterr().err
    assert "could not connect" in orjson.loads(out.read_bytes())["not_audited"]


def test_an_index_without_advisories_is_out_of_reach_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "audit.json", {"name": "ours", "skip_reason": "not found on PyPI"}) == 0
    assert "NOT AUDITED" in capsys.readouterr().err
