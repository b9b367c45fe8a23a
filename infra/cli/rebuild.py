"""`mailiu rebuild`: build projections anew from the log, and swap them in."""

from typing import Annotated

import typer

from infra.cli.errors import Refusal


def rebuild(
    name: Annotated[str | None, typer.Argument(help="Projection to rebuild; all of them by default.")] = None,
    which: Annotated[bool, typer.Option("--list", help="Name the projections and their tables.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
) -> None:
    """Build a projection anew from the log beside the one in service, compare, and swap. Writes go on meanwhile.

    `log`, and with it all of them, is first compared with Kafka, and rows that differ are written anew.
    """
    from aiokafka.errors import KafkaError
    from clickhouse_connect.driver.exceptions import Error
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from infra.clients import clickhouse
    from projections.rebuild import rebuild as build
    from projections.remirror import remirror
    from projections.schema import declared, projection

    if which:
        for each in declared():
            print(f"{each.name:14} {', '.join(view.name for view in each.served)}")
        return
    try:
        chosen = [projection(name)] if name else [each for each in declared() if each.tables]
    except LookupError as error:
        raise Refusal(error.args[0]) from error
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    done, mended = [], 0
    try:
        with clickhouse() as client, Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            if name in (None, "log"):
                task = bar.add_task("Kafka and log", total=None)
                mended = remirror(client, lambda n, of: bar.update(task, completed=n, total=of))
            for each in chosen:
                task = bar.add_task(each.name, total=None)
                result = build(client, each, lambda n, of, task=task: bar.update(task, completed=n, total=of))  # type: ignore[misc]
                done.append((each.name, result))
    except (Error, OSError, TimeoutError, KafkaError) as error:
        raise Refusal(str(error)) from error
    if mended:
        hint = "; now `mailiu rebuild` for the projections that they had reached" if name else ""
        Console(stderr=True).print(f"{mended:,} rows of `log` differed from Kafka and are mended{hint}", style="yellow")
    if json:
        import orjson

        rows = [
            {
                "projection": title,
                "version": r.version,
                "events": r.read,
                "seconds": r.seconds,
                "tables": [{"table": t.table, "rows": t.rows, "changed": t.differing} for t in r.tables],
            }
            for title, r in done
        ]
        print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    from rich.table import Table

    table = Table("projection", "version", "events read", "seconds", "events/s", "rows changed", box=None)
    for title, r in done:
        changed = ", ".join(f"{t.table} {t.differing:,} of {t.rows:,}" for t in r.tables)
        rate = f"{r.read / r.seconds:,.0f}" if r.seconds else ""
        table.add_row(title, str(r.version), f"{r.read:,}", f"{r.seconds:.2f}", rate, changed)
    Console().print(table)
