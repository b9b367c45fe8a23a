"""The loop around the fold for one partition: records in, outputs out, state and offset moved together.

It knows no Kafka. The worker drives it with records from the broker, and sends each step's outputs before it commits
the step; a straight fold (`Partition.apply`) drives it from any list of records. Both give the same outputs.
"""

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson

from schemas.registry import BROADCAST
from schemas.topics import DERIVED
from streams import fold as mailiu
from streams.event import TICK, Input, Output, read, rfc3339, uuid5
from streams.facts import ACTIVATED, activation
from streams.store import Mark, State, Store

PROGRESSED = "mailiu.fold.progressed.v1"
#: Types that change facts, or time, and no resident's state.
FACTS = frozenset(BROADCAST) | {TICK}
#: Residents that one step of a tick reaches: what a crash in the midst of a tick may have to do again.
CHUNK = 500
#: A reading that took longer (ms) to arrive shows that a gateway still brings what it kept.
READING, LATE = "mailiu.reading.", 120_000
#: What is never an event's own fault.
OURS = (sqlite3.Error, MemoryError, OSError)


class Record(Protocol):
    """A record of `events`, as Kafka's clients give it."""

    @property
    def offset(self) -> int: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Plain(NamedTuple):
    """A record without a broker, for straight folds."""

    offset: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Hole(RuntimeError):
    """Offsets are missing: the log was cut below what is folded, or a client skipped records."""


class OtherLog(RuntimeError):
    """The store was made from another log than the one at hand."""


class Unfoldable(NamedTuple):
    """An event that made the fold throw, or that cannot be read. It had no effect on anything."""

    offset: int
    subject: str | None  #: the resident whom a tick could not reach; None for an event of its own
    raw: bytes
    error: str


@dataclass
class Step:
    """What is folded and not yet committed; ``progressed`` is sent after everything else has arrived."""

    mark: Mark
    states: list[State]
    outputs: list[Output] = field(default_factory=list)
    encoded: list[bytes] = field(default_factory=list)  #: the outputs' envelopes as JSON, in the same order
    unfoldable: list[Unfoldable] = field(default_factory=list)
    progressed: Output | None = None


@dataclass
class _Run:
    """A run of records in the making."""

    states: dict[str, Any] = field(default_factory=dict)  #: decoded, of the residents it touched
    good: dict[str, bytes] = field(default_factory=dict)  #: last good state of each, where each event is on its own
    fresh: set[str] = field(default_factory=set)  #: touched since the last tick
    outputs: list[Output] = field(default_factory=list)
    unfoldable: list[Unfoldable] = field(default_factory=list)


