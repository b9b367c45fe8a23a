"""Run beside a stack of 2019: registers one person with a cuff, and publishes a diary as the days go by.

``python -m tests.replay.publish_diary FILE`` prints the receipts as one JSON object: reading id -> receipt.
"""

import asyncio
import csv
import json
import sys
from datetime import datetime
from typing import Any

from infra.clock import clock
from infra.gateway import Gateway
from infra.log import Log
from infra.settings import settings
from schemas.envelope import rfc3339
from schemas.registry import parse

INSTITUTION, RESIDENT, DEVICE = "I-DIARY", "R-DIARY", "D-DIARY"


async def register(first: datetime) -> None:
    """Everything that must be known before the first reading; aged 64, without a drug and without a plan."""
    told = (
        ("resident.registered.v1", RESIDENT, {"sex": "male", "birth_date": "1955-01-01"}),
        ("device.registered.v1", f"device:{DEVICE}", {"device": DEVICE}),
        ("device.bound.v1", RESIDENT, {"device": DEVICE}),
    )
    async with Log() as log:
        for type, subject, data in told:
            event = {
                "id": type, "source": "test/diary", "type": f"mailiu.{type}", "subject": subject,
                "time": rfc3339(min(first, clock().now())), "institution": INSTITUTION, "data": data,
            }  # fmt: skip
            await log.append(parse(event))


async def publish(path: str) -> dict[str, Any]:
    """Publish every reading when its time has come; the receipts by reading id."""
    with open(path) as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["DateTime"])
    times = [datetime.fromisoformat(row["DateTime"]).replace(tzinfo=settings().zone) for row in rows]
    await register(times[0])
    async with Gateway("diary") as gateway:
        while True:  # until the bridge knows whose cuff it is: one failed measurement says nothing of the person
            probe = await gateway.send(INSTITUTION, DEVICE, {"id": "probe", "kind": "oxygen", "error": "probe"})
            if probe["reason"] != "unknown-device":
                break
            await asyncio.sleep(0.2)
        sent: dict[str, asyncio.Task[dict[str, Any]]] = {}
        for number, (row, time) in enumerate(zip(rows, times, strict=True)):
            await clock().sleep(max(0.0, (time - clock().now()).total_seconds()))
            reading = {
                "id": f"diary-{number}", "time": time.isoformat(), "pulse": int(row["Pulse.bpm."]),
                "systolic": int(row["Sys.mmHg."]), "diastolic": int(row["Dias.mmHg."]),
            }  # fmt: skip
            sent[f"diary-{number}"] = asyncio.create_task(gateway.send(INSTITUTION, DEVICE, reading))
            await asyncio.sleep(0)
        return {id: await task for id, task in sent.items()}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(publish(sys.argv[1]))))
