"""clickhouse-connect, sync and async, as our own parts and an analyst use it. Nothing here is special to the embedded
engine: the same tests pass against a ClickHouse server."""

import asyncio
import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import lz4.frame
import polars
import pytest
import zstandard
from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from tests.clickhouse.embedded import Embedded

NOON = dt.datetime(2024, 2, 29, 12, 0, 0, 123000)
COLUMNS: dict[str, tuple[str, list[Any]]] = {
    "id": ("UUID", [uuid.UUID(int=i) for i in range(3)]),
    "name": ("String", ["a\tb\\c'd\n", "血压", ""]),
    "kind": ("LowCardinality(String)", ["x", "y", "x"]),
    "value": ("Nullable(Float64)", [135.5, None, -0.0]),
    "count": ("UInt64", [0, 1, 2**64 - 1]),
    "money": ("Decimal(18, 4)", [Decimal("1.2345"), Decimal("0.0000"), Decimal("-9.9999")]),
    "time": ("DateTime64(3, 'UTC')", [NOON, NOON, NOON]),
    "day": ("Date32", [dt.date(1925, 1, 1), dt.date(2024, 2, 29), dt.date(2100, 1, 1)]),
    "flags": ("Array(String)", [[], ["irregular"], ["a", "b"]]),
    "text": ("Map(String, String)", [{}, {"zh": "高"}, {"en": "high"}]),
}


@pytest.fixture(scope="module")
def typed(client: Client) -> str:
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in COLUMNS.items())
    client.command(f"CREATE TABLE typed ({columns}) ENGINE = MergeTree ORDER BY id")
    client.insert("typed", [values for _, values in COLUMNS.values()], list(COLUMNS), column_oriented=True)
    return "typed"


def test_values_come_back_as_they_went(client: Client, typed: str) -> None:
    result = client.query(f"SELECT * FROM {typed} ORDER BY id")
    assert [list(column) for column in result.result_columns] == [values for _, values in COLUMNS.values()]
    assert result.column_names == tuple(COLUMNS)


def test_the_server_tells_who_it_is(client: Client) -> None:
    assert str(client.server_version) >= "26"
    assert str(client.server_tz) == "UTC"
    assert client.command("SELECT currentDatabase()") == "mailiu"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("String", "a\tb\\c'd\n血压 {x} ; -- /*"),
        ("Nullable(String)", None),
        ("UInt64", 2**64 - 1),
        ("Float64", 1.5),
        ("Array(String)", ["a'b", "c\\d", "\n"]),
        ("DateTime64(3, 'UTC')", NOON),
        ("Date32", dt.date(1925, 1, 1)),
        ("UUID", uuid.UUID(int=7)),
    ],
)
def test_parameters(client: Client, kind: str, value: object) -> None:
    assert client.query(f"SELECT {{x:{kind}}}", parameters={"x": value}).result_rows == [(value,)]


def test_a_large_parameter_travels_as_a_form(server: Embedded) -> None:
    client = server.client(form_encode_query_params=True)
    ids = [f"R{i:06}" for i in range(3000)]
    rows = client.query("SELECT length({ids:Array(String)}), {text:String}", parameters={"ids": ids, "text": "a\tb"})
    assert rows.result_rows == [(3000, "a\tb")]
    client.close()


@pytest.mark.parametrize("compression", [False, "lz4", "zstd", "gzip"])
def test_compression_both_ways(server: Embedded, compression: bool | str) -> None:
    client = server.client(compress=compression)
    table = f"compressed_{compression or 'none'}".lower()
    client.command(f"CREATE TABLE {table} (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
    summary = client.insert(table, [[i, str(i) * 3] for i in range(50_000)], ["n", "s"])
    assert summary.written_rows == 50_000
    rows = client.query(f"SELECT n, s FROM {table} ORDER BY n").result_rows
    assert rows == [(i, str(i) * 3) for i in range(50_000)]
    client.close()


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_raw_insert(client: Client, compression: str | None) -> None:
    client.command("CREATE TABLE IF NOT EXISTS raw (a String, b UInt8 DEFAULT 7) ENGINE = MergeTree ORDER BY a")
    client.command("TRUNCATE TABLE raw")
    data = b"".join(b'{"a": "%d"}\n' % i for i in range(1000))
    packed = {None: data, "lz4": lz4.frame.compress(data), "zstd": zstandard.compress(data)}[compression]
    summary = client.raw_insert("raw", ["a"], packed, fmt="JSONEachRow", compression=compression)
    assert summary.written_rows == 1000
    assert client.query("SELECT count(), uniq(a), sum(b) FROM raw").result_rows == [(1000, 1000, 7000)]
    settings = {"input_format_skip_unknown_fields": 0}
    with pytest.raises(DatabaseError) as caught:
        client.raw_insert("raw", ["a"], b'{"z": 1}\n', fmt="JSONEachRow", settings=settings)
    assert (caught.value.code, caught.value.name) == (117, "INCORRECT_DATA")


def test_streams(client: Client) -> None:
    numbers = "SELECT number, toString(number) FROM numbers(300000)"
    with client.query_rows_stream(numbers) as rows:
        assert sum(row[0] for row in rows) == 299_999 * 150_000
    with client.query_column_block_stream(numbers) as blocks:
        assert sum(len(block[0]) for block in blocks) == 300_000
    with client.query_row_block_stream(numbers) as blocks:
        assert sum(len(block) for block in blocks) == 300_000
    with client.raw_stream(numbers, fmt="TSV") as stream:
        assert sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 16), b"")) == 300_000


