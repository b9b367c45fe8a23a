"""What ought to be known of a person and is not, or is too old: ``gaps.toml``."""

import tomllib
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from analytics.report import course
from analytics.report.facts import Facts
from analytics.report.model import Point


@cache
def _asked() -> list[dict[str, Any]]:
    gaps: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "gaps.toml").read_text("utf-8"))["gap"]
    return gaps


def gaps(facts: Facts) -> list[Point]:
    """Gaps, each with when it was known last and who asks for it."""
    held = [each.code for each in course.conditions(facts) if each.resolved is None]
    found = []
    for asked in _asked():
        starts = tuple(asked.get("conditions", ()))
        if starts and not any(code.startswith(starts) for code in held):
            continue
        last = max((time for each in asked["any"] if (time := _known(facts, each))), default=None)
        if last is None or last < facts.known - timedelta(days=asked["days"]):
            zh = "从未记录" if last is None else f"最近一次 {facts.day(last)}"
            en = "never recorded" if last is None else f"last on {facts.day(last)}"
            found.append(Point(text=asked[facts.lang], reason=zh if facts.lang == "zh" else en, time=last))
    if any(code.startswith("I1") for code in held) and not facts.home.get("enough"):
        zh, en = ("家庭血压次数不足（少于12次或3天），不能判断", "too few home readings to judge (below 12 or 3 days)")
        found.append(Point(text=zh if facts.lang == "zh" else en))
    return found


def _known(facts: Facts, asked: str) -> datetime | None:
    """When it was known last."""
    if asked == "office":
        return facts.office_pressures[-1]["time"] if facts.office_pressures else None
    row = facts.latest(asked)
    time: datetime | None = row["time"] if row else None
    return time
