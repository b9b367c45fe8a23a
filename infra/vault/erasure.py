"""Erasing: the log says first that a resident is erased, then the key is destroyed; a vault can be made to follow.

A vault that was lost or comes from a copy follows the log by `follow`: identities it has keys for are found again, and
whoever the log says is erased is erased again.
"""

from collections import Counter
from uuid import uuid4

import orjson

from infra.audit.trail import Trail
from infra.clients import consumer
from infra.clock import clock
from infra.log import Log
from infra.settings import settings
from infra.vault import Erased, Unknown, vault
from infra.vault.seal import WrongKey
from schemas.envelope import Event
from schemas.identity import Erased as ErasedData
from schemas.topics import EVENTS

RECORDED, ERASED = b"mailiu.resident.identity-recorded.v1", b"mailiu.resident.erased.v1"


async def destroy(resident: str, institution: str, reason: str, actor: str) -> bool:
    """Erase ``resident``; whether there was a key. Who is erased already stays so, and the log is left alone.

    Raises ``pydantic.ValidationError`` for a bad name or reason, ``KafkaError`` when the log cannot be reached: then
    nothing is erased.
    """
    data = ErasedData.model_validate({"reason": reason})
    if vault().erased(resident):
        return False
    event = Event(
        id=f"{resident}/erased/{uuid4()}",
        source="mailiu",
        type=ERASED.decode(),
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


async def follow() -> dict[str, int]:
    """Let the vault follow the log from its beginning; how many were recorded, erased, or have no key here."""
    counts: Counter[str] = Counter()
    reader = consumer(EVENTS)
    await reader.start()
    try:
        ends = await reader.end_offsets(sorted(reader.assignment()))
        while any([await reader.position(place) < end for place, end in ends.items()]):
            for batch in (await reader.getmany(timeout_ms=500)).values():
                for record in batch:
                    type = next((value for name, value in record.headers if name == "ce_type"), b"")
                    if type in (RECORDED, ERASED):
                        counts[_apply(record.value, record.offset, type == ERASED)] += 1
    finally:
        await reader.stop()
    return dict(counts)


def _apply(value: bytes, offset: int, erased: bool) -> str:
    event = orjson.loads(value)
    if erased:
        vault().erase(event["subject"])
        return "erased"
    try:
        vault().keep(event["subject"], event["data"]["sealed"], offset)
    except Erased:
        return "recorded before they were erased"
    except (Unknown, WrongKey):
        return "without a key"
    return "recorded"
