"""Sessions: a connection that is kept for a `session_id`, with its temporary tables and settings."""

import threading
import time
from collections.abc import Mapping
from typing import NamedTuple

from infra.clickhouse.engine import Connection, Engine, literal, name
from infra.clickhouse.errors import Refused

LONGEST = 3600.0
MOST = 64


class _Kept(NamedTuple):
    connection: Connection
    expires: float
    timeout: float


class Sessions:
    """Connections by session id; one is either here or in the hands of the one request that uses it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._busy: dict[str, float] = {}

    def take(self, session: str, parameters: Mapping[str, str], first: list[str]) -> Connection:
        """The session's connection, for this request alone; a new one is made with the statements ``first``."""
        try:
            timeout = float(parameters.get("session_timeout", "60"))
        except ValueError:
            timeout = 0.0
        if not 0 < timeout <= LONGEST:
            raise Refused(
                374, "INVALID_SESSION_TIMEOUT", f"Session timeout must be above 0 and at most {LONGEST:.0f} s"
            )
        self.sweep()
        with self._lock:
            if session in self._busy:
                raise Refused(373, "SESSION_IS_LOCKED", f"Session {session[:64]} is locked by a concurrent client")
            kept = self._kept.pop(session, None)
            if kept is None and parameters.get("session_check") == "1":
                raise Refused(372, "SESSION_NOT_FOUND", f"Session {session[:64]} not found")
            if kept is None and len(self._kept) + len(self._busy) >= MOST:
                raise Refused(202, "TOO_MANY_SIMULTANEOUS_QUERIES", f"Too many sessions, at most {MOST}")
            self._busy[session] = timeout
        if kept is not None:
            return kept.connection
        connection = None
        try:
            connection = self._engine.connect()
            connection.prepare(first)
        except BaseException:
            with self._lock:
                del self._busy[session]
            if connection is not None:
                connection.close()
            raise
        return connection

    def give_back(self, session: str, connection: Connection) -> None:
        """The request has ended; the session waits for its next one."""
        with self._lock:
            timeout = self._busy.pop(session)
            self._kept[session] = _Kept(connection, time.monotonic() + timeout, timeout)

    def sweep(self, all: bool = False) -> None:
        """Close the sessions whose time is over."""
        now = time.monotonic()
        with self._lock:
            over = [session for session, kept in self._kept.items() if all or kept.expires < now]
            closing = [self._kept.pop(session).connection for session in over]
        for connection in closing:
            connection.close()


def apply(connection: Connection, database: str, settings: Mapping[str, str]) -> list[str]:
    """Set a request's database and settings in a session; the statements that undo the settings."""
    if database:
        connection.prepare([f"USE {name(database)}"])
    if not settings:
        return []
    names = ", ".join(literal(setting) for setting in settings)
    rows = connection.rows(f"SELECT name, value FROM system.settings WHERE changed AND name IN ({names})")
    changed = {row[0]: row[1] for row in rows}
    connection.prepare(["SET " + ", ".join(f"{setting} = {literal(value)}" for setting, value in settings.items())])
    return [f"SET {key} = " + (literal(changed[key]) if key in changed else "DEFAULT") for key in settings]


class Lease:
    """A connection in the hands of one request: fresh, or its session's. `close` ends or gives it back, once."""

    def __init__(self, kept: Sessions, engine: Engine, session: str, parameters: Mapping[str, str]) -> None:
        self._kept = kept
        self._engine = engine
        self._session = session
        self._parameters = parameters
        self._undo: list[str] = []
        self._connection: Connection | None = None

    def open(self, user: str, database: str, default: str, settings: Mapping[str, str]) -> Connection:
        """The connection, made the user's, with the request's database and settings."""
        if not self._session:
            self._connection = self._engine.connect()
            self._connection.prepare(preparation(user, database or default, settings))
            return self._connection
        first = preparation(user, database or default, {})
        self._connection = self._kept.take(self._session, self._parameters, first)
        self._undo = apply(self._connection, database, settings)
        return self._connection

    def close(self) -> None:
        """The request has ended."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if not self._session:
            connection.close()
            return
        try:
            connection.cancel()
            connection.prepare(self._undo)
        finally:
            self._kept.give_back(self._session, connection)


def preparation(user: str, database: str, settings: Mapping[str, str]) -> list[str]:
    """The statements that make a fresh connection the user's."""
    statements = [f"USE {name(database)}", f"SET ROLE {user}"]
    if settings:
        statements.append("SET " + ", ".join(f"{setting} = {literal(value)}" for setting, value in settings.items()))
    return statements
