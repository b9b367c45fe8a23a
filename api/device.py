"""Devices: what is in stock and worn; one device with what it said of itself, what went wrong, and whose it is."""

import asyncio
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api import paging
from api.auth import Operator
from api.backend import BackendDependency
from api.command import DeviceId
from api.instant import Instant
from api.position import Wait
from api.problem import Problem, problems
from api.tables import Row
from infra.clock import clock
from schemas.envelope import SUBJECT

router = APIRouter(prefix="/v1/devices", tags=["devices"])
LATEST = 50  # events of one device that are shown


class Device(BaseModel):
    """A device as the tables know it. 设备概况。"""

    device: str
    institution: str | None
    model: str | None
    kind: str | None = Field(description="kind of reading that it takes")
    registered_time: Instant | None
    bound: int = Field(description="bindings that last")
    heard_time: Instant | None = Field(description="latest sign of life: a reading, a status, a failure")
    clock: str | None = Field(description="trust in the time of its latest reading")
    battery: float | None = Field(description="%")
    battery_low: bool | None
    signal: float | None = Field(description="dB[mW]")
    firmware: str | None
    calibrated: date | None
    calibration_due: date | None
    status_time: Instant | None
    failed: int = Field(description="measurements that failed")
    failed_time: Instant | None
    gateways: list[str] = Field(description="who may publish for it")


class Devices(BaseModel):
    """A page of devices, by id."""

    items: list[Device]
    next: str | None


class Binding(BaseModel):
    """Whose it is or was; the resident only for who may see residents."""

    user_slot: int | None
    resident: str | None
    institution: str | None
    from_time: Instant
    to_time: Instant | None


class DeviceEvent(BaseModel):
    """Something that happened to the device."""

    event: str
    time: Instant
    battery: float | None
    battery_low: bool | None
    signal: float | None
    firmware: str | None
    gateway: str | None
    reason: str | None
    field: str | None


class DeviceWhole(Device):
    """One device with its model, its bindings and its latest events."""

    maker: str | None
    nmpa_number: str | None
    validated: bool | None
    site: str | None
    clock_lag: int | None = Field(description="seconds from its own time of its latest reading to the receipt")
    bindings: list[Binding]
    events: list[DeviceEvent] = Field(description="the latest 50, newest first")


DEVICES = """
SELECT d.device AS device, d.institution AS institution, d.model AS model, d.kind AS kind,
    d.registered_time AS registered_time, toUInt32(b.bound) AS bound,
    nullIf(greatest(
        ifNull(r.heard_time, toDateTime64(0, 3, 'UTC')), ifNull(d.status_time, toDateTime64(0, 3, 'UTC')),
        ifNull(d.failed_time, toDateTime64(0, 3, 'UTC'))), toDateTime64(0, 3, 'UTC')) AS heard_time,
    nullIf(r.clock, '') AS clock, if(r.device = '', NULL, r.clock_lag) AS clock_lag, d.battery AS battery,
    d.battery_low AS battery_low, d.signal AS signal, d.firmware AS firmware, d.calibrated AS calibrated,
    d.calibration_due AS calibration_due, d.status_time AS status_time, d.failed AS failed,
    d.failed_time AS failed_time, g.gateways AS gateways
FROM devices AS d
LEFT JOIN device_readings AS r ON r.device = d.device
LEFT JOIN (
    SELECT device, count() AS bound FROM bindings
    WHERE from_time <= {now:DateTime64(3, 'UTC')} AND (to_time IS NULL OR to_time > {now:DateTime64(3, 'UTC')})
    GROUP BY device
) AS b ON b.device = d.device
LEFT JOIN (SELECT device, arraySort(groupArray(gateway)) AS gateways FROM device_gateways GROUP BY device) AS g
    ON g.device = d.device
"""
MODEL = "SELECT maker, nmpa_number, validated, site FROM device_models WHERE model = {model:String}"
BINDINGS = """
SELECT user_slot, resident, institution, from_time, to_time FROM bindings
WHERE device = {device:String} ORDER BY from_time DESC, user_slot
"""
EVENTS = """
SELECT event, time, battery, battery_low, signal, firmware, gateway, reason, field FROM device_events
WHERE device = {device:String} AND event IN ('registered', 'gateway-authorized', 'gateway-revoked', 'status-reported',
    'measurement-failed')
ORDER BY time DESC, id LIMIT {limit:UInt32}
"""


