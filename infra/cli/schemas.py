"""`mailiu schemas`: the vocabulary as JSON Schema."""

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.errors import Refusal


def schemas(
    type: Annotated[str | None, typer.Argument(help="Print this type's schema.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write `envelope.json` and one file a type here.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The list of types as JSON.")] = False,
) -> None:
    """List the types of events, print one type's JSON Schema, or write them all to a folder."""
    import orjson
    from rich.console import Console
    from rich.table import Table

    from schemas.registry import DERIVED, EVENTS, UPCASTERS, json_schemas

    if out is not None:
        typer.echo(f"{len(write(out))} schemas in {out}")
    elif type is not None:
        found = json_schemas().get(type)
        if found is None:
            raise Refusal(f"no event type {type!r}; `mailiu schemas` lists them")
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    else:
        rows = [
            {
                "type": name, "made_by": "fold" if name in DERIVED else "gateways",
                "superseded_by": UPCASTERS[name][0] if name in UPCASTERS else None,
                "meaning": (model.__doc__ or "").splitlines()[0],
            }
            for name, model in {**EVENTS, **DERIVED}.items()
        ]  # fmt: skip
        if json:
            typer.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
            return
        table = Table("type", "made by", "meaning", box=None)
        for row in rows:
            table.add_row(row["type"], row["made_by"], row["meaning"], style="dim" if row["superseded_by"] else None)
        Console().print(table)


def write(folder: Path) -> list[Path]:
    """Write every schema to ``folder`` and remove those of types that are no more; the files written."""
    import orjson

    from schemas.registry import envelope_schema, json_schemas

    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, schema in {"envelope": envelope_schema(), **json_schemas()}.items():
        file = folder / f"{name}.json"
        file.write_bytes(orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        files.append(file)
    for stale in set(folder.glob("*.json")) - set(files):
        stale.unlink()
    return files
