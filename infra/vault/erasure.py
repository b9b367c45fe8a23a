"""Erasing: the log says first that a resident is erased, then the key is destroyed (`infra.vault.rebuild` follows)."""

from uuid import uuid4

from infra.audit.trail import Trail
from infra.clock import clock
from infra.log import Log
from infra.settings import settings
from infra.vault import vault
from schemas.envelope import Event
from schemas.identity import ERASED, Erased


async def destroy(resident: str, institution: str, reason: str, actor: str) -> bool:
    """Erase ``resident``; whether there was a key. Who is erased already stays so, and the log is left alone.

    Raises ``pydantic.ValidationError`` for a bad name or reason, ``KafkaError`` when the log cannot be reached: then
    nothing is erased.
    """
    data = Erased.model_validate({"reason": reason})
    if vault().erased(resident):
        return False
    event = Event(
        id=f"{resident}/erased/{uuid4()}",
        source="mailiu",
        type=ERASED,
        subject=resident,
        time=clock().now(),
        data=data.model_dump(),
        institution=institution,
        actor=actor,
    )
    async with Log() as log:
        assert log.producer is not None
        trail = Trail(log.producer, "cli", settings().home)
        try:
            await trail.append(actor, "erased", "identity", [resident], reason=reason)
            await log.append(event)
        finally:
            trail.close()
    return vault().erase(resident)
