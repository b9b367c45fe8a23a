"""`GET /asyncapi`: every MQTT and Kafka channel with its messages, as AsyncAPI 3.0, made from the schemas."""

from functools import cache
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api import asyncapi_payloads as payloads
from infra.settings import settings
from mqtt_ingest.decoded import KINDS
from mqtt_ingest.formats import ALIASES, FORMATS
from schemas.envelope import Event
from schemas.registry import BROADCAST, DERIVED, EVENTS, UPCASTERS, WITHOUT_INSTITUTION
from schemas.topics import TOPICS

router = APIRouter(include_in_schema=False)
HERE = "#/components/schemas/"
CODE = {"description": "letters, digits, `.`, `_`, `-`; one level of the topic"}
HEADERS = {
    "type": "object", "properties": {"ce_type": {"type": "string"}, "ce_id": {"type": "string", "format": "uuid"}},
    "required": ["ce_type", "ce_id"],
}  # fmt: skip


@router.get("/asyncapi")
async def asyncapi() -> JSONResponse:
    """The document."""
    return JSONResponse(document(settings().kafka, settings().mqtt))


@cache
def document(kafka: str, mqtt: str) -> dict[str, Any]:
    """The AsyncAPI document with these addresses of the servers (host:port)."""
    schemas, events = _events()
    messages = events | _devices()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Mailiu 脉流", "version": "1", "license": {"name": "Apache-2.0"},
            "description": "Devices speak MQTT 5 or 3.1.1 with quality of service 1; everything accepted is an event "
            "on Kafka.\n\n设备以 MQTT 上报；所有被接收的数据均为 Kafka 上的事件。",
        },
        "defaultContentType": "application/json",
        "servers": {
            "mqtt": {"host": mqtt, "protocol": "mqtt", "protocolVersion": "5", "description": "devices and gateways"},
            "kafka": {"host": kafka.split(",")[0], "protocol": "kafka", "description": "the log; inside only"},
        },
        "channels": _mqtt_channels() | _kafka_channels(),
        "operations": _operations(),
        "components": {"schemas": schemas, "messages": messages},
    }  # fmt: skip


def _events() -> tuple[dict[str, Any], dict[str, Any]]:
    """The schemas of envelope and data, and a message for every type of event."""
    types = {**EVENTS, **DERIVED}
    wanted: set[type[BaseModel]] = {Event, *types.values()}
    models = sorted(wanted, key=lambda model: (model.__module__, model.__name__))
    names, whole = models_json_schema([(model, "validation") for model in models], ref_template=HERE + "{model}")
    messages = {type: _event(type, model.__doc__ or "", names[model, "validation"], names[Event, "validation"])
                for type, model in types.items()}  # fmt: skip
    return whole["$defs"], messages


def _event(type: str, doc: str, data: Any, envelope: Any) -> dict[str, Any]:
    own: dict[str, Any] = {"type": {"const": type}, "data": data}
    if type not in WITHOUT_INSTITUTION:
        own["institution"] = {"type": "string"}
    summary, _, more = doc.strip().partition("\n")
    message = {
        "name": type, "title": type, "summary": summary, "headers": HEADERS,
        "contentType": "application/cloudevents+json",
        "payload": {"allOf": [envelope, {"type": "object", "properties": own, "required": sorted(own)}]},
    }  # fmt: skip
    if more.strip():
        message["description"] = more.strip()
    if type in UPCASTERS:
        message["description"] = f"Superseded by {UPCASTERS[type][0]}, still accepted. {more.strip()}".strip()
    return message


