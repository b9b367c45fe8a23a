"""What an analyst must not be able to do: each attack is refused, and leaves nothing written, read or changed."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import zstandard
from clickhouse_connect.driver import Client

from infra.clickhouse.gate import READABLE_SYSTEM_TABLES, READABLE_TABLE_FUNCTIONS
from tests.clickhouse.attacks import DENIED, NO_TABLE, READONLY, REQUESTS, STATEMENTS, STATEMENTS_BY_AIM, SYNTAX
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
    secret, trap = attacked(client, tmp_path_factory.mktemp("world"))
    yield World(secret, trap, client, state(client, secret, trap))
    own = client.query("SELECT name FROM system.functions WHERE origin != 'System' ORDER BY name")
    assert own.result_rows == [("reader",)]
    client.command("DROP FUNCTION reader")


def attacked(client: Client, folder: Path) -> tuple[Path, Path]:
    """Make what is attacked; the file and the folder."""
    (folder / "secret").write_text(SECRET)
    (folder / "trap").mkdir()
    client.command("CREATE TABLE attacked_v1 (id UInt32, name String) ENGINE = MergeTree ORDER BY id")
    client.command("INSERT INTO attacked_v1 SELECT number, toString(number) FROM numbers(1000)")
    client.command("CREATE VIEW attacked AS SELECT * FROM attacked_v1")
    for table in ("log", "rejected_messages", "rejected_messages_v2", "unparsed", "log_v3"):
        client.command(f"CREATE TABLE {table} (value String) ENGINE = MergeTree ORDER BY value")
        client.command(f"INSERT INTO {table} VALUES ('{SECRET}')")
    client.command("CREATE VIEW over_log AS SELECT * FROM log")
    written = "id UInt32, severity String, comment Nullable(String), reason Nullable(String)"
    client.command(f"CREATE TABLE alerts_v1 ({written}) ENGINE = MergeTree ORDER BY id")
    client.command(f"INSERT INTO alerts_v1 VALUES (1, 'red', '{SECRET}', '{SECRET}')")
    client.command("CREATE VIEW alerts AS SELECT * FROM alerts_v1")
    client.command("CREATE TABLE timeline_v7 (data String) ENGINE = MergeTree ORDER BY data")
    client.command("CREATE DATABASE closed")
    client.command("CREATE TABLE closed.secrets (value String) ENGINE = MergeTree ORDER BY value")
    client.command(f"INSERT INTO closed.secrets VALUES ('{SECRET}')")
    client.command("CREATE VIEW over_closed AS SELECT * FROM closed.secrets")
    client.command("CREATE FUNCTION reader AS (path) -> file(path)")
    return folder / "secret", folder / "trap"


def state(client: Client, secret: Path, trap: Path) -> list[object]:
    """All that an attack could change."""
    tables = """
        SELECT arraySort(groupArray((database, name, engine, total_rows, create_table_query))),
               (SELECT arraySort(groupArray(name)) FROM system.databases),
               (SELECT arraySort(groupArray((name, value))) FROM system.settings WHERE changed),
               currentRoles(), currentDatabase()
        FROM system.tables WHERE database IN ('mailiu', 'closed')"""
    return [sorted(trap.iterdir()), secret.read_text(), *client.query(tables).result_rows]


def test_the_page_tells_of_every_attack() -> None:
    from tests.clickhouse.isolation_page import PAGE

    told = PAGE.read_text()
    assert told.count("\n| `` ") == len(STATEMENTS) + len(REQUESTS), "run python -m tests.clickhouse.isolation_page"
    for aim in STATEMENTS_BY_AIM:
        assert aim[1:] in told


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


def test_every_table_of_the_system_is_closed_but_the_listed(
    analyst: httpx.Client, client: Client, world: World
) -> None:
    names = client.query("SELECT name FROM system.tables WHERE database = 'system' ORDER BY name").result_rows
    closed = [name for (name,) in names if name not in READABLE_SYSTEM_TABLES]
    assert len(closed) > 50
    for name in closed:
        refused(analyst.post("/", content=f"SELECT * FROM system.{name} LIMIT 1"), {DENIED})
    assert world.untouched()


def test_every_table_function_is_closed_but_the_listed(analyst: httpx.Client, client: Client, world: World) -> None:
    names = client.query("SELECT name FROM system.table_functions ORDER BY name").result_rows
    closed = [name for (name,) in names if name.lower() not in READABLE_TABLE_FUNCTIONS]
    assert len(closed) > 50
    for name in closed:
        for arguments in ("", "'x'", "'mailiu', 'log'", "'http://127.0.0.1:1/', 'CSV', 'a String'"):
            refused(analyst.post("/", content=f"SELECT * FROM `{name}`({arguments})"), {DENIED, SYNTAX, 42})
    assert world.untouched()


def test_what_is_open_beside_free_text_is_read(analyst: httpx.Client, world: World) -> None:
    for table in ("alerts", "alerts_v1"):
        assert analyst.post("/", content=f"SELECT id, severity FROM {table}").text == "1\tred\n"
        assert analyst.post("/", content=f"SELECT * EXCEPT (comment, reason) FROM {table}").text == "1\tred\n"


@pytest.mark.parametrize(
    "fields",
    [
        {"query": "DROP TABLE attacked_v1"},
        {"query": "SELECT 1", "readonly": "0"},
        {"query": "SELECT 1", "role": "mailiu"},
        {"query": "SELECT 1", "database": "system"},
        {"query": "SELECT * FROM log", "user": "mailiu"},
        {"query": "SELECT * FROM {x:Identifier}", "param_x": "log"},
    ],
)
def test_a_form_is_no_way_in(analyst: httpx.Client, world: World, fields: dict[str, str]) -> None:
    files = {name: (None, value) for name, value in fields.items()}
    refused(analyst.post("/", files=files), {READONLY, DENIED, 512})
    assert world.untouched()


@pytest.mark.parametrize(
    "query", ["database=mailiu&database=system", "role=analyst&role=mailiu", "readonly=1&readonly=0"]
)
def test_a_parameter_given_twice_is_no_way_in(analyst: httpx.Client, world: World, query: str) -> None:
    refused(analyst.post(f"/?{query}", content="SELECT 1"), {READONLY, DENIED, 512})
    assert world.untouched()


def test_a_statement_in_two_halves_is_no_way_in(analyst: httpx.Client, world: World) -> None:
    for first, second in (("SELECT 1;", "DROP TABLE attacked_v1"), ("SELECT 1 /*", "*/; DROP TABLE attacked_v1")):
        refused(analyst.post("/", params={"query": first}, content=second), {SYNTAX})
    refused(analyst.post("/", params={"query": "DROP TABLE"}, content="attacked_v1"), {READONLY})
    assert world.untouched()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/play", "/dashboard", "/../etc/passwd", "/js/x.js", "/metrics"])
def test_other_doors_are_walls(analyst: httpx.Client, world: World, method: str, path: str) -> None:
    answer = analyst.request(method, path, params={"query": "DROP TABLE attacked_v1"})
    assert answer.status_code in (404, 501)
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


def test_a_statement_that_cannot_be_stopped_ends_the_process(own: Embedded) -> None:
    """The supervisor starts it again; what was acknowledged is there."""
    own.first = "import infra.clickhouse.app as app; app.LONGEST = 2.0"
    own.start()
    with own.client() as client:
        client.command("CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a")
        client.insert("kept", [[1]], ["a"])
    endless = "SELECT match(repeat('a', 1000000), repeat('(a*)*', 10000))"
    with own.http("analyst") as analyst, pytest.raises(httpx.RemoteProtocolError):
        analyst.post("/", content=endless, params={"max_execution_time": "1"})
    assert own.process is not None
    assert own.process.wait(60) == 1
    assert "does not end" in own.errors()
    own.start()
    with own.client() as client:
        assert client.query("SELECT a FROM kept").result_rows == [(1,)]


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
