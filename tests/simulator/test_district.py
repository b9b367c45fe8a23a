"""The same seed gives the same bytes, everything is an event that the gateways take, and the truth stays aside."""

from collections import Counter
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from analytics.simulator.district import simulate
from infra.replay.formats import opened
from infra.simulate.log_file import event, write
from schemas.registry import parse

RESIDENTS, DAYS = 1500, 45


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("simulate") / "log.ndjson"
    write(simulate(RESIDENTS, DAYS, 7), path, 1)
    return path


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_processes(written: Path, tmp_path: Path) -> None:
    again, packed = tmp_path / "again.ndjson", tmp_path / "again.ndjson.zst"
    write(simulate(RESIDENTS, DAYS, 7), again, 2)
    write(simulate(RESIDENTS, DAYS, 7), packed, 1)
    assert again.read_bytes() == written.read_bytes()
    with opened(packed) as file:
        assert file.read() == written.read_bytes()


def test_another_seed_gives_other_people_and_names() -> None:
    one, other = simulate(50, 5, 1), simulate(50, 5, 2)
    assert one.lives.people.birth != other.lives.people.birth
    assert not {c.subject for c in one.care} & {c.subject for c in other.care if "calendar" not in c.subject}


def test_the_truth_is_the_same_for_the_same_seed() -> None:
    assert list(simulate(300, 30, 3).truth()) == list(simulate(300, 30, 3).truth())


def test_every_event_is_one_that_gateways_take_and_lies_in_order(written: Path) -> None:
    identities, kinds, before = Counter[UUID](), Counter[str](), ""
    for line in written.read_bytes().splitlines():
        event = parse(line)
        identities[event.identity] += 1
        recorded = orjson.loads(line)["recordedtime"]
        assert recorded >= before
        assert event.recordedtime is not None
        assert event.time <= event.recordedtime
        before = recorded
        kinds[event.type] += 1
    copies = sum(count - 1 for count in identities.values())
    assert 0 < copies < 0.05 * kinds.total()  # what was sent twice, under one identity
    for needed in (
        "resident.registered", "resident.consent-given", "monitoring.enrolled", "monitoring.plan-set", "device.bound",
        "reading.blood-pressure-measured", "reading.glucose-measured", "reading.weight-measured",
        "chronic.follow-up-completed", "chronic.medication-prescribed", "device.measurement-failed",
        "organization.rota-set", "organization.holiday-calendar-set", "maternal.pregnancy-registered",
    ):  # fmt: skip
        assert any(kind.startswith(f"mailiu.{needed}.") for kind in kinds), needed


def test_nobody_is_enrolled_without_consent_before(written: Path) -> None:
    consented = set()
    for line in written.read_bytes().splitlines():
        event = orjson.loads(line)
        if event["type"] == "mailiu.resident.consent-given.v1":
            consented.add(event["subject"])
        if event["type"] == "mailiu.monitoring.enrolled.v1":
            assert event["subject"] in consented


def test_the_truth_is_never_in_the_log(written: Path) -> None:
    """No name of a true condition, pattern, episode or level appears in any event."""
    district = simulate(RESIDENTS, DAYS, 7)
    log = written.read_bytes().replace(b'"hypoglycaemia":', b"")  # form 4.4 asks for it
    told = list(district.truth())
    words = {line["is"] for line in told if line["what"] == "episode"} | {"white-coat", "masked", "pattern", "level"}
    words |= {clock for line in told if line["what"] == "resident" for clock in line["clocks"].values()} - {"right"}
    for word in words:
        assert f'"{word}"'.encode() not in log, word


def test_wrong_clocks_are_judged_as_the_bridge_judges_them(tmp_path: Path) -> None:
    """A clock years off or in the future is corrected or not trusted; one never set is taken at receipt."""
    district = simulate(6000, 20, 7)
    write(district, tmp_path / "log.ndjson", 1)
    told = district.truth()
    clocks = {line["resident"]: line["clocks"] for line in told if line["what"] == "resident"}
    seen: dict[str, Counter[str]] = {}
    for line in (tmp_path / "log.ndjson").read_bytes().splitlines():
        event = orjson.loads(line)
        if event["type"] == "mailiu.reading.blood-pressure-measured.v1":
            kind = clocks[event["subject"]]["blood-pressure"]
            seen.setdefault(kind, Counter())[event["data"]["clock"]] += 1
    assert seen["right"]["trusted"] / seen["right"].total() > 0.95
    assert seen["years-off"]["trusted"] == seen["future"]["trusted"] == 0
    assert seen["unset"]["receipt"] > 0
    assert seen["unset"]["trusted"] == 0


def test_the_dead_send_nothing_and_nothing_comes_before_enrolment() -> None:
    district = simulate(20_000, 60, 9)
    one, programme = district.deliveries, district.lives.programme
    own = one.patient >= 0
    assert (one.time[own] < programme.died[one.patient[own]] * 86_400_000).all()
    assert (one.time[own] >= programme.enrolled[one.patient[own]] * 86_400_000).all()
    died = [care for care in district.care if care.type == "resident.died.v1"]
    assert died
    assert all(care.sent > care.time for care in died)


def test_care_events_have_identities_of_their_own() -> None:
    district = simulate(400, 20, 3)
    made = [parse(event(district, number, one)) for number, one in enumerate(district.care)]
    assert len({one.identity for one in made}) == len(made)
