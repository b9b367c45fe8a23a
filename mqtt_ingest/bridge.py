"""The part `bridge`: from MQTT to Kafka, for as long as both are there, and again when they are back."""

import asyncio
import gc
import hashlib
import logging
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError

from infra.clock import clock
from infra.log import ClockOff, Log
from infra.part import ready, remark
from infra.settings import Settings, settings
from mqtt_ingest import clock_trust, histories
from mqtt_ingest.bindings import Bindings
from mqtt_ingest.gate import Gate
from mqtt_ingest.pipeline import Pipeline
from mqtt_ingest.rejected import Register, everything, follow
from mqtt_ingest.session import Session
from mqtt_ingest.topics import UP
from mqtt_ingest.waiting import Waiting
from schemas.topics import DEVICES, REJECTED

#: Real seconds of transport that must never look like a device's wrong clock, however fast Mailiu's clock runs.
TRANSPORT = 10
SAVE_EVERY, DRAIN = 30.0, 5.0  #: seconds
logger = logging.getLogger("mailiu.bridge")


def run() -> None:
    """Serve until SIGTERM; what cannot be helped by waiting ends the process with exit code 1."""
    gc.freeze()  # modules live as long as the process: no collection need look at them
    gc.set_threshold(20_000, 20, 20)  # messages leave no cycles behind
    try:
        asyncio.run(_serve())
    except* (KafkaError, ClockOff, LookupError, OSError) as problems:
        for problem in problems.exceptions:
            print(f"bridge: {type(problem).__name__}: {problem}", file=sys.stderr)
        sys.exit(1)


def make_gate(bindings: Bindings) -> Gate:
    """The gate with this process's settings; on a fast virtual clock transport takes longer, so it tolerates more."""
    tolerance = max(clock_trust.TOLERANCE, round(clock().speed * TRANSPORT * 1000))
    return Gate(bindings, settings().zone, tolerance)


def clocks_file(settings: Settings) -> Path:
    """Where the bridge keeps the devices' receipts over a restart."""
    return settings.home / "bridge" / f"{settings.mqtt_bridge_id}.clocks.json"


async def _serve() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    waiting, bindings = Waiting(), Bindings()
    gate = make_gate(bindings)
    file = clocks_file(settings())
    gate.clocks = histories.load(file)
    shared = f"$share/{_group()}/{UP}"
    topics = (shared, UP) if settings().mqtt_bridges > 1 else (UP, shared)
    session = Session(settings().mqtt_bridge_id, topics[0], without=topics[1])
    async with asyncio.TaskGroup() as group:
        known = asyncio.Event()
        tasks = [group.create_task(_follow_devices(bindings, waiting, known))]
        await _first(known.wait(), stop.wait())
        if not stop.is_set():
            await _load_waiting(waiting)
            tasks.append(group.create_task(session.keep()))
            tasks.append(group.create_task(_save(gate, file)))
            await _bridge(session, gate, waiting, stop)
            histories.save(file, gate.clocks)
        for task in tasks:
            task.cancel()
        await session.close()


def _group() -> str:
    """The name of the bridges' group, which only they can know: a device that joined it would get a share of all that
    is sent, and though its rights let it read none of that, the broker would count it as delivered."""
    return hashlib.sha256(settings().secret("mqtt-mailiu").encode()).hexdigest()[:24]


async def _bridge(session: Session, gate: Gate, waiting: Waiting, stop: asyncio.Event) -> None:
    """Run the pipeline until ``stop``; when Kafka fails, drop what is under way, wait, and begin again."""
    wait, said = 0.5, False
    while not stop.is_set():
        try:
            async with Log() as log:
                pipeline = Pipeline(session, log, gate, waiting)
                async with asyncio.TaskGroup() as group:
                    pump = group.create_task(pipeline.pump(session))
                    others = [group.create_task(pipeline.settle(session)), group.create_task(pipeline.again())]
                    await _first(session.subscribed.wait(), stop.wait())
                    if not stop.is_set():
                        remark("bridge", None) if said else ready("bridge")
                        said = True
                    wait = 0.5
                    await stop.wait()
                    pump.cancel()
                    await pipeline.drained(DRAIN)
                    for task in others:
                        task.cancel()
        except* (KafkaError, ClockOff) as problems:
            if not said and isinstance(problems.exceptions[0], ClockOff):
                raise
            why = f"nothing is accepted, the MQTT broker keeps it: {problems.exceptions[0]!r}"
            logger.error(why)
            remark("bridge", why)
            session.reset()
            await _first(stop.wait(), asyncio.sleep(wait))
            wait = min(2 * wait, 10.0)


async def _follow_devices(bindings: Bindings, waiting: Waiting, known: asyncio.Event) -> None:
    """Keep the bindings as the topic `devices` has them; ``known`` is set once its end at the start is reached."""
    async for batch in follow(DEVICES):
        if batch is None:
            known.set()
            continue
        for record in batch:
            device = bindings.apply((record.key or b"").decode(errors="replace"), record.value)
            if device is not None and known.is_set():
                waiting.changed(device)


async def _load_waiting(waiting: Waiting) -> None:
    """What waited for a binding when the bridge was stopped."""
    register = Register(only_waiting=True)
    async for record in everything(REJECTED):
        register.apply(record.value)
    waiting.everything(register.by_id.values())


async def _save(gate: Gate, file: Path) -> None:
    while True:
        await asyncio.sleep(SAVE_EVERY)
        histories.save(file, gate.clocks)


async def _first(*what: Coroutine[Any, Any, object]) -> None:
    """Wait until one of the coroutines is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(one) for one in what]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
