"""The one engine of this process (chDB), its connections, and the statements that run on them.

Only `infra.clickhouse` touches chDB: everybody else speaks HTTP. All calls here block: the server
makes them in threads.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from infra.clickhouse import config
from infra.clickhouse.errors import NO_FILES


class Summary(NamedTuple):
    """What a statement read and wrote, for the `X-ClickHouse-Summary` header."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    elapsed_ns: int = 0


class Connection:
    """One connection: its own role, database and settings. A statement at a time; any thread."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._stream: Any = None
        self.streamed = 0  #: rows that the last query gave block by block

    def prepare(self, statements: list[str]) -> None:
        """Run ``statements`` (our own SET and USE) one after another."""
        if statements:
            self._raw.query("; ".join(statements), "Null")

    def classify(self, sql: str) -> tuple[int, str]:
        """How many statements ``sql`` is (0: it does not parse as a whole) and the worst class among them."""
        answer = self._raw.classify_query(sql, "")
        return answer["statement_count"], answer["query_class"].name

    def canonical(self, sql: str) -> str:
        """``sql`` as the engine's parser understands it, without comments; raises the engine's syntax error."""
        escaped = sql.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\0", "\\0")
        return self.rows("SELECT formatQuery({sql:String})", {"sql": escaped})[0][0]

    def rows(self, sql: str, parameters: Mapping[str, str] | None = None) -> list[list[str]]:
        """The rows of a small query of our own, as texts."""
        data = self._raw.query(sql, "JSONCompactStringsEachRow", params=dict(parameters or {})).bytes()
        return [orjson.loads(line) for line in data.splitlines()]

    def run(self, sql: str, format: str, parameters: Mapping[str, str]) -> tuple[bytes, Summary]:
        """Run a statement to its end: its whole result in ``format`` (unless it names one itself)."""
        result = self._raw.query(sql, format, params=dict(parameters))
        data = result.bytes()
        return data, Summary(
            read_rows=result.storage_rows_read(),
            read_bytes=result.storage_bytes_read(),
            written_rows=result.rows_written(),
            written_bytes=result.bytes_written(),
            result_rows=result.rows_read() if data else 0,
            elapsed_ns=round(result.elapsed() * 1e9),
        )

    def stream(self, sql: str, format: str, parameters: Mapping[str, str]) -> Iterator[bytes]:
        """The blocks of a query's result, each in ``format``; raises the engine's error wherever it happens."""
        self._stream, self.streamed = self._raw.send_query(sql, format, params=dict(parameters)), 0
        while True:
            block = self._raw.streaming_fetch_result(self._stream)
            if block is None or block.size() == 0:
                self._stream = None
                return
            self.streamed += block.rows_read()
            yield block.bytes()

    def cancel(self) -> None:
        """Cancel an unfinished stream."""
        stream, self._stream = self._stream, None
        if stream is not None:
            self._raw.streaming_cancel_query(stream)

    def close(self) -> None:
        """End the connection, and an unfinished stream with it."""
        try:
            self.cancel()
        finally:
            self._raw.close()


class Engine:
    """The engine over ``folder``, open until `close`; only one process may have it open."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("empty", "incoming", "tmp", "user_files", "format_schemas"):
            (self.folder / name).mkdir(exist_ok=True, mode=0o700)
        os.environ["TZ"] = "UTC"  # the engine takes the server's zone from there
        time.tzset()
        configuration = config.write(self.folder, database)
        self._address = f"{self.folder}/data?config-file={configuration}"
        with _in(self.folder / "empty"):  # the engine would read a config.xml of the folder it is started in
            from chdb import _chdb

            self._open: Callable[[str], Any] = _chdb.connect  # type: ignore[attr-defined]
            self._keeper = self._open(self._address)
        # Grants do not cover the scalar function file(): it reads any file of this machine. Ours hides it.
        _chdb.create_function("file", _no_files, ["String"], "String")
        with self.connection() as connection:
            connection.prepare([f"CREATE DATABASE IF NOT EXISTS {database} ENGINE = Atomic"])
            self.version = connection.rows("SELECT version()")[0][0]
            functions = connection.rows("SELECT lower(name) FROM system.table_functions")
            self.table_functions = {row[0] for row in functions}
            formats = connection.rows("SELECT lower(name) FROM system.formats WHERE is_output")
            self.formats = {row[0] for row in formats}

    def connect(self) -> Connection:
        """A new connection, with every role and without a database."""
        return Connection(self._open(self._address))

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for a moment."""
        connection = self.connect()
        try:
            yield connection
        finally:
            connection.close()

    def kill(self, tag: str = "", which: str = "1") -> None:
        """Stop the statements that begin with ``tag`` and for which the condition ``which`` holds."""
        with self.connection() as connection:
            what = f"startsWith(query, {literal(tag)}) AND {which} AND query_id != queryID()"
            connection.prepare([f"KILL QUERY WHERE {what} ASYNC"])

    def close(self) -> None:
        """Stop what runs and close the files."""
        self.kill()
        self._keeper.close()


def literal(text: str) -> str:
    """``text`` as an SQL string."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def name(text: str) -> str:
    """``text`` as a quoted SQL identifier."""
    return "`" + text.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _no_files(path: str) -> str:
    raise PermissionError(NO_FILES)


@contextmanager
def _in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
