"""The gate: what a device published becomes an event of a resident, or a refusal that names field, value and reason.

No I/O. It asks the bindings whose reading it is, and the history of the device's receipts when it was taken. Beside an
accepted or refused reading there may be an event about it: `device.measurement-failed` for a technical fault, so that
somebody looks after three of them, and `device.person-unknown` for a crisis value that cannot be given to anybody.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, get_args

import orjson
from pydantic import ValidationError

from mqtt_ingest import clock_trust
from mqtt_ingest.bindings import UNKNOWN_USER, Binding, Bindings
from mqtt_ingest.clock_trust import Receipt, Verdict
from mqtt_ingest.crisis import is_crisis
from mqtt_ingest.decoded import KINDS, Decoded, Undecodable, mapping, parse_json, shown
from mqtt_ingest.formats import ALIASES, decode
from mqtt_ingest.texts import explain
from mqtt_ingest.topics import CODE
from schemas.device import EVENTS as DEVICE
from schemas.device import Fault
from schemas.envelope import Event, identity
from schemas.private import found, harmless

LARGEST = 256 * 1024  #: bytes of a payload
#: Around an instant that is not trusted, a change of binding within so much makes it uncertain whose it was (M).
UNCERTAIN = clock_trust.DAY
#: Without id, sequence number and clock, the same values again within so much are the same reading, sent again.
RESENT = 2 * clock_trust.MINUTE
FAULTS = frozenset(get_args(Fault))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something was refused."""

    reason: str
    field: str
    value: str
    message: dict[str, str]
    kind: str | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of one reading: an accepted event or a refusal; ``also`` are events about it.

    ``id`` and ``seq`` are the sender's own where it gave them; ``raw`` are the reading's bytes; ``content`` tells a
    resent reading from another one with the same id.
    """

    id: str
    raw: bytes
    event: Event | None = None
    refusal: Refusal | None = None
    also: tuple[Event, ...] = ()
    seq: int | None = None
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message came from."""

    topic: str
    institution: str
    device: str
    kind: str

    @property
    def source(self) -> str:
        """The events' source."""
        return f"mqtt/{self.institution}/{self.device}"


def address(topic: str) -> Address:
    """The parts of ``mailiu/{institution}/{device}/up/{kind}``; raises ``ValueError`` for any other topic."""
    parts = topic.split("/")
    if len(parts) != 5 or parts[0] != "mailiu" or parts[3] != "up":
        raise ValueError(f"{topic} is no topic of a device")
    return Address(topic, parts[1], parts[2], parts[4])


