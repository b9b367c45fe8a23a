"""An insert is acknowledged when its table and every view have all rows, and only then."""

import json

import httpx
import pytest
from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import DatabaseError

FORMATS = [
    "JSONEachRow", "Native", "RowBinary", "CSV", "TSV", "Values", "Parquet", "ArrowStream", "JSONCompactEachRow",
]  # fmt: skip


@pytest.fixture(scope="module")
def viewed(client: Client) -> str:
    """A table with a view that copies and a view that fails for the name `bad`."""
    client.command(
        "CREATE TABLE source (n UInt64, name String, CONSTRAINT small CHECK n < 1000000) ENGINE = MergeTree ORDER BY n"
    )
    client.command("CREATE TABLE copied (n UInt64, name String) ENGINE = MergeTree ORDER BY n")
    client.command("CREATE TABLE checked (n UInt64, fine UInt8) ENGINE = MergeTree ORDER BY n")
    client.command("CREATE MATERIALIZED VIEW copying TO copied AS SELECT n, name FROM source")
    client.command(
        "CREATE MATERIALIZED VIEW checking TO checked AS SELECT n, throwIf(name = 'bad') AS fine FROM source"
    )
    return "source"


def rows_of(client: Client, low: int, high: int) -> list[int]:
    counts = "".join(
        f", (SELECT count() FROM {table} WHERE n >= {low} AND n < {high})" for table in ("copied", "checked")
    )
    return list(
        client.query(f"SELECT (SELECT count() FROM source WHERE n >= {low} AND n < {high}){counts}").result_rows[0]
    )


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_reaches_every_view(client: Client, viewed: str, format: str) -> None:
    low = 1000 * (FORMATS.index(format) + 1)
    data = client.raw_query(f"SELECT number + {low} AS n, toString(n) AS name FROM numbers(500)", fmt=format)
    client.raw_insert(viewed, ["n", "name"], data, fmt=format)
    assert rows_of(client, low, low + 1000) == [500, 500, 500]


@pytest.mark.parametrize("format", FORMATS)
def test_a_view_that_fails_is_an_error(client: Client, viewed: str, format: str) -> None:
    data = client.raw_query("SELECT toUInt64(900000) AS n, 'bad' AS name", fmt=format)
    with pytest.raises(DatabaseError) as caught:
        client.raw_insert(viewed, ["n", "name"], data, fmt=format)
    assert caught.value.code == 395
    assert "while pushing to view mailiu.checking" in str(caught.value)


def test_a_view_that_fails_is_an_error_of_a_statement_with_values(client: Client, viewed: str) -> None:
    for sql in ("INSERT INTO source VALUES (900001, 'bad')", "INSERT INTO source SELECT 900001, 'bad'"):
        with pytest.raises(DatabaseError) as caught:
            client.command(sql)
        assert caught.value.code == 395


