"""How the rows of a CSV become events: a mapping is data (``mappings/*.toml``), found by the file's header.

A mapping names the columns it needs; the one that fits with most columns is taken. A row gives each of the mapping's
events whose conditions hold; a row that gives none is named with a reason, never dropped.
"""

import hashlib
import math
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from schemas.envelope import InvalidEvent, rfc3339

Row = Mapping[str, str]


class UnknownFormat(Exception):
    """No mapping fits the file; the text says what was found and what would fit."""


class Part(BaseModel):
    """Base of a mapping's parts: a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Cell(Part):
    """One value of an event: a constant, or a column read as a number, text, day or instant."""

    value: str | int | float | bool | None = None
    column: str | None = None
    read: Literal["number", "text", "day", "instant"] = "text"
    codes: dict[str, str] | None = None  #: the file's code -> ours; a code that is not here is refused
    divide: float = 1  #: a number in another unit: divided by this
    decimals: int | None = None  #: a converted number is rounded to this many decimals
    later: int = 0  #: an instant: so many seconds later
    optional: bool = False  #: left out where the column is absent

    @model_validator(mode="after")
    def _one(self) -> "Cell":
        if (self.value is None) == (self.column is None):
            raise ValueError("a cell has either `value` or `column`")
        return self


class EventOf(Part):
    """An event that a row gives when every column of ``needs`` is there and ``only`` holds."""

    type: str
    time: Cell
    data: dict[str, Cell]
    subject: str | None = None  #: column of the resident; --resident otherwise
    id: str | None = None  #: column of the row's own identity; the content otherwise
    institution: str | None = None  #: column; --institution otherwise
    needs: list[str] = []
    only: dict[str, list[str]] = {}


class Unmapped(Part):
    """Why a row gives no event, by the text in ``column``."""

    column: str | None = None
    reasons: dict[str, str] = {}
    otherwise: str = "no event of the mapping fits the row"


class CsvMapping(Part):
    """A file of ``mappings/``."""

    name: str
    title: str
    header: list[str]
    absent: list[str] = [""]
    event: list[EventOf]
    unmapped: Unmapped = Unmapped()

    def why_not(self, row: Row) -> str:
        """The reason why ``row`` gives no event."""
        code = row.get(self.unmapped.column or "", "")
        return self.unmapped.reasons.get(code, self.unmapped.otherwise)


class Target(BaseModel):
    """What the caller of a replay says of all rows: whose they are, and the zone of times that name none."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    zone: ZoneInfo
    institution: str | None = None
    resident: str | None = None


def read_mapping(text: str, name: str) -> CsvMapping:
    """The mapping in ``text`` (TOML); raises `UnknownFormat` that names what is wrong with it."""
    try:
        return CsvMapping.model_validate({"name": name} | tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise UnknownFormat(f"mapping {name}: {error}") from error


def shipped() -> list[CsvMapping]:
    """The mappings that Mailiu brings."""
    folder = files("infra.replay") / "mappings"
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return [read_mapping(file.read_text(encoding="utf-8"), file.name.removesuffix(".toml")) for file in found]


def mapping_for(header: Iterable[str], own: Path | None = None) -> CsvMapping:
    """The mapping for ``header``: the caller's ``own``, else the shipped one that fits with most columns.

    Raises `UnknownFormat` when a column is missing, or none fits.
    """
    columns = set(header)
    if own is not None:
        mapping = read_mapping(own.read_text(encoding="utf-8"), own.stem)
        if missing := [column for column in mapping.header if column not in columns]:
            raise UnknownFormat(f"mapping {mapping.name} needs column {missing[0]!r}; there are {sorted(columns)}")
        return mapping
    fitting = [mapping for mapping in shipped() if columns.issuperset(mapping.header)]
    if not fitting:
        known = "; ".join(f"{mapping.name}: {', '.join(mapping.header)}" for mapping in shipped())
        raise UnknownFormat(
            f"no mapping fits the columns {sorted(columns)}. Known are {known}. Write one for --mapping"
        )
    return max(fitting, key=lambda mapping: len(mapping.header))


def events_of(row: Row, mapping: CsvMapping, target: Target) -> list[dict[str, Any] | InvalidEvent]:
    """The events of ``row``, as envelopes not yet checked, or why one of them cannot be made."""
    present = {column: text for column, cell in row.items() if (text := (cell or "").strip()) not in mapping.absent}
    made: list[dict[str, Any] | InvalidEvent] = []
    for rule in mapping.event:
        if any(column not in present for column in rule.needs):
            continue
        if any(present.get(column, "") not in texts for column, texts in rule.only.items()):
            continue
        try:
            made.append(_event(rule, present, mapping, target))
        except InvalidEvent as refusal:
            made.append(refusal)
    return made


def _event(rule: EventOf, row: Row, mapping: CsvMapping, target: Target) -> dict[str, Any]:
    subject = target.resident or row.get(rule.subject or "")
    if not subject:
        raise InvalidEvent("subject", None, "no resident in the row and none given with --resident")
    data = {}
    for field, cell in rule.data.items():
        found = _value(f"data.{field}", cell, row, target)
        if found is not None:
            data[field] = found
    event: dict[str, Any] = {
        "source": f"replay/{mapping.name}",
        "type": rule.type,
        "subject": subject,
        "time": _value("time", rule.time, row, target),
        "data": data,
    }
    institution = row.get(rule.institution or "") or target.institution
    if institution:
        event["institution"] = institution
    own = row.get(rule.id or "")
    return event | {"id": f"{subject}/{own}" if own else content_id(event)}


def content_id(event: Mapping[str, Any]) -> str:
    """An id for an event that has none: the same content gives the same id, in whatever file it comes."""
    content = [event["subject"], event["type"], event["time"], event["data"]]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()[:40]


def _value(field: str, cell: Cell, row: Row, target: Target) -> str | int | float | bool | None:
    if cell.column is None:
        return cell.value
    text = row.get(cell.column)
    if text is None:
        if cell.optional:
            return None
        raise InvalidEvent(field, None, f"column {cell.column} is empty")
    if cell.codes is not None:
        if text not in cell.codes:
            raise InvalidEvent(field, text, f"no code of column {cell.column}: {', '.join(cell.codes)}")
        text = cell.codes[text]
    match cell.read:
        case "number":
            return _number(field, text, cell)
        case "instant":
            return instant(field, text, target.zone, cell.later)
        case "day":
            return _day(field, text)
        case _:
            return text


def _number(field: str, text: str, cell: Cell) -> int | float:
    try:
        number = float(text)
    except ValueError as error:
        raise InvalidEvent(field, text, "no number") from error
    if not math.isfinite(number):
        raise InvalidEvent(field, text, "no finite number")
    if cell.divide != 1:
        number = number / cell.divide
    if cell.decimals is not None:
        number = round(number, cell.decimals)
    return int(number) if number.is_integer() else number


def instant(field: str, text: str, zone: ZoneInfo, later: int = 0) -> str:
    """``text`` as RFC 3339 in UTC; a time without an offset is local to ``zone``. Raises `InvalidEvent`."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        return rfc3339(datetime.fromtimestamp(moment.timestamp() + later, ZoneInfo("UTC")))
    except (ValueError, OverflowError) as error:
        raise InvalidEvent(field, text, "no instant such as 2026-03-01T08:00:00+08:00") from error


def _day(field: str, text: str) -> str:
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError as error:
        raise InvalidEvent(field, text, "no day such as 2026-03-01") from error
