"""Device commands: order one, and see what became of each."""

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import orjson
from fastapi import APIRouter, Path
from pydantic import AwareDatetime, BaseModel, Field

from api.alert_action import Key
from api.auth import AlertActor, AlertReader, Caller
from api.backend import Backend, BackendDependency
from api.instant import Instant
from api.paging import Limit
from api.position import Wait
from api.problem import Problem, invalid_field, problems
from infra.clock import clock
from schemas.device import Command, CommandOrdered
from schemas.envelope import Data, Event

router = APIRouter(prefix="/v1/devices/{device}/commands", tags=["devices"])
DeviceId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="device id 设备编号")]
HOURS = 1.0  #: how long an order holds where nothing is said
LONGEST = timedelta(days=30)


class Order(Data):
    """What the device is to do, and until when it may still be told."""

    command: Command = Field(description="re-measure, time (set its clock), configuration 复测、校时、配置")
    expires: AwareDatetime | None = Field(None, description="default: in one hour; at most 30 days ahead 默认1小时")
    configuration: dict[str, str | float | bool] | None = Field(
        None, max_length=40, description="names and values as the device's maker defines them"
    )


class Ordered(BaseModel):
    """The order is in the log."""

    device: str
    identity: UUID = Field(description="identity of the appended event")
    position: str = Field(description="position in `events`, for `wait`")


class CommandItem(BaseModel):
    """A command and what became of it. 设备指令及其结果。"""

    command: UUID = Field(description="its `id` at the device")
    kind: Command
    subject: str
    state: Literal["requested", "sent", "acknowledged", "failed", "expired"]
    requested_time: Instant
    expires: Instant
    sent_time: Instant | None
    settled_time: Instant | None
    alert: str | None
    configuration: dict[str, Any] | None
    reason: str | None


class CommandList(BaseModel):
    """Commands of a device, newest first."""

    items: list[CommandItem]


DEVICE = """
SELECT d.institution AS institution, b.resident AS resident FROM devices AS d
LEFT JOIN (
    SELECT device, argMax(resident, from_time) AS resident FROM bindings
    WHERE device = {device:String} AND from_time <= {now:DateTime64(3, 'UTC')}
        AND (to_time IS NULL OR to_time > {now:DateTime64(3, 'UTC')})
    GROUP BY device
) AS b USING (device)
WHERE device = {device:String}
"""
COMMANDS = """
SELECT command, kind, subject, state, requested_time, expires, sent_time, settled_time, alert, configuration, reason
FROM commands WHERE device = {device:String} ORDER BY requested_time DESC, command LIMIT {limit:UInt32}
"""


@router.post("", status_code=202, summary="Order a command 下发指令", responses=problems(400, 403, 404, 413, 422))
async def order(who: AlertActor, backend: BackendDependency, device: DeviceId, body: Order, key: Key = None) -> Ordered:
    """Ask something of a device; it is sent until ``expires`` and never after."""
    found = await _find(backend, who, device)
    now = clock().now()
    expires = body.expires or now + timedelta(hours=HOURS)
    if not now < expires <= now + LONGEST:
        raise invalid_field("expires", body.expires, "must lie in the future, at most 30 days ahead")
    if (body.command == "configuration") != (body.configuration is not None):
        raise invalid_field(
            "configuration", body.configuration, "goes with the command `configuration`, and only there"
        )
    wanted = CommandOrdered(
        command=body.command, device=device, expires=expires, configuration=body.configuration
    )  # fmt: skip
    event = Event(
        id=f"{device}/command/{key or uuid4()}",
        source="api",
        type="mailiu.device.command-ordered.v1",
        subject=found["resident"] or f"device:{device}",
        time=now,
        data=wanted.model_dump(mode="json", exclude_none=True),
        institution=found["institution"],
        actor=who.actor,
    )
    [[position]] = await backend.append([event])
    return Ordered(device=device, identity=event.identity, position=str(position))


@router.get("", summary="Commands of a device 设备指令", responses=problems(403, 404, 422, 504))
async def commands(
    who: AlertReader, backend: BackendDependency, device: DeviceId, limit: Limit = 100, wait: Wait = None
) -> CommandList:
    """What the device was asked, newest first."""
    await backend.progress.wait(wait, fold=True)
    await _find(backend, who, device)
    rows = await backend.tables.rows(COMMANDS, {"device": device, "limit": limit})
    residents = {row["subject"] for row in rows if not row["subject"].startswith("device:")}
    await backend.viewed(who, "commands", sorted(residents))
    return CommandList(
        items=[
            CommandItem.model_validate(
                {
                    **row,
                    "configuration": orjson.loads(row["configuration"]) if row["configuration"] else None,
                    "alert": row["alert"] or None,
                    "reason": row["reason"] or None,
                }
            )
            for row in rows
        ]
    )


async def _find(backend: Backend, who: Caller, device: str) -> dict[str, Any]:
    """Institution of a device the caller covers, and who wears it now; else 404."""
    rows = await backend.tables.rows(DEVICE, {"device": device, "now": clock().now()})
    if not rows or not who.covers(rows[0]["institution"]):
        raise Problem(404, f"no device {device}")
    return rows[0]
