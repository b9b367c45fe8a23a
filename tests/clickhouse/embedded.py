"""An embedded ClickHouse of a test's own: its own process, port and home."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
from clickhouse_connect.driver import AsyncClient, Client

DATABASE = "mailiu"
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Embedded:
    """Start, stop and kill the part `clickhouse`; speak to it as its users."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process: subprocess.Popen[bytes] | None = None
        self.first = "pass"  #: what the process does before it serves
        home.mkdir(parents=True, exist_ok=True)

    def spawn(self, folder: Path | None = None) -> subprocess.Popen[bytes]:
        """Start the process, in ``folder``; not waiting until it serves."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAILIU_")}
        environment |= {"MAILIU_HOME": str(self.home), "MAILIU_CLICKHOUSE": self.url}
        with (self.home / "stderr").open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", f"{self.first}; from infra.clickhouse.server import run; run()"],
                env=environment | {"PYTHONPATH": str(ROOT)},
                cwd=folder,
                stderr=errors,
            )
        return self.process

    def start(self, folder: Path | None = None) -> "Embedded":
        """Start the process and wait until it serves."""
        process = self.spawn(folder)
        ready = self.home / "run" / "clickhouse.ready"
        deadline = time.monotonic() + 60
        while not (ready.exists() and ready.read_text() == str(process.pid)):
            assert process.poll() is None, self.errors()
            assert time.monotonic() < deadline, "the server did not get ready"
            time.sleep(0.02)
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def errors(self) -> str:
        return (self.home / "stderr").read_text(errors="replace")

    def password(self, user: str) -> str:
        return (self.home / "secrets" / f"clickhouse-{user}").read_text().strip()

    def http(self, user: str | None = "mailiu", **options: Any) -> httpx.Client:
        """A plain HTTP client, logged in by Basic authentication (as nobody for None)."""
        auth = (user, self.password(user)) if user else None
        return httpx.Client(base_url=self.url, auth=auth, timeout=60, trust_env=False, **options)

    def client(self, user: str = "mailiu", **options: Any) -> Client:
        return clickhouse_connect.get_client(**(self._options(user) | options))

    async def async_client(self, user: str = "mailiu", **options: Any) -> AsyncClient:
        return await clickhouse_connect.get_async_client(**(self._options(user) | options))

    def _options(self, user: str) -> dict[str, Any]:
        return {
            "dsn": self.url,
            "username": user,
            "password": self.password(user),
            "database": DATABASE,
            "autogenerate_session_id": False,
        }
