"""A straight fold of a file of events, without any server: the worker's own loop with a store in memory.

Time passes by ticks between the events, and simulated clinicians take and close what is raised, as events of the same
log. Residents are spread over processes as they are over partitions.
"""

import heapq
import multiprocessing
import statistics
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from analytics.simulator.clinician import acts, turn
from analytics.simulator.score import RANK, Alert, collect
from infra.replay.formats import opened
from schemas.envelope import from_milliseconds, milliseconds
from schemas.registry import BROADCAST
from schemas.topics import partition_of
from streams import fold as core
from streams.event import TICK, Output
from streams.partition import Partition, Plain
from streams.store import Store

MINUTE = 60_000
QUEUED, REACHED = "mailiu.notice.queued.v1", "mailiu.notice.delivered.v1"
DELIVERED = 5_000  #: ms after which a notice is delivered


@dataclass
class Folded:
    """What a fold gave: alerts by id, and what it cost."""

    alerts: dict[str, Alert] = field(default_factory=dict)
    events: int = 0
    acts: int = 0
    notices: int = 0
    unfoldable: list[str] = field(default_factory=list)
    cpu: float = 0.0  #: seconds of processor
    bytes: list[int] = field(default_factory=list)  #: encoded state of each resident who ever measured

    @property
    def median_bytes(self) -> int:
        """Median size of a resident's encoded state."""
        return round(statistics.median(self.bytes)) if self.bytes else 0


def fold(path: Path, until: int, processes: int = 2, tick_minutes: int = 5, clinicians: bool = True) -> Folded:
    """Fold the events in ``path``, and time on to ``until`` (ms since 1970)."""
    jobs = [(path, until, number, processes, tick_minutes, clinicians) for number in range(processes)]
    if processes == 1:
        return _fold(*jobs[0])
    whole = Folded()
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for part in pool.map(_fold, *zip(*jobs, strict=True)):
            whole.alerts |= part.alerts
            whole.events += part.events
            whole.acts += part.acts
            whole.notices += part.notices
            whole.unfoldable += part.unfoldable
            whole.cpu += part.cpu
            whole.bytes += part.bytes
    return whole


def _fold(path: Path, until: int, number: int, partitions: int, tick_minutes: int, clinicians: bool) -> Folded:
    began = time.process_time()
    folder = Folder(number, tick_minutes * MINUTE, clinicians)
    for recorded, line in lines(path, number, partitions):
        folder.take(recorded, line)
    folder.tick_until(until)
    folder.result.cpu = time.process_time() - began
    store = folder.partition.store
    sizes = store.sizes()
    folder.result.bytes = [sizes[subject] for subject, state, _ in store.states() if b'"plans"' in state]
    return folder.result


def lines(path: Path, number: int = 0, partitions: int = 1) -> Iterable[tuple[int, bytes]]:
    """The events of one of so many partitions, each with the instant of its receipt (ms since 1970)."""
    with opened(path) as file:
        for line in file:
            event = orjson.loads(line)
            if event["type"] in BROADCAST or partition_of(event["subject"].encode(), partitions) == number:
                yield milliseconds(event["recordedtime"]), line


