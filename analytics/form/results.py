"""Results of examinations out of their events: laboratory, body, target organs, health examinations too."""

from collections.abc import Iterable
from typing import Any

from analytics.form.fill import Event

EXAMINED = "mailiu.examination."
#: Measures whose unit stands in their name, and what forms and reports call them.
SHORT = {"hba1c_percent": "hba1c"}


def results(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Each result with the event that it is of, oldest first; a finding in words is its value."""
    found = [
        {
            "id": event["id"], "time": event["time"], "name": SHORT.get(each["name"], each["name"]),
            "value": each["value"] if each.get("value") is not None else each.get("finding"), "unit": each.get("unit"),
        }
        for event in events if event["type"].startswith(EXAMINED) for each in event["data"].get("results", ())
    ]  # fmt: skip
    return sorted(found, key=lambda each: (each["time"], str(each["id"]), each["name"]))
