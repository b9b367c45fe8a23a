"""Erasing: the log says first that a resident is erased, then the key is destroyed (`infra.vault.rebuild` follows)."""

from typing import Any, get_args
from uuid import uuid4

from infra.audit.trail import Trail
from infra.clock import clock
from infra.log import Log
from infra.settings import settings
from infra.vault import vault
from schemas.consent import Scope
from schemas.envelope import Event
from schemas.identity import ERASED, Erased

WITHDRAWN = "mailiu.resident.consent-withdrawn.v1"


async def destroy(resident: str, institution: str, reason: str, actor: str) -> bool:
    """Erase ``resident``, and with it all consent where they ask for it; whether there was a key.

    Who is erased already stays so, and the log is left alone.

    Raises ``pydantic.ValidationError`` for a bad name or reason, ``KafkaError`` when the log cannot be reached: then
    nothing is erased.
    """
    data = Erased.model_validate({"reason": reason})
    if vault().erased(resident):
        return False
    said: dict[str, dict[str, Any]] = {ERASED: data.model_dump()}
    if reason == "requested":  # whoever asks to be forgotten is not to be measured, written to or looked at any more
        said[WITHDRAWN] = {"scopes": list(get_args(Scope)), "reason": "privacy"}
    events = [
        Event(
            id=f"{resident}/erased/{uuid4()}",
            source="mailiu",
            type=type,
            subject=resident,
            time=clock().now(),
            data=told,
            institution=institution,
            actor=actor,
        )
        for type, told in said.items()
    ]
    async with Log() as log:
        assert log.producer is not None
        trail = Trail(log.producer, "cli", settings().home)
        try:
            await trail.append(actor, "erased", "identity", [resident], reason=reason)
            for event in events:
                await log.append(event)
        finally:
            trail.close()
    return vault().erase(resident)
