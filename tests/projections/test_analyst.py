"""What an analyst reads: every served view, but neither the log's own text nor what people wrote freely."""

import re

import pytest
from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from infra.clickhouse.config import FREE_TEXT, HIDDEN
from infra.clients import clickhouse as clickhouse_client
from infra.settings import settings
from tests.stack import Stack

pytestmark = pytest.mark.stack
#: Columns by these names hold what a person wrote, unless they hold codes (LowCardinality).
WRITTEN = "^(comment|reason|reaction|note|text|text_zh|text_en|title|remark|data)$"
#: But for these, whose words are a rule's.
OF_RULES = (("review_events", "text"), ("reviews", "text"))


def test_an_analyst_reads_every_served_view_and_never_the_log(stack: Stack) -> None:
    with clickhouse_client() as ours, clickhouse_client("analyst") as analyst:
        views = served(ours)
        assert {"readings", "residents", "alerts", "ingest_quality", "programme"} <= set(views)
        for view in views:
            if view.startswith(HIDDEN):
                with pytest.raises(DatabaseError, match="497"):
                    analyst.query(f"SELECT * FROM {view} LIMIT 1")
            else:
                closed = missing(analyst, view)
                analyst.query(f"SELECT * {f'EXCEPT ({closed})' if closed else ''} FROM {view} LIMIT 1")
        with pytest.raises(DatabaseError, match="497"):
            analyst.query("SELECT value FROM log LIMIT 1")


def test_an_analyst_reads_nothing_that_people_wrote_freely(stack: Stack) -> None:
    """Not in the tables, and so through no view: a view reads with the rights of who asks."""
    of_columns = """
        SELECT table, name FROM system.columns
        WHERE database = {d:String} AND match(table, '_v[0-9]+$') AND match(name, {p:String})
            AND type IN ('String', 'Nullable(String)')
        ORDER BY table, name
    """
    with clickhouse_client() as ours, clickhouse_client("analyst") as analyst:
        columns = ours.query(of_columns, {"d": settings().clickhouse_database, "p": WRITTEN}).result_rows
        found = [(table, column) for table, column in columns if (table.rpartition("_v")[0], column) not in OF_RULES]
        assert {table.removesuffix("_v1") for table, _ in found} >= set(FREE_TEXT)
        for table, column in found:
            for reading in (f"SELECT {column} FROM {table}", f"SELECT count() FROM {table} WHERE {column} != ''"):
                with pytest.raises(DatabaseError, match="497"):
                    analyst.query(reading)


def served(client: Client) -> list[str]:
    """Names of all served views."""
    of_views = "SELECT name FROM system.tables WHERE database = {d:String} AND engine = 'View' ORDER BY name"
    return [name for (name,) in client.query(of_views, {"d": settings().clickhouse_database}).result_rows]


def missing(analyst: Client, view: str) -> str:
    """The columns that keep an analyst from reading the whole view; each is free text."""
    try:
        analyst.query(f"SELECT * FROM {view} LIMIT 1")
    except DatabaseError as error:
        found = re.search(r"Missing permissions: SELECT\(([^)]+)\) ON \w+\.(\w+)_v\d+", str(error))
    else:
        return ""
    assert found, f"{view} is closed for another reason than free text"
    assert set(found[1].split(", ")) <= set(FREE_TEXT[found[2]])
    return found[1]
