"""Consent as the fold knows it: whether a scope is allowed at an instant, was withdrawn, or was never asked for.

In the state each scope has its marks ``[time, id, given (1 or 0), guardian or None]``, sorted by (time, id), so that
order and copies do not matter. A consent that a child under 14 gave without a guardian is none (Personal Information
Protection Law of the PRC, article 31).
"""

from bisect import insort
from typing import Any

from streams.calendar import birthday
from streams.event import Input
from streams.state import State

Mark = list[Any]

MONITORING, MESSAGES = "monitoring", "messages"
GIVEN = "mailiu.resident.consent-given.v1"
OWN_CONSENT = 14  #: years from which a resident consents alone
KEPT = 16  # marks of one scope that are remembered, the latest


def note(state: State, event: Input) -> None:
    """Remember what a consent-given or consent-withdrawn event says of its scopes."""
    mark = [min(event.time, event.recorded), event.identity, int(event.type == GIVEN), event.data.get("guardian")]
    scopes: dict[str, list[Mark]] = state.setdefault("consent", {})
    for scope in event.data["scopes"]:
        marks = scopes.setdefault(scope, [])
        if all(mark[1] != other[1] for other in marks):
            insort(marks, mark, key=lambda m: (m[0], m[1]))
            del marks[:-KEPT]


def stance(state: State, scope: str, instant: int, zone: str = "Asia/Shanghai") -> bool | None:
    """Whether ``scope`` was given (True) or withdrawn (False) at ``instant``; None where nobody was asked."""
    stands = None
    if "consent" in state:
        for mark in state["consent"].get(scope, ()):
            if mark[0] <= instant and (not mark[2] or _valid(state, mark, zone)):
                stands = bool(mark[2])
    return stands


def allows(state: State, scope: str, now: int, zone: str = "Asia/Shanghai") -> bool:
    """Whether ``scope`` was given and stands at ``now`` (ms): without it nothing is sent to a resident or contact."""
    return stance(state, scope, now, zone) is True


def withdrawn(state: State, scope: str, now: int, zone: str = "Asia/Shanghai") -> bool:
    """Whether ``scope`` stands withdrawn at ``now`` (ms). Who was never asked has withdrawn nothing."""
    return stance(state, scope, now, zone) is False


def held_throughout(state: State, scope: str, since: int, until: int, zone: str) -> bool:
    """Whether ``scope`` was given at ``since`` and not withdrawn up to ``until``."""
    marks = state["consent"].get(scope, ()) if "consent" in state else ()
    ended = any(since < time <= until and not given for time, _, given, _ in marks)
    return not ended and stance(state, scope, since, zone) is True


def ever_withdrawn(state: State, scope: str) -> bool:
    """Whether ``scope`` was withdrawn at any time: a cheap look before the exact one."""
    return "consent" in state and any(not mark[2] for mark in state["consent"].get(scope, ()))


def _valid(state: State, mark: Mark, zone: str) -> bool:
    birth = state.get("birth")
    return mark[3] is not None or birth is None or bool(mark[0] >= birthday(zone, birth[2], OWN_CONSENT))
