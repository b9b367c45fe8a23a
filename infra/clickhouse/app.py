"""ClickHouse's HTTP interface over the embedded engine, as an ASGI application.

A statement runs in a thread, on a connection of its own, so that nothing of one request reaches the next. Inserted data
are received whole before the engine sees them: a client that goes away half-way has inserted nothing, and the answer
comes after every view has taken the rows (chDB's own streaming insert reports success even when a view failed).
"""

import asyncio
import contextlib
import functools
import logging
import os
import sqlite3
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Any, TypeVar

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from infra.audit.spool import Spool, told
from infra.clickhouse import coding, errors, formats, gate, limits, requests
from infra.clickhouse.engine import Connection, Engine, Summary
from infra.clickhouse.errors import Refused
from infra.clickhouse.exchange import Body, Gone, Reply
from infra.clickhouse.requests import Asked
from infra.clickhouse.sessions import Lease, Sessions
from infra.clickhouse.users import Users

HEAD = 1 << 16  # bytes of a text in which an INSERT's FORMAT must appear
LONGEST_TEXT = {"mailiu": 256 << 20, "analyst": 1 << 20}  # bytes of a statement; an insert's data are not counted
STEP = {"mailiu": 1 << 20, "analyst": 1 << 8}  # bytes of a body decompressed at once (zstd: up to 8 MiB of 256 bytes)
MOST_ANALYSTS = 16  # statements of analysts, running and waiting
LONGEST = 60.0  # s of an analyst's statement; it has 30, but not everything in the engine looks at the clock
T = TypeVar("T")


class Result:
    """A statement's answer: its first two blocks, whence the rest comes, and what it read and wrote."""

    def __init__(
        self, blocks: Iterator[bytes], lease: Lease, summary: Summary, format: str, connection: Connection
    ) -> None:
        self._blocks = blocks
        self._connection = connection
        self._lease = lease
        self.summary = summary
        self.format = format
        self.first = next(blocks, b"")
        self.second = next(blocks, b"")
        if not self.second:
            lease.close()

    @property
    def rows(self) -> int:
        """How many rows it gave until now."""
        return self.summary.result_rows or self._connection.streamed

    def next(self) -> bytes | None:
        """The next block; None at the end."""
        return next(self._blocks, None)

    def close(self) -> None:
        """No more blocks are wanted."""
        self._lease.close()


