"""`mailiu score`: clinical scores of a file. Needs no server."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from infra.cli.errors import Refusal

LONG = "bp-variability"  # a row of CSV is one reading of the series, not a person


def score(
    model: Annotated[str | None, typer.Argument(help="Name of the model; `--list` shows them.")] = None,
    file: Annotated[Path | None, typer.Argument(help="NDJSON, or CSV with a header; else standard input.")] = None,
    list: Annotated[bool, typer.Option("--list", help="List the models.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the input, with units.")] = False,
    version: Annotated[int | None, typer.Option(help="A released version; default: the initial one.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The list as JSON.")] = False,
) -> None:
    """Compute a clinical score for one flat object a line, to one JSON object a line, in order.

    A good line gives {"model", "version", "value", "unit", "class", "warnings", …}, unrounded; a bad one {"error": …},
    which names the field, the value and the limit. Percentages are in %; other units of an input are taken as a suffix
    (total_cholesterol_mg_dl).
    """
    import sys

    import orjson

    from streams.scores.run import newest
    from streams.scores.schema import input_schema

    if list:
        _list(json)
        return
    if model is None:
        raise Refusal("name a model; `mailiu score --list` shows them")
    found = newest(model, version)
    if found is None:
        which = f" in version {version}" if version else ""
        raise Refusal(f"no model {model!r}{which}; see `mailiu score --list`")
    if schema:
        typer.echo(orjson.dumps(input_schema(found), option=orjson.OPT_INDENT_2))
        return
    try:
        source: IO[bytes] = sys.stdin.buffer if file is None or str(file) == "-" else file.open("rb")
    except OSError as error:
        raise Refusal(f"{file}: {error.strerror}") from error
    with source:
        for given in _inputs(model, source):
            sys.stdout.buffer.write(orjson.dumps(_answer(found, given)) + b"\n")
    sys.stdout.flush()


def _list(as_json: bool) -> None:
    import orjson
    from rich.console import Console
    from rich.table import Table

    from streams.scores.model import released

    models = [model for versions in released().values() for model in versions.values()]
    if as_json:
        rows = [
            {
                "model": m.model, "version": m.version, "title": m.title, "unit": m.unit, "source": m.source,
                "warning": m.warning, "stream": m.stream,
            }
            for m in models
        ]  # fmt: skip
        typer.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
        return
    table = Table("model", "version", "unit", "title", "", box=None)
    for m in models:
        table.add_row(m.model, str(m.version), m.unit or "class", f"{m.title['en']}  {m.title['zh']}", m.warning or "")
    console = Console()
    console.print(table) if console.is_terminal else Console(width=200).print(table)


def _answer(model: Any, given: Any) -> dict[str, Any]:
    """The output line for one input, or for what could not be read as one."""
    from streams.scores.run import Unusable, run

    if isinstance(given, Unreadable):
        return {"error": {"reason": "unreadable", "field": "line", "value": given.text, "message": given.message}}
    try:
        return run(model, given).as_json()
    except Unusable as error:
        return {"error": {"model": model.model} | error.as_json()}


class Unreadable:
    """A line that is neither a JSON object nor a row of CSV."""

    def __init__(self, text: str, message: str) -> None:
        self.text, self.message = text[:80], message


def _inputs(model: str, source: IO[bytes]) -> Iterator[Any]:
    """One input a line, blank lines left out; a first line that is no JSON is a CSV header."""
    import csv
    import io
    import itertools

    lines = (line for line in io.TextIOWrapper(source, "utf-8-sig", errors="replace", newline="") if line.strip())
    first = next(lines, "")
    names = [name.strip() for name in next(csv.reader([first]), [])]
    if all(name.isidentifier() and not name.isnumeric() for name in names):
        rows = csv.DictReader(lines, names)
        cells = ({name: _cell(cell) for name, cell in row.items() if name and cell} for row in rows)
        yield from [{"readings": [*cells]}] if model == LONG else cells
        return
    yield from (_parsed(line) for line in itertools.chain([first] if first else [], lines))


def _parsed(line: str) -> Any:
    import orjson

    try:
        given = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Unreadable(line.strip(), f"not JSON: {error}")
    if isinstance(given, dict):
        return given
    return {"readings": given} if isinstance(given, list) else Unreadable(line.strip(), "an input is a JSON object")


def _cell(cell: Any) -> Any:
    """A cell of CSV as JSON would have it."""
    text = str(cell).strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text
