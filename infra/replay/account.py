"""The account of a replay: every row of a file has exactly one outcome, and so has every event made from it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Account:
    """Counts of one file. ``rows`` is always the sum of the four outcomes of rows.

    A row is *rejected* if one of its events is, else *accepted* if one of its events is new, else a *duplicate*;
    *unmapped* if it gives no event.
    """

    file: str
    format: str
    rows: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    unmapped: int = 0
    events: Counter[str] = field(default_factory=Counter)  #: accepted, duplicate, rejected
    rejected_by_reason: Counter[str] = field(default_factory=Counter)
    unmapped_by_reason: Counter[str] = field(default_factory=Counter)
    resumed_at: int = 0  #: rows that an earlier run of the same replay had done

    def row(self, outcomes: Counter[str]) -> None:
        """Count a row with the outcomes of its events."""
        self.rows += 1
        self.events.update(outcomes)
        if outcomes["rejected"]:
            self.rejected += 1
        elif outcomes["accepted"]:
            self.accepted += 1
        elif outcomes["duplicate"]:
            self.duplicate += 1
        else:
            self.unmapped += 1

    def as_json(self) -> dict[str, Any]:
        """The account as plain JSON."""
        return {
            "file": self.file, "format": self.format, "rows": self.rows, "accepted": self.accepted,
            "duplicate": self.duplicate, "rejected": self.rejected, "unmapped": self.unmapped,
            "events": {name: self.events[name] for name in ("accepted", "duplicate", "rejected")},
            "rejected_by_reason": dict(self.rejected_by_reason.most_common()),
            "unmapped_by_reason": dict(self.unmapped_by_reason.most_common()), "resumed_at": self.resumed_at,
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: dict[str, Any], resumed_at: int) -> "Account":
        """The account that `as_json` gave, to go on with."""
        counters = ("events", "rejected_by_reason", "unmapped_by_reason")
        return cls(**(data | {name: Counter(data[name]) for name in counters} | {"resumed_at": resumed_at}))
