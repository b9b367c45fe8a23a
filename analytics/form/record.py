"""The record of one visit, as the follow-up forms read it: what was said at the visit, and what other events knew then.

What is taken from elsewhere, so that nobody types it twice: height of the visits before (people are measured once), the
drugs prescribed and not stopped by then where the visit lists none, HbA1c and fasting glucose of the laboratory.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from analytics.form.fill import Event, Record
from analytics.form.results import results

VISIT = "mailiu.chronic.follow-up-completed."
PRESCRIBED = "mailiu.chronic.medication-prescribed."
STOPPED = "mailiu.chronic.medication-stopped."
DAILY = {"qd": 1, "qn": 1, "qm": 1, "bid": 2, "tid": 3, "qid": 4, "q12h": 2, "q8h": 3, "qod": 0.5}
DOSE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(\S+)\s*$")
LAB_AGE = timedelta(days=92)  # HbA1c of the quarter before still stands for the visit


def visits(events: Iterable[Event], programmes: frozenset[str]) -> list[Event]:
    """Completed visits of these programmes, oldest first."""
    found = [e for e in events if e["type"].startswith(VISIT) and e["data"].get("programme") in programmes]
    return sorted(found, key=lambda event: (event["time"], str(event["id"])))


def visit_record(visit: Event, events: Iterable[Event], person: Mapping[str, Any], zone: ZoneInfo) -> Record:
    """The record of ``visit``. ``events`` are the person's, in any order."""
    events = list(events)
    data: dict[str, Any] = dict(visit["data"])
    data["date"] = visit["time"].astimezone(zone).date().isoformat()
    data["doctor"] = data.get("doctor") or visit["actor"]
    labs = [lab for lab in results(events) if lab["time"] <= visit["time"] + timedelta(hours=12)]
    before = [e for e in events if e["time"] <= visit["time"]]
    height = data.get("height") or _last(before, "height") or (_newest(labs, "height") or {}).get("value")
    data["height"] = height
    if height and data.get("weight"):
        data["bmi"] = round(data["weight"] / (height / 100) ** 2, 1)
    if not data.get("medications"):
        data["medications"] = taken(before)
    data["medications"] = [_drug(drug) for drug in data["medications"]]
    if data.get("hba1c") is None and (lab := _lab(labs, "hba1c", visit["time"] - LAB_AGE)):
        data["hba1c"], data["examination_date"] = lab["value"], lab["time"].astimezone(zone).date().isoformat()
    if data.get("fasting_glucose") is None and (lab := _lab(labs, "fasting_glucose", visit["time"])):
        data["fasting_glucose"] = lab["value"]
    if referral := data.get("referral"):
        to = " ".join(filter(None, (referral.get("institution"), referral.get("department"))))
        data["referral"] = {**referral, "to": to or None}
    return {"visit": data, "person": person}


def taken(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Drugs prescribed and not stopped, by code."""
    last: dict[str, Event] = {}
    for event in sorted(events, key=lambda event: (event["time"], str(event["id"]))):
        if event["type"].startswith((PRESCRIBED, STOPPED)):
            last[event["data"]["code"]] = event
    drugs = [event["data"] for event in last.values() if event["type"].startswith(PRESCRIBED)]
    return [{**drug, "name": drug.get("name") or drug["code"]} for drug in sorted(drugs, key=lambda drug: drug["code"])]


def _drug(drug: Mapping[str, Any]) -> dict[str, Any]:
    """A drug with its dose in a number and a unit, and times a day, where the words say so."""
    match = DOSE.match(drug.get("dose") or "")
    amount, unit = (float(match[1]), match[2]) if match else (None, None)
    daily = DAILY.get((drug.get("frequency") or "").strip().lower())
    return {
        **drug,
        "dose_amount": amount if match else drug.get("dose"),
        "dose_unit": unit,
        "times_per_day": daily if daily is not None else drug.get("frequency"),
    }


def _last(events: Iterable[Event], name: str) -> float | None:
    found = [(e["time"], e["data"][name]) for e in events if e["type"].startswith(VISIT) and e["data"].get(name)]
    return max(found)[1] if found else None


def _lab(labs: Iterable[Mapping[str, Any]], name: str, since: datetime) -> Mapping[str, Any] | None:
    """The newest laboratory value of ``name`` since then, with 12 hours of grace: blood is taken before the visit."""
    return _newest((lab for lab in labs if lab["time"] >= since - timedelta(hours=12)), name)


def _newest(labs: Iterable[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    return max((lab for lab in labs if lab["name"] == name), key=lambda lab: lab["time"], default=None)
