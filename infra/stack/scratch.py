"""A stack of one's own beside any other: free ports, a home of its own, started by the same `mailiu up`.

Tests and benchmarks use it, so that they never meet a running `mailiu run` or each other.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from infra.clients import mqtt_address
from infra.clock import clock
from infra.settings import settings

ROOT = Path(__file__).parent.parent.parent
GIVEN: set[int] = set()  #: ports that were handed out


def free_port(pair: bool = False) -> int:
    """A port of the loopback interface that nobody listens on; with ``pair`` the next one is free too.

    None is given twice, for who asked first may not listen yet.
    """
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            if not GIVEN.isdisjoint((port, port + 1)):
                continue
            try:
                two.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                if pair:
                    continue
            GIVEN.update((port, port + 1))
            return port


class Stack:
    """One stack in ``home``; ``variables`` are further `MAILIU_…` variables by lower-case name."""

    def __init__(self, home: Path, **variables: str) -> None:
        self.home = home
        self.environment = {
            "MAILIU_HOME": str(home),
            "MAILIU_KAFKA": f"127.0.0.1:{free_port(pair=True)}",
            "MAILIU_KAFKA_JARS": str(ROOT / ".kafka"),
            "MAILIU_MQTT": f"127.0.0.1:{free_port()}",
            "MAILIU_MQTT_TLS": f"127.0.0.1:{free_port()}",
            "MAILIU_MQTT_TLS_PASSWORDS": f"127.0.0.1:{free_port()}",
            "MAILIU_CLICKHOUSE": f"http://127.0.0.1:{free_port()}",
            "MAILIU_API": f"127.0.0.1:{free_port()}",
            "MAILIU_PARTITIONS": "4",
            "MAILIU_TICK_SECONDS": "2",
            "MAILIU_RESTART_SECONDS": "1",
        } | {f"MAILIU_{name.upper()}": value for name, value in variables.items()}

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Within, the settings of this process point at this stack."""
        before, caches = dict(os.environ), (settings, clock, mqtt_address)

        def enter(environment: dict[str, str]) -> None:
            os.environ.clear()
            os.environ.update(environment)
            for cached in caches:
                cached.cache_clear()

        enter(before | self.environment)
        try:
            yield
        finally:
            enter(before)

    def mailiu(self, *arguments: str, check: bool = True, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Run a `mailiu` command against this stack."""
        done = subprocess.run(
            [sys.executable, "-m", "infra.cli", *arguments],
            cwd=ROOT, env=os.environ | self.environment, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(
                f"mailiu {' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done

    def up(self, *parts: str) -> None:
        """Start ``parts`` and what they need, or everything."""
        self.mailiu("up", *parts)

    def down(self) -> None:
        """Stop everything."""
        self.mailiu("down")

    def status(self, part: str) -> dict[str, object]:
        """What the supervisor says of ``part``."""
        lines: list[dict[str, object]] = orjson.loads((self.home / "run" / "status.json").read_bytes())
        return next(line for line in lines if line["part"] == part)

    def pid(self, part: str) -> int:
        """The process id of a running ``part``."""
        wait_until(lambda: self.status(part)["state"] == "running", f"{part} runs")
        pid = self.status(part)["pid"]
        assert isinstance(pid, int)
        return pid

    def kill(self, part: str, with_signal: signal.Signals = signal.SIGKILL) -> int:
        """Kill ``part``; the supervisor will start it again. The process id that was killed."""
        pid = self.pid(part)
        os.kill(pid, with_signal)
        return pid

    def wait_restarted(self, part: str, old: int) -> int:
        """Wait until ``part`` runs as another process than ``old``; its process id."""
        wait_until(
            lambda: self.status(part)["state"] == "running" and self.status(part)["pid"] != old, f"{part} runs again"
        )
        return self.pid(part)


def wait_until(true: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait until ``true()`` holds; fails with ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)
