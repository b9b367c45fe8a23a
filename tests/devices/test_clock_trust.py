"""Clocks of devices: right, never set, years off, ahead, behind, drifting; what is backlog; determinism."""

from hypothesis import given
from hypothesis import strategies as st

from mqtt_ingest.clock_trust import AGREEING, DAY, KEPT, MINUTE, TOLERANCE, UNSET, Receipt, Verdict, judge

NOW = 1_772_323_200_000  # 2026-03-01T00:00:00Z
HOUR = 60 * MINUTE


class Device:
    """A device whose messages are judged one after the other."""

    def __init__(self) -> None:
        self.history: list[Receipt] = []

    def sends(self, received: int, *readings: int, backlog: bool = False) -> list[Verdict]:
        """Verdicts for readings with these device times, received together."""
        verdicts, self.history = judge(self.history, [(time, backlog) for time in readings], received)
        return verdicts

    def learns(self, offset: int, until: int = NOW, receipts: int = AGREEING + 1) -> "Device":
        """Live messages, an hour apart, of a clock that is ``offset`` late."""
        for number in range(receipts, 0, -1):
            received = until - number * HOUR
            self.sends(received, received - offset)
        return self


def test_a_right_clock_is_trusted_from_the_first_message() -> None:
    assert Device().sends(NOW, NOW - 30_000) == [Verdict(NOW - 30_000, "trusted", False)]


def test_a_clock_slightly_ahead_gives_no_time_after_receipt() -> None:
    assert Device().sends(NOW, NOW + 2 * MINUTE) == [Verdict(NOW, "trusted", False)]


def test_a_late_message_of_a_clock_known_to_be_right_keeps_its_time() -> None:
    device = Device().learns(0)
    assert device.sends(NOW, NOW - 3 * DAY) == [Verdict(NOW - 3 * DAY, "trusted", False)]


def test_a_clock_years_off_counts_at_receipt_until_its_offset_is_known() -> None:
    device, offset = Device(), 26 * 365 * DAY
    assert device.sends(NOW - 2 * HOUR, NOW - 2 * HOUR - offset) == [Verdict(NOW - 2 * HOUR, "untrusted", False)]
    assert device.sends(NOW - HOUR, NOW - HOUR - offset) == [Verdict(NOW - HOUR, "untrusted", False)]
    assert device.sends(NOW, NOW - 5 * MINUTE - offset) == [Verdict(NOW - 5 * MINUTE, "corrected", False)]
    late = device.sends(NOW + DAY, NOW - offset, backlog=True)
    assert late == [Verdict(NOW, "corrected", True)]


def test_a_future_dated_clock_is_corrected() -> None:
    device = Device().learns(-3 * HOUR)
    assert device.sends(NOW, NOW + 3 * HOUR - MINUTE) == [Verdict(NOW - MINUTE, "corrected", False)]


def test_the_first_future_dated_reading_counts_at_receipt() -> None:
    assert Device().sends(NOW, NOW + 400 * DAY) == [Verdict(NOW, "untrusted", False)]


def test_one_future_dated_reading_does_not_spoil_a_right_clock() -> None:
    device = Device().learns(0)
    assert device.sends(NOW, NOW + DAY)[0].clock == "untrusted"
    assert device.sends(NOW + HOUR, NOW + HOUR) == [Verdict(NOW + HOUR, "trusted", False)]
    assert device.sends(NOW + DAY, NOW + HOUR) == [Verdict(NOW + HOUR, "trusted", False)]


def test_a_battery_change_is_noticed_at_once() -> None:
    device = Device().learns(0)
    assert device.sends(NOW, NOW - 25 * 365 * DAY) == [Verdict(NOW, "untrusted", False)]


def test_a_clock_set_to_another_zone_is_noticed_after_three_receipts() -> None:
    device = Device().learns(0)
    seen = [device.sends(NOW + n * HOUR, NOW + n * HOUR - 8 * HOUR)[0] for n in range(4)]
    assert [verdict.clock for verdict in seen[-2:]] == ["corrected", "corrected"]
    assert seen[-1].time == NOW + 3 * HOUR


