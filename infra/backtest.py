"""A rule or score version tried on the log before anybody activates it: fold twice, and compare what comes out.

The log is folded as it is and with that version in force throughout, partition by partition, in memory. Nothing is
written and nothing is sent. What people did about alerts stands in the log as it was: they never saw an alert that only
the version on trial raises, so only what is raised is compared, not how alerts went on.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka import TopicPartition

from infra.clients import consumer
from schemas.topics import EVENTS
from streams import fold
from streams.case import RANK
from streams.event import DERIVED, Output
from streams.partition import Partition
from streams.store import Store

ALERT, TASK, SCORE = "mailiu.alert.", "mailiu.task.opened.v1", "mailiu.score.computed.v1"
#: How the version on trial is called in what is counted, and the log as it is.
TRIED, NOW = "trial", "now"


class Made(NamedTuple):
    """An alert that was raised (``what``: its rule) or a task that was opened (``what``: its kind)."""

    resident: str
    institution: str | None
    what: str
    severity: str  #: the highest it had; empty for a task
    time: int  #: ms since 1970


@dataclass
class Outcome:
    """What one fold of the log gives, from ``since`` (ms since 1970) on."""

    since: int = 0
    alerts: dict[str, Made] = field(default_factory=dict)
    tasks: dict[str, Made] = field(default_factory=dict)
    scores: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)  #: the last of each resident and model
    unfoldable: list[str] = field(default_factory=list)

    def take(self, output: Output) -> None:
        """One more consequence."""
        if output.topic != DERIVED or output.time < self.since:
            return
        data, about = output.value["data"], (output.key, output.value.get("institution"))
        if output.type.startswith(ALERT):
            known = self.alerts.get(data["alert"])
            if known is None and output.type == "mailiu.alert.raised.v1":
                self.alerts[data["alert"]] = Made(*about, data["rule"], data["severity"], output.time)
            elif known is not None and RANK[data["severity"]] > RANK[known.severity]:
                self.alerts[data["alert"]] = known._replace(severity=data["severity"])
        elif output.type == TASK:
            self.tasks.setdefault(data["task"], Made(*about, data["kind"], "", output.time))
        elif output.type == SCORE:
            self.scores[output.key, data["model"]] = data


class Backtest:
    """Folds runs of records twice. ``core`` is the pure core with the version on trial (`streams.trial`)."""

    def __init__(self, core: Any, since: int = 0) -> None:
        self.cores = {NOW: fold, TRIED: core}
        self.made = {name: Outcome(since) for name in self.cores}
        self.events = 0
        self.until = 0  #: core time reached, ms since 1970

    def start(self, number: int) -> None:
        """The next partition."""
        self.partitions = {
            name: Partition(number, Store(None, fold.VERSION), core=core) for name, core in self.cores.items()
        }

    def take(self, run: Sequence[Any]) -> None:
        """The next records of the partition, in order."""
        self.events += len(run)
        for name, partition in self.partitions.items():
            made = self.made[name]
            for step in partition.steps(run):
                made.unfoldable += [one.error for one in step.unfoldable]
                for output in step.outputs:
                    made.take(output)
                partition.commit(step)
            self.until = max(self.until, partition.core_time)


async def over_the_log(core: Any, since: int, progress: Callable[[str, int, int], None]) -> Backtest:
    """Everything that `events` holds now, on both folds. Raises what Kafka's client raises."""
    tried, reader = Backtest(core, since), consumer(EVENTS)
    await reader.start()
    try:
        partitions = sorted(TopicPartition(EVENTS, number) for number in reader.partitions_for_topic(EVENTS) or ())
        ends = await reader.end_offsets(partitions)
        total = sum(ends.values())
        for at in partitions:
            tried.start(at.partition)
            reader.unsubscribe()
            reader.assign([at])
            await reader.seek_to_beginning(at)
            while await reader.position(at) < ends[at]:
                for run in (await reader.getmany(timeout_ms=500, max_records=5_000)).values():
                    if kept := [record for record in run if record.offset < ends[at]]:
                        tried.take(kept)
                        progress("both folds", tried.events, total)
    finally:
        await reader.stop()
    return tried


@dataclass
class Person:
    """Somebody for whom the version on trial makes a difference; how many alerts and tasks now, and with it."""

    resident: str
    institution: str | None
    alerts: tuple[int, int]
    tasks: tuple[int, int]
    highest: tuple[str | None, str | None]
    scores: dict[str, tuple[Any, Any]]

    @property
    def change(self) -> str:
        """``new`` (nothing now), ``gone`` (nothing with it), else ``other``."""
        before, after = self.alerts[0] + self.tasks[0], self.alerts[1] + self.tasks[1]
        if self.scores or (before and after):
            return "other"
        return "new" if after else "gone"


def people(tried: Backtest) -> list[Person]:
    """Whoever is concerned otherwise by the version on trial: those that only it concerns first, then the others."""
    both = tried.made[NOW], tried.made[TRIED]
    alerts, tasks = [_by_person(one.alerts) for one in both], [_by_person(one.tasks) for one in both]
    scores: dict[str, dict[str, tuple[Any, Any]]] = {}
    for key in both[0].scores.keys() | both[1].scores.keys():
        before, after = (_said(one.scores.get(key)) for one in both)
        if before != after:
            scores.setdefault(key[0], {})[key[1]] = (before, after)
    found = []
    for resident in set().union(*alerts, *tasks, scores):
        a, t = ([one.get(resident, {}) for one in made] for made in (alerts, tasks))
        if a[0] == a[1] and t[0].keys() == t[1].keys() and resident not in scores:
            continue
        where = next((made.institution for one in (*a, *t) for made in one.values()), None)
        found.append(
            Person(
                resident, where, (len(a[0]), len(a[1])), (len(t[0]), len(t[1])),
                (_highest(a[0]), _highest(a[1])), scores.get(resident, {}),
            )
        )  # fmt: skip
    order = ("new", "gone", "other")
    return sorted(found, key=lambda one: (order.index(one.change), one.resident))


def counts(tried: Backtest) -> list[dict[str, Any]]:
    """Alerts by rule and highest severity, and tasks by kind: now, with the version on trial, and the same in both."""
    rows = []
    for kind in ("alerts", "tasks"):
        now, then = (getattr(tried.made[name], kind) for name in (NOW, TRIED))
        tallies = [Counter((made.what, made.severity) for made in one.values()) for one in (now, then)]
        same = Counter((now[id].what, now[id].severity) for id in now if id in then and _like(now[id], then[id]))
        for what, severity in sorted(set().union(*tallies), key=lambda key: (key[0], -RANK.get(key[1], 0))):
            row = {"kind": kind, "what": what, "severity": severity or None}
            row |= {name: tally[what, severity] for name, tally in zip((NOW, TRIED), tallies, strict=True)}
            rows.append(row | {"same": same[what, severity]})
    return rows


def _like(one: Made, other: Made) -> bool:
    return (one.what, one.severity) == (other.what, other.severity)


def _by_person(made: dict[str, Made]) -> dict[str, dict[str, Made]]:
    found: dict[str, dict[str, Made]] = {}
    for id, one in made.items():
        found.setdefault(one.resident, {})[id] = one
    return found


def _highest(alerts: dict[str, Made]) -> str | None:
    return max((made.severity for made in alerts.values()), key=RANK.__getitem__, default=None)


def _said(score: dict[str, Any] | None) -> Any:
    """What a computed score says, without its version and inputs."""
    return None if score is None else {name: score.get(name) for name in ("value", "class", "reason")}
