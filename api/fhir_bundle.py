"""The resources of a request to `POST /v1/fhir`: one by itself, or those of a Bundle, each with what its entry says."""

from typing import Any, NamedTuple

import orjson
from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from api.event_body import EVENT_BYTES, elements_of
from api.rejected import Refused
from mqtt_ingest.decoded import Undecodable
from mqtt_ingest.fhir_event import Entry, corrected

MOST = 2_000  # resources in one Bundle
BUNDLES = ("batch", "transaction", "collection")
METHODS = ("POST", "PUT")


class Sent(NamedTuple):
    """A resource of a request: as sent, its place in the Bundle, and what is wrong with its entry.

    One that is ``implied`` by the next takes back what that corrects, and is not answered by itself. ``url`` is what
    other resources of the Bundle call it; ``known`` the resident that a Patient's `ifNoneExist` has found.
    """

    entry: Entry
    raw: bytes
    inside: str = ""
    fault: Undecodable | Refused | None = None
    implied: bool = False
    url: str = ""
    known: str = ""


def read(body: bytes, condition: str | None) -> tuple[str | None, list[Sent]]:
    """The Bundle's type (None for a single resource) and the resources. Raises `Undecodable`."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Undecodable("unreadable", "payload", body[:60], str(error)) from error
    if not isinstance(value, dict):
        raise Undecodable("invalid", "payload", value, "a JSON object is needed")
    if value.get("resourceType") != "Bundle":
        one = Entry(value, condition)
        return None, [Sent(one, body if condition is None else one.raw())]
    kind, entries = value.get("type"), value.get("entry") or []
    _check_bundle(value)
    if kind not in BUNDLES:
        raise Undecodable("not-supported", "Bundle.type", kind)
    if len(entries) > MOST:
        raise Undecodable("too-large", "Bundle.entry", len(entries), str(MOST))
    raws = elements_of(body, "entry")
    if len(raws) != len(entries):
        raws = [orjson.dumps(each) for each in entries]
    return kind, [_sent(kind, number, *pair) for number, pair in enumerate(zip(entries, raws, strict=True))]


def spelled_out(sent: Sent) -> list[Sent]:
    """A resource, after what it implies."""
    first = corrected(sent.entry)
    return [sent] if first is None else [sent._replace(entry=first, implied=True), sent]


def _check_bundle(value: dict[str, Any]) -> None:
    """Hold the Bundle itself against FHIR's model, its resources left out: each is judged by itself."""
    entries = value.get("entry") or []
    shell = value
    if isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries):
        bare = [{name: part for name, part in entry.items() if name != "resource"} for entry in entries]
        shell = value | {"entry": bare}
    try:
        Bundle.model_validate({name: part for name, part in shell.items() if name != "entry" or part})
    except ValidationError as problem:
        error = problem.errors(include_url=False)[0]
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"] if part != "root")
        raise Undecodable("invalid", f"Bundle{path}", error.get("input"), error["msg"]) from problem
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as problem:
        raise Undecodable("invalid", "Bundle", None, f"{type(problem).__name__}: {problem}"[:100]) from problem


def _sent(kind: str, number: int, entry: dict[str, Any], raw: bytes) -> Sent:
    where, request = f"Bundle.entry[{number}]", entry.get("request") or {}
    resource = entry.get("resource")
    found = Entry(resource if isinstance(resource, dict) else {}, request.get("ifNoneExist"))
    fault = None
    if not isinstance(resource, dict):
        fault = Undecodable("invalid", "resource", resource, "a JSON object is needed")
    elif len(raw) > EVENT_BYTES:
        fault = Undecodable("too-large", "resource", f"{len(raw)} bytes", str(EVENT_BYTES))
    elif kind != "collection" and request.get("method") not in METHODS:
        fault = Undecodable("not-supported", "request.method", request.get("method"))
    return Sent(found, raw, f"{where}.resource", fault, url=str(entry.get("fullUrl") or ""))
