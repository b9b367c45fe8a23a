"""NEWS2: the national early warning score of acute care (Royal College of Physicians 2017). Never for home readings."""

from streams.scores.inputs import Values
from streams.scores.model import Model
from streams.scores.outcome import Outcome


def news2(x: Values, model: Model) -> Outcome:
    """Points 0 to 20; one parameter with 3 points alone asks for an urgent review."""
    numbers = model.numbers
    parts = {name: _upto(x[name], numbers[name]) for name in ("respiratory_rate", "systolic", "pulse", "temperature")}
    saturation = numbers["oxygen_scale_1"]
    if x.get("oxygen_scale") == "2":
        saturation = numbers["oxygen_scale_2_oxygen" if x["supplemental_oxygen"] else "oxygen_scale_2_air"]
    parts["oxygen_saturation"] = _upto(x["oxygen_saturation"], saturation)
    parts["supplemental_oxygen"] = numbers["supplemental_oxygen"] * x["supplemental_oxygen"]
    parts["consciousness"] = 0 if x["consciousness"] == "alert" else numbers["not_alert"]
    total = sum(parts.values())
    alone = any(points == 3 for points in parts.values())
    name = "low-medium" if alone and total < numbers["medium"] else None
    warnings = ("acute-care-only",) + (("single-parameter-three",) if alone else ())
    return Outcome(total, name, {"points": parts}, warnings)


def _upto(value: float, bands: list[list[float]]) -> float:
    """Points of ``value``: ``bands`` are (up to and with, points) in rising order; the last one has no end."""
    return next((points for end, points in bands[:-1] if value <= end), bands[-1][-1])
