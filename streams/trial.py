"""The fold with one rule or score on trial: what would have been, had the log put that version in force from the start.

Pure, as the fold is. `streams.partition` drives it as it drives the fold; everything else of the log counts as it is,
also what people did about alerts that the version on trial never raises.
"""

from typing import Any

from streams import fold as core
from streams.event import Input, Output
from streams.facts import Facts
from streams.state import State

TRIAL = -1  #: the number under which facts name it: no log activates that


class Trial:
    """The pure core with ``tried`` in force throughout, one of the ``versions`` of ``name`` or not yet among them."""

    def __init__(self, name: str, versions: dict[int, Any], tried: Any) -> None:
        self.name = name
        versions.setdefault(tried.version, tried)
        versions[TRIAL] = tried

    def new_facts(self) -> Facts:
        """Facts before the first event."""
        return self._set(core.new_facts())

    def learn(self, facts: Facts, event: Input) -> Facts:
        """``facts`` after ``event``."""
        return self._set(core.learn(facts, event))

    def fold(self, state: State | None, event: Input, facts: Facts) -> tuple[State, list[Output]]:
        """As `streams.fold.fold`."""
        return core.fold(state, event, facts)

    def due(self, state: State) -> int | None:
        """As `streams.fold.due`."""
        return core.due(state)

    def _set(self, facts: Facts) -> Facts:
        facts["rules"][self.name] = TRIAL
        return facts
