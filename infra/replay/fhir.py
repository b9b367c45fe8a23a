"""FHIR R4 resources as events: patients, conditions and observations; others are named with a reason."""

from typing import Any

from infra.replay.mapping import Target
from schemas.envelope import InvalidEvent

Made = tuple[list[dict[str, Any] | InvalidEvent], str | None]


def events_of(resource: dict[str, Any], target: Target) -> Made:
    """The events of ``resource`` (not yet checked), or why it gives none."""
    return [], f"no event for {resource.get('resourceType')}"
