"""Whose a device (and user slot) was at an instant: all binding intervals, as the topic `devices` holds them.

The topic is compacted: key ``device/slot-or-*/resident/from`` for a binding, ``device`` for a registration, values in
plain JSON, instants in milliseconds since 1970. A later binding of the same device and slot ends an earlier one.
"""

from typing import NamedTuple

import orjson

UNKNOWN_USER = 255


class Binding(NamedTuple):
    """From ``start`` until before ``end`` (None: still) the device's slot (None: every slot) is the ``resident``'s."""

    resident: str
    institution: str | None
    slot: int | None
    start: int
    end: int | None


class Bindings:
    """All registrations and bindings; fed record by record, asked for the holder of a device at an instant."""

    def __init__(self) -> None:
        self._bindings: dict[str, dict[str, Binding]] = {}
        self._timelines: dict[tuple[str, int | None], list[Binding]] = {}
        self._registered: dict[str, str | None] = {}
        self._institutions: dict[str, frozenset[str]] = {}

    def apply(self, key: str, value: bytes | None) -> str | None:
        """Take over one record of `devices`; the device it is about, or None where it says nothing usable."""
        if value is None:
            return self._forget(key)
        try:
            fact = orjson.loads(value)
            device = str(fact["device"])
            if fact["kind"] == "device":
                self._registered[device] = fact.get("institution")
                self._institutions.pop(device, None)
                return device
            if fact["kind"] != "binding":
                return None
            binding = Binding(
                str(fact["resident"]), fact.get("institution"), fact.get("user_slot"), int(fact["from"]),
                None if fact.get("to") is None else int(fact["to"]),
            )  # fmt: skip
        except (ValueError, KeyError, TypeError):
            return None
        self._bindings.setdefault(device, {})[key] = binding
        self._arrange(device)
        return device

    def _forget(self, key: str) -> str | None:
        device = key.split("/", 1)[0]
        if key == device:
            self._registered.pop(device, None)
            self._institutions.pop(device, None)
        elif self._bindings.get(device, {}).pop(key, None):
            self._arrange(device)
        return device

    def _arrange(self, device: str) -> None:
        self._institutions.pop(device, None)
        for place in [place for place in self._timelines if place[0] == device]:
            del self._timelines[place]
        for binding in sorted(self._bindings[device].values(), key=lambda b: (b.start, b.end is None, b.resident)):
            self._timelines.setdefault((device, binding.slot), []).append(binding)

    def known(self, device: str) -> bool:
        """Whether the device was ever registered or bound."""
        return device in self._registered or bool(self._bindings.get(device))

    def institutions(self, device: str) -> frozenset[str]:
        """Where the device is registered, and those whose residents it was bound to."""
        known = self._institutions.get(device)
        if known is None:
            found = {binding.institution for binding in self._bindings.get(device, {}).values()}
            known = frozenset(place for place in found | {self._registered.get(device)} if place)
            self._institutions[device] = known
        return known

    def holder(self, device: str, slot: int | None, instant: int) -> Binding | None:
        """Who the device's slot was bound to at ``instant``; a binding of every slot stands in for the slot's own."""
        if slot not in (None, UNKNOWN_USER) and (own := self._at((device, slot), instant)):
            return own
        return self._at((device, None), instant)

    def _at(self, place: tuple[str, int | None], instant: int) -> Binding | None:
        latest = None
        for binding in self._timelines.get(place, ()):
            if binding.start > instant:
                break
            latest = binding
        return latest if latest and (latest.end is None or instant < latest.end) else None

    def holders(self, device: str, slot: int | None, first: int, last: int) -> set[str]:
        """The residents whose the device's slot was at some instant from ``first`` to ``last``."""
        instants = {first, last}
        for place in {(device, slot), (device, None)}:
            for binding in self._timelines.get(place, ()):
                instants |= {edge for edge in (binding.start, binding.end) if edge is not None and first < edge <= last}
        held = (self.holder(device, slot, instant) for instant in instants)
        return {binding.resident for binding in held if binding}
