"""When time may pass: ticks at their instants, the same whoever makes them, and none before the gateways drained."""

from datetime import UTC, datetime

from streams.ticker import DRAIN_SECONDS, QUIET_SECONDS, Pace, instant_of, tick

MINUTE = 60_000
OUTAGE = 3 * MINUTE
NOON = 1_772_366_400_000  # 2026-03-01T12:00:00Z


def test_instants_are_multiples_of_the_tick() -> None:
    assert instant_of(NOON / 1000 + 59.999, 60) == NOON
    assert instant_of(NOON / 1000 + 60, 60) == NOON + MINUTE
    assert instant_of(NOON / 1000 + 0.3, 0.25) == NOON + 250


def test_two_owners_make_one_event() -> None:
    assert tick(3, NOON).dumps() == tick(3, NOON).dumps()
    assert tick(3, NOON).identity == tick(3, NOON).identity
    assert len({tick(p, NOON + t).identity for p in (3, 4) for t in (0, MINUTE)}) == 4
    assert tick(3, NOON).time == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_an_instant_is_ticked_once() -> None:
    pace = Pace(OUTAGE)
    assert pace.may(NOON, NOON - MINUTE, NOON, 0, unsettled=True)
    pace.appended = NOON
    assert not pace.may(NOON, NOON - MINUTE, NOON + 1, 0.1, unsettled=False)
    assert pace.may(NOON + MINUTE, NOON, NOON + MINUTE, 60, unsettled=False)


def test_a_partition_without_a_tick_begins_at_once() -> None:
    assert Pace(OUTAGE).may(NOON, 0, NOON, 0, unsettled=True)


def test_after_an_outage_a_tick_waits_until_nothing_late_comes() -> None:
    pace, before = Pace(OUTAGE), NOON - 60 * MINUTE
    assert not pace.may(NOON, before, NOON, 0.0, unsettled=True)
    assert not pace.may(NOON, before, NOON + 1000, 1.0, unsettled=True)
    assert not pace.may(NOON, before, NOON + 4000, 4.0, unsettled=False)
    assert not pace.may(NOON, before, NOON + 5000, 5.0, unsettled=True)
    assert not pace.may(NOON, before, NOON + 9900, 5.0 + QUIET_SECONDS - 0.1, unsettled=False)
    assert pace.may(NOON, before, NOON + 10_000, 5.0 + QUIET_SECONDS, unsettled=False)


def test_it_waits_ten_minutes_at_most() -> None:
    pace, before, minutes = Pace(OUTAGE), NOON - 60 * MINUTE, 0
    while not pace.may(NOON + minutes * MINUTE, before, NOON + minutes * MINUTE, minutes * 60.0, unsettled=True):
        minutes += 1
    assert minutes * 60 == DRAIN_SECONDS
    pace.appended = NOON + minutes * MINUTE
    after = NOON + (minutes + 1) * MINUTE
    assert pace.may(after, before, after, (minutes + 1) * 60.0, unsettled=True)
