"""Let a served name show a version of its projection, with comments on its columns."""

import re

from clickhouse_connect.driver import Client

from projections.schema import Projection, Statement


def served(client: Client, projection: Projection, view: Statement, version: int) -> bool:
    """Let the name ``view`` serve ``version``; whether anything had to be done."""
    mark = f"definition {projection.definition_of(view)} version {version}"
    here = client.query(
        "SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = {n:String}", {"n": view.name}
    ).result_rows
    if here and here[0][0] == mark:
        return False
    client.command(f"{projection.at(version, view.text)}\nCOMMENT '{mark}'")
    _comment(client, projection, view, version)
    return True


def _comment(client: Client, projection: Projection, view: Statement, version: int) -> None:
    """Comments of a served name's columns: declared for it, else those of the table or view that it reads."""
    words = dict.fromkeys(re.findall(r"\b(?:FROM|JOIN) (\w+)", projection.at(version, view.select)))
    rows = client.query(
        "SELECT table, name, comment FROM system.columns"
        " WHERE database = currentDatabase() AND table IN {t:Array(String)}",
        {"t": [*words, view.name]},
    ).result_rows
    known: dict[str, dict[str, str]] = {}
    for table, column, comment in rows:
        known.setdefault(table, {})[column] = comment
    sources = [known[word] for word in words if word in known and word != view.name]
    comments = {}
    for column in known[view.name]:
        inherited = next((source[column] for source in sources if source.get(column)), "")
        comments[column] = projection.comments.get((view.name, column)) or "'" + inherited.replace("'", "''") + "'"
    parts = ", ".join(f"COMMENT COLUMN {column} {comment}" for column, comment in comments.items())
    client.command(f"ALTER TABLE {view.name} {parts}")
