"""What waits in the spool goes to the audit trail, by one process of the home at a time."""

import asyncio
import fcntl
import logging
import os
import sqlite3
from pathlib import Path

from aiokafka.errors import KafkaError

from infra.audit.spool import Spool
from infra.audit.trail import Trail

EVERY = 1.0  # s between two looks into the spool

log = logging.getLogger("mailiu.audit")


async def ship(trail: Trail, home: Path) -> None:
    """Append what waits, for ever; what cannot be appended now is tried again."""
    (home / "audit").mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(home / "audit" / "shipping.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    spool = Spool(home)
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                await _all(trail, spool)
            except BlockingIOError:
                pass  # another process does it; ours goes on once that one ends
            except (KafkaError, sqlite3.Error) as error:
                log.warning("records wait for the audit trail: %s", type(error).__name__)
            await asyncio.sleep(EVERY)
    finally:
        spool.close()
        os.close(lock)


async def _all(trail: Trail, spool: Spool) -> None:
    while waiting := await asyncio.to_thread(spool.first):
        for number, record in waiting:
            await trail.append(**record)
            await asyncio.to_thread(spool.forget, number)
