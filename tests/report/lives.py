"""A made-up life for the report's tests: what the tables would know of one person."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from analytics.report.facts import Facts

KNOWN = datetime(2026, 11, 20, 4, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")
PERSON = {
    "resident": "R-2041", "name": "张某", "sex": "female", "birth_date": date(1958, 11, 21), "institution": "I01",
    "team": "T1", "doctor": "S-101", "died_time": None,
}  # fmt: skip


def id_of(name: object) -> UUID:
    return uuid5(UUID(int=0), str(name))


def event(type: str, days: float, **data: Any) -> dict[str, Any]:
    """An event of the context chronic that many days before the report."""
    return {
        "id": id_of((type, days)), "type": f"mailiu.chronic.{type}", "time": KNOWN - timedelta(days=days),
        "institution": "I01", "actor": "S-101", "data": data,
    }  # fmt: skip


def visit(days: float, **data: Any) -> dict[str, Any]:
    return event("follow-up-completed.v3", days, **{"programme": "both", "mode": "clinic"} | data)


def reading(days: float, systolic: float, diastolic: float, **more: Any) -> dict[str, Any]:
    return {
        "id": id_of(("reading", days)), "kind": "blood-pressure", "time": KNOWN - timedelta(days=days),
        "systolic": systolic, "diastolic": diastolic, "value": None, "unit": "mm[Hg]", "context": None,
        "place": "home", "source": "measured", "clock": "trusted",
    } | more  # fmt: skip


def alert(days: float, severity: str, **more: Any) -> dict[str, Any]:
    return {
        "title": {"zh": f"{severity}告警", "en": f"a {severity} alert"}, "severity": severity, "condition": "active",
        "handling": "new", "raised_time": KNOWN - timedelta(days=days), "evidence": [id_of(severity)],
    } | more  # fmt: skip


def area(name: str, status: str, reason: str = "") -> dict[str, Any]:
    return {
        "area": name, "status": status, "reasons": [{"zh": reason, "en": reason}] if reason else [], "patterns": [],
        "targets": [], "judgement": False, "evidence": [id_of(name)],
    }  # fmt: skip


def task(kind: str, status: str, due: date, **more: Any) -> dict[str, Any]:
    return {
        "id": id_of((kind, due)), "kind": kind, "programme": "hypertension", "reason": "quarterly", "status": status,
        "due": due, "title": None, "cause": id_of(kind), "merged_into": None,
    } | more  # fmt: skip


HOME = {
    "period": {"first": date(2026, 11, 14), "last": date(2026, 11, 20), "dropped": None}, "enough": True,
    "mean": {"n": 12, "days": 6, "systolic": 136.4, "diastolic": 85.6},
    "morning": {"n": 6, "days": 6, "systolic": 138, "diastolic": 87},
    "evening": {"n": 6, "days": 6, "systolic": 135, "diastolic": 84},
    "whole": {"in_range": 0.41, "systolic": {"cv": 5.25}}, "limit": {"systolic": 135, "diastolic": 85},
}  # fmt: skip
NO_HOME = {
    "period": None, "enough": False, "mean": {"n": 0}, "morning": {"n": 0}, "evening": {"n": 0},
    "whole": {"in_range": None, "systolic": {"cv": None}}, "limit": {"systolic": 135, "diastolic": 85},
}  # fmt: skip


def facts(**more: Any) -> Facts:
    """Somebody of whom nothing is known but what is given."""
    given: dict[str, Any] = {"person": PERSON, "known": KNOWN, "zone": ZONE, "lang": "zh", "home": NO_HOME} | more
    given["events"] = sorted(given.get("events", []), key=lambda each: each["time"])
    given["readings"] = sorted(given.get("readings", []), key=lambda each: each["time"])
    return Facts(**given)


def whole_life(lang: str = "zh") -> Facts:
    """Somebody of whom much is known."""
    return facts(
        lang=lang, home=HOME,
        events=[
            event("condition-diagnosed.v1", 900, code="I10", onset="2019-05-01"),
            event("condition-diagnosed.v1", 400, code="E11.9"),
            event("medication-prescribed.v1", 300, code="C08CA01", dose="5 mg", frequency="qd"),
            event("medication-prescribed.v1", 60, code="C08CA01", dose="10 mg", frequency="qd"),
            visit(80, blood_pressure={"systolic": 152, "diastolic": 92}, fasting_glucose=7.8, weight=68, height=165,
                  adherence="intermittent", lifestyle={"salt": "heavy"}, next_visit="2026-12-01"),
        ],
        readings=[reading(each / 2 + 0.1, 130 + each % 7, 80 + each % 5) for each in range(60)],
        control=[area("blood-pressure", "uncontrolled", "家庭血压均值未达标")],
        scores=[{"model": "china-par", "label": "China-PAR", "text": "8.2 %", "meaning": "中危", "note": "",
                 "time": KNOWN, "sources": [id_of("score")]}],
        alerts=[alert(2, "orange")], tasks=[task("follow-up", "due", date(2026, 12, 5))],
    )  # fmt: skip
