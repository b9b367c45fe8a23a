"""How the rules do against the truth: sensitivity, false alarms, delay, hand-work, and what nobody had to do by hand.

It knows alerts only from outside, as anybody sees them, and the truth only from the simulation: none of the rules' code
is used. `docs/simulator.md` defines every figure.
"""

import statistics
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from analytics.simulator.clinician import turn
from analytics.simulator.parameters import DAY, HOUR

VERSION = 1
MONTH = 30.436875  #: days
BUDGET, AUTOMATED = 10.0, 0.79  #: clinical decision 5
RANK = {"technical": 0, "yellow": 1, "orange": 2, "red": 3}


class Change(NamedTuple):
    """One revision of an alert: when (ms since 1970), and how it then stood."""

    at: int
    severity: str
    condition: str
    handling: str


@dataclass
class Alert:
    """An alert as its derived events told of it."""

    id: str
    rule: str
    resident: str
    raised: int
    onset: int
    latest: int
    changes: list[Change] = field(default_factory=list)

    @property
    def over(self) -> int | None:
        """When it was last cleared or withdrawn; None while active."""
        return None if self.changes[-1].condition == "active" else self.changes[-1].at


@dataclass
class Truth:
    """What `truth.lines` wrote, as far as a score needs it."""

    district: dict[str, Any]
    episodes: dict[str, list[dict[str, Any]]]  #: by kind
    plan_days: float  #: person-days under a plan

    @classmethod
    def read(cls, lines: Iterable[dict[str, Any]]) -> "Truth":
        """Raises ``ValueError`` where the first line is not a district's."""
        district: dict[str, Any] = {}
        episodes: dict[str, list[dict[str, Any]]] = defaultdict(list)
        span = 0
        for line in lines:
            if line.get("what") == "district":
                district = line
            elif line.get("what") == "resident":
                span += sum(end - start for start, end in line["plan"])
            elif line.get("what") == "episode":
                episodes[line["is"]].append(line)
        if not district:
            raise ValueError('this is no truth of a simulated district: it has no line {"what": "district"}')
        return cls(district, episodes, span / DAY)


@cache
def rules() -> dict[str, dict[str, Any]]:
    """What each rule ought to find."""
    text = Path(__file__).with_name(f"scored.v{VERSION}.toml").read_text(encoding="utf-8")
    return {name: entry for name, entry in tomllib.loads(text).items() if isinstance(entry, dict)}


def collect(alerts: dict[str, Alert], at: int, resident: str, data: dict[str, Any], instants: Any) -> Alert:
    """Add one derived alert event to ``alerts``; ``instants`` turns its times into ms since 1970."""
    alert = alerts.get(data["alert"])
    if alert is None:
        alert = alerts[data["alert"]] = Alert(
            data["alert"], data["rule"], resident, instants(data["raised_time"]), instants(data["onset"]),
            instants(data["latest"]),
        )  # fmt: skip
    alert.onset = min(alert.onset, instants(data["onset"]))
    alert.latest = max(alert.latest, instants(data["latest"]))
    alert.changes.append(Change(at, data["severity"], data["condition"], data["handling"]))
    return alert


