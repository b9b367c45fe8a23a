"""Whether a value is a crisis value, by the limits of the clinical rules as they were first released.

The gate asks only where it cannot say whose a value is: then somebody must look, whatever the district's own limits.
"""

from collections.abc import Mapping
from functools import cache

from streams.rules import Rule, released


@cache
def _rule(name: str) -> Rule:
    return next(rule for rule in released()[name].values() if rule.initial)


def is_crisis(kind: str, values: Mapping[str, float]) -> bool:
    """Whether a blood pressure or a glucose calls for somebody to look at once."""
    if kind == "blood-pressure" and values:
        limits = _rule("bp-crisis").limits
        return bool(values["systolic"] >= limits["systolic"] or values["diastolic"] >= limits["diastolic"])
    if kind == "glucose" and values:
        high, low = _rule("glucose-high").limits["value"], _rule("glucose-low").limits["value"]
        return bool(values["value"] >= high or values["value"] <= low)
    return False