def _devices() -> dict[str, Any]:
    raw = {"type": "string", "format": "binary", "description": "the characteristic's value, or its hex digits"}

    def message(summary: str, payload: dict[str, Any], content: str = "application/json") -> dict[str, Any]:
        return {"summary": summary, "payload": payload, "contentType": content}

    return {
        "json": message("Mailiu JSON: one reading or an array of them.", payloads.READINGS),
        "open-mhealth": message("An Open mHealth data point, or an array of them.", {"type": ["object", "array"]}),
        "fhir": message("A FHIR R4 Observation or Bundle.", {"type": "object"}, "application/fhir+json"),
        **{name: message(f"Bluetooth characteristic 0x{name[4:].upper()}.", raw, "application/octet-stream")
           for name in FORMATS if name.startswith("ble-")},
        "hello": message("The device asks for the time.", {}),
        "receipt": message("What became of a reading.", payloads.RECEIPT),
        "command": message("What the device is asked to do.", payloads.COMMAND),
        "time": message("The time.", payloads.NOW),
        "rejected": message("A refusal.", payloads.REFUSAL),
        "devices": message("A device, or whose it is.", payloads.DEVICE_FACT),
        "audit": message("A view of a person.", payloads.VIEW),
        "clock": message("Empty: only the broker's own time stamp is of use.", {}),
    }  # fmt: skip


UP = (*FORMATS, "hello")
DOWN = {
    "receipt": ("receipt", "One for every reading."),
    "command": ("command", "At least once, with an expiry."),
    "time": ("time", "After `hello`, and where the device's clock is wrong."),
    "config": ("command", "At least once, with an expiry."),
}
ON_KAFKA = {
    "events": ("every accepted event, keyed by resident; kept for ever", tuple(EVENTS)),
    "derived": ("alerts, notices, commands, progress: all recomputable from `events`", tuple(DERIVED)),
    "rejected": ("what was refused", ("rejected",)),
    "devices": ("whose each device was and is; compacted", ("devices",)),
    "audit": ("who saw whom", ("audit",)),
    "time": ("lets gateways compare their clock with the broker's", ("clock",)),
}


def _channel(address: str, server: str, description: str, messages: tuple[str, ...], **more: Any) -> dict[str, Any]:
    return {
        "address": address, "servers": [{"$ref": f"#/servers/{server}"}], "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages}, **more,
    }  # fmt: skip


def _mqtt_channels() -> dict[str, Any]:
    who = {"institution": CODE, "device": CODE}
    kind = {"description": "a format, or what was measured", "enum": sorted({*UP, *ALIASES, *KINDS})}
    up = "A device publishes, quality of service 1, and keeps what has no receipt. Measured kinds take JSON."
    channels = {
        "up": _channel("mailiu/{institution}/{device}/up/{kind}", "mqtt", up, UP, parameters=who | {"kind": kind})
    }
    for name, (message, about) in DOWN.items():
        address = f"mailiu/{{institution}}/{{device}}/down/{name}"
        channels[f"down-{name}"] = _channel(address, "mqtt", about, (message,), parameters=who)
    return channels


def _kafka_channels() -> dict[str, Any]:
    channels = {}
    for topic in TOPICS:
        description, messages = ON_KAFKA[topic.name]
        if topic.name == "events":
            description += f"; on every partition: clock.ticked and {len(BROADCAST)} types that concern many residents"
        # The binding names only what its own schema knows.
        policy = {"cleanup.policy": [topic.config["cleanup.policy"]]} if "cleanup.policy" in topic.config else {}
        kept = {"retention.ms": int(topic.config["retention.ms"])} if "retention.ms" in topic.config else {}
        kafka = {"topic": topic.name, "topicConfiguration": policy | kept, "bindingVersion": "0.5.0"}
        channels[topic.name] = _channel(topic.name, "kafka", description, messages, bindings={"kafka": kafka})
    return channels


def _operations() -> dict[str, Any]:
    """What Mailiu does on each channel: `receive` from devices, `send` to them and to the log."""

    def operation(action: str, channel: str, summary: str) -> dict[str, Any]:
        return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}

    qos = {"bindings": {"mqtt": {"qos": 1, "bindingVersion": "0.2.0"}}}
    return {
        "take": operation("receive", "up", "Take what devices publish.") | qos,
        **{f"tell-{name}": operation("send", f"down-{name}", f"Publish {name} to a device.") | qos for name in DOWN},
        **{f"append-{topic.name}": operation("send", topic.name, f"Append to {topic.name}.") for topic in TOPICS},
        **{f"read-{name}": operation("receive", name, f"Follow {name}.") for name in ("events", "derived", "devices")},
    }