@router.get("", summary="Devices 设备列表", responses=problems(403, 422, 504))
async def devices(
    who: Operator,
    backend: BackendDependency,
    institution: Annotated[list[str] | None, Query(max_length=50, description="only these 机构")] = None,
    silent_days: Annotated[
        int | None, Query(ge=1, le=3650, description="nothing heard for so long, while bound 无数据天数")
    ] = None,
    due_before: Annotated[date | None, Query(description="calibration due before this day 校准到期")] = None,
    battery_below: Annotated[float | None, Query(ge=0, le=100, description="% 电量低于")] = None,
    cursor: Annotated[str | None, Query(pattern=SUBJECT, description="`next` of the page before 翻页")] = None,
    limit: paging.Limit = 100,
    wait: Wait = None,
) -> Devices:
    """The devices of the token's institutions, by id."""
    await backend.progress.wait(wait, fold=True)
    now = clock().now()
    conditions, parameters = ["1"], {"now": now, "limit": limit + 1}
    if who.scope:
        conditions.append("institution IN {scope:Array(String)}")
        parameters["scope"] = who.scope
    if institution:
        conditions.append("institution IN {institution:Array(String)}")
        parameters["institution"] = institution
    if silent_days is not None:
        conditions.append("bound > 0 AND (heard_time IS NULL OR heard_time < {since:DateTime64(3, 'UTC')})")
        parameters["since"] = now - timedelta(days=silent_days)
    if due_before is not None:
        conditions.append("calibration_due < {due:Date32}")
        parameters["due"] = due_before.isoformat()
    if battery_below is not None:
        conditions.append("(battery < {battery:Float64} OR battery_low)")
        parameters["battery"] = battery_below
    if cursor is not None:
        conditions.append("device > {after:String}")
        parameters["after"] = cursor
    sql = f"SELECT * FROM ({DEVICES}) WHERE {' AND '.join(conditions)} ORDER BY device LIMIT {{limit:UInt32}}"
    rows = await backend.tables.rows(sql, parameters)
    items = [Device(**_plain(row)) for row in rows[:limit]]
    return Devices(items=items, next=items[-1].device if len(rows) > limit else None)


@router.get("/{device}", summary="A device 设备详情", responses=problems(403, 404, 422, 504))
async def one(who: Operator, backend: BackendDependency, device: DeviceId, wait: Wait = None) -> DeviceWhole:
    """One device; whose it is, only for who may see residents."""
    await backend.progress.wait(wait, fold=True)
    parameters: dict[str, Any] = {"device": device, "now": clock().now(), "limit": LATEST}
    found = await backend.tables.rows(f"SELECT * FROM ({DEVICES}) WHERE device = {{device:String}}", parameters)
    if not found or not who.covers(found[0]["institution"]):
        raise Problem(404, f"no device {device}")
    row = found[0]
    models, bindings, events = await asyncio.gather(
        backend.tables.rows(MODEL, {"model": row["model"] or ""}),
        backend.tables.rows(BINDINGS, parameters),
        backend.tables.rows(EVENTS, parameters),
    )
    if who.may("residents"):
        shown = [binding for binding in bindings if who.covers(binding["institution"])]
        await backend.viewed(who, "device", sorted({binding["resident"] for binding in shown}))
    else:
        shown = []
    bindings = [binding if binding in shown else binding | {"resident": None} for binding in bindings]
    model = models[0] if models else dict.fromkeys(("maker", "nmpa_number", "validated", "site"))
    return DeviceWhole(
        **_plain(row), **model,
        bindings=[Binding(**binding) for binding in bindings],
        events=[DeviceEvent(**event) for event in events],
    )  # fmt: skip


def _plain(row: Row) -> Row:
    """``row`` with None where the tables have an empty text."""
    return {name: None if value == "" else value for name, value in row.items()}
