"""Letting the vault follow the log: after a restore, or when the vault was lost or comes from an older copy.

Keys are kept as they are. Which sealed identity counts, and what finds it, is taken from the log anew, and so is
which records the fold merged; whoever the log says is erased is erased (again: a copy still had the key).
"""

from collections import Counter

import orjson

from infra.clients import consumer
from infra.vault import Erased, Unknown, vault
from infra.vault.seal import WrongKey
from schemas.identity import ERASED, RECORDED
from schemas.merge import CARRY
from schemas.topics import DERIVED, EVENTS


async def rebuild() -> dict[str, int]:
    """Read the log from its beginning and make the vault follow; how many residents by what became of them.

    Raises ``KafkaError`` when the log cannot be reached; the vault is left alone then.
    """
    latest, erased, merged = await _told()
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
    for resident, survivor in merged.items():
        opened.merge(resident, survivor)
        counts["merged"] += 1
    return dict(counts)


async def _told() -> tuple[dict[str, tuple[str, int]], set[str], dict[str, str]]:
    """Each resident's latest sealed identity with its offset; who is erased; which record gave way to which."""
    latest: dict[str, tuple[str, int]] = {}
    erased: set[str] = set()
    merged: dict[str, str] = {}
    reader = consumer(EVENTS, DERIVED)
    await reader.start()
    try:
        ends = await reader.end_offsets(sorted(reader.assignment()))
        while any([await reader.position(place) < end for place, end in ends.items()]):
            for batch in (await reader.getmany(timeout_ms=500)).values():
                for record in batch:
                    type = next((value for name, value in record.headers if name == "ce_type"), b"").decode()
                    if type not in (ERASED, RECORDED, CARRY):
                        continue
                    event = orjson.loads(record.value)
                    resident, data = event["subject"], event["data"]
                    if type == ERASED:
                        erased.add(resident)
                    elif type == RECORDED:
                        latest[resident] = data["sealed"], record.offset
                    elif data["what"] == "merged":
                        merged[resident] = data["to"]
                    elif data["what"] == "unmerged":
                        merged.pop(resident, None)
    finally:
        await reader.stop()
    return latest, erased, merged
