"""The carrier: brings the events of a record that gave way to the record that survives (`streams.merge`).

The fold says what shall be carried by a derived event; the carrier appends it to `events` under the survivor, and
commits its place in `derived` after that. The vault is told, too, so that one identity stands for both. Stopped in
between it does the same again: what it appends once has the identity of the request, and a history is sent whole by
each attempt, of which the fold takes the first complete one.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

import orjson
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from infra.clients import consumer
from infra.clock import clock
from infra.log import Log
from infra.part import log_to_stderr, ready
from infra.settings import settings
from infra.vault import vault
from schemas.envelope import Event
from schemas.merge import CARRY
from schemas.topics import DERIVED, EVENTS, partition_of
from streams.calendar import DAY
from streams.event import Input, instant, read
from streams.measured import EVIDENCE
from streams.merge import ABOUT, CARRIED, pack
from streams.state import KEPT_DAYS

GROUP, SOURCE = "mailiu-carrier", "merge"
PART = 200  #: events in one record, and
PART_BYTES = 500_000  #: about so many bytes of them
#: Evidence that is older than this is no longer judged by anything (ms).
OLD = (KEPT_DAYS + 2) * DAY

log = logging.getLogger("mailiu.carrier")


def history(events: Iterable[Input], of: str | None, now: int) -> list[dict[str, Any]]:
    """What is to be carried of one record's log: its events and those carried to it before, without old evidence.

    ``of`` is the record as the survivor knows it; None for the survivor's own log, whose carried events keep theirs.
    """
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.type == CARRIED:
            for packed in event.data["events"]:
                source = of or packed.get("of") or (None if event.data.get("carry") else event.data["of"])
                found.setdefault(packed["identity"], {k: v for k, v in packed.items() if k != "of"} | _tag(source))
        elif event.type not in ABOUT:
            found[event.identity] = pack(event, of)
    return [one for one in found.values() if one["type"] not in EVIDENCE or one["time"] >= now - OLD]


def _tag(of: str | None) -> dict[str, str]:
    return {} if of is None else {"of": of}


def parts(events: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """``events`` in runs that fit a record; at least one run."""
    runs: list[list[dict[str, Any]]] = [[]]
    size = 0
    for one in events:
        length = len(orjson.dumps(one))
        if runs[-1] and (len(runs[-1]) >= PART or size + length > PART_BYTES):
            runs.append([])
            size = 0
        runs[-1].append(one)
        size += length
    return runs


class Carrier:
    """Carries out requests one after the other."""

    def __init__(self, journal: Log) -> None:
        self.journal = journal

    async def take(self, record: Any) -> None:
        """Carry out the request in a record of `derived`, if it is one."""
        about = dict(record.headers)
        if about.get("ce_type") != CARRY.encode():
            return
        request = orjson.loads(record.value)
        data, subject, id = request["data"], request["subject"], about["ce_id"].decode()
        to = data["to"]
        match data["what"]:
            case "event":
                await self._append(CARRIED, to, id, {"of": subject, "events": data["events"], "via": data["via"]})
            case "returned":
                await self._append(
                    "mailiu.resident.returned.v1", to, id, {"survivor": subject, "alerts": data["alerts"]}
                )
            case what:
                told = {"resident": subject, "merge": request["causationid"]}
                if what == "merged":
                    await asyncio.to_thread(vault().merge, subject, to)
                    begun = await self._append("mailiu.resident.absorbed.v1", to, id, told | {"alerts": data["alerts"]})
                else:
                    await asyncio.to_thread(vault().unmerge, subject)
                    begun = await self._append("mailiu.resident.released.v1", to, id, told)
                await self._history(begun, subject, to, what == "merged", instant(request["recordedtime"]))
        log.info("%s: %s for %s", data["what"], subject, to)

    async def _history(self, begun: Event, of: str, to: str, merged: bool, now: int) -> None:
        """Send the whole history of the survivor, with that of the record that gave way if it did."""
        events = history(await self._log(to), None, now)
        if merged:
            events += history(await self._log(of), of, now)
        attempt, runs = str(uuid4()), parts(events)
        for number, run in enumerate(runs):
            data = {
                "of": of, "events": run, "carry": str(begun.identity), "attempt": attempt, "part": number,
                "parts": len(runs),
            }  # fmt: skip
            await self._append(CARRIED, to, f"{begun.id}/{attempt}/{number}", data)

    async def _append(self, type: str, to: str, id: str, data: dict[str, Any]) -> Event:
        event = Event(id=id, source=SOURCE, type=type, subject=to, time=clock().now(), actor="carrier", data=data)
        await self.journal.append(event)
        return event

    async def _log(self, resident: str) -> list[Input]:
        """Every event of ``resident`` in `events`, in order; the lowest offset of an identity counts."""
        number = partition_of(resident.encode(), self.journal.partitions)
        at, found = TopicPartition(EVENTS, number), dict[str, Input]()
        reader = consumer()
        await reader.start()
        try:
            reader.assign([at])
            end = (await reader.end_offsets([at]))[at]
            await reader.seek_to_beginning(at)
            while await reader.position(at) < end:
                for records in (await reader.getmany(timeout_ms=500, max_records=20_000)).values():
                    for record in records:
                        if record.key == resident.encode() and record.value:
                            event = _read(number, record)
                            if event is not None:
                                found.setdefault(event.identity, event)
        finally:
            await reader.stop()
        return list(found.values())


def _read(number: int, record: Any) -> Input | None:
    """The event in a record; None for one that the fold could not read either."""
    try:
        return read(number, record.offset, record.value, dict(record.headers)["ce_id"].decode())
    except (KeyError, ValueError, TypeError):
        return None


async def _serve(stopping: asyncio.Event) -> None:
    reader = consumer(
        DERIVED, group=GROUP, group_instance_id=f"carrier-{settings().worker}", session_timeout_ms=6000,
        max_poll_interval_ms=3_600_000,
    )  # fmt: skip
    await reader.start()
    try:
        async with Log() as journal:
            carrier = Carrier(journal)
            ready("carrier")
            while not stopping.is_set():
                for at, records in (await reader.getmany(timeout_ms=500)).items():
                    for record in records:
                        await carrier.take(record)
                    try:
                        await reader.commit({at: records[-1].offset + 1})
                    except (CommitFailedError, IllegalStateError) as error:
                        log.info("commit of %s: %s; whoever has it now carries it again", at, error)
    finally:
        await reader.stop()


async def _main() -> None:
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, stopping.set)
    await _serve(stopping)


def run() -> None:
    """Run the carrier until SIGTERM."""
    log_to_stderr()
    try:
        asyncio.run(_main())
    except Exception as error:
        log.critical("the carrier ends: %r", error, exc_info=error)
        sys.exit(1)
