"""The body of `POST /v1/events`, taken apart: one event, a JSON array, or NDJSON; each event with its bytes as sent."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from api.problem import Problem

MANY = 10_000  # events in one request
EVENT_BYTES = 256 * 1024
JSON_TYPES = frozenset({"application/json", "application/cloudevents+json", "application/cloudevents-batch+json"})
NDJSON_TYPES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
#: What matters to find the elements of an array: strings as a whole, brackets and commas.
SIGN = re.compile(rb'"(?:[^"\\]|\\.)*"|[][{},]', re.S)
COLON = re.compile(rb"\s*:\s*")
OPENING, CLOSING = (b"[", b"{"), (b"]", b"}")


class Sent(NamedTuple):
    """One event of a request: its bytes, and what they say (``None`` with ``error`` where they say nothing)."""

    raw: bytes
    value: Any
    error: str | None = None


def split(body: bytes, content_type: str, encoding: str) -> list[Sent]:
    """The events in ``body``, in order.

    Raises a problem: 415 for another content type or an encoded body, 400 when a JSON body can't be read or holds no
    event, 413 for more than 10,000 events. A bad NDJSON line is one bad event.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if encoding.strip().lower() not in ("", "identity"):
        raise Problem(415, f"content encoding {encoding!r} is not supported", {"Accept-Encoding": "identity"})
    if kind in NDJSON_TYPES:
        sent = [_line(line) for line in body.split(b"\n") if line.strip()]
    elif kind in JSON_TYPES:
        sent = _json(body)
    else:
        accepted = ", ".join(sorted(JSON_TYPES | NDJSON_TYPES))
        raise Problem(415, f"content type {kind or 'none'!r} is not one of {accepted}", {"Accept-Post": accepted})
    if not sent:
        raise Problem(400, "the body holds no event")
    if len(sent) > MANY:
        raise Problem(413, f"{len(sent)} events; at most {MANY} a request")
    return sent


def _line(line: bytes) -> Sent:
    try:
        return Sent(line.strip(), orjson.loads(line))
    except orjson.JSONDecodeError as error:
        return Sent(line.strip(), None, str(error))


def _json(body: bytes) -> list[Sent]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, f"the body is not JSON: {error}") from error
    if not isinstance(value, list):
        return [Sent(body, value)]
    return [Sent(raw, each) for raw, each in zip(_elements(body), value, strict=True)]


def elements_of(body: bytes, name: str) -> list[bytes]:
    """The bytes of each element of the array that is the member ``name`` of the JSON object ``body``, known as valid.

    None where there is no such array, or its name is spelt with escapes.
    """
    depth, start = 0, -1
    for token in SIGN.finditer(body):
        sign = token[0]
        if sign in OPENING:
            depth += 1
        elif sign in CLOSING:
            depth -= 1
            if depth == 1 and start >= 0:
                return list(_elements(body[start : token.end()])) if body[start : start + 1] == b"[" else []
        elif depth == 1 and start < 0 and sign == f'"{name}"'.encode():
            value = COLON.match(body, token.end())
            start = value.end() if value else -1
    return []


def _elements(body: bytes) -> Iterator[bytes]:
    """The bytes of each element of the JSON array ``body``, which is known to be valid JSON."""
    depth = start = 0
    for token in SIGN.finditer(body):
        sign = token[0]
        if sign in OPENING:
            depth += 1
            start = token.end() if depth == 1 else start
        elif sign in CLOSING:
            depth -= 1
        if (depth == 1 and sign == b",") or depth == 0:
            if element := body[start : token.start()].strip():
                yield element
            start = token.end()
