"""A small fold whose state shows what was folded, how often and in which order; for tests of what is around the fold.

The state holds a count and a rolling hash; every third event of a resident gives an output; ten seconds after an event
the resident is due. An event with ``{"boom": …}`` changes its state by half and throws.
"""

import zlib
from typing import Any

from streams.event import TICK, Input, Output, derived

VERSION = 1
WAIT = 10_000


def new_facts() -> dict[str, Any]:
    """Facts of a new partition."""
    return {"core": 0, "institutions": 0}


def learn(facts: dict[str, Any], event: Input) -> dict[str, Any]:
    """Core time, and a count of broadcast events."""
    facts["core"] = max(facts["core"], event.recorded)
    if event.type.startswith("mailiu.organization."):
        facts["institutions"] += 1
        if event.data.get("name") == "boom":
            raise ValueError("boom in facts")
    return facts


def fold(state: dict[str, Any] | None, event: Input, facts: dict[str, Any]) -> tuple[dict[str, Any], list[Output]]:
    """Count, hash, and now and then derive something."""
    state = state or {"n": 0, "hash": 0, "ticks": 0, "due": None}
    if event.type == TICK:
        state["ticks"] += 1
        state["due"] = None
        if event.data.get("boom") or event.subject.endswith("-untickable"):
            raise ValueError("boom in tick")
        if event.subject.endswith("-restless"):
            state["due"] = 1
        return state, [_output(state, event, "tick")]
    state["n"] += 1
    state["hash"] = zlib.crc32(event.identity.encode(), state["hash"])
    state["due"] = facts["core"] + WAIT
    if event.data.get("note") == "boom":
        raise ValueError("boom")
    if event.data.get("note") == "unprintable":
        state["bad"] = {1, 2}
    return state, [_output(state, event, "third")] if state["n"] % 3 == 0 else []


def due(state: dict[str, Any]) -> int | None:
    """When a tick must reach the resident."""
    at: int | None = state["due"]
    return at


def _output(state: dict[str, Any], event: Input, kind: str) -> Output:
    data = {"n": state["n"], "hash": state["hash"]}
    return derived(event, "mailiu.alert.raised.v1", f"{kind}/{event.subject}/{event.identity}", "I01", data)
