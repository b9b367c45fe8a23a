"""Hash chains: each writer's records say which came before, so that what is removed, changed or moved shows.

A record carries its writer, its sequence number within the writer's chain (from 0), the hash of the record before it,
and its own: SHA-256 over its canonical JSON (keys sorted, no white space, UTF-8) without the hash. A chain's first
record, `opened`, names the heads of the chains known then, so that their ends are held fast by another chain. Pure.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

Record = dict[str, Any]
Head = tuple[int, str]
"""The sequence number and the hash of a chain's last record."""


def digest(record: Mapping[str, Any]) -> str:
    """The hash of ``record``, hexadecimal; a hash in it is left out."""
    plain = {name: value for name, value in record.items() if name != "hash"}
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()


class Chain:
    """One writer's chain while it grows."""

    def __init__(self, writer: str) -> None:
        self.writer = writer
        self.next, self.previous = 0, ""
        self.confirmed: Head = (-1, "")  #: as far as every record is known to be in the log

    def add(self, record: Record) -> Record:
        """``record`` as the chain's next."""
        linked = {**record, "writer": self.writer, "sequence": self.next, "previous": self.previous}
        linked["hash"] = self.previous = digest(linked)
        self.next += 1
        return linked

    def confirm(self, record: Record) -> bool:
        """Note that the log has ``record``; whether it has all before it, too."""
        if record["sequence"] != self.confirmed[0] + 1:
            return False
        self.confirmed = record["sequence"], record["hash"]
        return True


@dataclass(frozen=True)
class Fault:
    """Something that is not as it was written."""

    what: str  #: changed, removed, moved, repeated, truncated, foreign, unreadable
    writer: str
    sequence: int | None
    offset: int | None
    text: str


@dataclass
class _Seen:
    """What was read of one chain."""

    next: int = 0
    previous: str = ""
    missing: set[int] = field(default_factory=set)


class Check:
    """Reads a trail, record by record in the order of the log, and names every fault."""

    def __init__(self) -> None:
        self.records = self.unchained = 0
        self.chains: dict[str, _Seen] = {}
        self._faults: list[Fault] = []
        self._anchors: dict[str, Head] = {}
        self._abandoned: dict[str, int] = {}

    def take(self, offset: int, value: bytes) -> None:
        """The record at ``offset``."""
        self.records += 1
        try:
            record: Record = orjson.loads(value)
            writer, number, previous = record["writer"], int(record["sequence"]), str(record["previous"])
        except (ValueError, TypeError):
            self._fault("unreadable", "", None, offset, "is no record of the trail")
            return
        except KeyError:
            if self.chains:
                self._fault("foreign", "", None, offset, "belongs to no chain")
            self.unchained += 1  # from before there were chains
            return
        seen = self.chains.setdefault(writer, _Seen())
        if record.get("hash") != digest(record):
            self._fault("changed", writer, number, offset, "does not have the hash that it names")
            if number >= seen.next:
                seen.missing.update(range(seen.next, number))
                seen.next, seen.previous = number + 1, str(record.get("hash"))
            return
        if number < seen.next:
            if number in seen.missing:
                seen.missing.discard(number)
                self._fault("moved", writer, number, offset, "comes behind a later one")
            else:
                self._fault("repeated", writer, number, offset, "came before")
            return
        if number > seen.next:
            seen.missing.update(range(seen.next, number))
        elif previous != seen.previous:
            self._fault("changed", writer, number, offset, "does not follow the one before it")
        seen.next, seen.previous = number + 1, record["hash"]
        if number == 0:
            self._opened(record)

    def faults(self, heads: Mapping[str, Head] | None = None) -> list[Fault]:
        """Every fault, once all is read; ``heads`` are those that the writers themselves keep outside the log."""
        found = list(self._faults)
        for writer, seen in sorted(self.chains.items()):
            told = self._abandoned.get(writer)
            for number in sorted(seen.missing):
                if told is None or number <= told:
                    found.append(Fault("removed", writer, number, None, "is missing"))
        for source in (self._anchors, heads or {}):
            for writer, (number, hash) in sorted(source.items()):
                reached = self.chains.get(writer, _Seen())
                if reached.next <= number:
                    text = f"and all before it down to {reached.next} are missing at the end of the chain"
                    found.append(Fault("truncated", writer, number, None, text))
                elif reached.next == number + 1 and reached.previous != hash:
                    found.append(Fault("changed", writer, number, None, "is not the one that ended the chain"))
        return list(dict.fromkeys(found))

    def _opened(self, record: Record) -> None:
        for writer, (number, hash) in record.get("heads", {}).items():
            if number > self._anchors.get(writer, (-1, ""))[0]:
                self._anchors[writer] = number, hash
        for writer, number in record.get("abandoned", {}).items():
            self._abandoned[writer] = number

    def _fault(self, what: str, writer: str, number: int | None, offset: int, text: str) -> None:
        self._faults.append(Fault(what, writer, number, offset, text))


def check(values: Iterable[tuple[int, bytes]], heads: Mapping[str, Head] | None = None) -> list[Fault]:
    """Every fault in a trail given as (offset, value)."""
    reading = Check()
    for offset, value in values:
        reading.take(offset, value)
    return reading.faults(heads)
