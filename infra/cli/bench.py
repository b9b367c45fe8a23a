"""`mailiu bench`: measure against named references, in a stack of its own."""

import os
from typing import Annotated

import typer

from infra.cli.errors import Refusal


def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Benches to run; all of them by default.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
    minutes: Annotated[float | None, typer.Option(help="How long `soak` lasts; 20 by default.")] = None,
    which: Annotated[bool, typer.Option("--list", help="Say what each bench measures.")] = False,
) -> None:
    """Run benchmarks: ratios against a reference measured in the same run, medians of three or more."""
    from infra.bench import BENCHES, measure

    if which:
        for name, what in BENCHES.items():
            print(f"{name:11} {what}")
        return
    unknown = [name for name in names or () if name not in BENCHES]
    if unknown:
        raise Refusal(f"no bench is called {unknown[0]!r}; there are {', '.join(BENCHES)}")
    from rich.console import Console
    from rich.table import Table

    if minutes is not None:
        os.environ["MAILIU_SOAK_MINUTES"] = str(minutes)
    console = Console(stderr=True)
    rows = []
    for name in names or BENCHES:
        with console.status(f"{name}: starting") as spinner:
            rows += measure(name, lambda text, name=name, spinner=spinner: spinner.update(f"{name}: {text}"))  # type: ignore[misc]
    if json:
        import orjson

        print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    table = Table("bench", "measured", "value", "reference", "its value", "ratio", "reach", box=None)
    for row in rows:
        table.add_row(
            row["bench"],
            row["measured"],
            _figure(row["value"], row.get("unit")),
            row.get("reference") or "",
            _figure(row.get("reference_value"), row.get("unit")),
            "" if row.get("ratio") is None else f"{row['ratio']:.2f}",
            str(row.get("reach") or ""),
        )
    Console().print(table)


def _figure(value: float | None, unit: str | None) -> str:
    return "" if value is None else f"{value:,.{0 if abs(value) >= 100 else 2}f} {unit or ''}".strip()
