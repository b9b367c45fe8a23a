"""`POST /v1/vendor/{name}`: the readings of a vendor's cloud, by a signed call.

No token: the call's signature is its proof. Readings go through the same gate as those over MQTT (whose device, whose
clock, resent or not), and the answer holds the same receipts. What is refused is kept whole on `rejected`; what waits
for its device to be bound is taken when it is.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime

import orjson
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from fastapi import APIRouter, FastAPI, Path, Request
from pydantic import BaseModel, Field

from api.append import Checked, Result, carry_out, judge
from api.backend import Backend, BackendDependency, kafka
from api.problem import Problem, problems
from infra.clock import clock
from infra.log import Log
from infra.observe import metrics
from infra.settings import settings
from mqtt_ingest import histories, vendor
from mqtt_ingest.address import VENDOR
from mqtt_ingest.bindings import Bindings
from mqtt_ingest.bridge import make_gate
from mqtt_ingest.gate import LARGEST, Answer, Gate, Refusal
from mqtt_ingest.pipeline import Pipeline
from mqtt_ingest.receipts import receipt
from mqtt_ingest.rejected import WAITING, Register, Rejected, everything, follow, records
from mqtt_ingest.waiting import Waiting
from schemas.topics import DEVICES, REJECTED

SECONDS = 15  # until the bindings must be known, at the first call


class Receipt(BaseModel):
    """What became of one reading, as a device reads it on `down/receipt`."""

    id: str = Field(description="the reading's own id, where it had one")
    device: str | None
    status: str = Field(description="accepted (again, where it was known) or rejected")
    position: str | None = Field(description="position in `events`, for `wait`")
    reason: str | None
    field: str | None
    value: str | None
    message: dict[str, str] | None


class Receipts(BaseModel):
    """One receipt a reading, in the order sent. 逐条回执。"""

    accepted: int
    rejected: int
    receipts: list[Receipt]


class Silent:
    """Where receipts would go: a vendor's cloud has had its own in the answer."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish nothing."""

    async def room(self) -> None:
        """There always is."""


class Door:
    """The gate of this process with every binding, and what waits for a device; opened by the first call."""

    def __init__(self) -> None:
        self.gate = make_gate(Bindings())
        self.waiting = Waiting()
        self.file = settings().home / "api" / "vendor.clocks.json"
        self.gate.clocks = histories.load(self.file)
        self._known = asyncio.Event()
        self._working: asyncio.Task[None] | None = None

    async def opened(self, log: Log) -> Gate:
        """The gate, once the bindings are known. A `Problem` 503 when Kafka does not tell them."""
        if self._working is None or self._working.done():
            self._known.clear()
            self._working = asyncio.create_task(self._work(log))
        async with kafka(), asyncio.timeout(SECONDS):
            known = asyncio.create_task(self._known.wait())
            await asyncio.wait({known, self._working}, return_when=asyncio.FIRST_COMPLETED)
            known.cancel()
            if not self._known.is_set():
                raise KafkaError("the bindings cannot be read")
        return self.gate

    async def _work(self, log: Log) -> None:
        """Follow the bindings, and take what waited once its device is bound; ends where Kafka fails."""
        with contextlib.suppress(KafkaError, LookupError):
            await self._load()
            again = asyncio.create_task(Pipeline(Silent(), log, self.gate, self.waiting).again())
            try:
                async with contextlib.aclosing(follow(DEVICES)) as batches:
                    async for batch in batches:
                        self._learn(batch)
                        if again.done():
                            again.result()
            finally:
                again.cancel()

    def _learn(self, batch: list[ConsumerRecord] | None) -> None:
        if batch is None:
            self._known.set()
        for record in batch or ():
            device = self.gate.bindings.apply((record.key or b"").decode(errors="replace"), record.value)
            if device is not None and self._known.is_set():
                self.waiting.changed(device)

    async def _load(self) -> None:
        """What waited when the API was stopped."""
        register = Register(only_waiting=True)
        async for record in everything(REJECTED):
            register.apply(record.value)
        self.waiting.everything(one for one in register.by_id.values() if one.at and one.at.vendor)

    async def close(self) -> None:
        """Stop following, and keep what is known of the clocks."""
        if self._working is None:
            return
        self._working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._working
        histories.save(self.file, self.gate.clocks)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.vendor_door = Door()
    try:
        yield
    finally:
        await app.state.vendor_door.close()


