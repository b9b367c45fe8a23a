"""Who is on duty: rotas, leave, staff and their channels, as the log's organization events say.

Where no rota was ever set for a role at an institution, its registered staff are on duty in working hours. The district
desk is looked for at the institution first and then at its district.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from streams.calendar import HOUR, day_of, local, working
from streams.event import Input, instant
from streams.facts import learn, new_facts
from streams.rules import in_force

TYPES = frozenset(
    f"mailiu.organization.{name}.v1"
    for name in (
        "institution-registered", "staff-registered", "rota-set", "leave-recorded", "holiday-calendar-set",
    )
) | {"mailiu.rule.activated.v1"}  # fmt: skip


@dataclass(frozen=True)
class Channel:
    """A way to reach somebody; ``address`` is a phone number, known to the sender only while it sends."""

    channel: str
    reference: str
    address: str | None = None


@dataclass(frozen=True)
class Person:
    """Somebody to be told."""

    id: str | None
    channels: tuple[Channel, ...]


@dataclass
class Duty:
    """Folds organization events; answers who is on duty now."""

    zone: str
    facts: dict[str, Any] = field(default_factory=dict)
    staff: dict[str, tuple[tuple[int, str], str | None, str, tuple[Channel, ...]]] = field(default_factory=dict)
    district: dict[str, str] = field(default_factory=dict)
    rotas: dict[tuple[str | None, str], list[dict[str, Any]]] = field(default_factory=dict)
    leaves: list[dict[str, Any]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.facts = new_facts(self.zone)

    def learn(self, event: Input) -> None:
        """Take one event in; copies change nothing, of two the one with the later (time, id) holds."""
        if event.type not in TYPES or event.identity in self.seen:
            return
        self.seen.add(event.identity)
        learn(self.facts, event)
        data, order = event.data, (event.time, event.identity)
        match event.type.split(".")[2]:
            case "institution-registered":
                if data.get("district"):
                    self.district[data["institution"]] = data["district"]
            case "staff-registered":
                channels = tuple(Channel(c["channel"], c["reference"]) for c in data.get("channels", ()))
                known = self.staff.get(data["staff"])
                if known is None or known[0] < order:
                    mine = channels or (Channel("app", data["staff"]),)
                    self.staff[data["staff"]] = (order, event.institution, data["role"], mine)
            case "rota-set":
                rota = {**_span(data), "order": order, "shifts": [{**s, **_span(s)} for s in data["shifts"]]}
                self.rotas.setdefault((event.institution, data["role"]), []).append(rota)
            case "leave-recorded":
                leave = {"staff": data["staff"], "substitute": data.get("substitute"), "of": event.institution}
                self.leaves.append({**_span(data), **leave})

    def on_duty(self, institution: str | None, role: str, now: int) -> list[Person]:
        """Those on duty for ``role`` at ``now`` (ms), the first one first; nobody is an empty list."""
        places = [institution]
        if role == "district-desk" and (district := self.district.get(institution or "")):
            places.append(district)
        for place in places:
            found = [self.person(staff) for staff in self._present(place, self._shift(place, role, now), now)]
            if found:
                return found
        return []

    def person(self, staff: str) -> Person:
        """The member of staff with their channels; of somebody not registered, the app by the id."""
        known = self.staff.get(staff)
        return Person(staff, known[3] if known else (Channel("app", staff),))

    def _home(self, staff: str) -> str | None:
        known = self.staff.get(staff)
        return known[1] if known else None

    def _shift(self, institution: str | None, role: str, now: int) -> list[str]:
        rotas = self.rotas.get((institution, role))
        if rotas is None:
            limits = in_force("escalation", self.facts).limits
            day = day_of(self.facts, now)
            hour = local(self.facts, now) % (24 * HOUR) / HOUR
            if not working(self.facts, day) or not limits["open_hour"] <= hour < limits["close_hour"]:
                return []
            return sorted(id for id, (_, at, has, _) in self.staff.items() if (at, has) == (institution, role))
        holds = [rota for rota in rotas if rota["start"] <= now < rota["end"]]
        if not holds:
            return []
        shifts = max(holds, key=lambda rota: rota["order"])["shifts"]
        return [shift["staff"] for shift in shifts if shift["start"] <= now < shift["end"]]

    def _present(self, place: str | None, staff: Iterable[str], now: int) -> list[str]:
        """``staff`` without those on leave, for whom their substitutes stand in.

        A leave is for the institution that recorded it to say, of its own staff anywhere and of others at its place.
        """
        away = {
            leave["staff"]: leave["substitute"] for leave in self.leaves
            if leave["start"] <= now < leave["end"] and leave["of"] in (place, self._home(leave["staff"]))
        }  # fmt: skip
        present: list[str] = []
        for each in staff:
            who, asked = each, set[str]()
            while who in away and who not in asked:  # a substitute may be away too
                asked.add(who)
                who = away[who] or who
            if who not in away and who not in present:
                present.append(who)
        return present


def _span(data: dict[str, Any]) -> dict[str, int]:
    return {"start": instant(data["start"]), "end": instant(data["end"])}