def test_arrow_and_polars(client: Client) -> None:
    assert client.query_arrow("SELECT number FROM numbers(100000)").column(0).to_pylist()[-1] == 99_999
    frame = client.query_df_arrow("SELECT number AS n FROM numbers(10)", dataframe_library="polars")
    assert isinstance(frame, polars.DataFrame)
    client.command("CREATE TABLE arrow (n UInt64) ENGINE = MergeTree ORDER BY n")
    client.insert_df_arrow("arrow", frame)
    assert client.command("SELECT sum(n) FROM arrow") == 45


def test_empty_results(client: Client, typed: str) -> None:
    assert client.query(f"SELECT * FROM {typed} WHERE 0").result_rows == []
    assert client.query(f"SELECT * FROM {typed} LIMIT 0").column_names == tuple(COLUMNS)


@pytest.mark.parametrize(
    ("sql", "code", "name"),
    [
        ("SELECT nope", 47, "UNKNOWN_IDENTIFIER"),
        ("SELEC 1", 62, "SYNTAX_ERROR"),
        ("SELECT * FROM nope", 60, "UNKNOWN_TABLE"),
        ("SELECT * FROM nope.nope", 81, "UNKNOWN_DATABASE"),
        ("SELECT nope(1)", 46, "UNKNOWN_FUNCTION"),
        ("SELECT throwIf(1)", 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("SELECT {x:UInt8}", 456, "UNKNOWN_QUERY_PARAMETER"),
        ("SELECT max(number) FROM system.numbers SETTINGS max_execution_time = 0.1", 159, "TIMEOUT_EXCEEDED"),
    ],
)  # fmt: skip
def test_errors_carry_code_and_name(client: Client, sql: str, code: int, name: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.query(sql)
    assert (caught.value.code, caught.value.name) == (code, name)


def test_an_unknown_setting_is_told(client: Client) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.raw_query("SELECT 1", settings={"no_such_setting": 1})
    assert caught.value.code == 115


def test_an_error_in_the_middle_of_a_result(client: Client) -> None:
    with (
        pytest.raises(StreamFailureError) as caught,
        client.query_rows_stream("SELECT throwIf(number = 400000) FROM numbers(500000)") as rows,
    ):
        for _ in rows:
            pass
    assert caught.value.code == 395


def test_sessions_keep_temporary_tables_and_settings(server: Embedded) -> None:
    client = server.client(autogenerate_session_id=True)
    client.command("SET max_block_size = 1234")
    client.command("CREATE TEMPORARY TABLE mine (n UInt8)")
    client.insert("mine", [[1], [2]], ["n"])
    assert client.query("SELECT sum(n) FROM mine", settings={"max_block_size": 77}).result_rows == [(3,)]
    assert client.command("SELECT getSetting('max_block_size')") == 1234
    client.close()
    other = server.client(autogenerate_session_id=True)
    with pytest.raises(DatabaseError) as caught:
        other.query("SELECT * FROM mine")
    assert caught.value.code == 60
    assert other.command("SELECT getSetting('max_block_size')") != 1234
    other.close()


def test_nothing_of_one_request_reaches_the_next(client: Client) -> None:
    client.command("SET max_block_size = 1234")
    client.command("USE system")
    assert client.command("SELECT getSetting('max_block_size')") != 1234
    assert client.command("SELECT currentDatabase()") == "mailiu"


async def test_async(server: Embedded) -> None:
    client = await server.async_client()
    await client.command("CREATE TABLE asynchronous (n UInt64) ENGINE = MergeTree ORDER BY n")
    await asyncio.gather(*(client.insert("asynchronous", [[i * 10 + j] for j in range(10)], ["n"]) for i in range(10)))
    result = await client.query("SELECT count(), sum(n), {x:String} FROM asynchronous", parameters={"x": "é"})
    assert result.result_rows == [(100, 4950, "é")]
    async with await client.query_rows_stream("SELECT number FROM numbers(300000)") as stream:
        assert sum([row[0] async for row in stream]) == 299_999 * 150_000
    with pytest.raises(DatabaseError) as caught:
        await client.query("SELECT nope")
    assert caught.value.code == 47
    answers = await asyncio.gather(*(client.query(f"SELECT {i}, sleep(0.05)") for i in range(20)))
    assert [answer.result_rows[0][0] for answer in answers] == list(range(20))
    await client.close()


def test_an_analyst_reads(server: Embedded, typed: str) -> None:
    analyst = server.client("analyst")
    assert analyst.query(
        f"SELECT count() FROM {typed} WHERE name = {{x:String}}", parameters={"x": "血压"}
    ).result_rows == [(1,)]
    with pytest.raises(DatabaseError) as caught:
        analyst.insert(typed, [[values[0] for _, values in COLUMNS.values()]], list(COLUMNS))
    assert caught.value.code in (164, 497)
    analyst.close()


def test_a_wrong_password(server: Embedded) -> None:
    with pytest.raises(DatabaseError) as caught:
        server.client(password="wrong")
    assert (caught.value.code, caught.value.name) == (516, "AUTHENTICATION_FAILED")
