"""Lying and standing (clinical decision 10), "was it you?" (18), drugs in pregnancy (23)."""

import pytest

from tests.core.resident import DAY, HOUR, MINUTE, START, Resident


def pair(r: Resident, time: int, lying: tuple[float, float], standing: tuple[float, float], after: int = 6) -> None:
    r.bp(*lying, time, position="lying")
    r.bp(*standing, time + after * MINUTE, position="standing")


@pytest.mark.parametrize("symptom", ["fall", "dizziness-on-standing"])
def test_a_fall_or_dizziness_on_standing_asks_for_a_pair(symptom: str) -> None:
    r = Resident()
    r.event("chronic.symptom-reported.v1", {"symptoms": [symptom]}, START)
    alert = r.only("bp-orthostatic")
    assert (alert["severity"], alert["detail"]["stage"]) == ("yellow", "pair-wanted")
    assert "lie down" in alert["detail"]["text"]["en"]


def test_plain_dizziness_asks_for_nothing() -> None:
    r = Resident()
    r.event("chronic.symptom-reported.v1", {"symptoms": ["dizziness"]}, START)
    assert not r.alerts


@pytest.mark.parametrize(
    ("standing", "drop"), [((120, 80), True), ((121, 80), False), ((139, 70), True), ((139, 71), False)]
)
def test_a_drop_of_20_or_10_is_found_and_a_steady_pair_answers(standing: tuple[float, float], drop: bool) -> None:
    r = Resident()
    r.event("chronic.symptom-reported.v1", {"symptoms": ["fall"]}, START)
    pair(r, START + HOUR, (140, 80), standing)
    alert = r.only("bp-orthostatic")
    stage, condition = ("drop", "active") if drop else ("no-drop", "cleared")
    assert (alert["detail"]["stage"], alert["condition"]) == (stage, condition)


def test_a_drop_is_found_without_any_report() -> None:
    r = Resident()
    pair(r, START, (140, 80), (110, 70))
    assert r.only("bp-orthostatic")["detail"]["drops"] == 1


@pytest.mark.parametrize(("after", "found"), [(10, True), (11, False)])
def test_a_pair_is_made_within_minutes(after: int, found: bool) -> None:
    r = Resident()
    pair(r, START, (140, 80), (110, 70), after)
    assert bool(r.of("bp-orthostatic")) is found


def test_a_pair_from_before_the_fall_answers_nothing() -> None:
    r = Resident()
    pair(r, START - HOUR, (140, 80), (139, 80))
    r.event("chronic.symptom-reported.v1", {"symptoms": ["fall"]}, START)
    assert r.only("bp-orthostatic")["condition"] == "active"


def shared(systolics: list[float], **rest: object) -> Resident:
    r = Resident()
    for n, systolic in enumerate(systolics):
        r.bp(systolic, 75, START + n * HOUR, user_slot=1, **rest)
    return r


USUAL = [118, 120, 122, 119, 121, 120, 118, 122]


@pytest.mark.parametrize(
    ("value", "asked"),
    [(140, True), (139, False), (100, True)],  # 20 from the mean of 120; the SD of 1.5 does not matter here
)
def test_an_outlier_of_a_shared_cuff_asks_was_it_you(value: float, asked: bool) -> None:
    r = shared([*USUAL, value])
    assert bool(r.of("shared-cuff-outlier")) is asked
    if asked:
        alert = r.only("shared-cuff-outlier")
        assert (alert["severity"], alert["condition"]) == ("technical", "active")
        assert "Was it you" in alert["detail"]["text"]["en"]


def test_it_never_delays_an_alarm() -> None:
    r = shared([*USUAL, 190])
    assert r.only("bp-crisis")["severity"] == "red"
    assert r.only("shared-cuff-outlier")["condition"] == "active"


@pytest.mark.parametrize(("flags", "asked"), [([], False), (["shared-device"], True), (["unknown-user"], True)])
def test_only_a_cuff_of_several_people_asks(flags: list[str], asked: bool) -> None:
    r = Resident()
    for n, systolic in enumerate([*USUAL, 160]):
        r.bp(systolic, 75, START + n * HOUR, flags=flags)
    assert bool(r.of("shared-cuff-outlier")) is asked


def test_yes_and_no_answer_it() -> None:
    yes, no = shared(USUAL), shared(USUAL)
    for r, (type, data) in (
        (yes, ("reading.confirmed.v1", {})), (no, ("reading.retracted.v1", {"reason": "not-mine"})),
    ):  # fmt: skip
        reading = r.bp(160, 75, START + 9 * HOUR, user_slot=1)
        r.event(type, {"reading": reading.identity, **data}, START + 10 * HOUR)
    assert yes.only("shared-cuff-outlier")["condition"] == "cleared"
    assert no.only("shared-cuff-outlier")["condition"] == "withdrawn"


def pregnant() -> Resident:
    r = Resident(born="1995-05-01")
    r.event("maternal.pregnancy-registered.v1", {}, START - 60 * DAY)
    return r


@pytest.mark.parametrize(
    ("code", "group"),
    [
        ("C09AA02", "ace-inhibitor"),  # enalapril
        ("C09BA03", "ace-inhibitor"),  # lisinopril and diuretics
        ("C09CA01", "arb"),  # losartan
        ("C09DB01", "arb"),  # valsartan and amlodipine
        ("C09DX04", "arni"),  # valsartan and sacubitril
        ("C10AA05", "statin"),  # atorvastatin
        ("C10BA05", "statin"),  # atorvastatin and ezetimibe
        ("C02AB01", None),  # methyldopa
        ("C08CA05", None),  # nifedipine
        ("C10AX09", None),  # ezetimibe
    ],
)
def test_a_drug_of_the_list_in_pregnancy_is_called_about_the_same_day(code: str, group: str | None) -> None:
    r = pregnant()
    r.event("chronic.medication-prescribed.v1", {"code": code}, START)
    if group is None:
        assert not r.alerts
    else:
        alert = r.only("drug-in-pregnancy")
        assert (alert["severity"], alert["detail"]["stage"]) == ("orange", "pregnant")
        assert alert["detail"]["drugs"] == {group: [code]}


def test_a_planned_pregnancy_counts_and_a_pregnancy_registered_later_too() -> None:
    planned = Resident(born="1995-05-01")
    planned.event("chronic.medication-prescribed.v1", {"code": "C10AA05"}, START - DAY)
    later = Resident(born="1995-05-01")
    later.event("chronic.medication-prescribed.v1", {"code": "C10AA05"}, START - DAY)
    assert not planned.alerts
    planned.event("maternal.preconception-recorded.v1", {"planned": True}, START)
    later.event("maternal.pregnancy-registered.v1", {}, START)
    assert planned.only("drug-in-pregnancy")["detail"]["stage"] == "planned"
    assert later.only("drug-in-pregnancy")["detail"]["stage"] == "pregnant"
    planned.event("maternal.preconception-recorded.v1", {"planned": False}, START + DAY)
    later.event("maternal.delivery-recorded.v1", {}, START + DAY)
    assert planned.only("drug-in-pregnancy")["condition"] == "cleared"
    assert later.only("drug-in-pregnancy")["condition"] == "cleared"


def test_it_ends_when_the_drug_is_stopped() -> None:
    r = pregnant()
    r.event("chronic.medication-prescribed.v1", {"code": "C09AA02"}, START)
    r.event("chronic.medication-stopped.v1", {"code": "C09AA02"}, START + HOUR)
    assert r.only("drug-in-pregnancy")["condition"] == "cleared"
