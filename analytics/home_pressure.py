"""Home blood pressure by the guideline protocol: the query, and the limits it takes from the rule data.

A prescribed seven-day week drops its first measured day; a rolling window of seven days drops nothing. The numbers and
their sources are those of the rule `bp-sustained-high` in the version in force, so that summary and alert never
disagree.
"""

from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from typing import Any, Literal

from streams.rules import Rule

SQL = (files("analytics") / "home_pressure.sql").read_text(encoding="utf-8")
NEVER = date(1970, 1, 1)
RULE = "bp-sustained-high"

Protocol = Literal["week", "rolling"]


def parameters(rule: Rule, protocol: Protocol | None, plan: Mapping[str, Any] | None) -> dict[str, Any]:
    """Parameters of the query for the data of the resident's latest plan; ``protocol`` overrides what the plan says."""
    limits = rule.limits
    week = plan is not None and plan["schedule"] == "week"
    hours = {name: int(limits[name]) for name in ("morning_from", "morning_to", "evening_from", "evening_to")}
    start = date.fromisoformat(plan["start"]) if week and plan is not None else NEVER
    return {"protocol": protocol or "", "has_plan": week, "plan": start, "window": int(limits["window"]), **hours}


def enough(rule: Rule, n: int, days: int, plan: Mapping[str, Any] | None) -> bool:
    """Whether so many readings on so many days of the window allow a judgement (clinical decision 19).

    A resident who is asked for one day a week has enough with that day's readings.
    """
    if plan is not None and plan["schedule"] == "weekly":
        return n >= max(plan.get("morning", 2) + plan.get("evening", 2), 1)
    return bool(n >= rule.limits["readings"] and days >= rule.limits["days"])
