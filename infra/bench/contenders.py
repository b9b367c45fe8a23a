"""Those who are measured by the bench `stream`, each run as a process: ``python -m infra.bench.contenders NAME ENDS``.

``ENDS`` is a JSON object: for each partition of `events`, the offset behind its last event. A contender reads all of
them and prints ``{"seconds", "cpu"}``: from its first record to its last one, by the clock and by the processor.
"""

import os
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

import orjson

from infra.settings import settings
from schemas.topics import EVENTS


class Stopwatch:
    """Starts with the first record; at the end it prints what it measured and ends the process."""

    def __init__(self) -> None:
        self.begin: tuple[float, float] | None = None

    def start(self) -> None:
        """Start, unless it runs."""
        if self.begin is None:
            self.begin = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        """Print and end."""
        assert self.begin is not None
        took = {"seconds": time.perf_counter() - self.begin[0], "cpu": time.process_time() - self.begin[1]}
        print(orjson.dumps(took).decode(), flush=True)
        os._exit(0)


def ours(ends: dict[int, int]) -> None:
    """The stream worker as it is; everything is folded when every store has come to its end."""
    from infra.part import log_to_stderr
    from streams import worker
    from streams.partition import Partition

    watch, steps, commit, left = Stopwatch(), Partition.steps, Partition.commit, dict(ends)

    def timed_steps(self: Partition, records: Any) -> Any:
        watch.start()
        return steps(self, records)

    def timed_commit(self: Partition, step: Any) -> None:
        commit(self, step)
        if self.next >= left.get(self.number, 0):
            left.pop(self.number, None)
            if not left:
                watch.stop()

    Partition.steps, Partition.commit = timed_steps, timed_commit  # type: ignore[method-assign]
    log_to_stderr()
    worker.run()


def quix(ends: dict[int, int], changelog: bool = True) -> None:
    """The same fold on Quix Streams, with its state per resident; facts in memory, a partition each."""
    from quixstreams import Application
    from quixstreams.context import message_context

    from streams.event import read
    from streams.fold import fold, learn, new_facts
    from streams.partition import FACTS
    from streams.worker import collect_rarely

    collect_rarely()
    app = Application(
        settings().kafka, consumer_group=f"quix-{uuid.uuid4()}", auto_offset_reset="earliest", loglevel="ERROR",
        state_dir=settings().home, use_changelog_topics=changelog, producer_extra_config={"linger.ms": 2},
    )  # fmt: skip
    source = app.topic(EVENTS, value_deserializer="bytes", key_deserializer="bytes")
    target = app.topic("quix-derived", value_serializer="bytes", key_serializer="bytes")
    watch, facts, count, total = Stopwatch(), {n: new_facts() for n in ends}, 0, sum(ends.values())

    def apply(value: bytes, _key: Any, _stamp: int, headers: Any, state: Any) -> list[tuple[str, bytes]]:
        nonlocal count
        watch.start()
        where = message_context()
        identity = next(v.decode() for k, v in headers if k == "ce_id")
        event = read(where.partition, where.offset, value, identity)
        if where.offset >= ends.get(where.partition, 0):
            return []
        count += 1
        known = learn(facts[where.partition], event)
        if event.type in FACTS:
            return []
        after, outputs = fold(state.get("state"), event, known)
        state.set("state", after)
        return [(o.key, orjson.dumps(o.value)) for o in outputs]

    def send(output: tuple[str, bytes]) -> bytes:
        return output[1]

    frame = app.dataframe(source).apply(apply, stateful=True, metadata=True, expand=True)
    frame = frame.apply(send)
    frame.to_topic(target)

    def processed(*_: Any) -> None:
        if count >= total:
            watch.stop()

    app._on_message_processed = processed
    app.run()


def quix_plain(ends: dict[int, int]) -> None:
    """Quix Streams without its changelog: a lost state would be folded again from the log, as ours is."""
    quix(ends, changelog=False)


def idle(ends: dict[int, int]) -> None:
    """A Faust agent as in its tutorial, one event a message, that does nothing."""
    import faust

    from infra.part import log_to_stderr

    log_to_stderr()
    app = faust.App(
        f"idle-{uuid.uuid4()}", broker=f"kafka://{settings().kafka}", web_enabled=False, topic_allow_declare=False,
        topic_disable_leader=True, consumer_auto_offset_reset="earliest", datadir=settings().home,
        value_serializer="raw", key_serializer="raw",
    )  # fmt: skip
    watch, total = Stopwatch(), sum(ends.values())

    @app.agent(app.topic(EVENTS))
    async def nothing(stream: Any) -> None:
        count = 0
        async for _ in stream:
            watch.start()
            count += 1
            if count >= total:
                watch.stop()

    worker = faust.Worker(app, quiet=True, override_logging=False, redirect_stdouts=False)
    worker.spinner = None
    worker.execute_from_commandline()


CONTENDERS: dict[str, Callable[[dict[int, int]], None]] = {
    "ours": ours, "quix": quix, "quix-plain": quix_plain, "idle": idle,
}  # fmt: skip

if __name__ == "__main__":
    CONTENDERS[sys.argv[1]]({int(number): end for number, end in orjson.loads(sys.argv[2]).items()})
