"""`mailiu verify`: make everything anew aside, and compare."""

from typing import Annotated

import typer

from infra.cli.errors import Refusal


def verify(json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Compare `log` with Kafka, alerts with a straight fold, every table with one built aside, up to now.

    Prints a line a table; ends with 1 and the differing keys when anything differs. Writes may go on meanwhile.
    """
    from clickhouse_connect.driver.exceptions import Error
    from rich.console import Console

    from infra.cli.progress import progress
    from projections.verify import Behind
    from projections.verify import verify as check

    with progress("pinning offsets") as tell:
        try:
            results = check(tell)
        except (Behind, Error, OSError) as error:
            raise Refusal(str(error)) from error
    clean = all(result.differing == 0 for result in results)
    if json:
        import orjson

        rows = [
            {"table": r.table, "rows": r.rows, "equal": r.equal, "differing": r.differing, "keys": r.keys}
            for r in results
        ]
        print(orjson.dumps({"clean": clean, "checks": rows}, option=orjson.OPT_INDENT_2).decode())
    else:
        from rich.table import Table

        table = Table("table", "rows", "equal", "differing", "keys that differ", box=None)
        for r in results:
            colour = "red" if r.differing else "green"
            table.add_row(
                r.table, f"{r.rows:,}", f"{r.equal:,}", f"[{colour}]{r.differing:,}[/]", "\n".join(map(str, r.keys))
            )
        Console().print(table)
        Console().print("[green]clean[/]" if clean else "[red]differs[/]")
    if not clean:
        raise typer.Exit(1)
