"""Clients that go away, a server that is killed, stopped, or cannot start."""

import itertools
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import OperationalError

from infra.clickhouse.server import _bound
from tests.clickhouse.embedded import Embedded

ENDLESS = "SELECT max(sipHash64(number)) FROM system.numbers"


def running(client: Client, mark: str) -> int:
    """Statements with ``mark`` that run in the engine now."""
    sql = "SELECT count() FROM system.processes WHERE query LIKE {mark:String} AND query NOT LIKE '%system.processes%'"
    return int(client.query(sql, parameters={"mark": f"%{mark}%"}).result_rows[0][0])


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, a minute at most."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited a minute in vain"
        time.sleep(0.02)


def send(server: Embedded, user: str, body: bytes, length: int | None = None, parameters: str = "") -> socket.socket:
    """Send a request by hand; the connection, for the caller to drop."""
    address = httpx.URL(server.url)
    connection = socket.create_connection((address.host, address.port), 30)
    length = len(body) if length is None else length
    head = (
        f"POST /{parameters} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
        f"X-ClickHouse-User: {user}\r\nX-ClickHouse-Key: {server.password(user)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


@pytest.mark.parametrize("user", ["mailiu", "analyst"])
@pytest.mark.parametrize(
    "sql",
    [
        ENDLESS,
        "SELECT max(sipHash64(number)) FROM system.numbers FORMAT JSON",
        "SELECT number FROM system.numbers WHERE sipHash64(number) = 1",
        "EXPLAIN PLAN SELECT (SELECT max(sipHash64(number)) FROM system.numbers)",
    ],
)
def test_a_client_that_goes_away_takes_its_query_with_it(server: Embedded, client: Client, user: str, sql: str) -> None:
    mark = f"m{random.getrandbits(64)}"
    connection = send(server, user, sql.replace("SELECT ", f"SELECT '{mark}' AS mark, ", 1).encode())
    until(lambda: running(client, mark) > 0)
    connection.close()
    until(lambda: running(client, mark) == 0)


def test_a_client_that_goes_away_while_it_reads(server: Embedded, client: Client) -> None:
    mark = f"m{random.getrandbits(64)}"
    connection = send(server, "mailiu", f"SELECT '{mark}', number FROM system.numbers".encode())
    assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    assert running(client, mark) == 1
    connection.close()
    until(lambda: running(client, mark) == 0)


def test_a_client_that_goes_away_while_it_waits_for_its_turn(server: Embedded, client: Client) -> None:
    marks = [f"m{random.getrandbits(64)}" for _ in range(4)]  # two of them wait: analysts have two threads
    connections = [
        send(server, "analyst", f"SELECT '{mark}', max(sipHash64(number)) FROM system.numbers".encode())
        for mark in marks
    ]
    until(lambda: sum(running(client, mark) for mark in marks) == 2)
    for connection in reversed(connections):
        connection.close()
    until(lambda: not any(running(client, mark) for mark in marks))
    with server.http("analyst") as analyst:
        assert analyst.post("/", content="SELECT 1").text == "1\n"


def test_a_client_that_goes_away_in_the_middle_of_an_insert_has_inserted_nothing(
    server: Embedded, client: Client
) -> None:
    client.command("CREATE TABLE halves (n UInt64) ENGINE = MergeTree ORDER BY n")
    rows = b"".join(b"%d\n" % i for i in range(300_000))
    insert = "?query=INSERT%20INTO%20halves%20FORMAT%20TSV"
    connection = send(server, "mailiu", rows[: len(rows) // 2], len(rows), insert)
    time.sleep(0.2)
    connection.close()
    text = b"INSERT INTO halves FORMAT TSV\n"
    send(server, "mailiu", text + rows[:200_000], len(rows)).close()
    client.insert("halves", [[7]], ["n"])
    assert client.query("SELECT count(), sum(n) FROM halves").result_rows == [(1, 7)]
    assert not list((server.home / "clickhouse" / "incoming").iterdir())


def write_until_killed(server: Embedded, tables: int, acknowledged: list[int]) -> None:
    """Insert numbered batches, each with another size, and note those that were acknowledged."""
    client = server.client(query_retries=0)
    for batch in itertools.count(tables):
        size = random.randint(1, 5000)
        rows = b"".join(b'{"batch": %d, "n": %d, "size": %d}\n' % (batch, n, size) for n in range(size))
        try:
            client.raw_insert("written", insert_block=rows, fmt="JSONEachRow")
        except OperationalError:
            return
        acknowledged.append(batch)


def test_a_kill_loses_no_acknowledged_row(own: Embedded) -> None:
    """Ten kills; after each, every acknowledged batch is whole in the table and in what its views filled."""
    own.start()
    client = own.client()
    columns = "(batch UInt64, n UInt64, size UInt64) ENGINE = MergeTree ORDER BY (batch, n)"
    for table in ("written", "viewed"):
        client.command(f"CREATE TABLE {table} {columns}")
    client.command("CREATE MATERIALIZED VIEW viewing TO viewed AS SELECT * FROM written")
    acknowledged: list[int] = []
    for trial in range(5):
        threads = [
            threading.Thread(target=write_until_killed, args=(own, (trial * 2 + i) * 1_000_000, acknowledged))
            for i in range(2)
        ]
        before = len(acknowledged)
        for thread in threads:
            thread.start()
        until(lambda before=before: len(acknowledged) >= before + 5)  # type: ignore[misc]
        time.sleep(random.random() / 4)
        own.stop(signal.SIGKILL)
        for thread in threads:
            thread.join()
        client.close()
        own.start()
        client = own.client()
        for table in ("written", "viewed"):
            whole = {
                row[0]
                for row in client.query(
                    f"SELECT batch FROM {table} GROUP BY batch HAVING count() = any(size)"
                ).result_rows
            }
            assert set(acknowledged) <= whole, (table, trial)
    print(f"{len(acknowledged)} batches acknowledged, 5 kills, none lost")
    client.close()
    assert own.stop() == 0


def test_a_stop_is_clean_and_keeps_everything(own: Embedded) -> None:
    own.start()
    client = own.client()
    client.command("CREATE TABLE kept (n UInt64) ENGINE = MergeTree ORDER BY n")
    client.insert("kept", [[1], [2]], ["n"])
    endless = [send(own, user, ENDLESS.encode()) for user in ("mailiu", "analyst", "mailiu")]
    endless.append(send(own, "mailiu", b"SELECT number FROM system.numbers"))
    until(lambda: running(client, "system.numbers") == 4)
    assert own.stop() == 0
    for connection in endless:
        connection.close()
    client.close()
    own.start()
    client = own.client()
    assert client.query("SELECT * FROM kept ORDER BY n").result_rows == [(1,), (2,)]
    client.close()
    assert own.stop(signal.SIGINT) == 0
    assert "Traceback" not in own.errors()


def test_a_stop_while_starting(own: Embedded) -> None:
    process = own.spawn()
    time.sleep(random.random())
    process.terminate()
    assert process.wait(60) in (0, -signal.SIGTERM)


def test_it_says_why_it_does_not_start(own: Embedded) -> None:
    own.start()
    second = Embedded(own.home)
    assert second.spawn().wait(60) == 1
    assert "cannot be opened (by another process" in own.errors()
    third = Embedded(own.home / "elsewhere")
    third.url = own.url
    assert third.spawn().wait(60) == 1
    assert "Address already in use" in third.errors()
    third.url = "https://clickhouse.example:8443"
    assert third.spawn().wait(60) == 1
    assert "MAILIU_CLICKHOUSE is https://clickhouse.example:8443" in third.errors()


def test_small_answers_are_not_held_back() -> None:
    """asyncio turns Nagle's algorithm off only on sockets that say they are TCP: 40 ms a request."""
    with _bound("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_the_folder_it_is_started_in_does_not_matter(own: Embedded) -> None:
    """The engine would take a `config.xml` that lies there for its own."""
    folder = own.home / "foreign"
    folder.mkdir()
    (folder / "config.xml").write_text("<clickhouse><users_config>/nothing.xml</users_config></clickhouse>")
    own.start(folder)
    with own.http() as http:
        assert http.post("/", content="SELECT currentRoles()").text == "['mailiu']\n"
    assert own.stop() == 0


def test_what_lies_on_the_disk_is_ours_alone(own: Embedded) -> None:
    own.start()
    folder = own.home / "clickhouse"
    assert folder.stat().st_mode & 0o077 == 0
    for user in ("mailiu", "analyst"):
        assert (own.home / "secrets" / f"clickhouse-{user}").stat().st_mode & 0o077 == 0
        found = subprocess.run(["grep", "-rl", own.password(user), folder], capture_output=True, check=False)
        assert found.stdout == b""


def test_only_this_package_knows_the_engine() -> None:
    """Everybody else speaks HTTP, so that a ClickHouse server can take the engine's place."""
    root = Path(__file__).parents[2]
    rooms = ["api", "analytics", "infra", "mqtt_ingest", "projections", "schemas", "streams"]
    files = [file for room in rooms for file in (root / room).rglob("*.py")]
    ours = root / "infra" / "clickhouse"
    knowing = [file for file in files if "chdb" in file.read_text().lower() and ours not in file.parents]
    assert [file for file in knowing if "import chdb" in file.read_text() or "from chdb" in file.read_text()] == []
