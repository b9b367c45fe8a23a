"""What a request says: user, statement, parameters, settings, formats, encodings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request

from infra.clickhouse.errors import Refused

TRANSPORT = frozenset(
    {
        "query", "user", "password", "database", "default_format", "session_id", "session_timeout",
        "session_check", "query_id", "compress", "decompress", "quota_key", "buffer_size", "wait_end_of_query",
        "client_protocol_version", "role", "stacktrace", "enable_http_compression",
        "http_zlib_compression_level", "send_progress_in_http_headers", "http_headers_progress_interval_ms",
        "add_http_cors_header", "network_compression_method",
    }
)  # fmt: skip
"""Parameters that concern the transport; every other parameter is a setting, as on a server."""


@dataclass
class Asked:
    """A request's parameters, read once."""

    user: str
    query: str
    database: str
    format: str
    query_id: str
    session: str
    reading: bool
    whole: bool
    frames: bool
    unframe: bool
    accept: str
    encoding: str
    address: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    all: Mapping[str, str] = field(default_factory=dict)


def read(user: str, request: Request, given: Mapping[str, str], database: str) -> Asked:
    """What ``user`` asks with the parameters ``given``; raises `Refused` for what a request may not choose."""
    headers = request.headers
    if "role" in given:
        raise Refused(512, "SET_NON_GRANTED_ROLE", "Roles cannot be chosen by a request")
    wanted = given.get("database") or headers.get("x-clickhouse-database") or ""
    if user != "mailiu":
        if wanted not in ("", "default", database):
            raise Refused(497, "ACCESS_DENIED", f"{user}: Not enough privileges to use this database")
        wanted = database
    query_id = given.get("query_id", "")
    return Asked(
        user=user,
        query=given.get("query", ""),
        database=wanted,
        format=given.get("default_format") or headers.get("x-clickhouse-format") or "TabSeparated",
        query_id=query_id if re.fullmatch(r"[\x21-\x7e]{1,128}", query_id) else "",
        session=given.get("session_id", "") if user == "mailiu" else "",
        reading=request.method != "POST",
        whole=given.get("wait_end_of_query") == "1",
        frames=given.get("compress") == "1",
        unframe=given.get("decompress") == "1",
        accept=headers.get("accept-encoding", "") if given.get("enable_http_compression") == "1" else "",
        encoding=headers.get("content-encoding", ""),
        address=request.client.host if request.client else "",
        settings={k: v for k, v in given.items() if k not in TRANSPORT and not k.startswith("param_")},
        parameters={k[6:]: v for k, v in given.items() if k.startswith("param_")},
        all=given,
    )
