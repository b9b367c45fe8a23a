"""Mailiu JSON: the payload a device maker writes who has no other format. One object, or an array of them.

| field | meaning |
|---|---|
| `id` | text ≤ 100, unique for this device: makes a resent reading one reading |
| `seq` | whole number that counts the device's readings; helps where there is no `id` |
| `kind` | `blood-pressure`, `glucose`, `heart-rate`, `weight`, `oxygen`, `temperature`, `activity`; default: topic's |
| `time` | RFC 3339 by the device's clock; without an offset it is local time; absent: taken at receipt |
| `user` | user slot 0 to 254 of a shared device; 255: unknown |
| `systolic`, `diastolic`, `mean` | pressure in `unit` `mmHg` (default), `mm[Hg]` or `kPa` |
| `pulse` | /min |
| `value`, `unit` | other kinds: mmol/L (default) or mg/dL, /min, kg (default) or lb, %, Cel (default) or [degF]; \
`"HI"` and `"LO"` are a meter's own |
| `duration`, `distance`, `energy` | steps: s over which they were counted, m, kcal |
| `context`, `specimen` | glucose: `fasting`, `before-meal`, `after-meal-2h`, `bedtime`, `random`; `capillary` … |
| `position`, `arm` | `sitting`, `standing`, `lying`; `left`, `right` |
| `flags` | any of `body-movement`, `cuff-loose`, `irregular-pulse`, `pulse-high`, `pulse-low`, `improper-position` |
| `backlog` | true: stored on the device and sent later |
| `source` | `self-reported` where a person typed the values in |
| `error` | the device's error code: the measurement failed |
| `device` | whose reading it is, where a gateway publishes for other devices |
| `battery` | % of charge left, beside a reading |

Fields not named here are ignored. A flag not named here is kept in the reading's note.
"""

from collections.abc import Mapping
from typing import Any

from mqtt_ingest.decoded import (
    FLAGS,
    KINDS,
    Decoded,
    Undecodable,
    choice,
    each,
    failed,
    mapping,
    parse_json,
    reading,
    shown,
    text,
    when,
)
from mqtt_ingest.units import KEPT
from schemas.device import Kind

ABOUT = (
    "context", "specimen", "position", "arm", "source", "place", "note", "activity", "duration", "distance", "energy",
)  # fmt: skip


def decode(payload: bytes, kind: str | None = None) -> list[Decoded | Undecodable]:
    """The readings in ``payload``; ``kind`` is what an element without one is. Raises `Undecodable`."""
    value = parse_json(payload)
    if not isinstance(value, list):
        return [element(value, kind)]
    if not value:
        raise Undecodable("invalid", "payload", "[]", "an empty array holds no reading")
    return each(value, lambda one: [element(one, kind)])


def element(value: object, kind: str | None = None) -> Decoded:
    """The reading in one JSON object. Raises `Undecodable`, with the sender's id where that could be read."""
    fields = mapping("payload", value)
    try:
        return _element(fields, kind)
    except Undecodable as error:
        sent, device = fields.get("id"), fields.get("device")
        error.id = sent if isinstance(sent, str) and 0 < len(sent) <= 100 else None
        error.device = device if isinstance(device, str) else None
        raise


def _element(fields: Mapping[str, Any], kind: str | None) -> Decoded:
    what = fields.get("kind", kind)
    if what is None:
        what = "blood-pressure" if "systolic" in fields else None
    if what is None:
        raise Undecodable("invalid", "kind", None, "required")
    of: Kind = choice("kind", what, KINDS)  # type: ignore[assignment]
    id, seq, time = fields.get("id"), fields.get("seq"), fields.get("time")
    flags, unknown = _flags(fields)
    about = {name: fields[name] for name in ABOUT if fields.get(name) is not None}
    if unknown:
        about["note"] = shown(" ".join([str(about.get("note", "")), "flags: " + ", ".join(unknown)]).strip())
    device, battery = fields.get("device"), fields.get("battery")
    rest: dict[str, Any] = {
        "id": None if id is None else text("id", str(id) if isinstance(id, int) and not isinstance(id, bool) else id),
        "seq": None if seq is None else _whole("seq", seq, 0, 2**53),
        "time": None if time is None else when("time", time),
        "user": None if fields.get("user") is None else _whole("user", fields["user"], 0, 255),
        "flags": flags,
        "about": about,
        "device": None if device is None else text("device", device, 64),
        "status": {} if battery is None else {"battery": _whole("battery", battery, 0, 100)},
    }
    if (error := fields.get("error")) not in (None, "", 0, False):
        return failed(of, "error-code", "error", error, **rest)
    unit = fields.get("unit", KEPT[of])
    return reading(of, fields, text("unit", unit, 20), **rest)


def _flags(fields: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    sent = fields.get("flags") or []
    if not isinstance(sent, list) or not all(isinstance(flag, str) for flag in sent):
        raise Undecodable("invalid", "flags", sent, "an array of texts is needed")
    backlog = ["backlog"] if fields.get("backlog") is True else []
    return [f for f in sent if f in FLAGS] + backlog, [f for f in sent if f not in FLAGS]


def _whole(name: str, value: object, lowest: int, highest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise Undecodable("invalid", name, value, f"a whole number from {lowest} to {highest} is needed")
    return value
