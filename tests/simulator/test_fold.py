"""A straight fold of a simulated file: the same whoever shares the work, alerts found, clinicians' acts folded."""

from pathlib import Path

import pytest

from analytics.simulator.district import simulate
from analytics.simulator.score import Truth, score
from infra.simulate.fold import Folded, fold
from infra.simulate.log_file import write

RESIDENTS, DAYS = 1200, 40


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    made = simulate(RESIDENTS, DAYS, 5)
    path = tmp_path_factory.mktemp("fold") / "log.ndjson"
    write(made, path, 1)
    return path, Truth.read(made.truth())


@pytest.fixture(scope="module")
def folded(district: tuple[Path, Truth]) -> Folded:
    path, truth = district
    return fold(path, truth.district["end"], 1)


def test_every_event_is_folded(folded: Folded) -> None:
    assert not folded.unfoldable
    assert folded.events > 5_000
    assert folded.alerts
    assert folded.acts


def test_two_processes_find_the_same(district: tuple[Path, Truth], folded: Folded) -> None:
    path, truth = district
    both = fold(path, truth.district["end"], 2)
    assert {id: alert.changes for id, alert in both.alerts.items()} == {
        id: alert.changes for id, alert in folded.alerts.items()
    }


def test_without_clinicians_nobody_acts(district: tuple[Path, Truth]) -> None:
    path, truth = district
    alone = fold(path, truth.district["end"], 1, clinicians=False)
    assert alone.acts == 0
    assert {change.handling for alert in alone.alerts.values() for change in alert.changes} == {"new"}


def test_lasting_high_pressure_and_silence_are_found(district: tuple[Path, Truth], folded: Folded) -> None:
    """The rules that a district leans on: of what was measured, nearly all is found."""
    rows = {row["rule"]: row for row in score(district[1], folded.alerts.values())["rules"]}
    for rule in ("bp-sustained-high", "readings-silent"):
        assert rows[rule]["episodes"] >= 20
        assert rows[rule]["sensitivity_measured"] >= 0.9, rows[rule]
