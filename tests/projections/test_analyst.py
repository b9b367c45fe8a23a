"""What an analyst reads: every served view but the log's own text."""

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from infra.clickhouse.config import HIDDEN
from infra.clients import clickhouse as clickhouse_client
from infra.settings import settings
from tests.stack import Stack

pytestmark = pytest.mark.stack


def test_an_analyst_reads_every_served_view_and_never_the_log(stack: Stack) -> None:
    database = settings().clickhouse_database
    with clickhouse_client() as ours, clickhouse_client("analyst") as analyst:
        of_views = "SELECT name FROM system.tables WHERE database = {d:String} AND engine = 'View' ORDER BY name"
        views = [name for (name,) in ours.query(of_views, {"d": database}).result_rows]
        assert {"readings", "residents", "alerts", "ingest_quality", "programme"} <= set(views)
        for view in views:
            if view.startswith(HIDDEN):
                with pytest.raises(DatabaseError, match="497"):
                    analyst.query(f"SELECT * FROM {view} LIMIT 1")
            else:
                analyst.query(f"SELECT * FROM {view} LIMIT 1")
        with pytest.raises(DatabaseError, match="497"):
            analyst.query("SELECT value FROM log LIMIT 1")
