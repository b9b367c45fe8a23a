"""Occasions: what a system that looks at every value by itself would put before a person.

They are the denominator of the automated share, counted as in the study behind it (van Steenkiste 2025: 30,184
measurements gave 17,293 alerts, 13,647 of them handled without a person): a reading outside its limits, a failed
measurement, a day of the plan without a reading.
"""

import numpy as np

from analytics.simulator.delivery import Deliveries
from analytics.simulator.parameters import DAY
from analytics.simulator.programme import GLUCOSE, OXYGEN, PRESSURE, TEMPERATURE, Programme


def count(programme: Programme, deliveries: Deliveries, days: int) -> dict[str, int]:
    """How many of each, every measurement once however often it was sent."""
    _, once = np.unique(deliveries.number, return_index=True)
    one = deliveries.take(once)
    kind, value = one.kind, one.value
    pressure = (kind == PRESSURE) & ((value >= 135) | (one.second >= 85) | (value < 90))
    pulse = (kind == PRESSURE) & ((one.pulse > 110) | (one.pulse < 50))
    glucose = (kind == GLUCOSE) & ((value <= 3.9) | (value >= 16.7))
    other = (kind == OXYGEN) & (value <= 92) | (kind == TEMPERATURE) & (value >= 39)
    outside = ~one.failed & (pressure | pulse | glucose | other)
    measured = np.zeros((len(programme), days), bool)
    own = one.patient >= 0
    measured[one.patient[own], one.time[own] // DAY] = True
    due = programme.under_plan(days) & (programme.asked_daily & programme.enrolls)[:, None]
    return {
        "outside-limits": int(outside.sum()), "failed": int(one.failed.sum()),
        "days-without": int((due & ~measured).sum()),
    }  # fmt: skip
