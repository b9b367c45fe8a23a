"""The fold alone: events a second on one core, all rules, for residents who measure four times a day for a month."""

import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from schemas.envelope import identity, rfc3339
from streams.event import Input, read
from streams.fold import fold, learn, new_facts

RESIDENTS, DAYS, REACH = 60, 30, 15_000
#: A district's mixture: share of residents, usual systolic pressure, its spread.
MIXTURE = ((0.45, 122, 7), (0.40, 138, 9), (0.13, 150, 10), (0.02, 168, 12))


def events(seed: int = 7) -> list[Input]:
    """Registration, diagnosis and `DAYS` days of readings of `RESIDENTS` residents, in the order of receipt."""
    chance = random.Random(seed)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made: list[tuple[datetime, dict[str, Any]]] = []

    def add(when: datetime, resident: str, type: str, data: dict[str, Any]) -> None:
        made.append((when, {"type": f"mailiu.{type}.v1", "subject": resident, "data": data}))

    for n in range(RESIDENTS):
        resident = f"R{n}"
        _, usual, spread = chance.choices(MIXTURE, [share for share, _, _ in MIXTURE])[0]
        add(start, resident, "resident.registered", {"sex": "female", "birth_date": "1955-05-05"})
        add(start, resident, "chronic.condition-diagnosed", {"code": "I10", "certainty": "confirmed"})
        for day in range(DAYS):
            for minute in (0, 1, 720, 721):
                systolic = max(80, round(chance.gauss(usual, spread)))
                when = start + timedelta(days=day, hours=-1, minutes=minute, seconds=n)
                data = {"systolic": systolic, "diastolic": systolic * 3 // 5, "pulse": 70, "place": "home"}
                add(when + timedelta(hours=1), resident, "reading.blood-pressure-measured", data)
    made.sort(key=lambda pair: pair[0])
    return [_input(offset, when, event) for offset, (when, event) in enumerate(made)]


def _input(offset: int, when: datetime, event: dict[str, Any]) -> Input:
    id: UUID = identity("bench", str(offset))
    stamp = rfc3339(when)
    envelope = {
        "specversion": "1.0", "id": str(offset), "source": "bench", "time": stamp, "recordedtime": stamp,
        "institution": "I01", **event,
    }  # fmt: skip
    return read(0, offset, orjson.dumps(envelope), str(id))


def run(progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Median of five runs, in processor time."""
    inputs = events()
    rates, alerts = [], 0
    for turn in range(5):
        progress(f"run {turn + 1} of 5, {len(inputs)} events")
        facts, alerts = new_facts(), 0
        states: dict[str, dict[str, Any]] = {}
        begin = time.process_time()
        for event in inputs:
            learn(facts, event)
            states[event.subject], outputs = fold(states.get(event.subject), event, facts)
            alerts += len(outputs)
        rates.append(len(inputs) / (time.process_time() - begin))
    measured = f"fold alone, all rules ({len(inputs)} events, {alerts} outputs)"
    return [
        {
            "bench": "fold", "measured": measured, "value": statistics.median(rates), "unit": "events/s",
            "reference": None, "reach": f"≥ {REACH:,}",
        }
    ]  # fmt: skip