class Partition:
    """Partition ``number`` of `events`, folded into ``store``.

    Outputs of events below ``silent_below`` are in `derived` already and are not made again. ``core`` is the pure core:
    a module with ``new_facts()``, ``learn(facts, event)``, ``fold(state, event, facts)`` and ``due(state)``.
    """

    def __init__(self, number: int, store: Store, silent_below: int = 0, core: Any = mailiu) -> None:
        self.number, self.store, self.silent_below, self.core = number, store, silent_below, core
        self.facts = self._stored_facts()
        self.soonest = store.soonest()  #: nobody is due before this core time (ms)
        self.late = False  #: set when a reading comes long after it was taken
        self.sealed = store.mark.next == 0  #: the log was seen to be the one that the store was made from

    @property
    def next(self) -> int:
        """The offset from which the fold goes on."""
        return self.store.mark.next

    @property
    def resume(self) -> int:
        """The offset from which to read: the last folded record once more, to see that it is the same log."""
        return max(self.next - 1, 0)

    @property
    def core_time(self) -> int:
        """The running maximum of recorded times and ticks, ms."""
        return int(self.facts.get("core") or 0)

    def apply(self, records: Sequence[Record]) -> list[Output]:
        """The straight fold: fold ``records``, in order of offset, and commit. Everything that was derived."""
        outputs: list[Output] = []
        for step in self.steps(records):
            outputs += step.outputs
            if step.progressed:
                outputs.append(step.progressed)
            self.commit(step)
        return outputs

    def commit(self, step: Step) -> None:
        """Write the step's states, facts and next offset in one transaction."""
        self.store.write(step.states, step.mark)

    def steps(self, records: Sequence[Record]) -> Iterator[Step]:
        """Fold ``records`` step by step; the caller commits each step before it asks for the next.

        Records below the store's offset are skipped. Raises `Hole` and `OtherLog`, and what the store raises.
        Whatever an event does to the fold never raises: that event is unfoldable and has no effect.
        """
        if not self.sealed:
            self._check_seal(records)
        at, end = 0, len(records)
        while at < end and records[at].offset < self.next:
            at += 1
        while at < end:
            stop, tick, step = self._run(records, at)
            if stop > at:
                yield step
            if tick is not None:
                yield from self._tick(tick, records[stop])
                stop += 1
            at = stop

    def _check_seal(self, records: Sequence[Record]) -> None:
        first = records[0].offset
        if first > self.resume:
            raise Hole(f"partition {self.number}: expected offset {self.resume}, got {first}")
        at = self.resume - first
        if at >= len(records) or seal(records[at]) != self.store.mark.seal:
            raise OtherLog(f"partition {self.number}: the store was not made from this log (offset {self.resume})")
        self.sealed = True

    def _stored_facts(self) -> Any:
        stored = self.store.mark.facts
        return orjson.loads(stored) if stored else self.core.new_facts()

    def _run(self, records: Sequence[Record], start: int) -> tuple[int, Input | None, Step]:
        """Fold from ``start`` to the end, or to a tick that somebody is due for, which is left to `_tick`.

        When an event throws, it may have changed state and facts by half. All of the run is dropped then and done
        again with every event on its own, so that the culprit alone has no effect.
        """
        try:
            return self._fold(records, start, self._take)
        except (Hole, *OURS):
            raise
        except Exception:
            self.facts = self._stored_facts()
            return self._fold(records, start, self._take_apart)

    def _fold(self, records: Sequence[Record], start: int, take: Any) -> tuple[int, Input | None, Step]:
        run, offset, ticked, tick, stop = _Run(), self.next, self.store.mark.ticked, None, len(records)
        for at in range(start, stop):
            record = records[at]
            if record.offset != offset:
                raise Hole(f"partition {self.number}: expected offset {offset}, got {record.offset}")
            event = take(run, record)
            if event is not None:
                if self._somebody_due(run, max(self.core_time, event.recorded)):
                    tick, stop = event, at
                    break
                self.facts = self.core.learn(self.facts, event)
                ticked = max(ticked, event.time)
            offset += 1
        sealed = seal(records[stop - 1]) if stop > start else 0
        return stop, tick, self._step(run, offset, sealed, ticked)

    def _take(self, run: _Run, record: Record) -> Input | None:
        """Fold one record; a tick is handed back."""
        event = self._read(record)
        if event.type == TICK:
            return event
        self._affect(run, event)
        return None

    def _read(self, record: Record) -> Input:
        id = next((value.decode() for name, value in record.headers if name == "ce_id"), None)
        return read(self.number, record.offset, record.value or b"", id)

    def _affect(self, run: _Run, event: Input) -> None:
        self.facts = facts = self.core.learn(self.facts, event)
        if event.type in FACTS:
            if event.type == ACTIVATED and self.number == 0 and event.offset >= self.silent_below:
                run.outputs.append(activation(facts, event))  # once, though every partition learns it
            return
        if event.recorded - event.time > LATE and event.type.startswith(READING) and event.origin == "live":
            self.late = True
        subject = event.subject
        state = run.states.get(subject)
        if state is None:
            stored = self.store.load(subject)
            state = None if stored is None else orjson.loads(stored)
        run.states[subject], outputs = self.core.fold(state, event, facts)
        run.fresh.add(subject)
        if outputs and event.offset >= self.silent_below:
            run.outputs += outputs

    def _take_apart(self, run: _Run, record: Record) -> Input | None:
        """As `_take`; an event that throws leaves everything as it was."""
        facts, made, event = orjson.dumps(self.facts), len(run.outputs), None
        try:
            event = self._read(record)
            if event.type == TICK:
                self.core.learn(orjson.loads(facts), event)
                return event
            self._affect(run, event)
            for output in run.outputs[made:]:
                orjson.dumps(output.value)
            orjson.dumps(self.facts)
            if event.subject in run.states:
                run.good[event.subject] = self._encode(event.subject, run.states[event.subject])[1]
        except OURS:
            raise
        except Exception as error:
            self.facts = orjson.loads(facts)
            del run.outputs[made:]
            self._restore(run, event)
            self._reject(run, record.offset, None, record.value, error)
        return None

    def _restore(self, run: _Run, event: Input | None) -> None:
        if event is not None and event.subject in run.good:
            run.states[event.subject] = orjson.loads(run.good[event.subject])
        elif event is not None:
            run.states.pop(event.subject, None)
            run.fresh.discard(event.subject)

    def _reject(self, run: _Run, offset: int, subject: str | None, raw: bytes | None, error: Exception) -> None:
        if offset >= self.silent_below:
            run.unfoldable.append(Unfoldable(offset, subject, raw or b"", f"{type(error).__name__}: {error}"[:500]))

    def _encode(self, subject: str, state: Any) -> State:
        return subject, orjson.dumps(state), self.core.due(state)

    def _somebody_due(self, run: _Run, until: int) -> bool:
        self._expect(self.core.due(run.states[subject]) for subject in run.fresh)
        run.fresh.clear()
        return self.soonest is not None and self.soonest <= until

    def _expect(self, dues: Iterable[int | None]) -> None:
        for due in dues:
            if due is not None and (self.soonest is None or due < self.soonest):
                self.soonest = due

    def _step(self, run: _Run, next: int, sealed: int, ticked: int) -> Step:
        states = [self._encode(subject, state) for subject, state in run.states.items()]
        self._expect(due for _, _, due in states)
        mark = Mark(next, sealed, ticked, orjson.dumps(self.facts))
        encoded = [orjson.dumps(output.value) for output in run.outputs]
        return Step(mark, states, run.outputs, encoded, run.unfoldable, self._progressed(next))

    def _tick(self, tick: Input, record: Record) -> Iterator[Step]:
        """Take a tick to all who are due, in order (due, subject), in chunks that are committed one by one.

        The offset moves with the last chunk: after a crash the tick is read again and reaches those who are left.
        """
        before, last, run = self.store.mark, False, _Run()
        try:
            self.facts = self.core.learn(self.facts, tick)
        except Exception as error:
            self.facts = self._stored_facts()
            self._reject(run, tick.offset, None, record.value, error)
            yield self._step(run, tick.offset + 1, seal(record), before.ticked)
            return
        until = max(self.core_time, tick.recorded)
        while not last:
            chunk, run = self.store.due(until, CHUNK), _Run()
            last = len(chunk) < CHUNK
            states = [self._reach(run, tick, subject, stored, until) for subject, stored in chunk]
            encoded = [orjson.dumps(output.value) for output in run.outputs]
            if last:
                mark = Mark(tick.offset + 1, seal(record), max(before.ticked, tick.time), orjson.dumps(self.facts))
                yield Step(mark, states, run.outputs, encoded, run.unfoldable, self._progressed(mark.next))
            else:
                yield Step(before, states, run.outputs, encoded, run.unfoldable)
        self.soonest = self.store.soonest()

    def _reach(self, run: _Run, tick: Input, subject: str, stored: bytes, until: int) -> State:
        """The tick's effect on one resident. Who stays due is due at the next tick, so that a tick always ends."""
        made = len(run.outputs)
        try:
            state, outputs = self.core.fold(orjson.loads(stored), tick.to(subject), self.facts)
            if tick.offset >= self.silent_below:
                run.outputs += outputs
                for output in outputs:
                    orjson.dumps(output.value)
            _, state, due = self._encode(subject, state)
        except OURS:
            raise
        except Exception as error:
            del run.outputs[made:]
            self._reject(run, tick.offset, subject, None, error)
            return subject, stored, None
        return subject, state, due if due is None or due > until else until + 1

    def _progressed(self, next: int) -> Output | None:
        if next <= self.silent_below:
            return None
        id, key, at = f"progressed/{self.number}/{next}", f"partition-{self.number}", self.core_time
        value = {
            "specversion": "1.0", "id": id, "source": "fold", "type": PROGRESSED, "subject": key,
            "time": rfc3339(at), "datacontenttype": "application/json",
            "data": {"next_offset": next, "fold": mailiu.VERSION}, "recordedtime": rfc3339(at),
            "causepartition": self.number, "causeoffset": next - 1,
        }  # fmt: skip
        return Output(DERIVED, key, uuid5(f"fold\n{id}"), PROGRESSED, at, value)


def seal(record: Record) -> int:
    """A checksum that tells this record from another one."""
    return zlib.crc32(record.value or b"")
