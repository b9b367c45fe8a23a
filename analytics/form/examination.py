"""The record of one annual health examination, as form 3 reads it.

What other events know is not typed again: laboratory results of the weeks around the day, habits told within the year
before, the drugs prescribed and not stopped by then.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from analytics.form.fill import Event, Record
from analytics.form.record import taken
from analytics.form.results import EXAMINED, results
from analytics.form.words import word

HEALTH = "mailiu.examination.health-examined."
LIFESTYLE = "mailiu.chronic.lifestyle-recorded."
NEAR = timedelta(days=14)  # blood is taken, or its result comes, on another day
PLAIN = ("normal", "abnormal")


def examinations(events: Iterable[Event]) -> list[Event]:
    """Annual health examinations, oldest first."""
    found = [event for event in events if event["type"].startswith(HEALTH)]
    return sorted(found, key=lambda event: (event["time"], str(event["id"])))


def exam_record(exam: Event, events: Iterable[Event], person: Mapping[str, Any], zone: ZoneInfo) -> Record:
    """The record of ``exam``. ``events`` are the person's, in any order."""
    events, data, time = list(events), dict(exam["data"]), exam["time"]
    data["date"] = time.astimezone(zone).date().isoformat()
    data["doctor"] = data.get("doctor") or exam["actor"]
    near = [each for each in events if each["type"].startswith(EXAMINED) and abs(each["time"] - time) <= NEAR]
    own = [each for each in near if each["id"] == exam["id"]]
    known = {each["name"]: each["value"] for each in [*results(near), *results(own)]}
    if "bmi" not in known and {"height", "weight"} <= known.keys():
        known["bmi"] = round(known["weight"] / (known["height"] / 100) ** 2, 1)
    data["results"] = known
    data["findings"], data["notes"] = dict(data.get("findings", {})), dict(data.get("notes", {}))
    for name in ("ecg", "fundus"):  # the form says normal or not; what is found stands in its words
        found = data["findings"].get(name) or known.get(name)
        if found and found not in PLAIN:
            data["notes"].setdefault(f"{name}_desc", word(found, "zh"))
            found = "abnormal"
        data["findings"][name] = found
    data["lifestyle"] = _lifestyle(events, exam) | {
        k: v for k, v in (data.get("lifestyle") or {}).items() if v is not None
    }
    data["medications"] = data.get("medications") or taken(each for each in events if each["time"] <= time)
    data["abnormality_text"] = "；".join(data.get("abnormalities", ()))
    return {"exam": data, "person": person}


def _lifestyle(events: Iterable[Event], exam: Event) -> dict[str, Any]:
    """Habits as told last in the year before; what a later answer leaves out an earlier one may say."""
    since = exam["time"] - timedelta(days=365)
    told = [each for each in events if each["type"].startswith(LIFESTYLE) and since <= each["time"] <= exam["time"]]
    habits: dict[str, Any] = {}
    for each in sorted(told, key=lambda event: (event["time"], str(event["id"]))):
        habits |= {name: value for name, value in each["data"].items() if value is not None}
    return habits
