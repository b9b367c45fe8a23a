"""What the fold remembers of one resident: two weeks of evidence in sorted columns, and the facts of a person.

Everything a rule reads is a *set*: evidence sorted by (time, id), and for each standing fact the entry with the latest
(time, id). So copies change nothing, order does not matter, and a retracted reading is simply gone. A state is plain
JSON, small, and the same after a round trip.

A series is a dict of equally long lists: ``t`` time (ms), ``id`` identity, ``l`` lateness at receipt (ms; -1 if
imported), and its values. Evidence is kept for the lateness window and so is every id; of home pressures a row of sums
a day is kept for twice that, since the windows of a day that is still open to late readings begin before it.
"""

from bisect import bisect_left, bisect_right
from typing import Any

from streams.calendar import DAY
from streams.facts import LATENESS, Facts

State = dict[str, Any]
Series = dict[str, list[Any]]

OPEN_DAYS = LATENESS // DAY + 1  # days open to late readings
KEPT_DAYS = 2 * LATENESS // DAY  # days whose sums are kept
KEPT_ALERTS = 28 * DAY  # after its last change, an alert that nobody must act on is forgotten
KEPT_SEEN = LATENESS
KEPT_GONE = OPEN_DAYS * DAY + LATENESS

#: Series of evidence and their value columns: blood pressure (systolic, diastolic, counts in means, pulse, marks),
#: glucose (value, flag, context of a home value: fasting, after-meal-2h or none), symptoms (codes), trouble (what),
#: heart rate (value, at rest or active), oxygen (value, pulse, doubted by the device), electrocardiograms (urgent),
#: which ones were read (reading, conclusion), readings answered "yes, it was me" (reading), questionnaires (which,
#: total, flags), crisis values that came in after the open days (what), and kinds with a value alone.
SERIES: dict[str, tuple[str, ...]] = {
    "bp": ("s", "d", "m", "p", "f"),
    "gl": ("v", "f", "c"),
    "sx": ("c",),
    "trouble": ("w",),
    "heart-rate": ("v", "r"),
    "weight": ("v",),
    "oxygen": ("v", "p", "f"),
    "temperature": ("v",),
    "activity": (),
    "ecg": ("u",),
    "ecg-read": ("r", "c"),
    "asked": ("q", "v", "f"),
    "yes": ("r",),
    "late": ("w",),
}
#: Marks of a pressure, added up.
IRREGULAR, LYING, STANDING, SHARED = 1, 2, 4, 8
#: Heart rate: what the body did.
ACTIVE, UNKNOWN, AT_REST = -1, 0, 1
#: Series kept for longer than the others, for somebody must still do something about them.
LONGER = {"ecg": 90 * DAY, "ecg-read": 90 * DAY}


def new_state() -> State:
    """A resident of whom nothing is known."""
    return {"seen": {"t": [], "id": []}, "alerts": [], "due": {}, "from": -(1 << 40)}


def add(state: State, name: str, time: int, id: str, late: int, *values: Any) -> int:
    """Put an entry into series ``name`` where (time, id) belongs; its index."""
    series: Series | None = state.get(name)
    if series is None:
        series = state[name] = {"t": [], "id": [], "l": [], **{column: [] for column in SERIES[name]}}
    times, ids = series["t"], series["id"]
    at = len(times)
    if at and times[-1] >= time:
        at = bisect_right(times, time)
        while at and times[at - 1] == time and ids[at - 1] > id:
            at -= 1
    times.insert(at, time)
    ids.insert(at, id)
    series["l"].insert(at, late)
    for column, value in zip(SERIES[name], values, strict=True):
        series[column].insert(at, value)
    return at


def known(state: State, id: str) -> bool:
    """Whether the event ``id`` is remembered: as evidence, as seen, or as retracted."""
    if id in state["seen"]["id"]:
        return True
    gone = state.get("gone")
    if gone is not None and id in gone["id"]:
        return True
    for name in SERIES:  # noqa: SIM110 (a generator costs more than the loop)
        if name in state and id in state[name]["id"]:
            return True
    return False


def remember(state: State, name: str, now: int, id: str) -> None:
    """Note ``id`` among the ``seen`` or the ``gone``."""
    log = state.setdefault(name, {"t": [], "id": []})
    log["t"].append(now)
    log["id"].append(id)


def remove(state: State, id: str) -> tuple[str, int] | None:
    """Take the evidence ``id`` out of every series; the first it was in and its time, or ``None`` if there is none."""
    found: tuple[str, int] | None = None
    for name in SERIES:
        series: Series | None = state.get(name)
        if series is not None and id in series["id"]:
            at = series["id"].index(id)
            found = found or (name, series["t"][at])
            for column in series.values():
                del column[at]
            if not series["t"]:
                del state[name]
    return found


def forget(state: State, facts: Facts, before: int, first_day: int) -> None:
    """Forget evidence from before an instant, sums from before a day, and what nobody must act on any more.

    By whole local days, so that day sums stay whole.
    """
    state["from"] = first_day
    now: int = facts["core"]
    for name in SERIES:
        if name in state:
            _cut(state[name], min(before, now - LONGER[name]) if name in LONGER else before)
            if not state[name]["t"]:
                del state[name]
    days = state.get("days")
    if days is not None:
        del days[: bisect_left(days, first_day, key=lambda row: row[0])]
    _cut(state["seen"], now - KEPT_SEEN)
    if "gone" in state:
        _cut(state["gone"], now - KEPT_GONE)
    state["alerts"] = [
        a
        for a in state["alerts"]
        if a["chg"] > now - KEPT_ALERTS or a["cond"] == "active" or (a["sev"] == "red" and a["hand"] != "closed")
    ]


def _cut(series: Series, before: int) -> None:
    at = bisect_left(series["t"], before)
    if at:
        for column in series.values():
            del column[:at]


def newest(entry: list[Any] | None, time: int, id: str) -> bool:
    """Whether (time, id) is later than the standing ``entry`` ``[time, id, …]``."""
    return entry is None or (entry[0], entry[1]) < (time, id)