router = APIRouter(prefix="/v1", tags=["events"], lifespan=_lifespan)


@router.post(
    "/vendor/{name}",
    summary="A vendor's call 厂商云回调",
    description=(
        "Readings as the vendor's mapping file says (`docs/vendors.md`), signed with the secret that the operator "
        "gave the vendor. Each reading has its receipt; sent again it is the same reading.\n\n"
        "按厂商映射文件解析，签名校验后逐条返回回执。重发是安全的。"
    ),
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}},
    responses=problems(404, 413, 422),
)
async def call(
    request: Request,
    backend: BackendDependency,
    name: str = Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="the vendor's name 厂商名称"),
) -> Receipts:
    """Check a vendor's call and take its readings."""
    try:
        found = vendor.find(name)
    except ValueError as error:
        raise Problem(503, f"the mapping of {name} cannot be used: {error}") from error
    if found is None:
        raise Problem(404, f"no vendor {name}")
    body = await request.body()
    fault = found.signature.fault(vendor.secret(name), request.headers, body, time.time())
    if fault is not None:
        raise Problem(401, fault)
    if len(body) > LARGEST:
        raise Problem(413, f"at most {LARGEST} bytes a call")
    door: Door = request.app.state.vendor_door
    gate, now = await door.opened(backend.log), clock().now()
    changes = door.waiting.changes
    answers = gate.take(f"{VENDOR}{name}", body, now)
    receipts = [orjson.loads(one) for one in await _settle(backend, answers, now)]
    for answer in answers:
        if answer.refusal is not None and answer.refusal.reason in WAITING:
            door.waiting.add(Rejected(orjson.loads(next(records(answer, now)))), changes)
    accepted = sum(one["status"] == "accepted" for one in receipts)
    return Receipts(accepted=accepted, rejected=len(receipts) - accepted, receipts=receipts)


async def _settle(backend: Backend, answers: list[Answer], now: datetime) -> list[bytes]:
    """Append what is accepted, keep what is refused, and return the receipts once Kafka holds it all."""
    taken = [number for number, answer in enumerate(answers) if answer.event is not None]
    also = [Checked(answer.raw, event) for answer in answers for event in answer.also]
    readings = [Checked(answer.raw, answer.event) for answer in answers if answer.event is not None]
    judged = await judge(backend, readings + also)
    judged.refused.clear()  # the gate's own records say more
    results = (await carry_out(backend, "vendor", judged)).results
    positions: dict[int, str | None] = {}
    for number, result in zip(taken, results[: len(taken)], strict=True):
        if result.status == "rejected":
            answers[number] = _refused(answers[number], result)
        else:
            positions[number] = result.position
    async with kafka():
        await _keep(backend, answers, now)
    return [receipt(answer, positions.get(number)) for number, answer in enumerate(answers)]


def _refused(answer: Answer, result: Result) -> Answer:
    """The refusal of a reading that the log does not take: its id stands for another one, it holds a name."""
    message = result.message.model_dump() if result.message else {}
    why = Refusal(result.reason or "invalid", result.field or "event", result.value or "-", message)
    return replace(answer, event=None, refusal=why)


async def _keep(backend: Backend, answers: list[Answer], now: datetime) -> None:
    assert backend.log.producer is not None
    for answer in answers:
        if answer.refusal is not None:
            metrics.REJECTED.labels(answer.refusal.reason).inc()
    futures = [
        await backend.log.producer.send(REJECTED, value, answer.at.source.encode())
        for answer in answers
        if answer.refusal is not None
        for value in records(answer, now)
    ]
    for future in futures:
        await future
