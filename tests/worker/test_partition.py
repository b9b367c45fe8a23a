"""The loop around the fold: same result however the log is cut, one culprit alone, ticks in chunks, silent refold."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.envelope import Event
from streams import partition as loop
from streams.event import Output
from streams.partition import PROGRESSED, Hole, OtherLog, Partition, Plain
from streams.store import Store
from streams.ticker import tick
from tests.worker import counting

START = datetime(2026, 3, 1, tzinfo=UTC)


def reading(number: int, resident: str, second: float, note: str | None = None) -> Event:
    at = START + timedelta(seconds=second)
    data = {"systolic": 120, "diastolic": 80, **({"note": note} if note else {})}
    return Event(
        id=f"r{number}", source="test", type="mailiu.reading.blood-pressure-measured.v1", subject=resident,
        time=at, recordedtime=at, institution="I01", data=data,
    )  # fmt: skip


def institution(number: int, name: str) -> Event:
    return Event(
        id=f"i{number}", source="test", type="mailiu.organization.institution-registered.v1", subject="I01",
        time=START, recordedtime=START, institution="I01", data={"name": name},
    )  # fmt: skip


def ticked(second: float) -> Event:
    return tick(0, round((START + timedelta(seconds=second)).timestamp() * 1000))


def plain(events: list[Event], start: int = 0) -> list[Plain]:
    return [Plain(start + i, e.dumps(), (("ce_id", str(e.identity).encode()),)) for i, e in enumerate(events)]


def partition(path: Path | None = None, silent_below: int = 0, version: int = 1) -> Partition:
    return Partition(0, Store(path, version), silent_below, counting)


def outcome(p: Partition) -> tuple[object, ...]:
    return list(p.store.states()), p.store.mark, p.store.soonest()


def derived(outputs: list[Output]) -> list[str]:
    return [o.identity for o in outputs if o.type != PROGRESSED]


def a_log(count: int = 600) -> list[Plain]:
    """Readings of 40 residents, a tick every 15 s, one institution."""
    events = [institution(0, "Beijing")]
    for i in range(count):
        events.append(reading(i, f"r{i % 40}", i))
        if i % 15 == 0:
            events.append(ticked(i))
    return plain(events)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_cutting_the_log_changes_nothing(size: int, tmp_path: Path) -> None:
    records, whole, cut = a_log(), partition(), partition(tmp_path / "0.sqlite")
    expected = derived(whole.apply(records))
    got = [i for at in range(0, len(records), size) for i in derived(cut.apply(records[at : at + size]))]
    assert got == expected
    assert len(expected) > 200
    assert outcome(cut) == outcome(whole)


def test_every_step_is_closed_by_progress() -> None:
    outputs = partition().apply(a_log(30))
    assert outputs[-1].type == PROGRESSED
    assert outputs[-1].value["data"]["next_offset"] == len(a_log(30))
    assert outputs[-1].key == "partition-0"


def test_a_store_goes_on_where_it_was_after_every_crash(tmp_path: Path) -> None:
    """Die before each step is committed, at every step; the store is opened anew each time."""
    records, whole = a_log(), partition()
    expected, seen, crashes, path = derived(whole.apply(records)), [], 0, tmp_path / "0.sqlite"
    p = partition(path)
    while p.next < len(records):
        batch = records[p.resume : p.next + 50]
        for n, step in enumerate(p.steps(batch)):
            seen += derived(step.outputs)
            if (crashes + n) % 2 == 0:
                crashes += 1
                break
            p.commit(step)
        p.store.close()
        p = partition(path)
    print(f"{crashes} crashes, {len(seen)} outputs sent, {len(set(seen))} distinct, {len(expected)} expected")
    assert crashes > 5
    assert set(seen) == set(expected)
    assert outcome(p) == outcome(whole)


def test_a_crash_in_the_midst_of_a_tick_reaches_who_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(loop, "CHUNK", 10)
    events = [reading(i, f"r{i:02}", i / 100) for i in range(35)] + [ticked(60)]
    records, p = plain(events), partition(tmp_path / "0.sqlite")
    reached = []
    for n, step in enumerate(p.steps(records)):
        reached.append(derived(step.outputs))
        if n == 3:  # the readings, then three chunks, of which the third is lost
            break
        p.commit(step)
    p.store.close()
    p = partition(tmp_path / "0.sqlite")
    assert p.next == 35
    reached.append(derived(p.apply(records[p.resume :])))
    whole = partition()
    assert [i for chunk in reached[:3] + reached[4:] for i in chunk] == derived(whole.apply(records))
    assert outcome(p) == outcome(whole)


def test_a_tick_reaches_the_due_in_order_and_nobody_else() -> None:
    p = partition()
    p.apply(plain([reading(1, "b", 0), reading(2, "a", 0), reading(3, "c", -5), reading(4, "late", 8)]))
    outputs = p.apply(plain([ticked(10)], start=4))
    # due ten seconds after core time, the running maximum: c was recorded at core time 0
    assert [o.key for o in outputs if o.type != PROGRESSED] == ["a", "b", "c"]
    assert p.store.soonest() == round((START + timedelta(seconds=18)).timestamp() * 1000)


def test_who_stays_due_waits_for_the_next_tick() -> None:
    p = partition()
    p.apply(plain([reading(1, "x-restless", 0)]))
    for n in range(3):
        outputs = p.apply(plain([ticked(60 * (n + 1))], start=1 + n))
        assert [o.key for o in outputs if o.type != PROGRESSED] == ["x-restless"]


@pytest.mark.parametrize("size", [1, 5, 100])
def test_an_event_that_throws_has_no_effect_and_stops_nobody(size: int, tmp_path: Path) -> None:
    good = [reading(i, f"r{i % 3}", i) for i in range(20)]
    bad = [reading(100, "r1", 7, "boom"), institution(1, "boom"), reading(101, "r2", 8, "unprintable")]
    events = good[:8] + bad[:1] + good[8:12] + bad[1:] + good[12:]
    records = plain(events)
    records[15:15] = [Plain(15, b"{", ()), Plain(16, None, ()), Plain(17, b'{"type":"x"}', ())]
    records = [r._replace(offset=i) for i, r in enumerate(records)]
    p, culprits, outputs = partition(tmp_path / "0.sqlite"), [], []
    for at in range(0, len(records), size):
        for step in p.steps(records[at : at + size]):
            culprits += [u.offset for u in step.unfoldable]
            outputs += derived(step.outputs)
            p.commit(step)
    clean = partition()
    assert outputs == derived(clean.apply(plain(good)))
    assert culprits == [8, 13, 14, 15, 16, 17]
    assert [s[:2] for s in p.store.states()] == [s[:2] for s in clean.store.states()]
    assert p.next == len(records)


def test_a_resident_whom_a_tick_cannot_reach_is_left_alone_until_the_next_event() -> None:
    p = partition()
    p.apply(plain([reading(1, "x-untickable", 0), reading(2, "y", 0)]))
    steps = []
    for step in p.steps(plain([ticked(60), ticked(120)], start=2)):
        steps.append(step)
        p.commit(step)
    rejected = [u for s in steps for u in s.unfoldable]
    assert [(u.offset, u.subject) for u in rejected] == [(2, "x-untickable")]
    assert {o.key for s in steps for o in s.outputs} == {"y"}
    p.apply(plain([reading(3, "x-untickable", 130)], start=4))
    assert p.store.soonest() is not None


def test_a_refold_is_silent_below_what_derived_has() -> None:
    records, whole = a_log(), partition()
    expected = whole.apply(records)
    middle = len(records) // 2
    sent = partition(silent_below=middle).apply(records)
    causes = [o.value["causeoffset"] for o in sent]
    assert min(causes) >= middle
    assert derived(sent) == [o.identity for o in expected if o.type != PROGRESSED and o.value["causeoffset"] >= middle]


def test_holes_and_foreign_logs_are_seen(tmp_path: Path) -> None:
    records = a_log(60)
    p = partition(tmp_path / "0.sqlite")
    p.apply(records[:20])
    with pytest.raises(Hole):
        p.apply(records[25:])
    with pytest.raises(Hole):
        p.apply(records[20:25] + records[30:])
    p = partition(tmp_path / "0.sqlite")
    with pytest.raises(Hole):
        p.apply(records[40:])
    with pytest.raises(OtherLog):
        p.apply(plain([reading(i, "other", i) for i in range(30)]))
    with pytest.raises(OtherLog):
        p.apply(records[:5])
    p.apply(records[p.resume :])
    assert p.next == len(records)


def test_records_already_folded_are_skipped() -> None:
    records, p = a_log(60), partition()
    p.apply(records[:40])
    before = outcome(p)
    assert p.apply(records[10:40]) == []
    assert outcome(p) == before


def rule(what: str, id: str, **data: object) -> Event:
    return Event(
        id=id, source="test", type=f"mailiu.rule.{what}.v1", subject="district", time=START, recordedtime=START,
        institution="I01", data={"rule": "bp-crisis", **data},
    )  # fmt: skip


@pytest.mark.parametrize(("number", "versions"), [(0, [2, 1, 1]), (1, [])])
def test_partition_0_tells_gateways_which_version_of_a_rule_is_in_force(number: int, versions: list[int]) -> None:
    events = [rule("activated", "a", version=2), rule("activated", "b", version=1), rule("activated", "a", version=2)]
    events.insert(1, rule("approved", "c", version=2, physician="P01"))
    outputs = Partition(number, Store(None, 1), 0).apply(plain(events))
    told = [o.value for o in outputs if o.topic == "devices"]
    assert {o.key for o in outputs if o.topic == "devices"} <= {"rule/bp-crisis"}
    assert told == [{"kind": "rule", "rule": "bp-crisis", "version": version} for version in versions]
