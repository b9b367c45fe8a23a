"""What a rule sees: one resident's state, the facts, the event being folded, and core time; and what it finds."""

from functools import lru_cache
from typing import Any

from streams.calendar import HOUR, birthday, day_number, day_of
from streams.consent import MESSAGES, MONITORING, withdrawn
from streams.event import Input, Output, derived, rfc3339
from streams.facts import Facts
from streams.rules import Rule, approved, in_force
from streams.state import State

RANK = {"technical": 0, "yellow": 1, "orange": 2, "red": 3}
SEVERITY = ("technical", "yellow", "orange", "red")
IMPORTED = -1
FOREVER = 1 << 60


class Finding:
    """A rule's condition that holds: since when, how severe, on which evidence.

    ``until``: the instant from which it no longer holds unless something happens; ``mark``: what must change for people
    to be told again; ``again``: ms after closing at which a lasting condition is raised anew; ``ask``: the event's
    device shall ask for a repeat until then; ``began``: a cleared alert whose evidence reaches this far was cleared too
    early (the onset of the evidence, unless its window reaches back before the finding itself).
    """

    __slots__ = (
        "again",
        "ask",
        "began",
        "detail",
        "evidence",
        "judgement",
        "latest",
        "mark",
        "onset",
        "severity",
        "until",
    )

    def __init__(
        self, severity: str, onset: int, latest: int, evidence: list[str], detail: dict[str, Any], mark: list[Any],
        *, until: int | None = None, judgement: bool = False, again: int | None = None,
        ask: int | None = None, began: int | None = None,
    ) -> None:  # fmt: skip
        self.severity, self.onset, self.latest, self.evidence = severity, onset, latest, evidence
        self.detail, self.mark, self.until = detail, mark, until
        self.judgement, self.again, self.ask = judgement, again, ask
        self.began = onset if began is None else began


