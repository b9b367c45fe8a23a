"""The API's doors: too many, too slow, revoked, from elsewhere, and what does not belong into a path or a header."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api import problem
from api.auth import issue, read
from api.body_limit import BodyLimit
from api.headers import HEADERS
from api.main import make, serving
from api.problem import Problem
from api.rate import Limits, RateLimit
from api.slow import Impatient
from infra.settings import Settings, settings
from infra.vault.revocation import Revocations, revocations
from infra.vault.vault import Vault
from tests.api.stub import bearer, client
from tests.stack import ROOT, Stack


async def everything(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that knows one token."""
    token = dict(scope["headers"]).get(b"authorization", b"")
    await PlainTextResponse("fine", 401 if b"wrong" in token else 200)(scope, receive, send)


def limited(**limits: str) -> httpx.AsyncClient:
    """A client of an application under these limits only."""
    off: dict[str, Any] = dict.fromkeys(("rate_token", "rate_address", "rate_refused", "rate_lookup"), "")
    counts = Limits(Settings(**(off | limits)))
    return httpx.AsyncClient(transport=httpx.ASGITransport(RateLimit(everything, counts)), base_url="http://test")


async def statuses(http: httpx.AsyncClient, *tokens: str) -> list[int]:
    return [(await http.get("/", headers={"Authorization": f"Bearer {token}"})).status_code for token in tokens]


