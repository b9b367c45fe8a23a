"""Letting the vault follow the log: after a restore, or when the vault was lost or comes from an older copy.

Keys are kept as they are. Which sealed identity counts, and what finds it, is taken from the log anew; whoever the log
says is erased is erased (again: a copy still had the key).
"""

from collections import Counter

import orjson

from infra.clients import consumer
from infra.vault import Erased, Unknown, vault
from infra.vault.seal import WrongKey
from schemas.identity import ERASED, RECORDED
from schemas.topics import EVENTS


async def rebuild() -> dict[str, int]:
    """Read `events` from its beginning and make the vault follow; how many residents by what became of them.

    Raises ``KafkaError`` when the log cannot be reached; the vault is left alone then.
    """
    latest, erased = await _told()
    opened, counts = vault(), Counter[str]()
    opened.forget()
    for resident in erased:
        opened.erase(resident)
        counts["erased"] += 1
    for resident, (sealed, offset) in latest.items():
        if resident in erased:
            continue
        try:
            opened.keep(resident, sealed, offset)
            counts["recorded"] += 1
        except (Unknown, Erased, WrongKey):
            counts["without their key"] += 1
    return dict(counts)


async def _told() -> tuple[dict[str, tuple[str, int]], set[str]]:
    """What `events` says: each resident's latest sealed identity with its offset, and who is erased."""
    latest: dict[str, tuple[str, int]] = {}
    erased: set[str] = set()
    reader = consumer(EVENTS)
    await reader.start()
    try:
        ends = await reader.end_offsets(sorted(reader.assignment()))
        while any([await reader.position(place) < end for place, end in ends.items()]):
            for batch in (await reader.getmany(timeout_ms=500)).values():
                for record in batch:
                    type = next((value for name, value in record.headers if name == "ce_type"), b"").decode()
                    if type == ERASED:
                        erased.add(orjson.loads(record.value)["subject"])
                    elif type == RECORDED:
                        event = orjson.loads(record.value)
                        latest[event["subject"]] = event["data"]["sealed"], record.offset
    finally:
        await reader.stop()
    return latest, erased
