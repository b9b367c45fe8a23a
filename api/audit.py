"""The audit trail: every view of a person goes to the topic `audit` (who, what, whom, when) before it is shown."""

from collections.abc import Iterable

from api.auth import Caller
from infra.audit.trail import Trail


async def viewed(
    trail: Trail, who: Caller, what: str, residents: str | Iterable[str], purpose: str | None = None,
    action: str = "viewed",
) -> None:  # fmt: skip
    """Record that ``who`` is about to see ``what`` of ``residents``; returns once Kafka holds the record.

    A page that shows nobody is no view, and leaves no record.
    """
    whom = [residents] if isinstance(residents, str) else list(residents)
    if whom or action != "viewed":
        await trail.append(who.actor, action, what, whom, role=who.role, purpose=purpose, token=who.token)
