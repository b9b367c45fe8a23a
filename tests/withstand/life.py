"""A person's life in the pure fold, and what stands of it at the end: to be held against a life without the mishap."""

from typing import Any

from tests.core.resident import DAY, HOUR, MINUTE, START, Resident

__all__ = ["DAY", "HOUR", "MINUTE", "START", "Life"]

ENDED = ("done", "cancelled")


class Life(Resident):
    """A man of 65 with hypertension, cared for by I01, whom somebody sees and who measures at home."""

    def __init__(self, subject: str = "R1", **rest: Any) -> None:
        super().__init__(subject, **rest)
        self.condition("I10", START - 300 * DAY)

    def condition(self, code: str, time: int, **rest: Any) -> None:
        """A diagnosis."""
        self.event("chronic.condition-diagnosed.v1", {"code": code, "certainty": "confirmed"}, time, **rest)

    def visit(self, systolic: float, diastolic: float, time: int, **rest: Any) -> str:
        """A visit for hypertension in the clinic; the event's identity."""
        envelope = {name: rest.pop(name) for name in ("id", "recorded", "institution", "origin") if name in rest}
        data = {"programme": "hypertension", "mode": "clinic", **rest}
        data["blood_pressure"] = {"systolic": systolic, "diastolic": diastolic}
        return self.event("chronic.follow-up-completed.v3", data, time, **envelope).identity

    def told(self, type: str, key: str) -> dict[str, dict[str, Any]]:  # type: ignore[override]
        """The last word of each ``key`` among the derived events whose type begins with ``mailiu.<type>``."""
        found = [o.value["data"] for o in self.outputs if o.type.startswith(f"mailiu.{type}")]
        return {data[key]: data for data in found}

    @property
    def tasks(self) -> dict[str, dict[str, Any]]:
        """Every task as last told, by id."""
        return self.told("task.", "task")

    def stands(self) -> dict[str, Any]:
        """What is said of the person now, without ids: open tasks, active alerts, scores, control."""
        return {
            "tasks": sorted(
                (t["kind"], t.get("programme", ""), t["reason"], t["due"])
                for t in self.tasks.values()
                if t["status"] not in ENDED
            ),
            "alerts": sorted(
                (a["rule"], a["severity"]) for a in self.told("alert.", "alert").values() if a["condition"] == "active"
            ),
            "scores": {
                name: (s["status"], s.get("value"), s.get("class"))
                for name, s in self.told("score.computed", "model").items()
            },
            "control": {
                area: (c["status"], tuple(c["reasons"]))
                for area, c in self.told("chronic.control-assessed", "area").items()
            },
        }

    def facts_of(self) -> dict[str, Any]:
        """What the state holds of the person, without what remembers events and what was told."""
        kept = ("dx", "rx", "lab", "life", "fam", "office", "visits", "days", "bp", "home", "inst", "died", "checks")
        return {name: self.state[name] for name in kept if name in self.state}
