"""A resident to fold events into: a straight fold, its state read back from JSON after every event."""

from datetime import datetime
from typing import Any

import orjson

from schemas.registry import upcast
from streams.event import TICK, Input, Output, instant, rfc3339, uuid5
from streams.fold import due, fold, learn, new_facts

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
#: Thursday 2026-03-05 08:00 in Shanghai, a working day.
START = instant("2026-03-05T08:00:00+08:00")


def at(text: str) -> int:
    """Milliseconds of a local (Shanghai) time such as `2026-03-05 08:00`."""
    return round(datetime.fromisoformat(f"{text}+08:00").timestamp() * 1000)


class Resident:
    """Folds events and keeps what came out: ``alerts`` by id as last told, ``told`` the kinds in order."""

    def __init__(self, subject: str = "R1", born: str | None = "1960-05-01", zone: str = "Asia/Shanghai") -> None:
        self.subject, self.facts = subject, new_facts(zone)
        self.state: dict[str, Any] = {}
        self.offset = 0
        self.outputs: list[Output] = []
        self.new: list[Output] = []
        if born is not None:
            self.event("resident.registered.v1", {"sex": "male", "birth_date": born}, START - 400 * DAY)

    def event(
        self,
        type: str,
        data: dict[str, Any],
        time: int,
        *,
        recorded: int | None = None,
        id: str | None = None,
        institution: str | None = "I01",
        actor: str | None = None,
        origin: str = "live",
        subject: str | None = None,
    ) -> Input:
        """Fold an event of ``mailiu.<type>``; recorded when it happened unless said otherwise."""
        type, data = upcast(f"mailiu.{type}", data)
        event = Input(
            0,
            self.offset,
            uuid5(id or f"{self.subject}/{self.offset}"),
            type,
            subject or self.subject,
            time,
            time if recorded is None else recorded,
            data,
            institution,
            actor,
            origin,
        )
        self.offset += 1
        return self.fold(event)

    def fold(self, event: Input) -> Input:
        """Fold a ready event."""
        learn(self.facts, event)
        state, self.new = fold(self.state or None, event, self.facts)
        self.state = orjson.loads(orjson.dumps(state))
        self.outputs += self.new
        return event

    def bp(self, systolic: float, diastolic: float, time: int, **rest: Any) -> Input:
        """A home pressure by cuff D1; ``recorded``, ``id``, ``origin`` go to the envelope, the rest into the data."""
        return self.reading("blood-pressure", {"systolic": systolic, "diastolic": diastolic}, time, **rest)

    def glucose(self, value: float, time: int, **rest: Any) -> Input:
        """A glucose in mmol/L by meter D1."""
        return self.reading("glucose", {"value": value}, time, **rest)

    def reading(self, kind: str, data: dict[str, Any], time: int, **rest: Any) -> Input:
        """A reading of any kind by device D1."""
        envelope = {k: rest.pop(k) for k in ("recorded", "id", "origin", "institution") if k in rest}
        return self.event(f"reading.{kind}-measured.v1", {"device": "D1", **data, **rest}, time, **envelope)

    def days(self, systolic: float, diastolic: float, first: int, days: int) -> None:
        """Two readings each morning at 7 and evening at 19, from the day that holds ``first``."""
        begin = at(rfc3339(first + 8 * HOUR)[:10] + " 07:00")
        for day in range(days):
            for hour in (0, 12):
                for minute in (0, 1):
                    self.bp(systolic, diastolic, begin + day * DAY + hour * HOUR + minute * MINUTE)

    def tick(self, time: int) -> list[Output]:
        """A tick reaches the resident; what it puts out."""
        self.fold(Input(0, self.offset, uuid5(f"tick/{time}"), TICK, self.subject, time, time, {}))
        self.offset += 1
        return self.new

    def ticks(self, until: int) -> None:
        """Every tick that is due up to ``until``, at its instant."""
        while self.state and (next := due(self.state)) is not None and next <= until:
            before = self.facts["core"]
            self.tick(max(next, before))
            assert (due(self.state) or before + 1) > before, "a tick must settle what was due"
        self.tick(max(until, self.facts["core"]))

    @property
    def alerts(self) -> dict[str, dict[str, Any]]:
        """Every alert as last told, by id."""
        told: dict[str, dict[str, Any]] = {}
        for output in self.outputs:
            if output.type.startswith("mailiu.alert."):
                assert (
                    output.value["data"]["revision"]
                    == told.get(output.value["data"]["alert"], {}).get("revision", 0) + 1
                )
                told[output.value["data"]["alert"]] = output.value["data"]
        return told

    def of(self, rule: str) -> list[dict[str, Any]]:
        """The alerts of one rule, oldest first."""
        return [alert for alert in self.alerts.values() if alert["rule"] == rule]

    def only(self, rule: str) -> dict[str, Any]:
        """The one alert of ``rule``; fails if there is none or a second."""
        found = self.of(rule)
        assert len(found) == 1, (rule, found)
        return found[0]

    def rules(self) -> set[str]:
        """Rules with an active alert."""
        return {alert["rule"] for alert in self.alerts.values() if alert["condition"] == "active"}

    @property
    def told(self) -> list[str]:
        """Kinds of the alert events so far, in order."""
        return [output.type.split(".")[2] for output in self.outputs if output.type.startswith("mailiu.alert.")]

    def commands(self) -> list[dict[str, Any]]:
        """Commands to devices so far."""
        return [o.value["data"] for o in self.outputs if o.type == "mailiu.device.command-requested.v1"]

    def notices(self, purpose: str | None = None) -> list[dict[str, Any]]:
        """Notices queued so far, of one purpose if it is named."""
        queued = [o.value["data"] for o in self.outputs if o.type == "mailiu.notice.queued.v1"]
        return [notice for notice in queued if purpose in (None, notice["purpose"])]

    def became(self, notice: dict[str, Any], what: str, time: int, **data: Any) -> None:
        """What the sender says of a notice: sent, delivered, failed, expired, read."""
        if what in ("sent", "delivered", "read"):
            data.setdefault("channel", "app")
        self.event(f"notice.{what}.v1", {"notice": notice["notice"], **data}, time, actor="sender")

    def act(self, action: str, alert: dict[str, Any], time: int, actor: str = "N01", **data: Any) -> None:
        """Somebody acts on an alert."""
        self.event(f"alert.{action}.v1", {"alert": alert["alert"], **data}, time, actor=actor)
