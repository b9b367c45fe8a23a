"""How far a device's clock can be believed: its offset, estimated from when its readings arrive.

A reading arrives after it was taken, so *lag* = receipt - device time is the clock's offset plus a delay that is never
negative: the smallest recent lag is the best estimate of the offset. It is near 0 for a right clock, negative for one
that runs ahead, positive for one behind. A device that only ever sends late looks like one that is behind; it takes
`AGREEING` receipts, well apart, with the same lag to tell. A lag of more than `UNSET` is no delay but a clock that was
never set.

All instants are milliseconds since 1970. The numbers are conventions of ours. Pure; one device's verdicts depend on
nothing but its own receipts, in order.
"""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.reading import Trust

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
#: What a right clock may deviate, and what agreeing lags may differ by.
TOLERANCE = 10 * MINUTE
#: Longer than any cuff keeps readings: such a lag is a clock that was never set, or lost its battery.
UNSET = 400 * DAY
#: Receipts with the same lag that make an offset believable, each at least twice the tolerance after the one before.
AGREEING = 3
#: How long a receipt counts, and how many are kept; the latest few count however old they are.
WINDOW, LATEST, KEPT = 7 * DAY, 3, 12


class Receipt(NamedTuple):
    """What one message told of the clock: when it came, its smallest lag, whether it may have been live."""

    received: int
    lag: int
    live: bool


class Verdict(NamedTuple):
    """When a reading was taken, how far that is to be believed, and whether it was stored before it was sent."""

    time: int
    clock: Trust
    backlog: bool


def judge(
    history: Sequence[Receipt], readings: Sequence[tuple[int, bool]], received: int, tolerance: int = TOLERANCE
) -> tuple[list[Verdict], list[Receipt]]:
    """Verdicts for the ``readings`` (device time, marked as backlog) of one message, and the device's new history.

    In a message of several readings all but the newest were stored first, whether the device says so or not. What is
    not believed and was not stored counts as taken on receipt; a stored one keeps its distance to the newest.
    """
    if len(readings) == 1 and history:  # the usual case, by the general rule: right so far, and right again
        (time, marked), last = readings[0], history[-1]
        steady = last.live and abs(last.lag) <= tolerance and 0 <= received - last.received < tolerance
        if steady and not marked and abs(received - time) <= tolerance:
            return [Verdict(min(time, received), "trusted", False)], list(history)
    newest = max(time for time, _ in readings)
    lags = [received - time for time, _ in readings]
    now = Receipt(
        received, min(lags, key=lambda lag: (abs(lag) > tolerance, lag)), not all(backlog for _, backlog in readings)
    )
    known = _since_change([*_recent(history, received), now], tolerance)
    offset = min(receipt.lag for receipt in known)
    alike = [receipt.received for receipt in known if receipt.live and receipt.lag - offset <= tolerance]
    sure = _apart(alike, 2 * tolerance) >= AGREEING
    verdicts = []
    for (time, marked), lag in zip(readings, lags, strict=True):
        backlog = marked or newest - time > tolerance
        if abs(offset) <= tolerance and -tolerance <= lag <= UNSET:
            verdicts.append(Verdict(min(time, received), "trusted", backlog))
        elif abs(offset) > tolerance and sure:
            verdicts.append(Verdict(min(time + offset, received), "corrected", backlog))
        elif not backlog:
            verdicts.append(Verdict(received, "untrusted", False))
        else:
            wrong = offset < -tolerance or offset > UNSET
            verdicts.append(Verdict(min(time + offset if wrong else time, received), "untrusted", True))
    return verdicts, known[-KEPT:]


def _recent(history: Sequence[Receipt], received: int) -> list[Receipt]:
    recent = [receipt for receipt in history if receipt.received > received - WINDOW]
    return recent if len(recent) >= LATEST else list(history[-LATEST:])


def _since_change(receipts: list[Receipt], tolerance: int) -> list[Receipt]:
    """The receipts since the clock was last set, reset or lost, the newest of which is the last one."""
    *before, now = receipts
    if not before:
        return receipts
    if now.live and abs(now.lag) <= tolerance:  # a live message of a right clock: older offsets are history
        return [receipt for receipt in receipts if abs(receipt.lag) <= tolerance]
    if now.lag - min(receipt.lag for receipt in before) > UNSET:
        return [now]
    alike: list[Receipt] = []
    for receipt in reversed(receipts):
        if not receipt.live:
            continue
        if abs(receipt.lag - now.lag) > tolerance:
            break
        alike.insert(0, receipt)
    if now.live and _apart([receipt.received for receipt in alike], 2 * tolerance) >= AGREEING:
        return alike  # the same new lag again and again: the clock was set back, or drifted
    return receipts


def _apart(instants: Sequence[int], distance: int) -> int:
    """How many of the instants (in order) lie at least ``distance`` after the one counted before."""
    count, last = 0, None
    for instant in instants:
        if last is None or instant - last >= distance:
            count, last = count + 1, instant
    return count
