"""`mailiu status`: what runs, since when, where, how far behind, how large."""

from typing import Annotated

import typer

from infra.cli.errors import Refusal


def status(json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False) -> None:
    """Each part: state, since when, address, lag (records it has not done yet), memory, restarts."""
    from infra.stack.status import status as rows_of_status
    from infra.stack.supervisor import supervisor_pid

    if supervisor_pid() is None:
        raise Refusal("nothing runs in this home; start it with `mailiu up`")
    rows = rows_of_status()
    if json:
        import orjson

        print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    from datetime import timedelta

    from rich.console import Console
    from rich.table import Table

    colours = {"running": "green", "external": "green", "refused": "red", "restarting": "red"}
    table = Table("part", "state", "since", "address", "lag", "memory", "restarts", "remark", box=None)
    for row in rows:
        table.add_row(
            row["part"],
            f"[{colours.get(row['state'], 'yellow')}]{row['state']}",
            str(timedelta(seconds=row["since"])),
            row["address"] or "",
            "" if row["lag"] is None else str(row["lag"]),
            "" if row["memory"] is None else f"{row['memory']} MiB",
            str(row["restarts"]),
            row["message"] or "",
        )
    Console().print(table)
    total = sum(row["memory"] or 0 for row in rows)
    Console().print(
        f"{total} MiB in all; logs in {rows[0]['log'].rsplit('/', 1)[0] if rows and rows[0]['log'] else ''}"
    )
