"""What an analyst can do: read our tables by any SELECT, with the answer `mailiu` gets."""

import httpx
import pytest
from clickhouse_connect.driver import Client

from tests.clickhouse.embedded import Embedded


@pytest.fixture(scope="module", autouse=True)
def diary(client: Client) -> None:
    client.command(
        "CREATE TABLE diary_v1 (resident String, time DateTime64(3, 'UTC'), systolic Nullable(Float64), system String,"
        " flags Array(String)) ENGINE = ReplacingMergeTree ORDER BY (resident, time)"
    )
    client.command(
        "INSERT INTO diary_v1 SELECT 'R' || toString(number % 10), toDateTime64('2024-01-01', 3, 'UTC') + number * 3600"
        ", if(number % 17 = 0, NULL, 110 + number % 60), 'ICD-10', if(number % 5 = 0, ['irregular'], [])"
        " FROM numbers(2000)"
    )
    client.command("CREATE VIEW diary AS SELECT * FROM diary_v1 FINAL")
    client.command(
        "CREATE VIEW served DEFINER = CURRENT_USER SQL SECURITY DEFINER AS SELECT count() AS n FROM diary_v1"
    )


STATEMENTS = [
    "SELECT count(), avg(systolic), quantile(0.5)(systolic) FROM diary",
    "SELECT resident, count() AS n FROM diary GROUP BY resident HAVING n > 5 ORDER BY resident",
    "WITH days AS (SELECT toDate(time) AS day, avg(systolic) AS mean FROM diary GROUP BY day)"
    " SELECT day, mean, avg(mean) OVER (ORDER BY day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) FROM days ORDER BY day",
    "SELECT resident, time, systolic, lagInFrame(systolic) OVER w FROM diary WINDOW w AS (PARTITION BY resident"
    " ORDER BY time) ORDER BY resident, time LIMIT 2 BY resident",
    "SELECT a.resident, count() FROM diary AS a INNER JOIN diary AS b ON a.resident = b.resident AND a.time > b.time"
    " GROUP BY a.resident ORDER BY 1",
    "SELECT * FROM diary ASOF LEFT JOIN (SELECT resident, time, systolic AS before FROM diary) AS b"
    " USING (resident, time) ORDER BY resident, time LIMIT 10",
    "SELECT flag, count() FROM diary ARRAY JOIN flags AS flag GROUP BY flag",
    "SELECT arrayMap((x, i) -> x || toString(i), ['a', 'b'], [1, 2]), tuple(1, 'x').2, map('k', 1)['k'], {x:UInt8} + 1",
    "SELECT toStartOfMonth(time) AS month, countIf(systolic >= 140) / countIf(isNotNull(systolic)) FROM diary "
    " GROUP BY ALL ORDER BY month WITH FILL STEP INTERVAL 1 MONTH",
    "SELECT CASE WHEN systolic > 140 THEN '高' WHEN systolic IS NULL THEN '?' ELSE 'it''s \\'fine\\'' END AS c, count()"
    " FROM diary GROUP BY c ORDER BY c",
    "SELECT system, `system`, diary.system FROM diary LIMIT 1",
    "SELECT 'system.processes', 'file(', \"resident\" FROM diary ORDER BY time LIMIT 1 -- system.processes",
    "SELECT * EXCEPT (flags) REPLACE (round(systolic) AS systolic) FROM diary ORDER BY time LIMIT 3 OFFSET 2",
    "SELECT * FROM (SELECT resident FROM diary WHERE resident IN (SELECT resident FROM diary WHERE systolic > 160)"
    " UNION DISTINCT SELECT 'x') ORDER BY 1",
    "SELECT format('{} {}', resident, 'x'), splitByChar(',', 'a,b'), extract('a1', '\\\\d'), -1, 1e3, 0xff, NOT 1"
    " FROM diary ORDER BY time LIMIT 1",
    "SELECT resident, INTERVAL 1 DAY + time, time::Date, CAST(systolic AS Nullable(Int32)) FROM diary"
    " ORDER BY time LIMIT 5",
    "SELECT number, number * 2 FROM numbers(5)",
    "SELECT * FROM generate_series(1, 3)",
    "SELECT * FROM values('a UInt8, b String', (1, 'x'), (2, 'y'))",
    "SELECT * FROM view(SELECT count() FROM diary)",
    "FROM diary SELECT count()",
    "SELECT * FROM ((SELECT 1 AS a) UNION ALL (SELECT 2)) ORDER BY a",
    "SELECT n FROM served",
    "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = 'diary' ORDER BY name",
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'mailiu' AND table_name = 'diary'",
    "DESCRIBE TABLE diary",
    "SHOW CREATE VIEW diary",
    "SHOW COLUMNS FROM diary",
    "EXISTS TABLE diary",
    "EXPLAIN SYNTAX SELECT 1",
    "SHOW TABLES LIKE 'diary%'",
]  # fmt: skip


@pytest.mark.parametrize("sql", STATEMENTS, ids=lambda sql: sql[:50])
def test_the_answer_is_that_of_mailiu(http: httpx.Client, analyst: httpx.Client, sql: str) -> None:
    parameters = {"param_x": "4", "default_format": "TabSeparatedWithNamesAndTypes"}
    read = analyst.post("/", params=parameters, content=sql)
    assert read.status_code == 200, read.text
    assert read.text == http.post("/", params=parameters, content=sql).text


def test_limits_can_be_lowered(analyst: httpx.Client) -> None:
    sql = "SELECT getSetting('max_execution_time'), getSetting('max_memory_usage'), getSetting('max_result_rows')"
    lower = {"max_execution_time": "2.5", "max_memory_usage": "100000000", "max_result_rows": "10"}
    assert analyst.post("/", content=sql).text == "30\t1073741824\t1000000\n"
    assert analyst.post("/", params=lower, content=sql).text == "2.5\t100000000\t10\n"
    answer = analyst.post("/", params=lower, content="SELECT number FROM numbers(100) ORDER BY number")
    assert answer.headers["X-ClickHouse-Exception-Code"] == "396"


def test_how_a_result_looks_can_be_chosen(analyst: httpx.Client) -> None:
    parameters = {"output_format_json_quote_64bit_integers": "1", "default_format": "JSONEachRow"}
    assert analyst.post("/", params=parameters, content="SELECT 1::UInt64 AS a").text == '{"a":"1"}\n'
    assert analyst.get("/", params={"query": "SELECT 1", "database": "default"}).text == "1\n"


def test_many_statements_at_once_are_refused_and_others_are_served(server: Embedded, http: httpx.Client) -> None:
    import concurrent.futures

    def ask(_: int) -> tuple[int, str | None]:
        with server.http("analyst") as one:
            answer = one.post("/", content="SELECT sleep(0.2)")
            return answer.status_code, answer.headers.get("X-ClickHouse-Exception-Code")

    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        asked = [pool.submit(ask, number) for number in range(24)]
        assert http.post("/", content="SELECT 1").text == "1\n"
        answers = [one.result() for one in asked]
    assert set(answers) <= {(200, None), (500, "202")}
    assert answers.count((200, None)) >= 16
