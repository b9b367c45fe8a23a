"""Compare two copies of a projection's table, row by row, up to pinned offsets."""

from dataclasses import dataclass, field
from typing import Any

from clickhouse_connect.driver import Client

#: Topic and partition -> offset below which is compared.
Pins = dict[tuple[str, int], int]
SHOWN = 20
#: Tables that hold only maxima: these may be ahead of the copy, never behind.
MAXIMA = "AggregatingMergeTree"


@dataclass
class Difference:
    """How a table compares: rows compared, rows equal, and up to `SHOWN` keys of the others."""

    table: str
    rows: int
    equal: int
    keys: list[str] = field(default_factory=list)

    @property
    def differing(self) -> int:
        """Rows that only one side has, or that differ."""
        return self.rows - self.equal


def newest(client: Client) -> Pins:
    """What is projected of each partition by now."""
    rows = client.query("SELECT topic, partition, next_offset FROM positions").result_rows
    return {(topic, partition): end for topic, partition, end in rows}


def below(pins: Pins) -> str:
    """Condition that a row's record lies below ``pins``."""
    names = ", ".join(f"'{topic}/{partition}'" for topic, partition in pins) or "''"
    ends = ", ".join(f"toUInt64({end})" for end in pins.values()) or "toUInt64(0)"
    return f"offset < transform(concat(topic, '/', toString(partition)), [{names}], [{ends}], toUInt64(0))"


def compare(client: Client, name: str, served: str, copy: str, pins: Pins) -> Difference:
    """Compare the table ``served`` with its ``copy``, both given with their database if it is not the client's.

    A row that a newer record has replaced since (an alert's later revision) is left out on both sides.
    """
    engine, key, columns = _shape(client, served)
    if engine == MAXIMA:
        return _maxima(client, name, served, copy, key, columns)
    id, pinned = f"tuple({key})", below(pins)
    content = f"sipHash128(toString(tuple({', '.join(columns)})))"
    one = f"SELECT toString({id}) AS k, {content} AS c FROM {served} FINAL WHERE {pinned}"
    newer = f"SELECT {id} FROM {served} FINAL WHERE NOT ({pinned})"
    other = f"SELECT toString({id}) AS k, {content} AS c FROM {copy} FINAL WHERE {pinned} AND {id} NOT IN ({newer})"
    rows, equal = client.query(
        f"SELECT count(), countIf(n = 2 AND a = b) FROM (SELECT k, count() AS n, min(c) AS a, max(c) AS b"
        f" FROM ({one} UNION ALL {other}) GROUP BY k)"
    ).result_rows[0]
    keys = []
    if rows != equal:
        keys = [row[0] for row in client.query(
            f"SELECT k FROM ({one} UNION ALL {other}) GROUP BY k HAVING count() != 2 OR min(c) != max(c)"
            f" ORDER BY k LIMIT {SHOWN}").result_rows]  # fmt: skip
    return Difference(name, rows, equal, keys)


def _maxima(client: Client, name: str, served: str, copy: str, key: str, columns: list[str]) -> Difference:
    """Every maximum of the copy is reached by the served table."""
    values = [column for column in columns if column not in key.split(", ")]
    best = ", ".join(f"max({v}) AS {v}" for v in values)
    reached = " AND ".join(f"s.{v} >= c.{v}" for v in values)
    joined = (
        f"(SELECT {key}, {best} FROM {copy} GROUP BY {key}) AS c"
        f" LEFT JOIN (SELECT {key}, {best} FROM {served} GROUP BY {key}) AS s USING ({key})"
    )
    rows = client.query(f"SELECT toString(tuple({key})), {reached} FROM {joined}").result_rows
    behind = sorted(k for k, fine in rows if not fine)
    return Difference(name, len(rows), len(rows) - len(behind), behind[:SHOWN])


def _shape(client: Client, table: str) -> tuple[str, str, list[str]]:
    """Engine, sorting key and columns (without those computed) of ``table``."""
    database, _, name = table.rpartition(".")
    where = "database = if({d:String} = '', currentDatabase(), {d:String})"
    parameters: dict[str, Any] = {"d": database, "t": name}
    [(engine, key)] = client.query(
        f"SELECT engine, sorting_key FROM system.tables WHERE {where} AND name = {{t:String}}", parameters
    ).result_rows
    columns = client.query(
        f"SELECT name FROM system.columns WHERE {where} AND table = {{t:String}} AND default_kind != 'MATERIALIZED'"
        " ORDER BY position",
        parameters,
    ).result_rows
    return engine, key, [row[0] for row in columns]
