"""What every decoder makes of a payload: readings, each with its values or with the technical fault that left none.

A decoder is a pure function of bytes. It raises only `Undecodable`; within an array one bad element spoils none of the
others: its `Undecodable` stands in its place.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, get_args

import orjson
from pydantic import ValidationError

from mqtt_ingest.texts import explain
from mqtt_ingest.units import KEPT, UNITS
from schemas.device import Kind
from schemas.envelope import Data
from schemas.reading import EVENTS, Flag

KINDS: tuple[Kind, ...] = get_args(Kind)
FLAGS: frozenset[str] = frozenset(get_args(Flag))
#: The schema of a kind's reading.
MODELS: dict[Kind, type[Data]] = {kind: EVENTS[f"mailiu.reading.{kind}-measured.v1"] for kind in KINDS}
#: Numbers of a kind's reading, where it is not just `value`.
NUMBERS: dict[Kind, tuple[str, ...]] = {
    "blood-pressure": ("systolic", "diastolic", "mean", "pulse"),
    "oxygen": ("value", "pulse"),
}
#: Those that may be absent; 0 in one of them means "not measured".
OPTIONAL = ("mean", "pulse")


class Undecodable(ValueError):
    """A payload (or one element of it) that is no valid reading: ``code``, ``field``, ``value`` (text), ``message``."""

    def __init__(self, code: str, field: str, value: object, detail: str = "") -> None:
        self.code, self.field, self.value, self.detail = code, field, shown(value), detail
        self.message = explain(code, field, self.value, detail)
        #: What identifies the element for its sender, where that much could be read.
        self.id: str | None = None
        #: The element of an array that it is about, and the device that it names.
        self.element: Any = None
        self.device: str | None = None
        super().__init__(self.message["en"])


@dataclass(frozen=True, slots=True)
class Decoded:
    """One reading as a device sent it.

    ``time`` is the device's own: aware where an offset was sent, naive where it is the device's local time, None where
    the device has no usable clock. ``about`` holds fields of the reading's schema other than values (position, arm,
    context …). With ``technical`` set there are no values and ``fault`` names the field and the value at fault.
    """

    kind: Kind
    values: dict[str, float]
    time: datetime | None = None
    user: int | None = None
    flags: tuple[str, ...] = ()
    technical: str | None = None
    fault: tuple[str, str] = ("", "")
    detail: str = ""
    id: str | None = None
    seq: int | None = None
    about: dict[str, Any] = field(default_factory=dict)
    statistic: str | None = None
    approximate: bool = False
    subject: str | None = None
    device: str | None = None
    #: What the payload says of the device itself, as in `device.status-reported`.
    status: Mapping[str, Any] = field(default_factory=dict)
    #: The element of an array that this reading was; None where it was the whole payload.
    element: Any = None

    @property
    def message(self) -> dict[str, str]:
        """The technical fault in both languages."""
        assert self.technical is not None
        return explain(self.technical, *self.fault, self.detail)

    def as_json(self) -> dict[str, Any]:
        """The reading as `mailiu decode` prints it."""
        out: dict[str, Any] = {"kind": self.kind}
        if self.technical is not None:
            out |= {"technical": self.technical, "field": self.fault[0], "value_sent": self.fault[1]}
            out["message"] = self.message
        elif self.kind == "blood-pressure":
            out |= {name: plain(self.values.get(name)) for name in NUMBERS["blood-pressure"]}
        else:
            out |= {name: plain(value) for name, value in self.values.items()} | {"unit": KEPT[self.kind]}
        out |= {"time": None if self.time is None else instant(self.time), "user": self.user, "flags": list(self.flags)}
        extra = {
            "id": self.id, "seq": self.seq, "statistic": self.statistic, "subject": self.subject,
            "device": self.device, "approximate_time": self.approximate or None, "status": dict(self.status) or None,
        }  # fmt: skip
        return out | {name: value for name, value in extra.items() if value is not None} | self.about


class Fault(Exception):
    """Inside a decoder: the measurement of ``field`` failed technically."""

    def __init__(self, reason: str, field: str, value: object) -> None:
        self.reason, self.field, self.value = reason, field, shown(value)


#: SFLOAT mantissas that mean "no value", as careless gateways pass them on: as plain numbers.
MANTISSAS = {2047: "not-a-number", -2048: "not-at-this-resolution", 2046: "infinite", -2046: "infinite"}
MANTISSAS |= {2048: "not-at-this-resolution", -2047: "not-a-number"}
WORDS = {"nan": "not-a-number", "nres": "not-at-this-resolution", "inf": "infinite", "infinity": "infinite"}
WORDS |= {"+inf": "infinite", "-inf": "infinite", "-infinity": "infinite", "hi": "infinite", "lo": "infinite"}


def number(name: str, value: object) -> float:
    """The number in ``value``; raises `Fault` for one that means "no value", `Undecodable` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        if isinstance(value, str) and value.strip().lower() in WORDS:
            raise Fault(WORDS[value.strip().lower()], name, value)
        raise Undecodable("invalid", name, value, "a number is needed")
    try:
        result = float(value)
    except OverflowError:
        raise Fault("infinite", name, str(value)[:40]) from None
    if math.isnan(result):
        raise Fault("not-a-number", name, "NaN")
    if math.isinf(result):
        raise Fault("infinite", name, result)
    if result in MANTISSAS:
        raise Fault(MANTISSAS[int(result)], name, value)
    return result


