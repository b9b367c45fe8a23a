"""What was said of a fact: the newest statement stands, and gives way to the one before it when it is taken back.

In the state ``state[group][name]`` is the statement that stands, ``[time, id, value]``; ``state["past"][group][name]``
are those before it, sorted by (time, id): all that something late may still come between, and two more. So neither
order nor copies matter, and a fact that was said once takes no more room than its one statement.
"""

from bisect import bisect_right, insort
from typing import Any

from streams.facts import LATENESS
from streams.state import State, newest

KEPT = 3


def keep(entries: list[list[Any]], entry: list[Any], most: int, now: int) -> None:
    """Put ``entry`` into the sorted ``entries`` once; of what is settled by ``now`` keep the latest ``most``."""
    if all(other[1] != entry[1] for other in entries):
        insort(entries, entry, key=lambda one: (one[0], one[1]))
        settled = bisect_right(entries, now - LATENESS, key=lambda one: one[0])
        del entries[: max(settled - most, 0)]


def note(state: State, group: str, name: str, entry: list[Any], now: int) -> bool:
    """Note a statement of a fact; whether it now stands."""
    entries = state.setdefault(group, {})
    stands = entries.get(name)
    if stands is None:
        entries[name] = entry
        return True
    if stands[1] == entry[1]:
        return False
    later = newest(stands, entry[0], entry[1])
    older, entries[name] = (stands, entry) if later else (entry, stands)
    keep(state.setdefault("past", {}).setdefault(group, {}).setdefault(name, []), older, KEPT - 1, now)
    return later


def take_back(state: State, group: str, id: str) -> bool:
    """Take what the event ``id`` said out of ``group``; whether it said anything there."""
    found = False
    entries, past = state.get(group, {}), state.get("past", {}).get(group, {})
    for name, before in past.items():
        kept = [entry for entry in before if entry[1] != id]
        found = found or len(kept) < len(before)
        past[name] = kept
    for name in [name for name, entry in entries.items() if entry[1] == id]:
        found = True
        if past.get(name):
            entries[name] = past[name].pop()
        else:
            del entries[name]
    if found:
        _sweep(state, group)
    return found


def _sweep(state: State, group: str) -> None:
    """Drop what is empty: a state is the same as if nothing had been said."""
    if not state.get(group, True):
        del state[group]
    past = state.get("past", {})
    for name in [name for name, before in past.get(group, {}).items() if not before]:
        del past[group][name]
    if not past.get(group, True):
        del past[group]
    if not state.get("past", True):
        del state["past"]
