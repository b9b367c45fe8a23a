"""All event types in one place: which model checks them, which partition they go to, how old versions are lifted."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from pydantic import ValidationError

from schemas import (
    alert,
    chronic,
    clock,
    consent,
    device,
    examination,
    follow_up,
    guidance,
    history,
    identity,
    maternal,
    merge,
    monitoring,
    notice,
    organization,
    questionnaire,
    reading,
    resident,
    rule,
    score,
    task,
)
from schemas import round as rounds
from schemas.envelope import Data, Event, InvalidEvent, invalid
from schemas.private import MAYBE, found, texts

CONTEXTS = (
    organization,
    resident,
    consent,
    merge,
    identity,
    device,
    monitoring,
    reading,
    chronic,
    follow_up,
    history,
    examination,
    guidance,
    questionnaire,
    maternal,
    alert,
    notice,
    score,
    task,
    rounds,
    rule,
    clock,
)

#: Events that gateways accept, by type.
EVENTS: dict[str, type[Data]] = {type: model for context in CONTEXTS for type, model in context.EVENTS.items()}
#: Events that only the fold makes; recomputable, on the topic `derived`.
DERIVED: dict[str, type[Data]] = (
    resident.DERIVED
    | merge.DERIVED
    | guidance.DERIVED
    | questionnaire.DERIVED
    | alert.DERIVED
    | notice.DERIVED
    | device.DERIVED
    | score.DERIVED
    | task.DERIVED
    | rounds.DERIVED
    | clock.DERIVED
)
#: Old type -> (newer type, function that lifts the data).
UPCASTERS: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    **chronic.UPCASTERS,
    **follow_up.UPCASTERS,
}
#: Type -> function that brings checked data to the form in which they are kept.
CANONICAL: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {**examination.CANONICAL}
#: Types that concern many residents and are appended to every partition.
BROADCAST = (
    frozenset(organization.EVENTS)
    | frozenset(rounds.BROADCAST)
    | frozenset(rule.EVENTS)
    | {"mailiu.device.model-registered.v1"}
)
#: Types that only Mailiu's own parts write, never a client.
INTERNAL = frozenset(clock.EVENTS) | merge.INTERNAL | frozenset(identity.EVENTS)
DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: Types that are nobody's in particular; every other event names its institution.
WITHOUT_INSTITUTION = merge.INTERNAL | frozenset(rule.EVENTS) | frozenset(clock.EVENTS) | frozenset(clock.DERIVED)


def parse(value: bytes | str | Mapping[str, Any], *, internal: bool = False, derived: bool = False) -> Event:
    """The event in ``value``, envelope and data checked, in the version it came in; values in their canonical units.

    The data are judged as JSON and strictly, as the exported JSON Schema says: "150" is no number, "no" no boolean.
    Raises `InvalidEvent` that names the field and the value. Without ``internal``, clock events are refused; without
    ``derived``, what only the fold makes.
    """
    if isinstance(value, bytes | str):
        raw = value
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise InvalidEvent("event", raw[:80], f"not JSON: {error}", "unreadable") from error
    if not isinstance(value, Mapping):
        raise InvalidEvent("event", str(value)[:80], "an event is a JSON object")
    try:
        event = Event.model_validate(value)
    except ValidationError as error:
        raise invalid(error) from error
    model = EVENTS.get(event.type) or (DERIVED.get(event.type) if derived else None)
    if model is None or (event.type in INTERNAL and not internal):
        raise InvalidEvent("type", event.type, "no event type that can be sent" + _nearest(event.type))
    try:
        data = orjson.dumps(event.data)
        model.model_validate_json(data, strict=True)
    except TypeError as error:  # a number beyond 64 bits, half a surrogate pair: no JSON that every reader can read
        raise InvalidEvent("data", str(event.data)[:80], str(error)) from error
    except ValidationError as error:
        raise invalid(error, "data") from error
    if event.type in CANONICAL:
        event = event.model_copy(update={"data": CANONICAL[event.type](event.data)})
    if event.institution is None and event.type not in WITHOUT_INSTITUTION:
        raise InvalidEvent("institution", None, "required for this type")
    if MAYBE.search(data) or MAYBE.search(f"{event.id}\n{event.source}\n{event.subject}\n{event.actor}".encode()):
        _refuse_personal(event)
    return event


def _refuse_personal(event: Event) -> None:
    """Refuse an ID number or a mobile number in any text of ``event``; the value is not repeated."""
    told = {"id": event.id, "source": event.source, "subject": event.subject, "actor": event.actor, "data": event.data}
    for field, text in texts({name: value for name, value in told.items() if value is not None}, ""):
        if which := found(text):
            reason = f"holds an {'ID' if which == 'id-number' else 'unsealed phone'} number, which belongs in the vault"
            raise InvalidEvent(field, "…", reason)


def upcast(type: str, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """``type`` and ``data`` in the newest version."""
    while type in UPCASTERS:
        type, lift = UPCASTERS[type][0], UPCASTERS[type][1]
        data = lift(data)
    return type, data


def newest(type: str) -> bool:
    """Whether ``type`` is in its newest version."""
    return type not in UPCASTERS


def json_schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema (2020-12) of every type, by type; each refers to ``envelope.json``, see `envelope_schema`."""
    return {type: _schema(type, model) for type, model in sorted({**EVENTS, **DERIVED}.items())}


def envelope_schema() -> dict[str, Any]:
    """The JSON Schema of the envelope that all events share."""
    return {"$schema": DIALECT} | Event.model_json_schema()


def _schema(type: str, model: type[Data]) -> dict[str, Any]:
    data = model.model_json_schema()
    definitions = {"$defs": data.pop("$defs")} if "$defs" in data else {}
    properties: dict[str, Any] = {"type": {"const": type}, "data": data}
    if type not in WITHOUT_INSTITUTION:
        properties["institution"] = {"type": "string"}
    return {
        "$schema": DIALECT, "title": type, "description": model.__doc__, "$ref": "envelope.json",
        "properties": properties, "required": sorted(properties),
    } | definitions  # fmt: skip


def _nearest(type: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(type, EVENTS, 1)
    return f"; did you mean {close[0]}?" if close else ""