class Case:
    """One resident at one event. ``horizon``: the instant from which evidence is kept."""

    __slots__ = ("event", "facts", "home", "horizon", "now", "outputs", "quiet", "state", "wake")

    def __init__(self, state: State, event: Input, facts: Facts, horizon: int) -> None:
        self.state, self.event, self.facts, self.horizon = state, event, facts, horizon
        self.now: int = facts["core"]
        self.outputs: list[Output] = []
        self.wake: list[int] = []
        self.home: Any = None  # the window of the home mean, once it is computed
        self.quiet = False  # what imported history leaves open is on the list; nobody is called for it

    @property
    def institution(self) -> str | None:
        """Who manages the resident now; before anybody said so, who sent the event or the one before."""
        stands = self.state.get("inst")
        return stands[2] if stands else self.state.get("sender")

    def rule(self, name: str) -> Rule:
        """The version of the rule in force."""
        return in_force(name, self.facts)

    def wake_at(self, instant: int) -> None:
        """The rule being evaluated may find something else from ``instant`` on though nothing happens."""
        self.wake.append(instant)

    def emit(self, type: str, id: str, data: dict[str, Any]) -> None:
        """Put out a derived event about this resident; ``id`` names (what, kind, cause)."""
        self.outputs.append(derived(self.event, type, id, self.institution, data))

    def command(self, what: str, rule: Rule, expires: int, alert: str | None = None) -> None:
        """Ask the device that sent this event to have the person measure again; nothing without a live device."""
        device = self.event.data.get("device")
        if device is None or expires <= self.now or self.event.origin == "import" or self.left_alone:
            return
        data: dict[str, Any] = {
            "command": "re-measure",
            "device": device,
            "expires": rfc3339(expires),
            "text": rule.text,
        }
        if alert is not None:
            data["alert"] = alert
        self.emit("mailiu.device.command-requested.v1", f"{what}/command/{self.event.identity}", data)

    @property
    def left_alone(self) -> bool:
        """Whether nothing may be asked of the resident: consent for monitoring or messages stands withdrawn."""
        zone = self.facts["zone"]
        return any(withdrawn(self.state, scope, self.now, zone) for scope in (MONITORING, MESSAGES))

    def adult(self, instant: int) -> bool:
        """Whether the resident was 18 or of unknown age at ``instant``."""
        return self.aged(18, instant, unknown=True)

    def aged(self, age: int, instant: int, unknown: bool = False) -> bool:
        """Whether the resident was at least ``age`` years old at ``instant``; ``unknown`` if nobody knows."""
        birth = self.state.get("birth")
        return unknown if birth is None else instant >= birthday(self.facts["zone"], birth[2], age)

    def older_than_days(self, days: int, instant: int) -> bool:
        """Whether the resident was at least ``days`` days old at ``instant``, or nobody knows."""
        birth = self.state.get("birth")
        return birth is None or day_of(self.facts, instant) - _day(birth[2]) >= days

    def takes(self, groups: list[str]) -> bool:
        """Whether a drug of these ATC ``groups`` is prescribed now."""
        return _stands(self.state.get("rx"), groups)

    def has(self, codes: list[str]) -> bool:
        """Whether a condition whose ICD-10 code begins with one of ``codes`` is diagnosed now."""
        return _stands(self.state.get("dx"), codes)

    def pregnant(self, instant: int, after_delivery: int) -> bool:
        """Whether ``instant`` lies between registration and ``after_delivery`` ms after the delivery."""
        return any(
            start <= instant < (FOREVER if end is None else end + after_delivery * delivered)
            for start, end, delivered in self.state.get("gestation", ())
        )

    def symptoms(self, codes: list[str], since: int, until: int) -> tuple[list[str], list[str], int]:
        """Those of ``codes`` reported between two instants: codes, event ids, and the best lateness."""
        found: list[str] = []
        ids: list[str] = []
        late = FOREVER
        series = self.state.get("sx")
        if series is not None:
            for time, id, reported, delay in zip(series["t"], series["id"], series["c"], series["l"], strict=True):
                if since <= time <= until:
                    some = [code for code in reported if code in codes]
                    if some:
                        found += [code for code in some if code not in found]
                        ids.append(id)
                        late = min(late, delay)
        return found, ids, late

    def by_age(self, severity: str, late: int) -> str:
        """``severity`` lowered for values that were old when they came in (``late`` ms; imported ones never siren)."""
        limits = self.rule("alarm-age").limits
        if late == IMPORTED or limits["siren_hours"] * HOUR < late <= limits["call_hours"] * HOUR:
            return at_most(severity, "orange")
        return severity if late <= limits["siren_hours"] * HOUR else at_most(severity, "yellow")

    def fresh(self, late: int) -> bool:
        """Whether a value came in soon enough that asking for a repeat makes sense."""
        return self.by_age("red", late) == "red"

    def judged(self, rule: Rule, severity: str, *rests: str) -> tuple[str, bool]:
        """``severity`` of a finding that rests on the limits ``rests``: at most yellow, and marked, if one is (M)."""
        if rule.judged.isdisjoint(rests) or approved(rule, self.institution, self.facts):
            return severity, False
        return at_most(severity, "yellow"), True


def at_most(severity: str, limit: str) -> str:
    """The milder of two severities."""
    return severity if RANK[severity] <= RANK[limit] else limit


def episodes(times: list[int], hits: list[int], gap: int, closings: list[int]) -> list[list[int]]:
    """``hits`` (indices into ``times``) in groups: less than ``gap`` apart and no closing between them."""
    groups: list[list[int]] = []
    for hit in hits:
        if groups:
            before, at = times[groups[-1][-1]], times[hit]
            if at - before <= gap and not any(before <= closed < at for closed in closings):
                groups[-1].append(hit)
                continue
        groups.append([hit])
    return groups


def closings(state: State, rule: str) -> list[int]:
    """When the alerts of ``rule`` were closed: evidence later than that begins a new episode."""
    return [a["end"] for a in state["alerts"] if a["rule"] == rule and "end" in a]


def received(time: int, late: int) -> int:
    """When a value came in; an imported one counts at its own time."""
    return time + max(late, 0)


def youngest(late: int) -> tuple[bool, int]:
    """Sorts latenesses: fresh before old before imported."""
    return late < 0, late


@lru_cache(8192)
def _day(birth: str) -> int:
    return day_number(birth)


def _stands(entries: dict[str, list[Any]] | None, prefixes: list[str]) -> bool:
    return entries is not None and any(entry[2] and code.startswith(tuple(prefixes)) for code, entry in entries.items())
