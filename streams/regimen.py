"""Since when each drug is prescribed as it is: the same prescription again is no change.

In the state ``regimen`` holds by ATC code ``[[time, id, prescription or "" when stopped], …]``, sorted by (time, id).
Repetitions are dropped once nothing late can come between them any more.
"""

from bisect import insort

from streams.case import Case
from streams.facts import LATENESS
from streams.state import State

STOPPED = "mailiu.chronic.medication-stopped.v1"


def note(case: Case) -> None:
    """A drug was prescribed or stopped."""
    event, data = case.event, case.event.data
    told = case.state.setdefault("regimen", {}).setdefault(data["code"], [])
    what = "" if event.type == STOPPED else f"{data.get('dose') or '?'} {data.get('frequency') or '?'}"
    insort(told, [event.time, event.identity, what])
    settled = case.now - LATENESS
    told[:] = [entry for at, entry in enumerate(told) if not at or entry[0] > settled or entry[2] != told[at - 1][2]]


def since(state: State, code: str) -> int:
    """Since when (ms) the drug is prescribed, or not prescribed, as it now is."""
    told = state["regimen"][code]
    first: int = told[-1][0]
    for entry in reversed(told):
        if entry[2] != told[-1][2]:
            break
        first = entry[0]
    return first


def take_back(state: State, id: str) -> None:
    """The prescription or stop ``id`` was never made."""
    regimen = state.get("regimen", {})
    for code, told in list(regimen.items()):
        told[:] = [entry for entry in told if entry[1] != id]
        if not told:
            del regimen[code]
    if "regimen" in state and not regimen:
        del state["regimen"]
