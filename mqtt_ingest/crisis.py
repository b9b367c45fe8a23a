"""Whether a value is a crisis value, by the limits of the clinical rules in force.

The gate asks only where it cannot say whose a value is: then somebody must look.
"""

from collections.abc import Mapping

from streams.rules import Facts, in_force


def is_crisis(kind: str, values: Mapping[str, float], facts: Facts) -> bool:
    """Whether a value calls for somebody to look at once; ``facts`` has the activated ``rules``.

    Oxygen and pulse rest on limits that are our own judgement: the fold opens a task for them, until they are approved.
    """
    if kind == "blood-pressure" and values:
        limits = in_force("bp-crisis", facts).limits
        return bool(values["systolic"] >= limits["systolic"] or values["diastolic"] >= limits["diastolic"])
    if kind == "glucose" and values:
        high, low = (in_force(name, facts).limits["value"] for name in ("glucose-high", "glucose-low"))
        return bool(values["value"] >= high or values["value"] <= low)
    if kind == "oxygen" and values:
        return bool(values["value"] < in_force("oxygen-low", facts).limits["red"])
    if kind == "heart-rate" and values:
        limits = in_force("pulse-rate", facts).limits
        return bool(values["value"] < limits["far_low"] or values["value"] > limits["far_high"])
    return False
