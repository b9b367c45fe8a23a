"""What an analyst must not be able to do: each attack is refused, and leaves nothing written, read or changed."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import zstandard
from clickhouse_connect.driver import Client

from tests.clickhouse.attacks import DENIED, NO_TABLE, READONLY, REQUESTS, STATEMENTS, SYNTAX
from tests.clickhouse.embedded import Embedded

SECRET = "7f3a-known-only-to-the-file-and-the-closed-tables"


class World(NamedTuple):
    """What an attack could read, write or change."""

    secret: Path
    trap: Path
    client: Client
    before: list[object]

    def untouched(self) -> bool:
        return state(self.client, self.secret, self.trap) == self.before

    def fill(self, sql: str) -> str:
        return sql.replace("{secret}", str(self.secret)).replace("{trap}", str(self.trap))


@pytest.fixture(scope="module")
def world(server: Embedded, client: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A file and tables that an analyst must not read, a folder nobody may write to, one table to read."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "secret").write_text(SECRET)
    (folder / "trap").mkdir()
    client.command("CREATE TABLE attacked_v1 (id UInt32, name String) ENGINE = MergeTree ORDER BY id")
    client.command("INSERT INTO attacked_v1 SELECT number, toString(number) FROM numbers(1000)")
    client.command("CREATE VIEW attacked AS SELECT * FROM attacked_v1")
    for table in ("log", "rejected_messages", "rejected_messages_v2", "unparsed", "log_v3"):
        client.command(f"CREATE TABLE {table} (value String) ENGINE = MergeTree ORDER BY value")
        client.command(f"INSERT INTO {table} VALUES ('{SECRET}')")
    client.command("CREATE VIEW over_log AS SELECT * FROM log")
    client.command("CREATE DATABASE closed")
    client.command("CREATE TABLE closed.secrets (value String) ENGINE = MergeTree ORDER BY value")
    client.command(f"INSERT INTO closed.secrets VALUES ('{SECRET}')")
    client.command("CREATE VIEW over_closed AS SELECT * FROM closed.secrets")
    client.command("CREATE FUNCTION reader AS (path) -> file(path)")
    secret, trap = folder / "secret", folder / "trap"
    yield World(secret, trap, client, state(client, secret, trap))
    own = client.query("SELECT name FROM system.functions WHERE origin != 'System' ORDER BY name")
    assert own.result_rows == [("reader",)]
    client.command("DROP FUNCTION reader")


def state(client: Client, secret: Path, trap: Path) -> list[object]:
    """All that an attack could change."""
    tables = """
        SELECT arraySort(groupArray((database, name, engine, total_rows, create_table_query))),
               (SELECT arraySort(groupArray(name)) FROM system.databases),
               (SELECT arraySort(groupArray((name, value))) FROM system.settings WHERE changed),
               currentRoles(), currentDatabase()
        FROM system.tables WHERE database IN ('mailiu', 'closed')"""
    return [sorted(trap.iterdir()), secret.read_text(), *client.query(tables).result_rows]


@pytest.mark.parametrize(("sql", "codes"), STATEMENTS, ids=lambda value: str(value)[:60])
def test_a_statement_is_refused(analyst: httpx.Client, world: World, sql: str, codes: set[int]) -> None:
    parameters = {"param_t": "log", "param_d": "system", "max_execution_time": "1"}
    refused(analyst.post("/", content=world.fill(sql), params=parameters), codes)
    assert world.untouched()


@pytest.mark.parametrize(("parameters", "headers", "codes"), REQUESTS, ids=lambda value: str(value)[:60])
def test_a_request_is_refused(
    analyst: httpx.Client, world: World, parameters: dict[str, str], headers: dict[str, str], codes: set[int]
) -> None:
    refused(analyst.post("/", params=parameters, headers=headers, content="SELECT * FROM attacked"), codes)
    assert world.untouched()


@pytest.mark.parametrize("query_id", ["*/ SET ROLE mailiu; SELECT currentRoles() --", "**//", "x\r\ny: z", "é", "*/"])
def test_a_query_id_is_no_way_in(analyst: httpx.Client, world: World, query_id: str) -> None:
    answer = analyst.post("/", params={"query_id": query_id}, content="SELECT currentRoles()")
    assert answer.text == "['analyst']\n"
    assert "y" not in answer.headers
    assert world.untouched()


@pytest.mark.parametrize("format", ["TSV", "JSON", "Native"])
def test_a_result_ends_at_its_limit(analyst: httpx.Client, format: str) -> None:
    answer = analyst.post("/", params={"default_format": format}, content="SELECT number FROM numbers(2000000)")
    assert "Code: 396. DB::Exception: Limit for result exceeded" in answer.content[-400:].decode(errors="replace")
    assert answer.content.count(b"\n") < 1_000_020


@pytest.mark.parametrize("session", ["s1", "s2"])
def test_an_analyst_keeps_nothing_in_a_session(analyst: httpx.Client, session: str) -> None:
    refused(analyst.post("/", params={"session_id": session}, content="SET max_threads = 4"), {READONLY})
    refused(analyst.post("/", params={"session_id": session}, content="CREATE TEMPORARY TABLE t (a Int8)"), {READONLY})
    answer = analyst.post("/", params={"session_id": session}, content="SELECT getSetting('max_threads')")
    assert answer.text == "1\n"


def test_a_session_of_mailiu_is_not_an_analysts(http: httpx.Client, analyst: httpx.Client) -> None:
    session = {"session_id": "shared"}
    assert http.post("/", params=session, content="CREATE TEMPORARY TABLE mine (a Int8)").status_code == 200
    refused(analyst.post("/", params=session, content="SELECT * FROM mine"), {NO_TABLE})
    assert analyst.post("/", params=session, content="SELECT currentRoles()").text == "['analyst']\n"


def test_a_bomb_is_no_statement(analyst: httpx.Client) -> None:
    bomb = zstandard.compress(b"SELECT 1" + b" " * (1 << 28), 1)
    refused(analyst.post("/", headers={"Content-Encoding": "zstd"}, content=bomb), {577})
    assert analyst.post("/", content="SELECT 1").text == "1\n"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 INTO OUTFILE '{trap}/x'",
        "SELECT 1 INTO /* a */ OUTFILE '{trap}/x'",
        "INSERT INTO attacked_v1 FROM INFILE '{secret}' FORMAT LineAsString",
        "SELECT * FROM file('{secret}', 'LineAsString')",
        "SELECT file('{secret}')",
        "SELECT * FROM default.`{secret}`",
        "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
        "CREATE TABLE x (a String) ENGINE = File(LineAsString, '{secret}')",
        "CREATE TABLE x (a String) ENGINE /* a */ = /* b */ `File`(LineAsString, '{secret}')",
        "CREATE TABLE x (a String) ENGINE File(LineAsString, '{secret}')",
        "CREATE TABLE x (a String) ENGINE = URL('http://127.0.0.1:1/', 'CSV')",
        "CREATE TABLE x (a String) ENGINE = Executable('id', 'CSV')",
        "CREATE TABLE x AS file('{secret}', 'LineAsString')",
        "CREATE DATABASE x ENGINE = Filesystem('/')",
        "CREATE DATABASE x ENGINE = SQLite('{secret}')",
        "CREATE DICTIONARY x (a String) PRIMARY KEY a SOURCE(FILE(path '{secret}' format 'CSV')) LAYOUT(FLAT())",
        "CREATE MATERIALIZED VIEW x ENGINE = File(CSV) AS SELECT 1",
        "INSERT INTO FUNCTION file('{trap}/x', 'CSV', 'a Int8') VALUES (1)",
        "INSERT INTO FUNCTION file('{trap}/x', 'CSV', 'a Int8') FORMAT CSV\n1",
        "BACKUP TABLE attacked_v1 TO File('{trap}/x')",
        "SET ROLE mailiu; SELECT 1",
        "SELECT 1; DROP TABLE attacked_v1",
        "SELECT 1; (",
    ],
)
def test_even_mailiu_reaches_no_file_and_runs_one_statement(http: httpx.Client, world: World, sql: str) -> None:
    refused(http.post("/", content=world.fill(sql)), {48, SYNTAX, DENIED, 344})
    assert world.untouched()


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO attacked_v1 VALUES (7, 'x')",
        'INSERT INTO attacked_v1 FORMAT JSONEachRow {"id": 1}',
        "DROP TABLE attacked_v1",
        "SYSTEM STOP MERGES",
        "KILL QUERY WHERE 1",
    ],
)
def test_a_get_changes_nothing(http: httpx.Client, world: World, sql: str) -> None:
    refused(http.get("/", params={"query": sql}), {READONLY})
    assert world.untouched()


def refused(answer: httpx.Response, codes: set[int]) -> None:
    """Assert that ``answer`` is an error with one of ``codes``, told as ClickHouse tells it, and gives nothing away."""
    assert answer.status_code != 200, answer.text[:500]
    code = int(answer.headers["X-ClickHouse-Exception-Code"])
    assert code in codes, answer.text[:500]
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")
    assert SECRET not in answer.text
