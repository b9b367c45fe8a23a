"""Makes `tests/data/home-of-fold-N.tar.zst`: a home in which six residents lived for a week, as a version leaves it.

To be run in a checkout of the version whose data later ones shall open (fold 1: commit 3b39156)::

    python -m tests.backup.live_a_week /tmp/home && tar -C /tmp/home -S --exclude ./logs --exclude ./run \
        --exclude ./faust -cf - . | zstd -19 -o tests/data/home-of-fold-N.tar.zst
"""

import asyncio
import os
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.stack.scratch import Stack


async def live() -> None:
    """Registration, readings of all grades, a refusal, an event of a superseded version."""
    from infra.gateway import Gateway
    from infra.log import Log
    from schemas.envelope import Event

    start = datetime.now(UTC) - timedelta(days=40)

    def event(type: str, subject: str, time: datetime = start, **data: object) -> Event:
        return Event(
            id=f"{type}/{subject}/{time.isoformat()}", source="rest/his-1", type=f"mailiu.{type}.v1", subject=subject,
            time=time, institution="I01", data=data,
        )  # fmt: skip

    async with Log() as log:
        await log.append(event("organization.institution-registered", "I01", institution="I01", name="Old"))
        for n in range(6):
            resident, device = f"R{n}", f"D{n}"
            for one in (
                event("resident.registered", resident, sex="female" if n % 2 else "male", birth_date="1955-05-05"),
                event("chronic.condition-diagnosed", resident, code="I10"),
                event("device.registered", f"device:{device}", device=device),
                event("device.bound", resident, device=device),
            ):
                await log.append(one)
        visited = datetime.now(UTC) - timedelta(days=3)
        await log.append(event("chronic.follow-up-completed", "R0", visited, systolic=150, diastolic=92))
    await asyncio.sleep(4)
    async with Gateway("old") as gateway:
        for half_day in range(14):
            for n, usual in enumerate((118, 126, 139, 150, 162, 172)):
                when = datetime.now(UTC) - timedelta(days=7) + timedelta(hours=12 * half_day, minutes=n)
                systolic = usual + half_day * 7 % 11
                reading = {"id": f"{uuid.uuid4()}", "time": when.isoformat(), "systolic": systolic, "backlog": True}
                await gateway.send("I01", f"D{n}", reading | {"diastolic": systolic * 3 // 5, "pulse": 70})
        for n, systolic in enumerate((192, 188)):
            now = datetime.now(UTC).isoformat()
            reading = {"id": f"{uuid.uuid4()}", "time": now, "systolic": systolic, "diastolic": 112, "pulse": 88}
            await gateway.send("I01", f"D{n}", reading)
        await gateway.send("I01", "D1", {"id": "bad", "systolic": 2047, "diastolic": 10})
    await asyncio.sleep(20)


if __name__ == "__main__":
    stack = Stack(Path(sys.argv[1]), partitions="2")
    os.environ.update(stack.environment)
    stack.up()
    asyncio.run(live())
    stack.down()
