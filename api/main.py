"""The API: append events, alert feed, residents, statistics. ``python -m infra.cli part api`` serves it."""

import asyncio
import logging
import signal
import socket
import sys

import uvicorn
from fastapi import FastAPI
from sse_starlette.sse import AppStatus
from starlette.middleware.cors import CORSMiddleware

from api import (
    alert,
    alert_action,
    alert_bulk,
    alert_stream,
    asyncapi,
    card,
    command,
    consent,
    contact,
    control,
    device,
    docs,
    duplicate,
    events,
    fhir,
    fhir_capability,
    fhir_search,
    files,
    form,
    freshness,
    guidance,
    health,
    identity,
    level,
    metrics,
    notice,
    plan,
    problem,
    questionnaire,
    report,
    resident,
    risk,
    round_session,
    statistics,
    task,
    task_action,
    vendor,
    visit_plan,
)
from api import round as rounds
from api import self as own
from api.backend import lifespan
from api.body_limit import BodyLimit
from api.headers import SecurityHeaders
from api.rate import RateLimit
from api.slow import Impatient
from infra.listen import bound
from infra.part import log_to_stderr, ready
from infra.settings import settings

DESCRIPTION = """\
Event-sourced streaming analytics for community health. Every answer about persons needs a bearer token
(`mailiu token --role clinician --institution I01`); every view of a person is audited.

社区健康事件流分析平台。除 `/health` 外均需访问令牌；对居民数据的每次查看均留有审计记录。
"""
TAGS = [
    {"name": "events", "description": "Append events to the log. 写入事件。"},
    {"name": "alerts", "description": "The alert feed and what people do with alerts. 告警与处置。"},
    {"name": "cards", "description": "One card a resident: act, call, hand over. 居民卡片：处置、联系、移交。"},
    {"name": "tasks", "description": "What is to be done for whom, by when and why; the week's plan. 任务与周计划。"},
    {"name": "rounds", "description": "The ward round: who is in need and why, what was decided. 数字查房。"},
    {"name": "notices", "description": "Who was told what, and whether it arrived. 通知与送达。"},
    {"name": "devices", "description": "Devices and what they are asked. 设备与指令。"},
    {"name": "residents", "description": "One resident. 居民个人。"},
    {"name": "files", "description": "Traces of electrocardiograms, by their content. 心电波形等文件。"},
    {"name": "identity", "description": "Who a resident is: sealed, audited, erasable. 居民身份。"},
    {"name": "statistics", "description": "Numbers that explain themselves. 统计指标。"},
    {"name": "operation", "description": "Freshness, health, metrics. 运行状态。"},
]


def make() -> FastAPI:
    """The application; log, feed and tables are opened when it starts."""
    made = FastAPI(
        title="Mailiu 脉流", version="1", description=DESCRIPTION, openapi_tags=TAGS, lifespan=lifespan,
        docs_url=None, redoc_url=None,
    )  # fmt: skip
    problem.install(made)
    made.add_middleware(BodyLimit)
    made.add_middleware(RateLimit)
    if origins := [origin.strip() for origin in settings().cors_origins.split(",") if origin.strip()]:
        made.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
        )  # fmt: skip
    made.add_middleware(SecurityHeaders)
    made.add_middleware(metrics.Measured)
    for context in (
        events, fhir, fhir_capability, fhir_search, vendor, alert_stream, alert, alert_bulk, alert_action, card,
        contact, notice, command, device, identity, duplicate, resident, consent, plan, control, guidance,
        questionnaire, own, risk, files, form, report, task, task_action, visit_plan, round_session, rounds, level,
        statistics, freshness, health, docs, asyncapi
    ):  # fmt: skip
        made.include_router(context.router)
    docs.describe(made)
    return made


app = make()


def serving(app: FastAPI) -> uvicorn.Config:
    """How ``app`` is served; what a proxy says of address and scheme counts only from those that are trusted."""
    return uvicorn.Config(
        app, http=Impatient, log_config=None, access_log=False, timeout_graceful_shutdown=3, server_header=False,
        proxy_headers=bool(settings().trusted_proxies), forwarded_allow_ips=settings().trusted_proxies,
    )  # fmt: skip


def run() -> None:
    """Serve on the address of the settings until SIGTERM; open streams end with their last byte."""
    log_to_stderr()
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # a bad request line is its client's matter
    listener = _bound(settings().api)
    server = uvicorn.Server(serving(app))
    AppStatus.disable_automatic_graceful_drain()  # we end the streams ourselves, each with its last byte
    # uvicorn stops in good order and then raises the signal once more; that must not end us with an error.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)

    async def serve() -> None:
        task = asyncio.create_task(server.serve([listener]))
        while not server.started and not task.done():
            await asyncio.sleep(0.02)
        if server.started:
            ready("api")
        while not server.should_exit and not task.done():
            await asyncio.sleep(0.1)
        if server.started:
            app.state.backend.feed.release()
        await task

    try:
        asyncio.run(serve())
    except SystemExit as error:  # uvicorn's, after it has said what keeps it from serving
        raise SystemExit(1) from error
    if not server.started:
        raise SystemExit(1)


def _bound(address: str) -> socket.socket:
    """The socket of ``address`` (host:port); ends the process with one line when there can be none."""
    host, _, port = address.rpartition(":")
    try:
        return bound(host.strip("[]"), int(port))
    except (OSError, ValueError, OverflowError) as error:
        sys.exit(f"The API cannot listen on {address} (MAILIU_API): {getattr(error, 'strerror', None) or error}")