def score(truth: Truth, alerts: Iterable[Alert]) -> dict[str, Any]:
    """All figures: a row a rule under ``rules``, and the whole under ``total``."""
    end = truth.district["end"]
    by_rule: dict[str, list[Alert]] = defaultdict(list)
    for alert in alerts:
        if alert.raised <= end:  # what a running Mailiu says of the time after it is no part of the simulation
            by_rule[alert.rule].append(alert)
    names = [*rules(), *sorted(set(by_rule) - set(rules()))]
    rows = [_row(name, truth, by_rule.get(name, []), end) for name in names]
    hand, settled = sum(row["hand_work"] for row in rows), sum(row["settled"] for row in rows)
    occasions = truth.district["occasions"]
    counted = sum(occasions.values())
    total = {
        "alerts": sum(row["alerts"] for row in rows), "hand_work": hand, "settled": settled,
        "hand_work_per_100_people_a_day": _ratio(100 * hand, truth.plan_days), "budget": BUDGET,
        "occasions": occasions, "automated_share": None if not counted else max(0.0, 1 - hand / counted),
        "automated_share_wanted": AUTOMATED, "settled_share": _ratio(settled, hand + settled),
        "person_days": round(truth.plan_days, 1), "monitored": truth.district["monitored"],
    }  # fmt: skip
    return {"rules": [row for row in rows if row["alerts"] or row["episodes"]], "total": total}


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _row(name: str, truth: Truth, alerts: list[Alert], end: int) -> dict[str, Any]:
    definition = rules().get(name, {"truth": [], "match": "evidence", "slack_hours": 0})
    episodes = [one for kind in definition["truth"] for one in truth.episodes.get(kind, ())]
    slack = definition["slack_hours"] * HOUR
    mine: dict[str, list[Alert]] = defaultdict(list)
    for alert in alerts:
        mine[alert.resident].append(alert)
    true: set[str] = set()
    found, measured, found_measured, delays = 0, 0, 0, []
    wanted = [] if definition.get("false_only") else [one for one in episodes if not one.get("brief")]
    for one in episodes:
        begin, until = one["start"] - HOUR, one["end"] + slack
        matching = [a for a in mine.get(one["resident"], ()) if _meets(a, definition["match"], begin, until, end)]
        true.update(a.id for a in matching)
        if one.get("brief") or definition.get("false_only"):
            continue
        seen = one.get("readings", 1) > 0
        measured += seen
        if matching:
            found += 1
            found_measured += seen
            known = one["start"] if definition["match"] == "active" else one.get("first", one["start"])
            delays.append(max(0, min(a.raised for a in matching) - known) / HOUR)
    false = len(alerts) - sum(a.id in true for a in alerts)
    hand, settled = 0, 0
    for alert in alerts:
        by_hand, by_itself = hand_work(alert, end)
        hand, settled = hand + by_hand, settled + by_itself
    return {
        "rule": name, "episodes": len(wanted), "found": found, "sensitivity": _ratio(found, len(wanted)),
        "measured": measured, "sensitivity_measured": _ratio(found_measured, measured), "alerts": len(alerts),
        "false_alarms": false if definition["truth"] else None,
        "false_per_100_patient_months": _ratio(100 * false * MONTH, truth.plan_days) if definition["truth"] else None,
        "delay_median_hours": statistics.median(delays) if delays else None,
        "delay_p95_hours": sorted(delays)[min(len(delays) - 1, int(0.95 * len(delays)))] if delays else None,
        "hand_work": hand, "settled": settled, "hand_work_per_100_people_a_day": _ratio(100 * hand, truth.plan_days),
    }  # fmt: skip


def _meets(alert: Alert, how: str, begin: int, until: int, end: int) -> bool:
    if how == "evidence":
        return alert.onset <= until and alert.latest >= begin
    over = alert.over
    return alert.raised <= until and (end if over is None else over) >= begin


def hand_work(alert: Alert, end: int) -> tuple[int, int]:
    """How often a person had to take the alert, and how often it settled before anybody had to.

    It waits for a person when raised, and again when it becomes worse or new once more. Whoever's turn it is takes it
    at `clinician.turn`, unless its condition is over by then. What still waits at ``end`` counts as neither.
    """
    hand = settled = 0
    waits: int | None = None
    before: Change | None = None
    for change in alert.changes:
        if waits is not None and change.at >= waits:
            hand, waits = hand + 1, None
        worse = before is not None and RANK[change.severity] > RANK[before.severity]
        anew = change.handling == "new" and (before is None or before.handling != "new" or worse)
        if change.handling != "new" and waits is not None:
            hand, waits = hand + 1, None
        elif change.condition != "active" and waits is not None:
            settled, waits = settled + 1, None
        elif anew and change.condition == "active":
            at = turn(alert.id, change.severity, change.at)
            waits = at if waits is None else min(waits, at)
        before = change
    return hand + (waits is not None and waits <= end), settled