def test_a_drifting_clock_is_followed() -> None:
    """Two minutes a day behind: within tolerance at first, corrected once the lag has settled beyond it."""
    device = Device()
    verdict = Verdict(0, "trusted", False)
    for day in range(60):
        received = NOW + day * DAY
        (verdict,) = device.sends(received, received - day * 2 * MINUTE)
        assert abs(verdict.time - received) <= 30 * MINUTE
    assert verdict.clock == "corrected"


def test_readings_a_minute_apart_sent_late_are_no_new_offset() -> None:
    device = Device().learns(0)
    for number in range(6):
        (verdict,) = device.sends(NOW + number * 1000, NOW - 10 * HOUR + number * MINUTE)
        assert verdict == Verdict(NOW - 10 * HOUR + number * MINUTE, "trusted", False)


def test_in_one_message_all_but_the_newest_are_backlog() -> None:
    newest = NOW - MINUTE
    verdicts = Device().sends(NOW, newest - 2 * DAY, newest - DAY, newest)
    assert verdicts == [
        Verdict(newest - 2 * DAY, "trusted", True),
        Verdict(newest - DAY, "trusted", True),
        Verdict(newest, "trusted", False),
    ]  # fmt: skip


def test_a_stored_week_of_a_clock_never_set_keeps_its_distances() -> None:
    offset = 20 * 365 * DAY
    times = [NOW - offset - days * DAY for days in (6, 3, 0)]
    verdicts = Device().sends(NOW, *times)
    assert [verdict.time for verdict in verdicts] == [NOW - 6 * DAY, NOW - 3 * DAY, NOW]
    assert {verdict.clock for verdict in verdicts} == {"untrusted"}


def test_a_first_message_that_is_late_is_not_trusted() -> None:
    """It may be late, or its clock behind: nothing tells yet."""
    assert Device().sends(NOW, NOW - 5 * HOUR) == [Verdict(NOW, "untrusted", False)]
    assert Device().sends(NOW, NOW - 5 * HOUR, backlog=True) == [Verdict(NOW - 5 * HOUR, "untrusted", True)]


MESSAGES = st.lists(
    st.tuples(
        st.integers(0, 3 * DAY),
        st.lists(st.tuples(st.integers(-2 * UNSET, 2 * UNSET), st.booleans()), min_size=1, max_size=4),
    ),
    max_size=20,
)


@given(MESSAGES)
def test_no_reading_lies_after_its_receipt_and_the_history_stays_small(
    messages: list[tuple[int, list[tuple[int, bool]]]],
) -> None:
    received, history = NOW, []
    for wait, readings in messages:
        received += wait
        timed = [(received - lag, backlog) for lag, backlog in readings]
        before = list(history)
        verdicts, history = judge(history, timed, received)
        assert (verdicts, history) == judge(before, timed, received)
        assert len(verdicts) == len(readings)
        assert all(verdict.time <= received for verdict in verdicts)
        assert len(history) <= KEPT


@given(MESSAGES, st.integers(0, 19))
def test_a_restart_with_the_kept_history_changes_no_verdict(
    messages: list[tuple[int, list[tuple[int, bool]]]], restart: int
) -> None:
    def live(restarted_at: int | None) -> list[list[Verdict]]:
        received, history, seen = NOW, [], []
        for number, (wait, readings) in enumerate(messages):
            received += wait
            if number == restarted_at:
                history = [Receipt(*receipt) for receipt in [list(receipt) for receipt in history]]
            verdicts, history = judge(history, [(received - lag, b) for lag, b in readings], received)
            seen.append(verdicts)
        return seen

    assert live(None) == live(restart)


def test_the_short_way_of_a_steady_clock_says_what_the_long_way_says() -> None:
    steady = Device().learns(0).history
    (short,), _ = judge(steady, [(NOW - 1000, False)], steady[-1].received + TOLERANCE - 1)
    (long,), _ = judge(steady, [(NOW - 1000, False)], steady[-1].received + TOLERANCE)
    assert short[1:] == long[1:]
