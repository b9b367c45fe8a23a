"""The part `clickhouse`: the process that serves the embedded engine on ClickHouse's HTTP interface."""

import asyncio
import logging
import signal
import socket
import sys
from urllib.parse import urlsplit

import uvicorn

from infra.audit.spool import Spool
from infra.clickhouse.app import Application
from infra.clickhouse.engine import Engine
from infra.clickhouse.users import Users
from infra.listen import bound
from infra.part import log_to_stderr, ready
from infra.settings import settings

LONGEST_HEADERS = 1 << 20  # bytes, as a server's http_max_uri_size
KEEP_ALIVE = 3600  # s; a client's insert must not meet a connection that we are just closing
GRACE = 1.0  # s that statements may go on when we are stopped
PATIENCE = 4  # s after which connections are dropped when we are stopped


class _Uvicorn(uvicorn.Server):
    """uvicorn that says when it serves, stops at once if it was told to before, and interrupts what runs."""

    def __init__(self, config: uvicorn.Config, app: Application, stopping: list[int]) -> None:
        super().__init__(config)
        self._app = app
        self._stopping = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._stopping:
            self.should_exit = True
        elif self.started:
            ready("clickhouse")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(GRACE, self._app.interrupt)
        await super().shutdown(sockets)


def run() -> None:
    """Serve until SIGTERM or SIGINT."""
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again once it has stopped
        signal.signal(number, lambda signum, _: stopping.append(signum))
    log_to_stderr()
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = settings()
    address = urlsplit(config.clickhouse)
    if address.scheme != "http" or address.hostname not in ("127.0.0.1", "localhost", "::1"):
        sys.exit(f"MAILIU_CLICKHOUSE is {config.clickhouse}: the embedded ClickHouse serves http://127.0.0.1:PORT only")
    listener = _bound(address.hostname, address.port or 8123)
    users = Users({user: config.secret(f"clickhouse-{user}") for user in ("mailiu", "analyst")})
    try:
        engine = Engine(config.home / "clickhouse", config.clickhouse_database)
    except RuntimeError as error:
        sys.exit(f"The tables in {config.home / 'clickhouse'} cannot be opened (by another process, perhaps): {error}")
    app = Application(engine, users, config.clickhouse_database, Spool(config.home))
    options = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=PATIENCE,
        h11_max_incomplete_event_size=LONGEST_HEADERS,
    )
    try:
        _Uvicorn(options, app, stopping).run([listener])
    finally:
        app.close()


def _bound(host: str, port: int) -> socket.socket:
    """A socket of our own address, not yet listening: who connects before we serve is refused, not kept waiting."""
    try:
        return bound(host, port)
    except OSError as error:
        sys.exit(f"Cannot serve ClickHouse on {host}:{port}: {error.strerror}")