class Folder:
    """One partition, its clock, and the clinicians' calendar."""

    def __init__(self, number: int, step: int, clinicians: bool) -> None:
        self.partition = Partition(number, Store(None, core.VERSION))
        self.step, self.clinicians = step, clinicians
        self.result, self.batch = Folded(), list[Plain]()
        self.offset, self.next_tick = 0, 0
        self.where: dict[str, str | None] = {}  #: institution of each resident with an alert
        self.agenda: list[tuple[int, str, int, str]] = []  # instant, alert, order, type of the act

    def take(self, recorded: int, line: bytes) -> None:
        """One more event of the log."""
        if not self.next_tick:
            self.next_tick = recorded // self.step * self.step + self.step
        if recorded >= self.next_tick:
            self.tick_until(recorded)
        self._append(line)
        self.result.events += 1

    def tick_until(self, instant: int) -> None:
        """Let time pass; whoever is due acts. Ticks that reach nobody are left out."""
        while self.next_tick <= instant:
            self._apply()
            soonest = min(self.partition.soonest or instant, self.agenda[0][0] if self.agenda else instant)
            at = max(self.next_tick, min(soonest, instant) // self.step * self.step)
            if at > instant:
                break
            self._tick(at)
            self._apply()
            self._act(at)
            self.next_tick = at + self.step

    def _append(self, line: bytes) -> None:
        self.batch.append(Plain(self.offset, line))
        self.offset += 1

    def _tick(self, at: int) -> None:
        """A tick of one identity in every process, so that what it raises does not depend on who folds it."""
        stamp = from_milliseconds(at)
        tick = {
            "specversion": "1.0", "id": str(at), "source": "clock/simulated", "type": TICK,
            "subject": f"partition-{self.partition.number}", "time": stamp, "recordedtime": stamp, "data": {},
        }  # fmt: skip
        self._append(orjson.dumps(tick))

    def _apply(self) -> None:
        if not self.batch:
            return
        batch, self.batch = self.batch, []
        for step in self.partition.steps(batch):
            self.result.unfoldable += [one.error for one in step.unfoldable]
            for output in step.outputs:
                if output.type.startswith("mailiu.alert."):
                    self.where[output.key] = output.value.get("institution")
                    self._note(output.time, output.key, output.value["data"])
                elif output.type == QUEUED:
                    self._deliver(output)
            self.partition.commit(step)

    def _deliver(self, output: Output) -> None:
        """Every notice reaches whom it is for, at once: else each red would climb as one that nobody was told of."""
        stamp = from_milliseconds(output.time + DELIVERED)
        notice = output.value["data"]["notice"]
        self.result.notices += 1
        self._append(
            orjson.dumps(
                {
                    "specversion": "1.0", "id": f"delivered/{notice}", "source": "sender/simulated", "type": REACHED,
                    "subject": output.key, "time": stamp, "recordedtime": stamp,
                    "institution": output.value.get("institution"), "data": {"notice": notice, "channel": "app"},
                }
            )
        )  # fmt: skip

    def _note(self, at: int, resident: str, data: dict[str, Any]) -> None:
        before = self.result.alerts.get(data["alert"])
        last = before.changes[-1] if before is not None else None
        alert = collect(self.result.alerts, at, resident, data, milliseconds)
        now = alert.changes[-1]
        anew = last is None or last.handling != "new" or RANK[now.severity] > RANK[last.severity]
        if self.clinicians and now.handling == "new" and now.condition == "active" and anew:
            heapq.heappush(self.agenda, (turn(alert.id, now.severity, at), alert.id, 0, ""))

    def _act(self, instant: int) -> None:
        while self.agenda and self.agenda[0][0] <= instant:
            at, id, order, type = heapq.heappop(self.agenda)
            alert = self.result.alerts[id]
            now = alert.changes[-1]
            if order == 0:
                if now.handling == "new" and now.condition == "active":
                    for place, act in enumerate(acts(id, now.severity, at), 1):
                        heapq.heappush(self.agenda, (act.at, id, place, act.type))
            elif now.handling != "closed":
                data = next(act.data for act in acts(id, now.severity, at) if act.type == type)
                self._post(at, alert.resident, type, data)

    def _post(self, at: int, resident: str, type: str, data: dict[str, Any]) -> None:
        stamp = from_milliseconds(at)
        self.result.acts += 1
        act = {
            "specversion": "1.0", "id": f"{data['alert']}/{type}/{at}", "source": "api", "type": type,
            "subject": resident, "time": stamp, "recordedtime": stamp, "data": data, "actor": "simulated",
            "institution": self.where[resident],
        }  # fmt: skip
        self._append(orjson.dumps(act))


def read_truth(path: Path) -> Iterable[dict[str, Any]]:
    """The lines of a truth file. Raises ``ValueError`` for a line that is no JSON."""
    with opened(path) as file:
        for line in file:
            yield orjson.loads(line)
