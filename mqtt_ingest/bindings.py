"""Whose a device (and user slot) was at an instant, and who may publish for it, as the topic `devices` says.

The topic is compacted: key ``device/slot-or-*/resident/from`` for a binding, ``device`` for a registration,
``device/gateway/gateway`` for a gateway, ``rule/name`` for an activated rule; values in plain JSON, instants in
milliseconds since 1970. A later binding of the same device and slot ends an earlier one.
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


class Registered(NamedTuple):
    """A device in an institution's stock."""

    institution: str | None
    model: str | None


class Bindings:
    """All registrations and bindings; fed record by record, asked for the holder of a device at an instant.

    ``rules`` are the versions of the rules that the log activated.
    """

    def __init__(self) -> None:
        self._bindings: dict[str, dict[str, Binding]] = {}
        self._timelines: dict[str, dict[int | None, list[Binding]]] = {}
        self._registered: dict[str, Registered] = {}
        self._published_for: dict[str, set[str]] = {}
        self.rules: dict[str, int] = {}
        self._institutions: dict[str, frozenset[str]] = {}

    def apply(self, key: str, value: bytes | None) -> str | None:
        """Take over one record of `devices`; the device it is about, or None where it says nothing usable."""
        if value is None:
            return self._forget(key)
        try:
            fact = orjson.loads(value)
            if fact["kind"] == "rule":
                self.rules[str(fact["rule"])] = int(fact["version"])
                return None
            device = str(fact["device"])
            if fact["kind"] == "device":
                self._registered[device] = Registered(fact.get("institution"), fact.get("model"))
                self._institutions.pop(device, None)
                return device
            if fact["kind"] == "gateway":
                devices = self._published_for.setdefault(str(fact["gateway"]), set())
                (devices.add if fact["authorized"] else devices.discard)(device)
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
        timelines = self._timelines[device] = {}
        for binding in sorted(self._bindings[device].values(), key=lambda b: (b.start, b.end is None, b.resident)):
            timelines.setdefault(binding.slot, []).append(binding)

    def known(self, device: str) -> bool:
        """Whether the device was ever registered or bound."""
        return device in self._registered or bool(self._bindings.get(device))

    def worn(self, device: str) -> bool:
        """Whether the device was ever bound to anybody."""
        return bool(self._bindings.get(device))

    def institutions(self, device: str) -> frozenset[str]:
        """Where the device is registered, and those whose residents it was bound to."""
        known = self._institutions.get(device)
        if known is None:
            found = {binding.institution for binding in self._bindings.get(device, {}).values()}
            registered = self._registered.get(device)
            known = frozenset(place for place in found | {registered and registered.institution} if place)
            self._institutions[device] = known
        return known

    def model(self, device: str) -> str | None:
        """The device's model, as it was registered."""
        registered = self._registered.get(device)
        return registered and registered.model

    def may_publish(self, gateway: str, device: str) -> bool:
        """Whether the gateway may publish for the device."""
        return device in self._published_for.get(gateway, ())

    def is_gateway(self, device: str) -> bool:
        """Whether the device may publish for any other."""
        return bool(self._published_for.get(device))

    def shared(self, device: str, instant: int) -> bool:
        """Whether the device was more than one resident's at ``instant``, in whatever slots."""
        timelines = self._timelines.get(device, {})
        if len(timelines) < 2:
            return False
        held = (self._at(device, slot, instant) for slot in timelines)
        return len({binding.resident for binding in held if binding}) > 1

    def holder(self, device: str, slot: int | None, instant: int) -> Binding | None:
        """Who the device's slot was bound to at ``instant``; a binding of every slot stands in for the slot's own."""
        if slot not in (None, UNKNOWN_USER) and (own := self._at(device, slot, instant)):
            return own
        return self._at(device, None, instant)

    def _at(self, device: str, slot: int | None, instant: int) -> Binding | None:
        latest = None
        for binding in self._timelines.get(device, {}).get(slot, ()):
            if binding.start > instant:
                break
            latest = binding
        return latest if latest and (latest.end is None or instant < latest.end) else None

    def holders(self, device: str, slot: int | None, first: int, last: int) -> set[str]:
        """The residents whose the device's slot was at some instant from ``first`` to ``last``."""
        instants = {first, last}
        for place in {slot, None}:
            for binding in self._timelines.get(device, {}).get(place, ()):
                instants |= {edge for edge in (binding.start, binding.end) if edge is not None and first < edge <= last}
        held = (self.holder(device, slot, instant) for instant in instants)
        return {binding.resident for binding in held if binding}
