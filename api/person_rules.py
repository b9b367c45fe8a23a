"""What the REST gateway looks up before it takes an event that changes who may see or monitor a resident.

Only the managing institution says who cares for a resident (registration, contract, transfer, merge, guardians,
consent); nobody is enrolled in monitoring without consent, and a child under 14 consents by a guardian. The fold holds
to the same rules (`streams.care`, `streams.consent`); here the sender is told at once. What this process took a moment
ago counts too, since the tables are a little behind.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from api.auth import Caller
from api.backend import Backend
from api.problem import Problem
from api.rejected import Refused
from infra.settings import settings
from schemas.envelope import Event, milliseconds, rfc3339
from streams import consent
from streams.care import MANAGED
from streams.event import Input
from streams.state import State

CONSENTS = frozenset({consent.GIVEN, "mailiu.resident.consent-withdrawn.v1"})
ENROLLED = "mailiu.monitoring.enrolled.v1"
MOVES = {
    "mailiu.resident.registered.v1": "institution",
    "mailiu.resident.contracted.v1": "institution",
    "mailiu.resident.transferred.v1": "data.to_institution",
}
LOOKED_AT = MANAGED | CONSENTS | {ENROLLED, "mailiu.resident.details-changed.v1"}
REMEMBERED = 30.0  #: seconds for which what this process took is remembered, until the tables are sure to have it

KNOWN = """
SELECT resident, institution, birth_date FROM residents WHERE resident IN {residents:Array(String)}
"""
TURNS = """
SELECT resident, id, event, time, scopes, guardian FROM consent_events
WHERE resident IN {residents:Array(String)} ORDER BY time, toString(id)
"""


@dataclass
class Person:
    """What is known of a resident: who manages, and the part of the fold's state that consent needs."""

    manager: str | None = None
    state: State = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Know what ``event`` says."""
        data, path = event.data, MOVES.get(event.type)
        if path is not None:
            self.manager = event.institution if path == "institution" else data["to_institution"]
        if data.get("birth_date"):
            self.state["birth"] = [0, "", data["birth_date"]]
        if event.type in CONSENTS:
            consent.note(self.state, _input(event))


_latest: deque[tuple[float, Event]] = deque()  #: what this process took, and when


async def look_up(backend: Backend, who: Caller, checked: list[Event | Refused]) -> None:
    """Put a refusal in the place of each event that may not be said of its resident, or not yet.

    While the tables are away nothing is refused here: the fold decides.
    """
    events = [event for event in checked if isinstance(event, Event) and event.type in LOOKED_AT]
    if not events:
        return
    residents = {event.subject for event in events} | {into for event in events if (into := _into(event))}
    try:
        people = await _people(backend, residents)
    except Problem:
        return
    for index, event in enumerate(checked):
        if isinstance(event, Event) and event.type in LOOKED_AT:
            person = people[event.subject]
            refused = _judge(who, event, person, people)
            if refused is not None:
                checked[index] = refused
            else:
                person.take(event)
                _latest.append((time.monotonic(), event))


async def _people(backend: Backend, residents: set[str]) -> dict[str, Person]:
    people = {resident: Person() for resident in residents}
    parameters = {"residents": sorted(residents)}
    for row in await backend.tables.rows(KNOWN, parameters):
        person = people[row["resident"]]
        person.manager = row["institution"]
        if row["birth_date"] is not None:
            person.state["birth"] = [0, "", row["birth_date"].isoformat()]
    for row in await backend.tables.rows(TURNS, parameters):
        consent.note(people[row["resident"]].state, _turn(row))
    while _latest and _latest[0][0] < time.monotonic() - REMEMBERED:
        _latest.popleft()
    for _, event in _latest:
        if event.subject in people:
            people[event.subject].take(event)
    return people


def _judge(who: Caller, event: Event, person: Person, people: dict[str, Person]) -> Refused | None:
    zone, at = settings().zone.key, milliseconds(rfc3339(event.time))
    if event.type in MANAGED and person.manager not in (None, event.institution):
        return Refused(409, "managed-elsewhere", "institution", event.institution)
    if (into := _into(event)) is not None and (into == event.subject or not who.covers(people[into].manager)):
        return Refused(422, "unknown-resident", "data.into", into)
    if event.type == ENROLLED and not consent.allows(person.state, consent.MONITORING, at, zone):
        return Refused(409, "no-consent", "type", event.type)
    if event.type == consent.GIVEN and not event.data.get("guardian") and _under_14(person, event, zone):
        return Refused(422, "guardian-needed", "data.guardian", None)
    return None


def _into(event: Event) -> str | None:
    """The other resident whom ``event`` concerns."""
    return event.data.get("into") if event.type == "mailiu.resident.merged.v1" else None


def _under_14(person: Person, event: Event, zone: str) -> bool:
    alone: State = {"birth": person.state["birth"]} if "birth" in person.state else {}
    consent.note(alone, _input(event))
    return not consent.allows(alone, event.data["scopes"][0], milliseconds(rfc3339(event.time)), zone)


def _input(event: Event) -> Input:
    at = milliseconds(rfc3339(event.time))
    return Input(0, 0, str(event.identity), event.type, event.subject, at, at, event.data, event.institution)


def _turn(row: dict[str, Any]) -> Input:
    at = milliseconds(rfc3339(row["time"]))
    data = {"scopes": row["scopes"], "guardian": row["guardian"]}
    return Input(0, 0, str(row["id"]), f"mailiu.resident.{row['event']}.v1", row["resident"], at, at, data)
