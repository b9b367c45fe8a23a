"""What kind of file it is, found by its content, and its rows one after another.

A row is a line of a CSV, an event of an NDJSON file or JSON array, or a resource of a FHIR Bundle or NDJSON file.
"""

import csv
import hashlib
import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import zstandard

from infra.replay import fhir
from infra.replay.mapping import CsvMapping, Target, UnknownFormat, events_of, mapping_for
from schemas.envelope import InvalidEvent
from schemas.registry import DERIVED, INTERNAL

DELIMITERS = ",;\t|"
ZSTANDARD = b"\x28\xb5\x2f\xfd"  #: the first bytes of a compressed file
ENCODINGS = ("utf-8-sig", "gb18030")  #: of exports: UTF-8, else the national standard GB 18030


@dataclass(slots=True)
class Row:
    """A row with the events it gives (envelopes not yet checked, or why one cannot be made), or why it gives none."""

    raw: bytes
    events: list[dict[str, Any] | InvalidEvent] = field(default_factory=list)
    unmapped: str | None = None
    kind: str = "row"


@dataclass(frozen=True)
class Source:
    """A file to replay: ``rows(read)`` gives its rows and calls ``read`` with the number of bytes gone through."""

    path: Path
    format: str
    key: str  #: names this replay: the file's bytes and everything that decides what its rows become
    size: int
    rows: Callable[[Callable[[int], object]], Iterator[Row]]


def open_source(path: Path, target: Target, own: Path | None = None) -> Source:
    """The file at ``path`` as rows. Raises `UnknownFormat`, or ``OSError`` where it cannot be read."""
    key = hashlib.sha256(repr((target.institution, target.resident, str(target.zone))).encode())
    with opened(path) as file:
        head = file.read(1 << 16)
        key.update(head)
        for chunk in iter(lambda: file.read(1 << 20), b""):
            key.update(chunk)
    if not head.strip():
        raise UnknownFormat(f"{path} is empty")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        format, rows = "json", lambda read: _json_rows(path, target, read)
    elif packed(path):
        raise UnknownFormat(f"{path}: of compressed files only events and FHIR resources (JSON) are read")
    else:
        encoding = _encoding(path)
        dialect, header = _header(path, encoding)
        mapping = mapping_for(header, own)
        key.update(mapping.model_dump_json().encode())
        format = f"csv ({mapping.name})"

        def rows(read: Callable[[int], object]) -> Iterator[Row]:
            return _csv_rows(path, encoding, dialect, mapping, target, read)

    return Source(path, format, key.hexdigest(), path.stat().st_size, rows)


def packed(path: Path) -> bool:
    """Whether the file is compressed with Zstandard."""
    with path.open("rb") as file:
        return file.read(4) == ZSTANDARD


def opened(path: Path) -> BinaryIO:
    """The file to read from its beginning, unpacked where it is compressed."""
    file = path.open("rb")
    if not packed(path):
        return file
    unpacked = zstandard.ZstdDecompressor().stream_reader(file, closefd=True)
    return io.BufferedReader(unpacked, 1 << 20)


def _counted(file: Iterable[bytes], read: Callable[[int], object]) -> Iterator[bytes]:
    for line in file:
        read(len(line))
        yield line


def _encoding(path: Path) -> str:
    for encoding in ENCODINGS:
        try:
            with path.open(encoding=encoding) as file:
                while file.read(1 << 20):
                    pass
        except UnicodeDecodeError:
            continue
        return encoding
    raise UnknownFormat(f"{path} is neither text in UTF-8 or GB 18030 nor JSON")


def _header(path: Path, encoding: str) -> tuple[str, list[str]]:
    with path.open(encoding=encoding, newline="") as file:
        first = file.readline()
    delimiter = max(DELIMITERS, key=first.count)
    return delimiter, [column.strip() for column in next(csv.reader([first], delimiter=delimiter))]


def _csv_rows(
    path: Path, encoding: str, delimiter: str, mapping: CsvMapping, target: Target, read: Callable[[int], object]
) -> Iterator[Row]:
    consumed: list[bytes] = []  # lines of the row in hand: a quoted cell may hold line breaks

    def lines(file: BinaryIO) -> Iterator[str]:
        for line in _counted(file, read):
            consumed.append(line)
            yield line.decode(encoding)

    with path.open("rb") as file:
        reader = csv.reader(lines(file), delimiter=delimiter)
        header = [column.strip() for column in next(reader)]
        head = b"".join(consumed)
        while True:
            consumed.clear()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(
                    head + b"".join(consumed), [InvalidEvent("row", b"".join(consumed)[:80], str(error), "unreadable")]
                )
                continue
            if not cells:
                continue  # an empty line is no row
            raw = head + b"".join(consumed)
            if len(cells) != len(header):
                yield Row(raw, [InvalidEvent("row", len(cells), f"the header has {len(header)} columns")])
            else:
                row = dict(zip(header, cells, strict=True))
                events = events_of(row, mapping, target)
                yield Row(raw, events, None if events else mapping.why_not(row))


def _json_rows(path: Path, target: Target, read: Callable[[int], object]) -> Iterator[Row]:
    for raw, document in _documents(path, read):
        if isinstance(document, InvalidEvent):
            yield Row(raw, [document])
            continue
        for item in _items(document):
            yield _json_row(item, raw, target)


def _documents(path: Path, read: Callable[[int], object]) -> Iterator[tuple[bytes, Any]]:
    """The JSON documents of a file, each with its bytes: one a line, or the whole file where only that is JSON."""
    with opened(path) as file:
        first, lines = file.readline(), iter(file)
        try:
            orjson.loads(first.lstrip(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError:
            rest = file.read()
            whole = _load(first + rest)
            if not isinstance(whole, InvalidEvent):
                read(path.stat().st_size)
                yield b"", whole
                return
            lines = iter(io.BytesIO(rest))
        for line in _counted(itertools.chain([first], lines), read):
            if line.strip():
                yield line.rstrip(b"\r\n"), _load(line)


def _load(raw: bytes) -> Any:
    try:
        return orjson.loads(raw.lstrip(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        return InvalidEvent("row", raw[:80], f"not JSON: {error}", "unreadable")


def _items(document: Any) -> Iterator[Any]:
    if isinstance(document, list):
        for item in document:
            yield from _items(item)
    elif isinstance(document, Mapping) and document.get("resourceType") == "Bundle":
        entries = document.get("entry")
        for entry in entries if isinstance(entries, list) else []:
            yield entry.get("resource") if isinstance(entry, Mapping) else entry
    elif (
        isinstance(document, Mapping) and "resourceType" not in document and isinstance(document.get("resource"), dict)
    ):
        yield document["resource"]
    else:
        yield document


def _json_row(item: Any, line: bytes, target: Target) -> Row:
    if not isinstance(item, dict):
        return Row(line, [InvalidEvent("row", str(item)[:80], "neither an event nor a FHIR resource")])
    raw = orjson.dumps(item)
    if "resourceType" in item:
        events, unmapped = fhir.events_of(item, target)
        return Row(raw, events, unmapped, "fhir")
    type = item.get("type")
    if type in INTERNAL or type in DERIVED:
        return Row(raw, unmapped="made by Mailiu itself, and made again")
    event = {name: value for name, value in item.items() if name != "recordedtime"}
    if event.get("institution") is None and target.institution:
        event["institution"] = target.institution
    if target.resident:
        event["subject"] = target.resident
    return Row(raw, [event], kind="event")
