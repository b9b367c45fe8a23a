"""JSON Schemas of the messages that are no events: what devices read and publish, and the plain records of Kafka."""

from typing import Any

from mqtt_ingest.decoded import KINDS

INSTANT = {"type": "string", "format": "date-time"}
TEXT = {"type": ["string", "null"]}
BOTH = {
    "type": "object", "properties": {"zh": {"type": "string"}, "en": {"type": "string"}}, "required": ["zh", "en"],
    "description": "the same in Chinese and English",
}  # fmt: skip
NUMBER = {"type": ["number", "string"], "description": 'a number; of a glucose meter also "HI" and "LO"'}


def _object(description: str, required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "description": description, "properties": properties, "required": required}


READING = _object(
    "One reading as Mailiu JSON; other fields are ignored.", [],
    id={"type": "string", "minLength": 1, "maxLength": 100, "description": "makes a resent reading one reading"},
    seq={"type": "integer", "description": "counts the device's readings, where there is no `id`"},
    kind={"enum": sorted(KINDS), "description": "default: the topic's last level"},
    time={"type": "string", "description": "RFC 3339 by the device's clock; absent: taken at receipt"},
    user={"type": "integer", "minimum": 0, "maximum": 255, "description": "slot of a shared device; 255: unknown"},
    systolic={"type": "number"}, diastolic={"type": "number"}, mean={"type": "number"},
    pulse={"type": "number", "description": "/min"}, value=NUMBER, unit={"type": "string", "description": "UCUM"},
    flags={"type": "array", "items": {"type": "string"}},
    backlog={"type": "boolean", "description": "stored on the device and sent later"},
    error={"description": "the device's error code: the measurement failed"},
)  # fmt: skip
READINGS = {"oneOf": [READING, {"type": "array", "items": READING, "minItems": 1}]}

RECEIPT = _object(
    "Kafka holds the reading (accepted), or it was refused and why (rejected). Until then the device keeps it.",
    ["id", "status", "position", "reason", "field", "value", "message"],
    id=TEXT | {"description": "the reading's own id, where it had one"},
    seq={"type": "integer", "description": "where the device counts its readings"},
    status={"enum": ["accepted", "rejected"]},
    position=TEXT | {"description": "partition:offset in `events`, several joined by a comma"},
    reason=TEXT, field=TEXT, value=TEXT, message={"oneOf": [BOTH, {"type": "null"}]},
)  # fmt: skip

COMMAND = _object(
    "What the device is asked to do; the same id again is the same command. Not to be done past `expires`.",
    ["command", "id", "expires"],
    command={"type": "string", "description": "re-measure, time, configuration"},
    id={"type": "string", "format": "uuid"}, expires=INSTANT,
    text=BOTH | {"description": "to be shown to the person"},
    time=INSTANT | {"description": "of `time`: now, when it is sent"},
    configuration={"type": "object", "description": "of `configuration`: what the device is to set"},
)  # fmt: skip

NOW = {"anyOf": [COMMAND, _object("The gateway's clock, in answer to hello.", ["time"], time=INSTANT)]}

REFUSAL = {"anyOf": [
    _object(
        "What a gateway refused, whole and encrypted, and why; kept for 90 days.",
        ["id", "source", "received", "reason", "position"],
        id={"type": "string", "format": "uuid"}, source={"type": "string"}, received=INSTANT,
        reason={"type": "string"}, field=TEXT, value=TEXT, message=BOTH, device=TEXT, institution=TEXT, kind=TEXT,
        mqtt_topic=TEXT, raw={"type": "string", "description": "Fernet token of the refused bytes"}, position=TEXT,
        resolved=INSTANT | {"description": "it was taken since, at `position` in `events`"},
    ),
    _object("More of the bytes of a refusal.", ["id", "part", "raw"], id={"type": "string", "format": "uuid"},
            part={"type": "integer", "minimum": 1}, raw={"type": "string"}),
]}  # fmt: skip

MILLISECONDS = {"type": "integer", "description": "milliseconds since 1970"}
DEVICE_FACT = {"oneOf": [
    _object(
        "From when to when a device (and user slot) is a resident's.",
        ["kind", "device", "user_slot", "resident", "from", "to"],
        kind={"const": "binding"}, device={"type": "string"}, user_slot={"type": ["integer", "null"]},
        resident={"type": "string"}, institution=TEXT, to={"type": ["integer", "null"]}, **{"from": MILLISECONDS},
    ),
    _object("A device is known.", ["kind", "device"], kind={"const": "device"}, device={"type": "string"},
            institution=TEXT, model=TEXT),
    _object("A version of a rule was put in force.", ["kind", "rule", "version"], kind={"const": "rule"},
            rule={"type": "string"}, version={"type": "integer", "minimum": 1}),
]}  # fmt: skip

VIEW = _object(
    "Who saw, exported or issued what, chained by hashes.", ["id", "actor", "action", "time"],
    id={"type": "string"}, actor={"type": "string"}, role={"type": "string"}, action={"type": "string"},
    what={"type": "string"}, resident={"type": "string"}, time=INSTANT,
)  # fmt: skip