@dataclass
class Gate:
    """Judges messages one after the other; keeps each device's recent receipts, for its clock."""

    bindings: Bindings
    zone: tzinfo = UTC
    tolerance: int = clock_trust.TOLERANCE
    clocks: dict[str, list[Receipt]] = field(default_factory=dict)
    _unnamed: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    def take(self, topic: str, payload: bytes, received: datetime, verdict: Verdict | None = None) -> list[Answer]:
        """One answer for every reading in ``payload``; ``verdict`` is what was found when it came the first time."""
        at = address(topic)
        now = _milliseconds(received)
        for name, code in (("institution", at.institution), ("device", at.device)):
            if not CODE.fullmatch(code):
                return [self._refuse(at, now, payload, "invalid", name, code, "one of A-Z, a-z, 0-9, ., _, -")]
        if len(payload) > LARGEST:
            return [self._refuse(at, now, payload, "too-large", "payload", f"{len(payload)} bytes", str(LARGEST))]
        try:
            if at.kind == "status":
                return [self._status(at, payload, now)]
            results = decode(at.kind, payload)
            if not results:
                raise Undecodable("unknown-kind", "payload", payload[:60], "no reading in it")
        except Undecodable as error:
            return [self._undecodable(at, error, payload, now)]
        verdicts = iter([verdict] * len(results) if verdict else self._verdicts(at.device, results, now))
        answers = []
        for result in results:
            raw = payload if result.element is None else orjson.dumps(result.element)
            if isinstance(result, Undecodable):
                answers.append(self._undecodable(at, result, raw, now))
            else:
                answers.append(self._reading(at, result, raw, now, next(verdicts)))
        return answers

    # ---- when

    def _verdicts(self, device: str, results: list[Decoded | Undecodable], now: int) -> Iterator[Verdict]:
        """When each decoded reading was taken, in order."""
        readings = [result for result in results if isinstance(result, Decoded)]
        timed = [(self._instant(r.time), "backlog" in r.flags) for r in readings if r.time and not r.approximate]
        judged: Iterator[Verdict] = iter(())
        if timed:
            verdicts, history = clock_trust.judge(self.clocks.get(device, ()), timed, now, self.tolerance)
            judged = iter(verdicts)
            if self.bindings.known(device):
                self.clocks[device] = history
        for one in readings:
            if one.time and not one.approximate:
                yield next(judged)
            elif one.time:
                yield Verdict(min(self._instant(one.time), now), "untrusted", True)
            else:
                yield Verdict(now, "untrusted" if "backlog" in one.flags else "receipt", "backlog" in one.flags)

    def _instant(self, time: datetime) -> int:
        return _milliseconds(time if time.tzinfo else time.replace(tzinfo=self.zone))

    # ---- whose

    def _reading(self, at: Address, one: Decoded, raw: bytes, now: int, verdict: Verdict) -> Answer:
        id, content = self._identity(at, one, now)
        slot = one.user
        rest: dict[str, Any] = {"id": id, "raw": raw, "seq": one.seq, "content": content}

        def refuse(reason: str, name: str, value: object, detail: str = "", also: tuple[Event, ...] = ()) -> Answer:
            message = explain(reason, name, shown(value), detail)
            return Answer(refusal=Refusal(reason, name, shown(value), message, one.kind, verdict), also=also, **rest)

        if found(id):
            return refuse("invalid", "id", "…", "a number of a person is no id")
        known, crisis = self.bindings.known(at.device), is_crisis(one.kind, one.values)
        nobody = (self._person_unknown(at, one, id, verdict),) if crisis else ()
        if one.statistic is not None:
            return refuse("invalid", "descriptive_statistic", one.statistic, "an aggregate is no single measurement")
        if known and at.institution not in self.bindings.institutions(at.device):
            return refuse("wrong-institution", "institution", at.institution)
        holder = self._holder(at.device, slot, now, verdict)
        if one.technical == "entered-in-error" and one.id and isinstance(holder, Binding):
            return Answer(event=self._retracted(at, one.id, verdict, holder), **rest)
        if one.technical is not None:
            failed = (self._failed(at, one, id, verdict, holder),) if known and one.technical in FAULTS else ()
            return refuse(one.technical, *one.fault, one.detail, failed)
        if not known:
            return refuse("unknown-device", "device", at.device, also=nobody)
        if holder == "ambiguous":
            return refuse("ambiguous-binding", "device", _place(at.device, slot), also=nobody)
        if not isinstance(holder, Binding):
            return refuse("unbound-device", "device", _place(at.device, slot), also=nobody)
        return Answer(event=self._event(at, one, id, verdict, holder), **rest)

    def _holder(self, device: str, slot: int | None, now: int, verdict: Verdict) -> Binding | str | None:
        """The binding at the reading's time; "ambiguous" where the clock leaves it open between two residents."""
        if verdict.clock == "untrusted" or (verdict.clock == "corrected" and verdict.backlog):
            margin = UNCERTAIN if verdict.clock == "untrusted" else 2 * self.tolerance
            last = now if verdict.clock == "untrusted" else verdict.time + margin
            if len(self.bindings.holders(device, slot, verdict.time - margin, last)) > 1:
                return "ambiguous"
        return self.bindings.holder(device, slot, verdict.time)

    def _identity(self, at: Address, one: Decoded, now: int) -> tuple[str, bytes]:
        """The event's id within its source, and a digest of what the device sent.

        The payload's own id; else sequence number, kind, device time and values; else, for a device without id,
        counter and clock, the values and when they first came.
        """
        told = [
            one.kind, one.seq, None if one.time is None else one.time.isoformat(), one.user, sorted(one.values.items()),
            one.technical, one.fault,
        ]  # fmt: skip
        content = hashlib.blake2b(orjson.dumps(told), digest_size=16)
        if one.id is not None:
            return one.id, content.digest()
        if one.seq is not None or one.time is not None:
            return content.hexdigest(), content.digest()
        key = at.source, content.hexdigest()
        first, last = self._unnamed.get(key, (now, now))
        if not 0 <= now - last <= RESENT:
            first = now
        self._unnamed[key] = first, max(now, last)
        if len(self._unnamed) > 10_000:
            self._unnamed = {k: v for k, v in self._unnamed.items() if now - v[1] <= RESENT}
        return f"{content.hexdigest()}-{first}", content.digest()

    # ---- events

    def _event(self, at: Address, one: Decoded, id: str, verdict: Verdict, holder: Binding) -> Event:
        data: dict[str, Any] = {**one.values, **one.about, "device": at.device, "clock": verdict.clock}
        if flags := _flags(one, verdict):
            data["flags"] = flags
        if one.user is not None:
            data["user_slot"] = one.user
        if one.time is not None:
            data["device_time"] = _text(self._instant(one.time))
        return Event(
            id=id, source=at.source, type=f"mailiu.reading.{one.kind}-measured.v1", subject=holder.resident,
            time=_when(verdict.time), institution=holder.institution or at.institution, data=data,
        )  # fmt: skip

    def _retracted(self, at: Address, id: str, verdict: Verdict, holder: Binding) -> Event:
        """The sender takes back the reading that it sent with this id."""
        data = {"reading": str(identity(at.source, id)), "reason": "entered-in-error"}
        event = self._about(at, "retracted", f"retracted/{id}", data, verdict.time, holder)
        return event.model_copy(update={"type": "mailiu.reading.retracted.v1"})

    def _failed(self, at: Address, one: Decoded, id: str, verdict: Verdict, holder: Binding | str | None) -> Event:
        data = {
            "device": at.device, "kind": one.kind, "user_slot": one.user, "reason": one.technical,
            "field": one.fault[0][:60] or None, "value": _told(one.fault), "flags": _flags(one, verdict),
            "device_time": None if one.time is None else _text(self._instant(one.time)),
        }  # fmt: skip
        return self._about(at, "measurement-failed", f"failed/{id}", data, verdict.time, holder)

    def _person_unknown(self, at: Address, one: Decoded, id: str, verdict: Verdict) -> Event:
        values = {name: value for name, value in one.values.items() if name in ("systolic", "diastolic", "value")}
        data = {"device": at.device, "kind": one.kind, "user_slot": one.user, **values}
        return self._about(at, "person-unknown", f"person-unknown/{id}", data, verdict.time, None)

    def _about(
        self, at: Address, what: str, id: str, data: dict[str, Any], time: int, holder: Binding | str | None
    ) -> Event:
        bound = holder if isinstance(holder, Binding) else None
        return Event(
            id=id[:200], source=at.source, type=f"mailiu.device.{what}.v1",
            subject=bound.resident if bound else f"device:{at.device}", time=_when(time),
            institution=(bound.institution if bound else None) or at.institution,
            data={name: value for name, value in data.items() if value is not None},
        )  # fmt: skip

    def _status(self, at: Address, payload: bytes, now: int) -> Answer:
        """`up/status`: {"battery": %, "signal": dB[mW], "firmware": text}; raises `Undecodable`."""
        sent = mapping("payload", parse_json(payload))
        data = {name: sent[name] for name in ("battery", "signal", "firmware") if sent.get(name) is not None}
        try:
            DEVICE["mailiu.device.status-reported.v1"].model_validate({"device": at.device} | data)
        except ValidationError as problem:
            error = problem.errors(include_url=False)[0]
            raise Undecodable("invalid", str(error["loc"][0]), error["input"], error["msg"]) from None
        content = hashlib.blake2b(orjson.dumps(data), digest_size=16).digest()
        id = sent["id"] if isinstance(sent.get("id"), str) and 0 < len(sent["id"]) <= 100 else f"{now}-{content.hex()}"
        if not self.bindings.known(at.device):
            return self._refuse(at, now, payload, "unknown-device", "device", at.device, id=id)
        if at.institution not in self.bindings.institutions(at.device):
            return self._refuse(at, now, payload, "wrong-institution", "institution", at.institution, id=id)
        holder = self.bindings.holder(at.device, None, now)
        event = self._about(at, "status-reported", f"status/{id}", {"device": at.device} | data, now, holder)
        return Answer(id, payload, event=event, content=content)

    # ---- refusals

    def _undecodable(self, at: Address, error: Undecodable, raw: bytes, now: int) -> Answer:
        return self._refuse(at, now, raw, error.code, error.field, error.value, error.detail, id=error.id)

    def _refuse(
        self, at: Address, now: int, raw: bytes, reason: str, name: str, value: str, detail: str = "",
        id: str | None = None,
    ) -> Answer:  # fmt: skip
        kind = ALIASES.get(at.kind, at.kind)
        message = explain(reason, name, shown(value), detail)
        refusal = Refusal(reason, name, shown(value), message, kind if kind in KINDS else None)
        digest = hashlib.blake2b(raw, digest_size=16)
        return Answer(id or f"{digest.hexdigest()}-{now}", raw, refusal=refusal, content=digest.digest())


def _flags(one: Decoded, verdict: Verdict) -> list[str]:
    flags = list(one.flags)
    if verdict.backlog and "backlog" not in flags:
        flags.append("backlog")
    if one.user == UNKNOWN_USER:
        flags.append("unknown-user")
    return flags


def _told(fault: tuple[str, str]) -> str | None:
    """The value at fault, where it is a number, an instant or a code and not words of a person."""
    return fault[1][:60] if harmless(*fault) else None


def _place(device: str, slot: int | None) -> str:
    return device if slot is None else f"{device}, user {slot}"


def _milliseconds(instant: datetime) -> int:
    """Milliseconds since 1970, cut off as in the text of an event, so that no reading lies after its receipt."""
    return round(instant.replace(microsecond=instant.microsecond // 1000 * 1000).timestamp() * 1000)


def _when(instant: int) -> datetime:
    return datetime.fromtimestamp(instant / 1000, UTC)


def _text(instant: int) -> str:
    return _when(instant).isoformat(timespec="milliseconds").replace("+00:00", "Z")
