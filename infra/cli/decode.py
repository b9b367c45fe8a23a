"""`mailiu decode`: what Mailiu reads out of a device's payload. Needs no server."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from infra.cli.errors import Refusal


def decode(
    kind: Annotated[
        str,
        typer.Argument(
            help="json, open-mhealth, fhir, ble-2a18, -2a1c, -2a35, -2a37, -2a5e, -2a5f, -2a9d or vendor/NAME."
        ),
    ],
    file: Annotated[Path | None, typer.Argument(help="File, one payload a line; else standard input.")] = None,
    schema: Annotated[
        str | None, typer.Option(help="open-mhealth: lines are bare bodies of this schema, e.g. blood-pressure:4.0.")
    ] = None,
) -> None:
    """Decode payloads, one a line, to one JSON object a line, in order.

    A line is a JSON payload, or hex digits for ble-…; json and ble-… take CSV with a header too (ble-…: the column
    `hex`). A good payload gives {"readings": […]}, a bad one {"error": {…}}; where only some elements of an
    array are bad, they are listed under "errors". Pressures are in mm[Hg].
    """
    import sys

    from mqtt_ingest.formats import FORMATS

    if kind not in FORMATS and not kind.startswith("vendor/"):
        raise Refusal(f"no payload format is called {kind!r}; there are {', '.join(FORMATS)}")
    if schema is not None:
        if kind != "open-mhealth":
            raise Refusal("--schema is for open-mhealth only")
        _check_schema(schema)
    try:
        source: IO[bytes] = sys.stdin.buffer if file is None or str(file) == "-" else file.open("rb")
    except OSError as error:
        raise Refusal(f"{file}: {error.strerror}") from error
    with source:
        for payload in _payloads(kind, source):
            sys.stdout.buffer.write(_answer(kind, payload, schema) + b"\n")
    sys.stdout.flush()


def _check_schema(schema: str) -> None:
    from mqtt_ingest.decoded import Undecodable
    from mqtt_ingest.open_mhealth import SCHEMAS, known

    name, _, version = schema.removeprefix("omh:").partition(":")
    if name != "data-point":
        try:
            known(name, version)
        except Undecodable:
            raise Refusal(f"no schema {schema!r}; there are " + ", ".join(":".join(key) for key in SCHEMAS)) from None


def _answer(kind: str, payload: bytes, schema: str | None) -> bytes:
    """The output line for one payload."""
    import orjson

    from mqtt_ingest import formats, open_mhealth
    from mqtt_ingest.decoded import Decoded, Undecodable

    try:
        if kind in formats.BLUETOOTH:
            try:
                payload = bytes.fromhex(payload.decode())
            except ValueError:
                raise Undecodable("unreadable", "payload", payload[:60], "hex digits are needed") from None
        results = open_mhealth.decode(payload, schema) if schema else formats.decode(kind, payload)
    except Undecodable as error:
        return orjson.dumps({"error": _error(error)})
    readings = [result.as_json() for result in results if isinstance(result, Decoded)]
    errors = [_error(result) for result in results if isinstance(result, Undecodable)]
    if errors and not readings:
        return orjson.dumps({"error": errors[0]} if len(errors) == 1 else {"error": errors[0], "errors": errors})
    return orjson.dumps({"readings": readings} | ({"errors": errors} if errors else {}))


def _error(error: Any) -> dict[str, Any]:
    out = {"reason": error.code, "field": error.field, "value": error.value, "message": error.message}
    return out if error.id is None else {"id": error.id} | out


def _payloads(kind: str, source: IO[bytes]) -> Iterator[bytes]:
    """One payload a line, blank lines left out; a first line that is neither JSON nor hex is a CSV header."""
    header: list[str] | None = None
    first = True
    for line in source:
        text = line.strip().removeprefix(b"\xef\xbb\xbf")
        if not text:
            continue
        if first:
            first = False
            header = _header(kind, text)
            if header is not None:
                continue
        yield text if header is None else _row(kind, header, text)


def _header(kind: str, line: bytes) -> list[str] | None:
    import csv

    try:
        names = next(csv.reader([line.decode()]))
    except (ValueError, csv.Error):
        return None
    wanted = ("hex",) if kind.startswith("ble-") else ("systolic", "value", "kind") if kind == "json" else ()
    if line[:1] in (b"{", b"["):
        return None
    return names if any(name in names for name in wanted) else None


def _row(kind: str, header: list[str], line: bytes) -> bytes:
    """The payload in one row of CSV: the column `hex`, or a JSON object of the cells that are not empty."""
    import csv

    import orjson

    cells = dict(zip(header, next(csv.reader([line.decode(errors="replace")])), strict=False))
    if kind != "json":
        return cells.get("hex", "").strip().encode()
    return orjson.dumps({name: _cell(name, cell.strip()) for name, cell in cells.items() if cell.strip()})


def _cell(name: str, cell: str) -> object:
    if name in ("id", "kind", "time", "unit", "note"):
        return cell
    if name == "flags":
        return [flag for flag in cell.replace("|", " ").split() if flag]
    if name == "backlog":
        return cell.lower() in ("true", "1", "yes")
    try:
        return int(cell)
    except ValueError:
        try:
            return float(cell)
        except ValueError:
            return cell
