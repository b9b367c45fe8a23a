"""Readings that wait in `rejected` for their device to be bound, and are sent through the gate again when it is."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable

from mqtt_ingest.rejected import Rejected

#: Refusals kept in memory; older ones stay on the topic, for `mailiu rejected replay`.
MOST = 50_000


class Waiting:
    """The refusals that wait, by device, in the order they came; and the devices whose bindings changed."""

    def __init__(self) -> None:
        self._by_device: dict[str, OrderedDict[str, Rejected]] = {}
        self._count = 0
        self.changes = 0  #: how often any device's bindings have changed since the start
        self._changed: dict[str, int] = {}
        self._turn: OrderedDict[str, None] = OrderedDict()
        self._woken = asyncio.Event()

    def changed(self, device: str) -> None:
        """The device was registered, bound or unbound: what waits for it gets its turn."""
        self.changes += 1
        self._changed[device] = self.changes
        self._wake(device)

    def add(self, refused: Rejected, changes: int) -> None:
        """Let ``refused`` wait for its device, judged when bindings had changed ``changes`` times."""
        device = refused.device
        if device is None:
            return
        of = self._by_device.setdefault(device, OrderedDict())
        if refused.id not in of:
            if self._count >= MOST:
                return
            self._count += 1
            of[refused.id] = refused
        if self._changed.get(device, 0) > changes:
            self._wake(device)

    def done(self, refused: Rejected) -> None:
        """``refused`` waits no longer."""
        of = self._by_device.get(refused.device or "", OrderedDict())
        if refused.id in of:
            del of[refused.id]
            self._count -= 1

    def everything(self, refusals: Iterable[Rejected]) -> None:
        """Take over what waited at the start, and give all of it a turn."""
        for refused in refusals:
            if refused.waiting and refused.at:
                self.add(refused, -1)

    def of(self, device: str) -> list[Rejected]:
        """What waits for the device."""
        return list(self._by_device.get(device, {}).values())

    async def next(self) -> str:
        """The next device whose waiting readings get their turn."""
        while not self._turn:
            self._woken.clear()
            await self._woken.wait()
        return self._turn.popitem(last=False)[0]

    def _wake(self, device: str) -> None:
        if self._by_device.get(device):
            self._turn[device] = None
            self._woken.set()
