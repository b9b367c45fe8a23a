"""Variability of a series of blood pressures: mean, SD, CV, ARV, SV, range, peak, trough."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from math import isfinite, sqrt
from typing import Any

from streams.scores.inputs import Unusable, Values
from streams.scores.model import Model
from streams.scores.outcome import Outcome


def variability(given: Values, model: Model) -> Outcome:
    """Of ``readings``: objects with systolic and diastolic (mmHg) and maybe ``time``, pairs, or systolic alone.

    In order of time if every reading has one, else in the order given. The value is the mean systolic pressure.
    """
    readings = given.get("readings")
    if not isinstance(readings, list) or not readings:
        raise Unusable(
            "missing", "readings", None, {"zh": "缺少读数", "en": "readings: a list is required"}, ("readings",)
        )
    rows = [_row(index, reading) for index, reading in enumerate(readings)]
    if all(row[0] is not None for row in rows):
        rows.sort(key=lambda row: row[0])
    values = {"systolic": measures([row[1] for row in rows])}
    if all(row[2] is not None for row in rows):
        values["diastolic"] = measures([row[2] for row in rows])
    return Outcome(values["systolic"]["mean"], values=values)


def _row(index: int, reading: Any) -> tuple[Any, Any, Any]:
    """Time, systolic and diastolic of a reading; the last may be absent."""
    time = diastolic = None
    if isinstance(reading, dict):
        time, systolic, diastolic = reading.get("time"), reading.get("systolic"), reading.get("diastolic")
    elif isinstance(reading, list) and len(reading) == 2:
        systolic, diastolic = reading
    else:
        systolic = reading
    for name, value in (("systolic", systolic), ("diastolic", diastolic)):
        if value is None and name == "diastolic":
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or not 0 < value < 400:
            field = f"readings.{index}.{name}"
            text = {"zh": f"{field}应为0-400之间的数值", "en": f"{field} must be a pressure in mmHg"}
            raise Unusable("invalid", field, value, text)
    return (None if time is None else _instant(index, time)), systolic, diastolic


def _instant(index: int, time: Any) -> datetime:
    """The instant of an ISO 8601 text; without an offset as if in UTC, for only the order counts."""
    try:
        found = datetime.fromisoformat(time)
    except (TypeError, ValueError):
        field = f"readings.{index}.time"
        text = {"zh": f"{field}应为ISO 8601时间", "en": f"{field} must be a time by ISO 8601"}
        raise Unusable("invalid", field, time, text) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def measures(x: Sequence[float]) -> dict[str, float | None]:
    """What of ``x`` in order of time; those that need two values are ``None`` with one.

    SD: n-1 in the denominator; CV = 100 SD/mean; ARV: mean of |x(k+1) - x(k)|; SV: root of their mean square.
    """
    n = len(x)
    mean = sum(x) / n
    found: dict[str, float | None] = {
        "n": n, "mean": mean, "min": min(x), "max": max(x), "range": max(x) - min(x), "peak": max(x) - mean,
        "trough": mean - min(x), "sd": None, "cv": None, "arv": None, "sv": None,
    }  # fmt: skip
    if n > 1:
        steps = [b - a for a, b in pairwise(x)]
        sd = sqrt(sum((one - mean) ** 2 for one in x) / (n - 1))
        found |= {"sd": sd, "cv": 100 * sd / mean}
        found |= {"arv": sum(map(abs, steps)) / (n - 1), "sv": sqrt(sum(step * step for step in steps) / (n - 1))}
    return found