def reading(
    kind: Kind,
    raw: Mapping[str, object],
    unit: str,
    *,
    flags: Iterable[str] = (),
    about: Mapping[str, Any] | None = None,
    **rest: Any,
) -> Decoded:
    """The reading of ``kind`` with the numbers ``raw`` in ``unit``, converted, checked against the schema's limits.

    ``raw`` has systolic and diastolic (and mean, pulse), or value (and, of oxygen, pulse). Raises `Undecodable` where a
    needed number is missing or is none, or another field breaks the schema. A number that means "no value", lies
    outside the limits or belongs to a swapped pair makes a technical fault, for nothing of such a reading is to be
    believed.
    """
    marks = tuple(dict.fromkeys(flags))
    extra = {name: value for name, value in (about or {}).items() if name in MODELS[kind].model_fields}
    convert = UNITS[kind].get(unit)
    if convert is None:
        raise Undecodable("invalid", "unit", unit, "one of " + ", ".join(UNITS[kind]))
    values: dict[str, float] = {}
    try:
        for name in NUMBERS.get(kind, ("value",)):
            given = raw.get(name)
            if name in OPTIONAL:
                try:
                    if given is None or (sent := number(name, given)) == 0:
                        continue
                except Fault:
                    continue
            elif given is None:
                raise Undecodable("invalid", name, None, "required")
            else:
                sent = number(name, given)
            values[name] = sent if name == "pulse" else convert(sent)
        _check(kind, values, extra)
    except Fault as fault:
        if str(fault.value).strip().lower() in ("hi", "lo"):
            marks += ("meter-high" if str(fault.value).strip().lower() == "hi" else "meter-low",)
            fault.reason = "error-code"
        return failed(kind, fault.reason, fault.field, fault.value, flags=marks, about=extra, **rest)
    except _OutOfLimits as error:
        return failed(
            kind, error.reason, error.field, error.value, flags=marks, about=extra, detail=error.detail, **rest
        )
    return Decoded(kind, values, flags=marks, about=extra, **rest)


def failed(
    kind: Kind, reason: str, field: str, value: object, *, flags: Iterable[str] = (), detail: str = "", **rest: Any
) -> Decoded:
    """A reading without values: the measurement failed for ``reason``, seen in ``field``."""
    return Decoded(kind, {}, flags=tuple(flags), technical=reason, fault=(field, shown(value)), detail=detail, **rest)


def each(
    elements: Iterable[object], decode: Callable[[object], "list[Decoded | Undecodable]"]
) -> "list[Decoded | Undecodable]":
    """What ``decode`` makes of every element of an array, in order; a refusal stands in its element's place."""
    results: list[Decoded | Undecodable] = []
    for one in elements:
        try:
            results += [replace(r, element=one) if isinstance(r, Decoded) else r for r in decode(one)]
        except Undecodable as error:
            error.element = one
            results.append(error)
    return results


SIGNS = (("ge", "≥"), ("le", "≤"))