class Application:
    """The ASGI application."""

    def __init__(self, engine: Engine, users: Users, database: str, spool: Spool | None = None) -> None:
        """``spool``: where analysts' statements are noted for the audit trail, each before it runs."""
        self.engine = engine
        self.spool = spool
        self.users = users
        self.database = database
        self.sessions = Sessions(engine)
        self.pools = {"mailiu": ThreadPoolExecutor(8, "mailiu"), "analyst": ThreadPoolExecutor(2, "analyst")}
        self.killers = ThreadPoolExecutor(2, "kill")
        self.analysts = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        request = Request(scope, receive)
        token = uuid.uuid4()
        tag = f"/*{token.hex}*/ "  # how a statement is found when it must be killed: it carries no word of the client's
        reply = Reply(send, request.method == "HEAD", str(token))
        try:
            if request.url.path in ("/ping", "/replicas_status") or _greeting(request):
                await reply.text(200, "Ok.\n", {})
            elif request.url.path != "/":
                await reply.text(404, "There is no such handle here\n", {})
            elif request.method not in ("GET", "HEAD", "POST"):
                await reply.text(501, "Only GET, HEAD and POST are supported\n", {})
            else:
                await self._answer(request, receive, reply, tag)
        except Gone:
            return
        except asyncio.CancelledError:  # we are stopped
            if not reply.begun:
                text = (
                    f"Code: 236. DB::Exception: The server is shutting down. (ABORTED) (version {self.engine.version})"
                )
                await reply.error(500, 236, text)
        except Exception as error:
            code, status, text = errors.describe(error, self.engine.version, len(tag))
            await reply.error(status, code, text)

    async def _answer(self, request: Request, receive: Receive, reply: Reply, tag: str) -> None:
        given = dict(request.query_params)
        user = self.users.authenticate(request.headers, given)
        form = await _form(request)
        asked = requests.read(user, request, {**given, **(form or {})}, self.database)
        reply.query_id = asked.query_id or reply.query_id
        reply.accept, reply.frames = asked.accept, asked.frames
        asked.settings = limits.settings_of(user, asked.settings, asked.reading)
        unpack = coding.unpacker(asked.encoding, asked.unframe)
        body = Body(receive, unpack, STEP[user], ended=form is not None)
        head = asked.query.encode() + (b"\n" if asked.query else b"")
        while not body.ended and len(head) < HEAD:
            head += await body.more()
        insert = formats.insert_in(head) if user == "mailiu" and not asked.reading else None
        if insert:
            await self._insert(asked, body, reply, tag, *insert)
        else:
            await self._statement(asked, body, reply, tag, head)

    async def _insert(
        self, asked: Asked, body: Body, reply: Reply, tag: str, insert: formats.Insert, data: bytes
    ) -> None:
        """Receive an insert's data whole, then insert them; what is acknowledged is on disk and in every view."""
        with tempfile.TemporaryFile(dir=self.engine.folder / "incoming", buffering=0) as file:
            file.write(data)
            while not body.ended:
                file.write(await body.more())
            # Not killed when the client goes away now: all data are here, and no view should be left out half-way.
            working = self.pools[asked.user].submit(self._load, asked, insert, tag, file)
            summary = await asyncio.shield(asyncio.wrap_future(working))
        await reply.whole(b"", "", summary)

    def _load(self, asked: Asked, insert: formats.Insert, tag: str, file: IO[bytes]) -> Summary:
        lease = self._lease(asked)
        try:
            connection = lease.open(asked.user, asked.database, self.database, asked.settings)
            file.seek(0)
            return connection.run(tag + insert.reading(f"/dev/fd/{file.fileno()}"), "Null", asked.parameters)[1]
        finally:
            lease.close()

    async def _statement(self, asked: Asked, body: Body, reply: Reply, tag: str, head: bytes) -> None:
        """Run a statement and send what it gives."""
        text = bytearray(head)
        while not body.ended and len(text) <= LONGEST_TEXT[asked.user]:
            text += await body.more()
        if len(text) > LONGEST_TEXT[asked.user]:
            raise Refused(577, "QUERY_IS_TOO_LARGE", f"The statement is longer than {LONGEST_TEXT[asked.user]} bytes")
        try:
            sql = text.decode(errors="strict" if asked.user == "mailiu" else "replace")  # what a gate sees it refuses
        except UnicodeDecodeError as error:
            raise Refused(36, "BAD_ARGUMENTS", "The statement is not UTF-8") from error
        if not sql.strip():
            raise Refused(62, "SYNTAX_ERROR", "Syntax error: failed at position 1 (end of query): Empty query")
        if asked.user != "mailiu" and self.analysts >= MOST_ANALYSTS:
            raise Refused(202, "TOO_MANY_SIMULTANEOUS_QUERIES", f"Too many statements of analysts: {MOST_ANALYSTS}")
        if asked.format.lower() not in self.engine.formats:
            raise Refused(73, "UNKNOWN_FORMAT", f"Unknown format {asked.format[:64]}")
        self.analysts += asked.user != "mailiu"
        try:
            await self._note(asked, reply, "queried", query=told(sql), address=asked.address, parameters={
                name: told(value) for name, value in asked.parameters.items()
            })  # fmt: skip
            result = await self._guarded(asked, body, tag, lambda: self._begin(asked, sql, tag))
            await self._send(asked, body, reply, tag, result)
            with contextlib.suppress(Refused):  # it has its answer; that it was asked is noted
                await self._note(asked, reply, "answered", rows=result.rows, bytes=reply.sent)
        finally:
            self.analysts -= asked.user != "mailiu"

    async def _note(self, asked: Asked, reply: Reply, action: str, **more: Any) -> None:
        """Note what an analyst asks, or was given, for the audit trail; what cannot be noted is not done."""
        if self.spool is None or asked.user == "mailiu":
            return
        note = functools.partial(self.spool.put, asked.user, action, "sql", query_id=reply.query_id, **more)
        try:
            await asyncio.to_thread(note)
        except sqlite3.Error as error:
            raise Refused(243, "NOT_ENOUGH_SPACE", "The statement cannot be noted for the audit trail") from error

    def _begin(self, asked: Asked, sql: str, tag: str) -> Result:
        """Run a statement up to its second block."""
        lease = self._lease(asked)
        try:
            connection = lease.open(asked.user, asked.database, self.database, asked.settings)
            text, reads = gate.admit(self.engine, connection, asked.user, sql, tag, asked.reading)
            if not reads and formats.takes_input(text):
                raise Refused(48, "NOT_IMPLEMENTED", "INSERT SELECT from input() is not supported")
            format = formats.format_of(text.removeprefix(tag), asked.format)
            if reads and not asked.whole and formats.self_contained(format) and formats.is_select(text):
                return Result(
                    connection.stream(text, asked.format, asked.parameters), lease, Summary(), format, connection
                )
            data, summary = connection.run(text, asked.format, asked.parameters)
            return Result(iter([data]), lease, summary, format, connection)
        except BaseException:
            lease.close()
            raise

    async def _send(self, asked: Asked, body: Body, reply: Reply, tag: str, result: Result) -> None:
        if not result.second:
            await reply.whole(result.first, result.format, result.summary)
            return
        try:
            await reply.begin(result.format)
            await reply.more(result.first)
            await reply.more(result.second)
            while (block := await self._guarded(asked, body, tag, result.next)) is not None:
                await reply.more(block)
            await reply.end()
        finally:
            closing = self.killers.submit(result.close)
            await asyncio.shield(asyncio.wrap_future(closing))

    async def _guarded(self, asked: Asked, body: Body, tag: str, work: Callable[[], T]) -> T:
        """Do ``work`` in a thread; when the client goes away (or we are stopped), its statement goes too."""
        working = self.pools[asked.user].submit(work if asked.user == "mailiu" else lambda: _bounded(work))
        waiting = asyncio.wrap_future(working)
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to hear it
        watching = asyncio.ensure_future(body.gone())
        try:
            both: set[asyncio.Future[Any]] = {waiting, watching}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
        finally:
            watching.cancel()
            if not working.done() and not working.cancel():
                await asyncio.shield(self._killed(working, waiting, tag))
        raise Gone

    async def _killed(self, working: "Future[Any]", waiting: "asyncio.Future[Any]", tag: str) -> None:
        """Kill a statement until its thread is back: it may not have reached the engine yet."""
        while not working.done():
            await asyncio.wrap_future(self.killers.submit(self.engine.kill, tag.removesuffix("*/ ")))
            await asyncio.wait({waiting}, timeout=0.1)
        if working.exception() is None and isinstance(result := working.result(), Result):
            await asyncio.wrap_future(self.killers.submit(result.close))

    def _lease(self, asked: Asked) -> Lease:
        return Lease(self.sessions, self.engine, asked.session, asked.all)

    def interrupt(self) -> None:
        """Stop what runs, except inserts: these end soon, and should not end half-way."""
        self.killers.submit(self.engine.kill, "", "query_kind != 'Insert'")

    def close(self) -> None:
        """Stop all that still runs, then close the engine."""
        self.engine.kill()
        for pool in (*self.pools.values(), self.killers):
            pool.shutdown(cancel_futures=True)
        if self.spool is not None:
            self.spool.close()
        self.sessions.sweep(all=True)
        self.engine.close()


def _bounded(work: Callable[[], T]) -> T:
    """Do ``work`` of an analyst. What does not stop (compiling a monstrous pattern, say) would keep a core busy for
    hours: then the process ends, and the supervisor starts it again. No acknowledged row is lost by that."""
    timer = threading.Timer(LONGEST, _give_up)
    timer.daemon = True
    timer.start()
    try:
        return work()
    finally:
        timer.cancel()


def _give_up() -> None:
    logging.getLogger("mailiu").error("a statement of an analyst does not end after %.0f s: starting anew", LONGEST)
    os._exit(1)


def _greeting(request: Request) -> bool:
    return request.url.path == "/" and request.method in ("GET", "HEAD") and not request.url.query


async def _form(request: Request) -> Mapping[str, str] | None:
    """The fields of a form that carries statement and parameters; None when the body is something else."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return None
    async with request.form(max_files=16, max_fields=10_000, max_part_size=LONGEST_TEXT["analyst"]) as form:
        if any(isinstance(value, UploadFile) for value in form.values()):
            raise Refused(48, "NOT_IMPLEMENTED", "External data are not supported")
        return {name: str(value) for name, value in form.items()}
