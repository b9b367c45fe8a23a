"""The district against its cited parameters: shares within the binomial error, levels where they are said to be."""

from datetime import date
from math import sqrt

import numpy as np
import pytest

from analytics.simulator.district import START, simulate
from analytics.simulator.parameters import entries, parameters
from analytics.simulator.people import CONTROLLED, MASKED, NORMAL, RAISED, WHITE_COAT, People, settle

P = parameters()
N = 60_000
SIGMAS = 4.5  #: with some hundred comparisons one in a hundred runs of another seed may miss


@pytest.fixture(scope="module")
def people() -> People:
    return settle(N, 11, P, START)


def close(share: float, wanted: float, n: int) -> bool:
    """Whether a share among ``n`` is the wanted one, by the binomial error."""
    return abs(share - wanted) <= SIGMAS * sqrt(max(wanted * (1 - wanted), 1e-9) / n)


def test_every_number_has_a_unit_and_a_source() -> None:
    for name, entry in entries().items():
        assert entry["unit"], name
        assert len(entry["source"]) > 3, name
        assert set(entry) <= {"value", "unit", "source", "judgement"}, name


def test_ages_follow_the_census_of_2020(people: People) -> None:
    """Seventh National Population Census: 17.95 % below 15, 18.70 % from 60, 13.50 % from 65; 51.24 % male."""
    for below, above, share in ((0, 15, 0.1795), (60, 200, 0.1870), (65, 200, 0.1350)):
        found = float(np.mean((people.age >= below) & (people.age < above)))
        assert abs(found - share) <= SIGMAS * sqrt(share * (1 - share) / N) + 0.0007, (below, above, found)
    assert abs(float(people.male.mean()) - 0.5124) <= SIGMAS * sqrt(0.25 / N) + 0.004


@pytest.mark.parametrize(
    ("low", "high", "share"), [(25, 35, 0.061), (35, 45, 0.15), (45, 55, 0.296), (55, 65, 0.446), (65, 75, 0.557)]
)
def test_hypertension_by_age_is_that_of_the_china_hypertension_survey(
    people: People, low: int, high: int, share: float
) -> None:
    group = (people.age >= low) & (people.age < high)
    assert close(float(people.hypertension[group].mean()), share, int(group.sum()))


def test_awareness_treatment_and_control_are_those_of_the_survey(people: People) -> None:
    """46.9 % aware, 40.7 % treated, 15.3 % controlled, of those with hypertension."""
    ill = people.hypertension
    n = int(ill.sum())
    assert close(float(people.aware[ill].mean()), 0.469, n)
    assert close(float((people.drugs[ill] > 0).mean()), 0.407, n)
    assert close(float(np.isin(people.kind[ill], (CONTROLLED, MASKED)).mean()), 0.153, n)


def test_diabetes_copd_and_heart_failure_have_their_cited_prevalence(people: People) -> None:
    """JAMA 2021: 12.4 % of adults; COPD surveillance 2014: 13.6 % from 40; ejhf.1629: 1.3 % from 35."""
    for has, from_age, share, spread in (
        (people.diabetes, 18, 0.124, 0.012), (people.copd, 40, 0.136, 0.02), (people.heart_failure, 35, 0.013, 0.002),
    ):  # fmt: skip
        group = people.age >= from_age
        found, n = float(has[group].mean()), int(group.sum())
        assert abs(found - share) <= spread + SIGMAS * sqrt(share * (1 - share) / n), (from_age, found)
    known = people.diabetes
    assert close(float(people.diabetes_known[known].mean()), 0.367, int(known.sum()))


def test_patterns_lie_on_their_sides_of_the_limits(people: People) -> None:
    """Home 135/85, office 140/90: white-coat is high in the office only, masked at home only."""
    home, office = people.usual, people.usual + people.office
    high_home = (home[0] >= 135) | (home[1] >= 85)
    high_office = (office[0] >= 140) | (office[1] >= 90)
    assert high_home[people.kind == RAISED].all()
    assert high_home[people.kind == MASKED].all()
    for kind in (NORMAL, CONTROLLED, WHITE_COAT):
        assert not high_home[people.kind == kind].any()
    assert high_office[people.kind == RAISED].all()
    assert high_office[people.kind == WHITE_COAT].mean() > 0.75
    assert high_office[people.kind == MASKED].mean() < 0.35


def test_day_to_day_variation_is_that_of_ohasama() -> None:
    """Kato 2010: within-person spread of morning home pressure 8.6 ± 3.1 over 5.8 ± 2.0 mmHg, once every morning."""
    district = simulate(4000, 28, 2)
    one, programme = district.deliveries, district.lives.programme
    first = ~one.failed & (one.kind == 0) & (one.patient >= 0) & (one.time % 86_400_000 < 43_200_000)
    spreads = []
    for patient in np.flatnonzero(programme.measures[0] & (programme.pregnancy < 0)).tolist():
        mine = np.flatnonzero(first & (one.patient == patient))
        _, once = np.unique(one.time[mine] // 86_400_000, return_index=True)
        if len(once) >= 14:
            spreads.append((one.value[mine][once].std(ddof=1), one.second[mine][once].std(ddof=1)))
    systolic, diastolic = np.mean(spreads, axis=0)
    assert len(spreads) > 80
    assert 7.6 < systolic < 10.2, systolic
    assert 5.0 < diastolic < 7.0, diastolic


def test_season_is_that_of_homed_bp() -> None:
    """Hanazawa 2017: highest less lowest 6.7/2.9 mmHg, the highest in mid to late January."""
    course = simulate(12_000, 730, 4, date(2025, 1, 1)).lives.course
    for row, wanted in ((0, 6.7), (1, 2.9)):
        mean = course.level[row].mean(axis=0)
        day = np.arange(730)
        phase = 2 * np.pi * day / 365.2425
        design = np.stack([np.cos(phase), np.sin(phase), np.ones(730), day])
        cosine, sine, _, _ = np.linalg.lstsq(design.T, mean, rcond=None)[0]
        assert abs(2 * np.hypot(cosine, sine) - wanted) < 0.8
        assert 5 <= np.degrees(np.arctan2(sine, cosine)) / 360 * 365 <= 32
