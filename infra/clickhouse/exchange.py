"""The two halves of an HTTP exchange: a request's body as it comes, and the reply in ClickHouse's shape."""

import asyncio
import secrets
from collections.abc import Mapping

import orjson
from starlette.types import Receive, Send

from infra.clickhouse import coding, formats
from infra.clickhouse.engine import Summary

STALLED = 120.0  # s in which a client neither sends nor takes anything
SMALL = 1 << 10  # bytes below which a whole result is not compressed


class Gone(Exception):
    """The client went away."""


class Body:
    """A request's body: decompressed pieces, as they come; then a watch over whether the client is still there."""

    def __init__(self, receive: Receive, unpack: coding.Coder, step: int, ended: bool = False) -> None:
        """``step``: how many bytes are decompressed at once, so that a small body cannot fill the memory."""
        self._receive = receive
        self._unpack = unpack
        self._step = step
        self._pending = b""
        self._last = False
        self.ended = ended

    async def more(self) -> bytes:
        """The next piece, perhaps empty; raises `Gone` when the client went away before the end."""
        if not self._pending:
            async with asyncio.timeout(STALLED):
                message = await self._receive()
            if message["type"] != "http.request":
                raise Gone
            self._pending = message.get("body", b"")
            self._last = not message.get("more_body", False)
        piece, self._pending = self._pending[: self._step], self._pending[self._step :]
        data = self._unpack.add(piece)
        if self._last and not self._pending:
            self.ended = True
            data += self._unpack.end()
        return data

    async def gone(self) -> None:
        """Return once the client has gone away; only after the body's end."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


class Reply:
    """A reply: whole, or block by block; an error before it begins is a status, and after that a framed text."""

    def __init__(self, send: Send, bodiless: bool, query_id: str) -> None:
        self._send = send
        self._bodiless = bodiless
        self._tag = secrets.token_hex(8)
        self._pack: coding.Coder = coding.Plain()
        self.begun = False
        self.sent = 0  #: bytes of the body
        self.query_id = query_id
        self.accept = ""
        self.frames = False

    async def text(self, status: int, text: str, headers: Mapping[str, str]) -> None:
        """A short text."""
        await self._start(status, {"content-type": "text/plain; charset=UTF-8", **headers}, len(text.encode()))
        await self._out(text.encode(), last=True)

    async def error(self, status: int, code: int, text: str) -> None:
        """An engine's error, as ClickHouse tells it."""
        if self.begun:
            line = f"{text}\n"
            frame = f"\r\n__exception__\r\n{self._tag}\r\n{line}{len(line.encode())} {self._tag}\r\n__exception__\r\n"
            await self._out(self._pack.add(frame.encode()) + self._pack.end(), last=True)
            return
        await self.text(status, text + "\n", {"x-clickhouse-exception-code": str(code), **self._common(Summary())})

    async def whole(self, data: bytes, format: str, summary: Summary) -> None:
        """A whole result."""
        headers = self._common(summary)
        if format:
            headers |= {"x-clickhouse-format": format, "content-type": formats.media_type(format)}
        if self.frames or (self.accept and len(data) >= SMALL):
            encoding, pack = coding.packer(self.accept, self.frames)
            data = pack.add(data) + pack.end()
            headers |= {"content-encoding": encoding} if encoding else {}
        await self._start(200, headers, len(data))
        await self._out(data, last=True)

    async def begin(self, format: str) -> None:
        """Begin a result that comes block by block."""
        encoding, self._pack = coding.packer(self.accept, self.frames)
        headers = self._common(Summary()) | {
            "x-clickhouse-format": format,
            "content-type": formats.media_type(format),
            "x-clickhouse-exception-tag": self._tag,
        }
        await self._start(200, headers | ({"content-encoding": encoding} if encoding else {}), None)
        self.begun = True

    async def more(self, block: bytes) -> None:
        """The next block."""
        if data := self._pack.add(block):
            await self._out(data, last=False)

    async def end(self) -> None:
        """The end of a result that came block by block."""
        await self._out(self._pack.end(), last=True)

    def _common(self, summary: Summary) -> dict[str, str]:
        told = {name: str(value) for name, value in summary._asdict().items()}
        return {
            "x-clickhouse-query-id": self.query_id,
            "x-clickhouse-timezone": "UTC",
            "x-clickhouse-server-display-name": "mailiu",
            "x-clickhouse-summary": orjson.dumps(told).decode(),
        }

    async def _start(self, status: int, headers: Mapping[str, str], length: int | None) -> None:
        lines = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        if length is not None:
            lines.append((b"content-length", str(length).encode()))
        await self._send({"type": "http.response.start", "status": status, "headers": lines})

    async def _out(self, data: bytes, last: bool) -> None:
        body = b"" if self._bodiless else data
        self.sent += len(body)
        async with asyncio.timeout(STALLED):
            await self._send({"type": "http.response.body", "body": body, "more_body": not last})