class _OutOfLimits(Exception):
    def __init__(self, reason: str, field: str, value: object, detail: str) -> None:
        self.reason, self.field, self.value, self.detail = reason, field, shown(value), detail


def _check(kind: Kind, values: Mapping[str, float], about: Mapping[str, Any]) -> None:
    """Hold values and further fields against the reading's schema, where the limits live."""
    try:
        MODELS[kind].model_validate({**values, **about})
    except ValidationError as problem:
        error = problem.errors(include_url=False)[0]
        if error["type"] == "value_error":
            value = "/".join(f"{values[name]:g}" for name in ("systolic", "diastolic"))
            raise _OutOfLimits("swapped-pair", "systolic/diastolic", value, "") from None
        name = str(error["loc"][0])
        if name in values:
            limit = ", ".join(f"{sign} {error['ctx'][key]:g}" for key, sign in SIGNS if key in error["ctx"])
            raise _OutOfLimits("out-of-limits", name, f"{values[name]:g}", limit) from None
        raise Undecodable("invalid", name, error["input"], error["msg"]) from None


def when(name: str, value: object) -> datetime:
    """The instant in ISO 8601 text, naive where it has no offset. Raises `Undecodable`."""
    if not isinstance(value, str) or len(value) > 40 or "T" not in value.upper().replace(" ", "T"):
        raise Undecodable("invalid", name, value, "an RFC 3339 instant is needed")
    try:
        result = datetime.fromisoformat(value.upper())
    except ValueError:
        raise Undecodable("invalid", name, value, "an RFC 3339 instant is needed") from None
    return representable(name, result)


def representable(name: str, value: datetime) -> datetime:
    """``value`` if it is an instant that survives a change of zone (years 2 to 9998). Raises `Undecodable`."""
    if not 2 <= value.year <= 9998:
        raise Undecodable("invalid", name, value.isoformat(), "no such year")
    return value


def day(name: str, value: object) -> date:
    """The date in ISO 8601 text. Raises `Undecodable`."""
    try:
        if not isinstance(value, str) or len(value) != 10:
            raise ValueError
        return date.fromisoformat(value)
    except ValueError:
        raise Undecodable("invalid", name, value, "a date is needed") from None


def parse_json(payload: bytes) -> Any:
    """The JSON value in ``payload``; NaN and Infinity, which devices do send, are let through as numbers.

    Raises `Undecodable`.
    """
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        problem = str(error)
    if b"NaN" in payload or b"Infinity" in payload:
        import json

        try:
            value = json.loads(payload)
            json.dumps(value, ensure_ascii=False).encode()  # refuses half a surrogate pair, as orjson does
            return value
        except (ValueError, RecursionError):
            pass
    raise Undecodable("unreadable", "payload", payload[:60], problem)


def mapping(name: str, value: object) -> dict[str, Any]:
    """``value`` as a JSON object. Raises `Undecodable`."""
    if not isinstance(value, dict):
        raise Undecodable("invalid", name, value, "a JSON object is needed")
    return value


def text(name: str, value: object, longest: int = 100) -> str:
    """``value`` as a text of 1 to ``longest`` characters. Raises `Undecodable`."""
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise Undecodable("invalid", name, value, f"a text of 1 to {longest} characters is needed")
    return value


def choice(name: str, value: object, allowed: Collection[str]) -> str:
    """``value`` if it is one of ``allowed``. Raises `Undecodable`."""
    if not isinstance(value, str) or value not in allowed:
        raise Undecodable("invalid", name, value, "one of " + ", ".join(allowed))
    return value


def shown(value: object) -> str:
    """``value`` as a refusal shows it: text of at most 200 characters."""
    if isinstance(value, bytes):
        return value[:60].hex() if any(b < 32 or b > 126 for b in value[:60]) else value[:60].decode()
    if value is None:
        return "-"
    shortened = value if isinstance(value, str) else repr(value)
    return shortened.encode("utf-8", "replace").decode()[:200]


def instant(value: datetime) -> str:
    """ISO text as it was sent; an offset of zero as ``Z``."""
    return value.isoformat().replace("+00:00", "Z")


def plain(value: float | None) -> float | int | None:
    """Whole numbers without a decimal point."""
    return int(value) if value is not None and value == int(value) else value
