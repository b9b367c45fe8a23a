"""The gate: what a device published becomes an event of a resident, or a refusal that names field, value and reason.

No I/O. It asks the bindings whose reading it is, and the history of the device's receipts when it was taken. Beside an
accepted or refused reading there may be an event about it: `device.measurement-failed` for a technical fault, so that
somebody looks after three of them, and `device.person-unknown` for a crisis value that cannot be given to anybody.

What comes from a vendor's cloud goes the same way; there, and behind a gateway, the payload names the device.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, get_args

import orjson

from mqtt_ingest import ble_2a19, clock_trust, device_event
from mqtt_ingest.address import Address, address
from mqtt_ingest.bindings import Binding, Bindings
from mqtt_ingest.clock_trust import Receipt, Verdict
from mqtt_ingest.crisis import is_crisis
from mqtt_ingest.decoded import KINDS, Decoded, Undecodable, shown
from mqtt_ingest.formats import ALIASES, decode, unhex
from mqtt_ingest.texts import explain
from mqtt_ingest.topics import CODE
from schemas.device import Fault
from schemas.envelope import Event
from schemas.private import found

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

    ``at`` is whose it is; ``id`` and ``seq`` are the sender's own where it gave them; ``raw`` are the reading's bytes;
    ``content`` tells a resent reading from another one with the same id.
    """

    at: Address
    id: str
    raw: bytes
    event: Event | None = None
    refusal: Refusal | None = None
    also: tuple[Event, ...] = ()
    seq: int | None = None
    content: bytes = b""


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
        if not at.vendor:
            for name, code in (("institution", at.institution), ("device", at.device)):
                if not CODE.fullmatch(code):
                    return [self._refuse(at, now, payload, "invalid", name, code, "one of A-Z, a-z, 0-9, ., _, -")]
        if len(payload) > LARGEST:
            return [self._refuse(at, now, payload, "too-large", "payload", f"{len(payload)} bytes", str(LARGEST))]
        try:
            if at.kind in ("status", "ble-2a19"):
                return [self._status(at, payload, now)]
            if at.kind == "command-result":
                return [self._result(at, payload, now)]
            results = decode(at.kind, payload)
            if not results:
                raise Undecodable("unknown-kind", "payload", payload[:60], "no reading in it")
        except Undecodable as error:
            return [self._undecodable(at, error, payload, now)]
        placed = [(self._whose(at, one), one) for one in results]
        verdicts = {
            device: iter([verdict] * len(placed) if verdict else self._verdicts(device, placed, now))
            for device in {whose.device for whose, _ in placed}
        }
        answers = []
        for whose, result in placed:
            raw = payload if result.element is None else orjson.dumps(result.element)
            if isinstance(result, Undecodable):
                answers.append(self._undecodable(whose, result, raw, now))
            else:
                answers.append(self._reading(whose, result, raw, now, next(verdicts[whose.device])))
        return answers

    # ---- when

    def _verdicts(
        self, device: str, placed: list[tuple[Address, Decoded | Undecodable]], now: int
    ) -> Iterator[Verdict]:
        """When each of the device's decoded readings was taken, in order."""
        readings = [one for whose, one in placed if isinstance(one, Decoded) and whose.device == device]
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

    def _whose(self, at: Address, one: Decoded | Undecodable) -> Address:
        """The address of the device that measured: the topic's own, or the one that a gateway's payload names.

        What measures people itself publishes for itself, whatever it calls itself in its payload.
        """
        if one.device is None:
            return at
        named = one.device.removeprefix("Device/")
        if not CODE.fullmatch(named) or named == at.device:
            return at
        if at.vendor:
            return at.of(named, min(self.bindings.institutions(named), default=None))
        gateway = self.bindings.is_gateway(at.device)
        return at if not gateway and (at.kind == "fhir" or self.bindings.worn(at.device)) else at.of(named)

    def _reading(self, at: Address, one: Decoded, raw: bytes, now: int, verdict: Verdict) -> Answer:
        id, content = self._identity(at, one, now)
        slot = one.user
        time = None if one.time is None else self._instant(one.time)
        rest: dict[str, Any] = {"at": at, "id": id, "raw": raw, "seq": one.seq, "content": content}

        def refuse(reason: str, name: str, value: object, detail: str = "", also: tuple[Event, ...] = ()) -> Answer:
            message = explain(reason, name, shown(value), detail)
            return Answer(refusal=Refusal(reason, name, shown(value), message, one.kind, verdict), also=also, **rest)

        if found(id):
            return refuse("invalid", "id", "…", "a number of a person is no id")
        known = self.bindings.known(at.device)
        if one.statistic is not None:
            return refuse("invalid", "descriptive_statistic", one.statistic, "an aggregate is no single measurement")
        if foreign := self._foreign(at):
            return refuse(*foreign)
        holder = self._holder(at.device, slot, now, verdict)
        bound = holder if isinstance(holder, Binding) else None
        if one.technical == "entered-in-error" and one.id and bound:
            return Answer(event=device_event.retracted(at, one.id, verdict, bound), **rest)
        status = (device_event.reported(at, id, one.status, now, bound),) if one.status and known else ()
        if one.technical is not None:
            failed = (device_event.failed(at, one, id, verdict, bound, time),) if one.technical in FAULTS else ()
            return refuse(one.technical, *one.fault, one.detail, (*failed, *status) if known else ())
        if not known:
            return refuse("unknown-device", "device", at.device, also=self._crisis(at, one, id, verdict))
        if bound is None:
            reason = "ambiguous-binding" if holder == "ambiguous" else "unbound-device"
            also = self._crisis(at, one, id, verdict) + status
            return refuse(reason, "device", _place(at.device, slot), also=also)
        model, shared = self.bindings.model(at.device), self.bindings.shared(at.device, verdict.time)
        event = device_event.measured(at, one, id, verdict, bound, time, model, shared)
        return Answer(event=event, also=status, **rest)

    def _crisis(self, at: Address, one: Decoded, id: str, verdict: Verdict) -> tuple[Event, ...]:
        """What is told of a value that cannot be given to anybody: that somebody must look, if it is a crisis."""
        if not at.institution or not is_crisis(one.kind, one.values, {"rules": self.bindings.rules}):
            return ()
        return (device_event.person_unknown(at, one, id, verdict),)

    def _foreign(self, at: Address) -> tuple[str, str, str] | None:
        """Why the device may not be spoken for from there: reason, field and value."""
        if at.via is not None and not self.bindings.may_publish(at.via, at.device):
            return "not-authorized", "device", at.device
        if self.bindings.known(at.device) and at.institution not in self.bindings.institutions(at.device):
            return "wrong-institution", "institution", at.institution
        return None

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

    # ---- what a device says beside its readings

    def _status(self, at: Address, payload: bytes, now: int) -> Answer:
        """`up/status`, or a battery level by Bluetooth; raises `Undecodable`."""
        id, named = None, None
        if at.kind == "ble-2a19":
            data = ble_2a19.decode(unhex(payload) if len(payload) > 1 else payload)
        else:
            data, id, named = device_event.status_in(payload)
        at = at.of(named) if named and named != at.device else at
        content = hashlib.blake2b(orjson.dumps(data), digest_size=16).digest()
        id = id or f"{now}-{content.hex()}"
        if refused := self._unknown(at, payload, now, id):
            return refused
        event = device_event.reported(at, id, data, now, self.bindings.holder(at.device, None, now))
        return Answer(at, id, payload, event=event, content=content)

    def _result(self, at: Address, payload: bytes, now: int) -> Answer:
        """`up/command-result`: what became of a command, as the device says; raises `Undecodable`."""
        result, named = device_event.result_in(payload)
        at = at.of(named) if named and named != at.device else at
        if refused := self._unknown(at, payload, now, result["id"]):
            return refused
        event = device_event.answered(at, result, now, self.bindings.holder(at.device, None, now))
        content = hashlib.blake2b(orjson.dumps(result), digest_size=16).digest()
        return Answer(at, result["id"], payload, event=event, content=content)

    def _unknown(self, at: Address, payload: bytes, now: int, id: str) -> Answer | None:
        """The refusal of what is said by, or for, a device that is not known there."""
        if foreign := self._foreign(at):
            return self._refuse(at, now, payload, *foreign, id=id)
        if not self.bindings.known(at.device):
            return self._refuse(at, now, payload, "unknown-device", "device", at.device, id=id)
        return None

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
        return Answer(at, id or f"{digest.hexdigest()}-{now}", raw, refusal=refusal, content=digest.digest())


def _place(device: str, slot: int | None) -> str:
    return device if slot is None else f"{device}, user {slot}"


def _milliseconds(instant: datetime) -> int:
    """Milliseconds since 1970, cut off as in the text of an event, so that no reading lies after its receipt."""
    return round(instant.replace(microsecond=instant.microsecond // 1000 * 1000).timestamp() * 1000)
