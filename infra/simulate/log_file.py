"""A simulated district as a file of events: what the bridge and the API would have appended, in order of receipt.

Every payload goes through the bridge's own gate, by device in several processes; so clock faults, wrong slots and
technical faults become what they become in the field. The result does not depend on the number of processes.
"""

import heapq
import multiprocessing
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import zstandard

from analytics.simulator.care import Care
from analytics.simulator.district import District
from analytics.simulator.parameters import Bools
from analytics.simulator.payload import publications
from mqtt_ingest.bindings import Bindings
from mqtt_ingest.gate import Gate
from schemas.envelope import Event, from_milliseconds, identity

ZONE = ZoneInfo("Asia/Shanghai")
Facts = list[tuple[str, bytes]]
KEY = 16  #: digits of the instant before each line of a part


@dataclass
class Written:
    """What became of a district: events written, and what the gate refused, by reason."""

    events: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def write(district: District, path: Path, processes: int = 2, advance: Callable[[int], object] = id) -> Written:
    """Write the log to ``path`` (NDJSON; compressed where it ends in ``.zst``) and say what became of it.

    ``advance`` is told how many more events are written.
    """
    facts = bindings(district)
    with tempfile.TemporaryDirectory(prefix="mailiu-simulate-", dir=path.parent) as folder:
        parts = [Path(folder) / f"{number}" for number in range(processes)]
        owner = np.abs(district.deliveries.owner)
        jobs = [(_Share(district, owner % processes == number), facts, part) for number, part in enumerate(parts)]
        if processes == 1:
            refused = _gate(*jobs[0])
        else:
            with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
                refused = sum(pool.map(_gate, *zip(*jobs, strict=True)), Counter[str]())
        return Written(_merge(district, parts, path, advance), refused)


def _merge(district: District, parts: list[Path], path: Path, advance: Callable[[int], object]) -> int:
    count = 0
    files = [part.open("rb") for part in parts]
    try:
        with sink(path) as out:
            for line in heapq.merge(*files, _care(district)):
                out.write(line[KEY + 1 :])
                count += 1
                if count % 1000 == 0:
                    advance(1000)
    finally:
        for file in files:
            file.close()
    return count


@contextmanager
def sink(path: Path) -> Iterator[IO[bytes]]:
    """A file to write lines to, compressed where its name ends in ``.zst``; it appears whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            if path.suffix == ".zst":
                with zstandard.ZstdCompressor(level=3).stream_writer(file, closefd=False) as packed:
                    yield packed
            else:
                yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def bindings(district: District) -> Facts:
    """Keys and values on the topic `devices` that the district's events of care lead to."""
    facts: Facts = []
    for one in district.care:
        at, data = one.time + district.begin, one.data
        if one.type == "device.registered.v1":
            value = {
                "kind": "device",
                "device": data["device"],
                "institution": one.institution,
                "measures": data["kind"],
            }
            facts.append((data["device"], orjson.dumps(value)))
        elif one.type == "device.bound.v1":
            slot = data.get("user_slot")
            value = {
                "kind": "binding", "device": data["device"], "user_slot": slot, "resident": one.subject,
                "institution": one.institution, "from": at, "to": None,
            }  # fmt: skip
            facts.append((f"{data['device']}/{'*' if slot is None else slot}/{one.subject}/{at}", orjson.dumps(value)))
    return facts


def event(district: District, number: int, one: Care) -> dict[str, Any]:
    """An event of care as a client posts it; ``number`` is its place in the district's list."""
    data = one.data
    if one.takes_back is not None:
        wrong = f"{district.seed}-{district.numbers[id(one.takes_back)]}"
        data = data | {"reading": str(identity(f"rest/{one.takes_back.institution}", wrong))}
    found = {
        "specversion": "1.0", "id": f"{district.seed}-{number}", "source": f"rest/{one.institution}",
        "type": f"mailiu.{one.type}", "subject": one.subject, "time": from_milliseconds(one.time + district.begin),
        "datacontenttype": "application/json", "data": data, "institution": one.institution,
    }  # fmt: skip
    return found if one.actor is None else found | {"actor": one.actor}


def _care(district: District) -> Iterator[bytes]:
    for number, one in enumerate(district.care):
        received = one.sent + district.begin
        whole = event(district, number, one) | {"recordedtime": from_milliseconds(received), "origin": "live"}
        yield b"%0*d %b\n" % (KEY, received, orjson.dumps(whole))


class _Share:
    """What some of a district's devices publish, in a form that is cheap to hand to another process."""

    def __init__(self, district: District, which: Bools) -> None:
        persons = district.lives.programme.person
        self.arguments = (
            district.deliveries.take(which), persons, district.lives.people.centre[persons], district.lives.names,
            district.begin,
        )  # fmt: skip


def _gate(share: _Share, facts: Facts, part: Path) -> Counter[str]:
    """Send publications through a gate that knows ``facts``; accepted events go to ``part``. What was refused."""
    known = Bindings()
    for key, value in facts:
        known.apply(key, value)
    gate, refused, seen = Gate(known, ZONE), Counter[str](), dict[str, int]()
    with part.open("wb") as out:
        pending: list[bytes] = []
        last = -1
        for sent, topic, payload in publications(*share.arguments):
            if sent != last:
                out.writelines(sorted(pending))
                pending, last = [], sent
            received = datetime.fromtimestamp(sent / 1000, UTC)
            for answer in gate.take(topic, payload, received):
                if answer.refusal is not None:
                    refused[answer.refusal.reason] += 1
                for made in (answer.event, *answer.also):
                    if made is None:
                        continue
                    if _differs(seen, made):
                        refused["sent again"] += 1  # the bridge knows it by what the device sent, and only answers it
                    else:
                        whole = made.model_copy(update={"recordedtime": received}).dumps()
                        pending.append(b"%0*d %b\n" % (KEY, sent, whole))
        out.writelines(sorted(pending))
    return refused


def _differs(seen: dict[str, int], made: Event) -> bool:
    """Whether the reading came before and was judged otherwise then; ``seen`` remembers how each was judged."""
    judged = hash((made.time, orjson.dumps(made.data)))
    return seen.setdefault(f"{made.source} {made.id}", judged) != judged
