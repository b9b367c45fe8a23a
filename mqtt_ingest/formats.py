"""The payload formats by name, as topics and `mailiu decode` spell them."""

from collections.abc import Callable
from typing import Any

from mqtt_ingest import ble_2a1c, ble_2a5e, ble_2a9d, ble_2a18, ble_2a35, ble_2a37, mailiu_json, open_mhealth
from mqtt_ingest.address import VENDOR
from mqtt_ingest.decoded import KINDS, Decoded, Undecodable, parse_json

Results = list[Decoded | Undecodable]


def _fhir(payload: bytes) -> Results:
    from mqtt_ingest import fhir  # its models take a while to load, and most bridges never meet one

    return fhir.decode(payload)


FORMATS: dict[str, Callable[[bytes], Results]] = {
    "json": mailiu_json.decode,
    "open-mhealth": open_mhealth.decode,
    "ble-2a18": ble_2a18.decode,
    "ble-2a1c": ble_2a1c.decode,
    "ble-2a35": ble_2a35.decode,
    "ble-2a37": ble_2a37.decode,
    "ble-2a5e": ble_2a5e.spot_check,
    "ble-2a5f": ble_2a5e.continuous,
    "ble-2a9d": ble_2a9d.decode,
    "fhir": _fhir,
}
BLUETOOTH = frozenset(name for name in FORMATS if name.startswith("ble-"))
#: Other spellings of the topic's last level.
ALIASES = {"reading": "json", "readings": "json", "2a35": "ble-2a35", "ble": "ble-2a35", "omh": "open-mhealth"}


def decode(kind: str, payload: bytes) -> Results:
    """The readings in what a device published to ``up/{kind}``: a format's name, or what was measured.

    ``vendor/{name}`` is what a vendor's cloud sent.

    Under a measured kind JSON says itself which format it is. Bluetooth's formats take raw bytes, or their hex digits.
    Raises `Undecodable`.
    """
    if kind.startswith(VENDOR):
        from mqtt_ingest import vendor  # as rarely

        return vendor.decode(kind.removeprefix(VENDOR), payload)
    kind = ALIASES.get(kind, kind)
    if kind in KINDS:
        return _measured(kind, payload)
    decoder = FORMATS.get(kind)
    if decoder is None:
        raise Undecodable("unknown-kind", "kind", kind)
    if kind in BLUETOOTH:
        payload = unhex(payload)
    return decoder(payload)


def _measured(kind: str, payload: bytes) -> Results:
    first = payload[:400]
    if b'"header"' in first or b'"body"' in first or b'"resourceType"' in first:
        value: Any = parse_json(payload)
        one = value[0] if isinstance(value, list) and value else value
        if isinstance(one, dict) and "resourceType" in one:
            return _fhir(payload)
        if isinstance(one, dict) and "header" in one and "body" in one:
            return open_mhealth.decode(payload)
    return mailiu_json.decode(payload, kind)


def unhex(payload: bytes) -> bytes:
    """The bytes that ``payload`` spells in hex digits, else ``payload`` itself.

    No Bluetooth value can be taken for hex text: every hex digit, read as flags, has a reserved bit set.
    """
    try:
        return bytes.fromhex(payload.decode("ascii")) if payload else payload
    except ValueError:
        return payload
