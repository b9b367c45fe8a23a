"""Vendor clouds: how each signs its calls and where in them the readings are, as data files (`vendors/*.toml`).

A file is checked when it is read; what it may say is in `docs/vendors.md`. Files of the operator lie in
``MAILIU_HOME/vendors`` and go before ours of the same name. Paths are dotted names, with numbers for places in arrays.
"""

import base64
import hmac
import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from infra.settings import settings
from mqtt_ingest.decoded import Decoded, Undecodable, each, failed, parse_json, reading, representable, when
from mqtt_ingest.topics import CODE
from schemas.device import Kind
from schemas.reading import Flag

FOLDER = Path(__file__).parent / "vendors"
EPOCHS = {"unix-s": 1, "unix-ms": 1000}


class Part(BaseModel):
    """A table of a mapping file; names that it does not know are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Signature(Part):
    """How a call proves that it is the vendor's: HMAC of time and body with the secret that both sides know."""

    scheme: Literal["hmac", "standard-webhooks"] = "hmac"
    header: str = ""
    prefix: str = ""
    algorithm: Literal["sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    timestamp_header: str = ""
    signed: str = Field("{timestamp}.{body}", pattern=r"^[^{}]*\{timestamp\}[^{}]*\{body\}[^{}]*$")
    tolerance_seconds: int = Field(300, ge=1, le=3600)

    def fault(self, secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str | None:
        """What is wrong with the call's signature at ``now`` (s since 1970); None for a good one. Takes equal time."""
        if self.scheme == "standard-webhooks":
            try:
                Webhook(secret.encode()).verify(body, dict(headers), json_parse=False)
            except (WebhookVerificationError, ValueError) as error:
                return str(error) if isinstance(error, WebhookVerificationError) else "malformed signature"
            return None
        stamp, sent = headers.get(self.timestamp_header.lower(), ""), headers.get(self.header.lower(), "")
        if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 13:
            return f"{self.timestamp_header}: seconds since 1970 are needed"
        if abs(now - int(stamp)) > self.tolerance_seconds:
            return f"{self.timestamp_header}: more than {self.tolerance_seconds} s from now"
        before, between, after = (part.encode() for part in _split(self.signed))
        made = hmac.new(secret.encode(), before + stamp.encode() + between + body + after, self.algorithm).digest()
        text = made.hex() if self.encoding == "hex" else base64.b64encode(made).decode()
        if not hmac.compare_digest(f"{self.prefix}{text}".encode(), sent.encode()):
            return f"{self.header}: is not the signature of this call"
        return None


class Test(Part):
    """A condition on an element."""

    path: str
    is_: str | int | bool = Field(alias="is")


class Coded(Part):
    """A code of the vendor's and what it means here."""

    path: str
    map: dict[str, str]


class Measure(Part):
    """One kind of reading: when an element is one, its numbers and their unit, its flags and coded fields."""

    kind: Kind
    when: Test | None = None
    unit: str | None = None
    unit_path: str | None = None
    values: dict[Literal["systolic", "diastolic", "mean", "pulse", "value"], str] = Field(min_length=1)
    flags: dict[Flag, str] = {}
    codes: dict[Literal["context", "specimen", "position", "arm"], Coded] = {}


class Places(Part):
    """Where in a call the readings are, and in each its device, id, time and user."""

    items: str | None = None
    device: str
    device_prefix: str = ""
    id: str | None = None
    user: str | None = None
    time: str
    time_format: str = "iso"
    zone: str = "Asia/Shanghai"
    error: str | None = None
    backlog: str | None = None


class Vendor(Part):
    """A vendor's mapping file."""

    title: dict[Literal["zh", "en"], str]
    signature: Signature
    reading: Places
    measure: list[Measure] = Field(min_length=1)

    def decode(self, payload: bytes) -> list[Decoded | Undecodable]:
        """The readings in a call; each names its device. Raises `Undecodable`."""
        value = parse_json(payload)
        items = None if self.reading.items is None else at(value, self.reading.items)
        if isinstance(items, list):
            return each(items, self.element)
        return self.element(value)

    def element(self, value: object) -> list[Decoded | Undecodable]:
        """The reading in one element, in a list. Raises `Undecodable`."""
        places = self.reading
        id, device = at(value, places.id), at(value, places.device)
        name = f"{places.device_prefix}{device}"
        try:
            if device is None or not CODE.fullmatch(name):
                raise Undecodable("invalid", places.device, device, "one of A-Z, a-z, 0-9, ., _, -")
            measure = next((one for one in self.measure if _matches(one, value)), None)
            if measure is None:
                raise Undecodable("unknown-kind", "payload", "-")
            return [self._reading(measure, value, name, None if id is None else str(id)[:100])]
        except Undecodable as error:
            error.id, error.device = None if id is None else str(id)[:100], name
            raise

    def _reading(self, measure: Measure, value: object, device: str, id: str | None) -> Decoded:
        places = self.reading
        user, error = at(value, places.user), at(value, places.error)
        flags = [flag for flag, path in measure.flags.items() if at(value, path) in (True, 1, "1", "true")]
        if at(value, places.backlog) in (True, 1, "1", "true"):
            flags.append("backlog")
        about = {name: code.map.get(str(at(value, code.path))) for name, code in measure.codes.items()}
        rest: dict[str, Any] = {
            "id": id, "device": device, "time": self._time(at(value, places.time)), "user": _slot(user), "flags": flags,
            "about": {name: meaning for name, meaning in about.items() if meaning is not None},
        }  # fmt: skip
        if error not in (None, "", 0, "0", False):
            return failed(measure.kind, "error-code", "error", error, **rest)
        unit = measure.unit or at(value, measure.unit_path)
        raw: dict[str, object] = {name: at(value, path) for name, path in measure.values.items()}
        return reading(measure.kind, raw, str(unit), **rest)

    def _time(self, value: object) -> datetime:
        name, form = self.reading.time, self.reading.time_format
        if form == "iso":
            found = when(name, value)
        elif form in EPOCHS:
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e14:
                raise Undecodable("invalid", name, value, "a number is needed")
            found = datetime.fromtimestamp(value / EPOCHS[form], ZoneInfo("UTC"))
        else:
            try:
                found = datetime.strptime(str(value), form)
            except ValueError:
                raise Undecodable("invalid", name, value, f"a time as {form} is needed") from None
        return representable(name, found if found.tzinfo else found.replace(tzinfo=ZoneInfo(self.reading.zone)))


@cache
def find(name: str) -> Vendor | None:
    """The vendor of that name; None where there is none. Raises ``ValueError`` that names the fault of its file."""
    if not CODE.fullmatch(name):
        return None
    for folder in (settings().home / "vendors", FOLDER):
        file = folder / f"{name}.toml"
        if file.exists():
            return read(file)
    return None


def read(file: Path) -> Vendor:
    """The vendor in a mapping file. Raises ``ValueError`` that names the fault."""
    try:
        vendor = Vendor.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
        ZoneInfo(vendor.reading.zone)
    except ValidationError as problem:
        error = problem.errors(include_url=False)[0]
        raise ValueError(f"{file.name}: {'.'.join(map(str, error['loc']))}: {error['msg']}") from problem
    except (tomllib.TOMLDecodeError, KeyError, OSError) as problem:
        raise ValueError(f"{file.name}: {problem}") from problem
    if vendor.signature.scheme == "hmac" and not (vendor.signature.header and vendor.signature.timestamp_header):
        raise ValueError(f"{file.name}: signature: header and timestamp_header are required")
    for one in vendor.measure:
        if (one.unit is None) == (one.unit_path is None):
            raise ValueError(f"{file.name}: measure {one.kind}: either unit or unit_path is required")
    return vendor


def secret(name: str) -> str:
    """The secret that the vendor signs with: ``MAILIU_HOME/secrets/vendor-NAME``, made on first use."""
    return settings().secret(f"vendor-{name}")


def decode(name: str, payload: bytes) -> list[Decoded | Undecodable]:
    """The readings in a call of that vendor. Raises `Undecodable`."""
    vendor = find(name)
    if vendor is None:
        raise Undecodable("unknown-kind", "vendor", name)
    return vendor.decode(payload)


def at(value: object, path: str | None) -> Any:
    """What stands at ``path``; None where nothing does."""
    for step in path.split(".") if path else [""]:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _matches(measure: Measure, value: object) -> bool:
    return measure.when is None or at(value, measure.when.path) == measure.when.is_


def _slot(user: object) -> int | None:
    if user is None:
        return None
    number = int(user) if isinstance(user, str) and user.isascii() and user.isdigit() and len(user) < 4 else user
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 255:
        raise Undecodable("invalid", "user", user, "a whole number from 0 to 255 is needed")
    return number


def _split(signed: str) -> tuple[str, str, str]:
    before, _, rest = signed.partition("{timestamp}")
    between, _, after = rest.partition("{body}")
    return before, between, after
