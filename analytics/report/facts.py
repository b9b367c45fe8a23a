"""What the report is made of: rows as the tables have them, of one person."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from analytics.form.definition import Lang
from analytics.form.results import results

Row = Mapping[str, Any]
YEAR = timedelta(days=365)
#: Which reading, in which context, has a value of the vocabulary.
MEASURED = {
    "fasting_glucose": ("glucose", "fasting"), "glucose_2h": ("glucose", "after-meal-2h"), "weight": ("weight", None),
}  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """Everything in order of time. ``known`` is the instant up to which the log is read: the report's own now."""

    person: Row  # resident, name, sex, birth_date, institution, team, doctor, died_time
    known: datetime
    zone: ZoneInfo
    lang: Lang
    events: list[Row] = field(default_factory=list)  # chronic and examination: id, type, time, actor, data
    readings: list[Row] = field(
        default_factory=list
    )  # id, kind, time, systolic, diastolic, value, place …; none retracted
    home: Row = field(default_factory=dict)  # home blood pressure as `GET …/blood-pressure` answers
    control: list[Row] = field(default_factory=list)  # area, status, reasons, patterns, targets, values, evidence
    reviews: list[Row] = field(default_factory=list)  # kind, text, drugs, evidence
    scores: list[Row] = field(default_factory=list)  # model, label, status, value, unit, class_text, missing …
    alerts: list[Row] = field(default_factory=list)  # title, severity, condition, handling, raised_time, evidence
    tasks: list[Row] = field(default_factory=list)  # kind, programme, reason, status, priority, due, planned, title
    guidance: list[Row] = field(default_factory=list)  # drafted now: text {zh, en}, reason {zh, en}, evidence

    def of(self, event: str) -> list[Row]:
        """Events of a type (name within its context), oldest first."""
        start = f"mailiu.chronic.{event}."
        return [each for each in self.events if each["type"].startswith(start)]

    def day(self, instant: datetime) -> date:
        """The local day."""
        return instant.astimezone(self.zone).date()

    def say(self, zh: str, en: str) -> str:
        """The text in the report's language."""
        return zh if self.lang == "zh" else en

    def since(self, rows: Iterable[Row], age: timedelta) -> list[Row]:
        """Rows not older than ``age``."""
        return [row for row in rows if row["time"] >= self.known - age]

    @property
    def age(self) -> int | None:
        """Completed years."""
        born, today = self.person["birth_date"], self.day(self.known)
        return None if born is None else today.year - born.year - ((today.month, today.day) < (born.month, born.day))

    @property
    def home_pressures(self) -> list[Row]:
        """Home blood pressures of a year that count: measured by a device, with a trusted time."""
        return [
            row for row in self.since(self.readings, YEAR)
            if row["kind"] == "blood-pressure" and row["place"] == "home" and row["source"] == "measured"
            and row["clock"] != "untrusted" and row["systolic"] is not None
        ]  # fmt: skip

    @property
    def office_pressures(self) -> list[Row]:
        """Office blood pressures of a year: of visits face to face and annual examinations, and measured in the office.

        Of two arms the one with the higher pressure counts (Chinese hypertension guideline 2024).
        """
        visits = [
            {"id": each["id"], "time": each["time"], **each["data"]["blood_pressure"]}
            for each in self.of("follow-up-completed")
            if each["data"].get("blood_pressure") and each["data"].get("mode") in ("clinic", "home-visit")
        ]
        arms = (
            (each, [arm for side in ("left", "right") if (arm := each["data"].get(f"blood_pressure_{side}"))])
            for each in self.events
            if each["type"].startswith("mailiu.examination.health-examined.")
        )
        examined = [
            {"id": each["id"], "time": each["time"], **max(both, key=lambda arm: (arm["systolic"], arm["diastolic"]))}
            for each, both in arms if both
        ]  # fmt: skip
        measured = [
            row for row in self.readings if row["kind"] == "blood-pressure" and row["place"] == "office"
            and row["systolic"] is not None
        ]  # fmt: skip
        return sorted(self.since([*visits, *examined, *measured], YEAR), key=lambda row: (row["time"], str(row["id"])))

    def values(self, name: str) -> list[Row]:
        """Values of laboratory, visits and own meters under a name of the vocabulary, oldest first: id, time, value."""
        visits = [
            {"id": each["id"], "time": each["time"], "value": each["data"][name], "name": name}
            for each in self.of("follow-up-completed") if each["data"].get(name) is not None
        ]  # fmt: skip
        labs = [row for row in results(self.events) if row["name"] == name]
        meters = [
            row for row in self.readings
            if MEASURED.get(name) == (row["kind"], row["context"] if row["kind"] == "glucose" else None)
            and row["source"] == "measured" and row["clock"] != "untrusted" and row["value"] is not None
        ]  # fmt: skip
        return sorted([*visits, *labs, *meters], key=lambda row: (row["time"], str(row["id"])))

    def latest(self, name: str) -> Row | None:
        """The newest value of a name."""
        values = self.values(name)
        return values[-1] if values else None