async def test_a_token_that_asks_too_often_waits_and_others_do_not() -> None:
    async with limited(rate_token="3/hour") as http:
        assert await statuses(http, *"aaaabb") == [200, 200, 200, 429, 200, 200]
        answer = await http.get("/", headers={"Authorization": "Bearer a"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert 0 < int(answer.headers["retry-after"]) <= 3600


async def test_an_address_that_asks_too_often_waits_whatever_its_tokens() -> None:
    async with limited(rate_address="3/hour") as http:
        assert await statuses(http, *"abcd") == [200, 200, 200, 429]


async def test_an_address_that_guesses_tokens_is_not_heard_for_a_while() -> None:
    async with limited(rate_refused="2/hour") as http:
        assert await statuses(http, "wrong1", "right", "wrong2", "right", "wrong3") == [401, 200, 401, 429, 429]


async def test_look_ups_are_limited_by_actor(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = Limits(Settings(rate_lookup="2/hour"))
    monkeypatch.setattr("api.rate.limits", lambda: counts)
    body = {"phone": "13800138000", "purpose": "TREAT"}
    async with client() as (http, log):
        asked = [
            (await http.post("/v1/residents/lookup", headers=bearer("integrator", actor=actor), json=body)).status_code
            for actor in ("N1", "N1", "N1", "N2")
        ]
    assert asked == [404, 404, 429, 404]
    assert not any(b"13800138000" in value for _, value in log.producer.sent)


# ---- tokens


def test_a_revoked_token_is_refused_and_its_actors_other_token_is_not() -> None:
    actor = f"D-{uuid4().hex}"
    one, other = issue("nurse", ["I01"], actor=actor), issue("nurse", ["I01"], actor=actor)
    assert read(one).actor == actor
    revocations().revoke(token=jwt.decode(one, options={"verify_signature": False})["jti"])
    with pytest.raises(Problem, match="revoked"):
        read(one)
    assert read(other).actor == actor
    revocations().revoke(actor=actor)
    with pytest.raises(Problem, match="revoked"):
        read(other)


def test_another_process_follows_a_revocation(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("infra.vault.revocation.time.monotonic", lambda: now)
    here, there = Revocations(Vault(tmp_path)), Revocations(Vault(tmp_path))
    assert not there.covers("t1", "D1", 100)
    here.revoke(token="t1")
    here.revoke(actor="D2")
    now += 1.0
    assert there.covers("t1", "D1", 100)
    assert there.covers("t9", "D2", 100)
    assert not there.covers("t9", "D2", float("inf"))  # issued later
    for each in (here, there):
        each._vault.close()


def test_the_command_revokes_by_token_and_by_actor() -> None:
    stack, actor = Stack(settings().home), f"D-{uuid4().hex}"
    token = stack.mailiu("token", "--role", "nurse", "--institution", "I01", "--actor", actor).stdout.strip()
    stack.mailiu("token", "revoke", token)
    revocations()._checked = -1e9  # as if a second had passed
    with pytest.raises(Problem, match="revoked"):
        read(token)
    assert stack.mailiu("token", "revoke", check=False).returncode == 1
    assert "--actor" in stack.mailiu("token", "revoke", "a.b.c", check=False).stderr


# ---- browsers


async def test_every_answer_tells_browsers_to_do_nothing_clever() -> None:
    async with client() as (http, _):
        for path in ("/docs", "/health", "/v1/alerts", "/nowhere"):
            answer = await http.get(path)
            assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, path
            assert "server" not in answer.headers


async def test_an_error_of_ours_has_the_headers_and_no_detail() -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError("the name is 王小明")

    async with client(broken) as (http, _):
        answer = await http.get("/v1/statistics/control-home", headers=bearer("manager"))
    assert answer.status_code == 500
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "王" not in answer.text


@pytest.mark.parametrize(
    ("trusted", "peer", "believed"),
    [("", "127.0.0.1", False), ("127.0.0.1", "127.0.0.1", True), ("127.0.0.1, 10.0.0.0/8", "10.1.2.3", True),
     ("127.0.0.1", "192.0.2.7", False)],
)  # fmt: skip
async def test_a_proxy_is_believed_only_where_it_is_named_and_https_is_then_demanded_of_browsers(
    trusted: str, peer: str, believed: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    named = settings().model_copy(update={"trusted_proxies": trusted})
    monkeypatch.setattr("api.main.settings", lambda: named)
    config = serving(make())
    config.load()
    through = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    transport = httpx.ASGITransport(config.loaded_app, client=(peer, 40000))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        plain = await http.get("/v1/alerts")
        answer = await http.get("/v1/alerts", headers=through)
    assert (plain.status_code, answer.status_code) == (401, 401)
    assert "strict-transport-security" not in plain.headers
    assert ("strict-transport-security" in answer.headers) is believed
    addresses = [record.getMessage() for record in caplog.records if "refused 401" in record.getMessage()]
    assert f"from {peer}:" in addresses[0]
    assert f"from {'203.0.113.9' if believed else peer}:" in addresses[1]


async def test_no_other_origin_may_call_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = {"Origin": "https://clinic.example", "Access-Control-Request-Method": "GET"}
    async with client() as (http, _):
        closed = await http.options("/v1/alerts", headers=ask)
        plain = await http.get("/health", headers={"Origin": "https://clinic.example"})
    assert closed.status_code == 405
    assert not [name for name in (*closed.headers, *plain.headers) if name.startswith("access-control")]

    opened = settings().model_copy(update={"cors_origins": "https://clinic.example"})
    monkeypatch.setattr("api.main.settings", lambda: opened)
    transport = httpx.ASGITransport(make())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        named = await http.options("/v1/alerts", headers=ask | {"Access-Control-Request-Headers": "authorization"})
        other = await http.options("/v1/alerts", headers=ask | {"Origin": "https://evil.example"})
    assert named.headers["access-control-allow-origin"] == "https://clinic.example"
    assert "access-control-allow-credentials" not in named.headers
    assert "access-control-allow-origin" not in other.headers


async def test_who_is_refused_is_in_the_log_by_route_and_address_only(caplog: pytest.LogCaptureFixture) -> None:
    async with client() as (http, _):
        await http.get("/v1/residents/Wang", headers={"Authorization": "Bearer Wang"})
        await http.get("/v1/residents/Wang", headers=bearer("analyst"))
    assert [record.getMessage() for record in caplog.records if record.name == "mailiu.api"] == [
        "refused 401 GET /v1/residents/{resident} from 127.0.0.1: the token is not valid",
        "refused 403 GET /v1/residents/{resident} from 127.0.0.1: not allowed",
    ]


# ---- paths and headers


@pytest.mark.parametrize(
    "path",
    [
        "/v1/residents/..%2f..%2fetc%2fpasswd", "/v1/residents/../../etc/passwd", "/v1/residents/R1%00",
        "/v1/residents/R1%0d%0aSet-Cookie:%20a=b", "/v1/residents/%27%20OR%201=1--", "/v1/residents/{resident:String}",
        "/v1/residents/11010519491231002X%20", "/v1/statistics/..", "/v1/alerts/1%20UNION%20SELECT",
    ],
)  # fmt: skip
async def test_a_path_that_is_none_of_ours_reaches_nothing(path: str) -> None:
    asked: list[str] = []

    def tables(sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        asked.append(sql)
        return []

    async with client(tables) as (http, _):
        answer = await http.get(path, headers=bearer("admin", "*"))
    assert answer.status_code in (404, 422)
    assert asked == []
    assert "set-cookie" not in answer.headers


@asynccontextmanager
async def served(app: Any, **limits: float) -> AsyncIterator[tuple[str, int]]:
    """``app`` on a real socket, by our uvicorn."""
    protocol = type("Quick", (Impatient,), limits)
    config = uvicorn.Config(app, port=0, http=protocol, log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield listener.getsockname()
    finally:
        server.should_exit = True
        await serving


async def fine(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("fine")(scope, receive, send)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /health HTTP/1.1\r\nHost: a\r\nX-Evil: a\x00b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX Evil: b\r\n\r\n",
        b"GET /health HTTP/1.1\r\n Host: folded\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 400_000 + b"\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
    ids=["nul", "space in name", "folded", "two lengths", "bytes in path", "too long", "no HTTP"],
)
async def test_a_malformed_request_is_refused_at_the_socket(request_bytes: bytes) -> None:
    async with served(fine) as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request_bytes)
        try:
            answer = await reader.read()
        except ConnectionResetError:  # it did not even take it all
            answer = b"HTTP/1.1 400"
        writer.transport.abort()
    assert answer.startswith(b"HTTP/1.1 400")


# ---- slow clients


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: a\r\nX-"], ids=["nothing", "half a head"])
async def test_a_client_that_does_not_finish_its_head_is_dropped(sent: bytes) -> None:
    async with served(fine, head_seconds=0.05) as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(sent)
        assert await _dropped(reader)
        writer.close()


async def test_the_head_of_a_second_request_may_not_take_longer_either() -> None:
    async with served(fine, head_seconds=0.05) as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"200" in await reader.readuntil(b"fine")
        writer.write(b"GET / HTTP/1.1\r\n")
        assert await _dropped(reader)
        writer.close()


async def test_a_body_that_does_not_come_is_408() -> None:
    slow = FastAPI()
    problem.install(slow)

    @slow.post("/")
    async def take(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    slow.add_middleware(BodyLimit, seconds=0.05)
    async with served(slow) as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"urn:mailiu:problem:too-slow" in answer


async def test_a_client_that_takes_nothing_is_dropped() -> None:
    ended = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        async def blocks() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 65536
                    await asyncio.sleep(0)
            finally:
                ended.set()

        await StreamingResponse(blocks())(scope, receive, send)

    async with served(endless, taking_seconds=0.05) as (host, port):
        _, writer = await asyncio.open_connection(host, port, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.wait_for(ended.wait(), 30)
        writer.transport.abort()


async def _dropped(reader: asyncio.StreamReader) -> bool:
    """Whether the other side ends the connection without an answer."""
    try:
        return await asyncio.wait_for(reader.read(), 30) == b""
    except ConnectionResetError:
        return True


# ---- start


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, "-m", "infra.cli", "part", "api"]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | {"MAILIU_API": address},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line]
    assert lines == [f"The API cannot listen on {address} (MAILIU_API): Address already in use"]