def test_a_constraint_that_fails_is_an_error(client: Client, viewed: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.raw_insert(viewed, insert_block=b'{"n": 1000001, "name": "x"}', fmt="JSONEachRow")
    assert caught.value.code == 469
    assert rows_of(client, 1_000_000, 1_000_002) == [0, 0, 0]


@pytest.mark.parametrize(
    ("format", "data", "code"),
    [
        ("JSONEachRow", b'{"n": 950000, "name": "x"}\n{"n": 9500', 33),
        ("JSONEachRow", b'{"n": 950000, "name": "x"}\n{"n": "y", "name": "x"}', 27),
        ("JSONEachRow", b'{"n": 950000, "name": "x"}\n{"n": 950001, "other": "x"}', 117),
        ("CSV", b"950000,x\n950001,x,y\n", 117),
        ("RowBinary", b"\x10\x7f\x0e\x00\x00\x00\x00\x00\x01x\x10", 33),
        ("Native", b"\x02\x01\x01n", 32),
        ("Nonsense", b"", 73),
    ],
)
def test_bad_data_insert_nothing(client: Client, viewed: str, format: str, data: bytes, code: int) -> None:
    settings = {"input_format_skip_unknown_fields": 0}
    with pytest.raises(DatabaseError) as caught:
        client.raw_insert(viewed, insert_block=data, fmt=format, settings=settings)
    assert caught.value.code == code
    assert "INFILE" not in str(caught.value)
    assert "/dev/fd" not in str(caught.value)
    assert rows_of(client, 950_000, 951_000) == [0, 0, 0]


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("INSERT INTO spelled FORMAT JSONEachRow", b'{"a": 1}'),
        ("insert into mailiu.spelled (a) format JSONEachRow\n", b'{"a": 1}'),
        ("INSERT INTO `spelled` (`a`) FORMAT CSV;", b"1\n"),
        ("/* why */ INSERT INTO spelled (a) -- where\n FORMAT /* how */ TSV", b"1\n"),
        ("INSERT INTO spelled (a) SETTINGS max_threads = 1, max_block_size = 10 FORMAT CSV", b"1\n"),
        ("INSERT INTO spelled (* EXCEPT(b)) FORMAT CSV", b"1\n"),
        ("INSERT INTO spelled (a) VALUES", b"(1)"),
        ("INSERT INTO spelled (a) FORMAT Values", b"(1)"),
        ("", b'INSERT INTO spelled FORMAT JSONEachRow {"a": 1}'),
        ("", b'INSERT INTO spelled FORMAT JSONEachRow\n{"a": 1}\n'),
        ("", b"INSERT INTO spelled (a) VALUES (1)"),
        ("", b"INSERT INTO spelled (a) SELECT 1"),
        ("", b"INSERT INTO spelled (a)\nWITH 1 AS x SELECT x"),
        ("INSERT INTO spelled (a) FORMAT RowBinary", b"\x01"),
    ],
)
def test_the_ways_to_say_it(client: Client, http: httpx.Client, query: str, body: bytes) -> None:
    client.command("CREATE TABLE IF NOT EXISTS spelled (a UInt8, b String DEFAULT 'B') ENGINE = Memory")
    client.command("TRUNCATE TABLE spelled")
    answer = http.post("/", params={"query": query} if query else {}, content=body)
    assert answer.status_code == 200, answer.text
    assert client.query("SELECT * FROM spelled").result_rows == [(1, "B")]
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"] == "1"


def test_what_cannot_be_done_is_refused_and_not_dropped(client: Client, http: httpx.Client) -> None:
    client.command("CREATE TABLE IF NOT EXISTS spelled (a UInt8, b String DEFAULT 'B') ENGINE = Memory")
    answer = http.post("/", content="INSERT INTO spelled (a) SELECT a + 1 FROM input('a UInt8') FORMAT CSV\n1\n")
    assert answer.headers["X-ClickHouse-Exception-Code"] == "48"
    assert answer.status_code == 501


def test_nothing_to_insert(client: Client) -> None:
    client.command("CREATE TABLE nothing (a UInt8) ENGINE = MergeTree ORDER BY a")
    client.raw_insert("nothing", insert_block=b"", fmt="JSONEachRow")
    client.raw_insert("nothing", insert_block=b"\n \n", fmt="JSONEachRow")
    assert client.command("SELECT count() FROM nothing") == 0


def test_a_large_batch_is_one_block(client: Client) -> None:
    """So that a batch is in the table and in each view whole, or not at all."""
    client.command("CREATE TABLE batch (n UInt64, text String) ENGINE = MergeTree ORDER BY n")
    data = b"".join(b'{"n": %d, "text": "%s"}\n' % (i, b"x" * 400) for i in range(50_000))
    client.raw_insert("batch", insert_block=data, fmt="JSONEachRow")
    assert client.query("SELECT count(), uniq(_part) FROM batch").result_rows == [(50_000, 1)]
