"""`mailiu backtest`: a stricter and a milder draft over a real log, for people on either side of the limits.

Limits of home means: 135/85 (Chinese guideline 2024, in force), 130/80 (ACC/AHA 2017) and 145/90 as drafts.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from infra.cli import app
from infra.log import Log
from schemas.envelope import rfc3339
from schemas.registry import parse
from tests.projections.play import event, pressure
from tests.stack import Stack, own_stack
from tests.withstand import drafts

RUN = CliRunner()
#: Mean home pressure of each resident.
PEOPLE = {"calm": (120, 72), "between": (132, 78), "raised": (138, 82), "high": (150, 88)}


async def _append() -> None:
    first = datetime.now(UTC).replace(hour=23, minute=0) - timedelta(days=9)
    async with Log() as log:
        for name, (systolic, diastolic) in PEOPLE.items():
            resident = name
            start = rfc3339(first - timedelta(days=30))
            await log.append(
                parse(event("resident.registered.v1", resident, start, sex="female", birth_date="1960-05-05"))
            )
            for n in range(28):
                time = first + timedelta(days=n // 4, hours=12 * (n // 2 % 2), minutes=n % 2)
                await log.append(parse(pressure(resident, rfc3339(time), systolic, diastolic)), recorded=time)


@pytest.fixture(scope="module")
def log() -> Iterator[Stack]:
    """A log with a week of readings of each of `PEOPLE`, and nothing else."""
    with own_stack("backtest") as stack:
        stack.up("kafka")
        asyncio.run(_append())
        yield stack


def draft(folder: Path, systolic: int, diastolic: int) -> Path:
    """A file with the rule in force with other limits, as version 2."""
    path = folder / "draft.toml"
    path.write_text(drafts.rule(systolic, diastolic), encoding="utf-8")
    return path


def tried(path: Path | str, *more: str) -> dict[str, Any]:
    """The answer as JSON, with what was said of each person by name."""
    done = RUN.invoke(app, ["backtest", "--rule", str(path), "--json", *more])
    assert done.exit_code == 0, done.output
    answer: dict[str, Any] = orjson.loads(done.stdout)
    answer["people"] = {one["resident"]: one for one in answer["people"]}
    return answer


@pytest.mark.stack
def test_a_draft_says_whom_it_would_concern_before_anybody_activates_it(log: Stack, tmp_path: Path) -> None:
    strict = tried(draft(tmp_path, 130, 80))
    assert (strict["rule"], strict["version"]) == ("bp-sustained-high", 2)
    assert strict["unfoldable"] == {"now": 0, "trial": 0}
    assert strict["people"].pop("between") == {
        "resident": "between", "institution": "I01", "change": "new", "alerts": {"now": 0, "trial": 1},
        "highest": {"now": None, "trial": "yellow"}, "tasks": {"now": 0, "trial": 0}, "scores": {},
    }  # fmt: skip
    assert strict["people"] == {}, "who is high in both gets the same alert from the same reading"
    mild = tried(draft(tmp_path, 145, 90))
    assert {name: one["change"] for name, one in mild["people"].items()} == {"raised": "gone"}
    again = tried(draft(tmp_path, 130, 80), "--since", rfc3339(datetime.now(UTC) + timedelta(days=2))[:10])
    assert again["people"] == {}
    nothing = tried("bp-sustained-high@v1")
    assert nothing["people"] == {}, "the version in force makes no difference"
    assert all(row["now"] == row["trial"] == row["same"] for row in nothing["counts"])


@pytest.mark.stack
def test_the_table_names_them(log: Stack, tmp_path: Path) -> None:
    done = RUN.invoke(app, ["backtest", "--rule", str(draft(tmp_path, 130, 80))])
    assert done.exit_code == 0, done.output
    assert "between" in done.stdout
    assert "with v2" in done.stdout


def test_what_cannot_be_tried_is_said_in_a_line(tmp_path: Path) -> None:
    whole = draft(tmp_path, 130, 80).read_text(encoding="utf-8")
    files = {
        "none": "",
        "limits": "\n".join(line for line in whole.splitlines() if not line.startswith(("clear", "mornings"))),
        "other": whole.replace('rule = "bp-sustained-high"', 'rule = "bp-sustained"'),
    }
    for name, text in files.items():
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    for rule, said in (
        ("bp-crisis", "NAME@VERSION"),
        ("bp-crisis@new", "NAME@VERSION"),
        ("bp-crises@v1", "there is no rule or score 'bp-crises'"),
        ("bp-crisis@v99", "bp-crisis has no version 99; it has 1"),
        (str(tmp_path / "absent.toml"), "is no rule"),
        (str(tmp_path / "none.toml"), "is no rule"),
        (str(tmp_path / "limits.toml"), "lacks limits that the rule's code reads: clear, mornings"),
        (str(tmp_path / "other.toml"), "there is no rule 'bp-sustained'"),
    ):
        done = RUN.invoke(app, ["backtest", "--rule", rule])
        assert done.exit_code == 1, rule
        assert said in str(done.exception), rule
