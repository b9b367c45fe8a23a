"""The supervisor: starts the wanted parts in order, restarts one that dies with back-off, and writes what it knows.

It runs as a process of its own. ``home/run/wanted`` says which parts it is to run (a later `mailiu up` may add some),
``home/run/status.json`` what became of them. SIGTERM stops everything it started, last part first.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from infra.part import log_to_stderr
from infra.settings import settings
from infra.stack.kafka import Missing, make_topics
from infra.stack.parts import PARTS, answers, refusal, serves, with_needs

STEADY = 60.0  #: seconds of service after which the count of restarts in a row begins anew
START = 120.0  #: seconds that a part may take until it serves
STOP = 15.0  #: seconds between SIGTERM and SIGKILL


@dataclass
class State:
    """What the supervisor knows of one part; a line of ``status.json``."""

    part: str
    state: str = "waiting"  #: waiting, starting, running, external, restarting, refused
    pid: int | None = None
    since: float = 0.0
    restarts: int = 0
    address: str | None = None
    log: str | None = None
    message: str | None = None


def run_folder() -> Path:
    """Folder of the running stack's state."""
    return settings().home / "run"


def want(names: list[str]) -> list[str]:
    """Add ``names`` and what they need to what the supervisor of this home runs; all that is wanted then."""
    file = run_folder() / "wanted"
    file.parent.mkdir(parents=True, exist_ok=True)
    before = file.read_text().split() if file.exists() else []
    wanted = with_needs([*before, *names])
    temporary = file.with_suffix(f".{os.getpid()}")
    temporary.write_text("\n".join(wanted))
    temporary.replace(file)
    return wanted


def read_status() -> list[State]:
    """What the supervisor last wrote; empty when none ran in this home."""
    try:
        return [State(**line) for line in orjson.loads((run_folder() / "status.json").read_bytes())]
    except FileNotFoundError:
        return []


def supervisor_pid() -> int | None:
    """The process id of the supervisor of this home, if it lives."""
    try:
        pid = int((run_folder() / "supervisor.pid").read_text())
        os.kill(pid, 0)
        if b"supervise" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    except (FileNotFoundError, ProcessLookupError, ValueError, PermissionError):
        pass
    return None


def _die_with_parent() -> None:
    """In the child: end when the supervisor is killed, so that no part is left behind (Linux only)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Supervisor:
    """Runs the wanted parts until it is stopped."""

    def __init__(self) -> None:
        self.log = log_to_stderr()
        self.states: dict[str, State] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.running: dict[str, asyncio.Event] = {}
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; every started process has ended when this returns."""
        loop = asyncio.get_running_loop()
        for which in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(which, self.stopping.set)
        while not self.stopping.is_set():
            for name in (run_folder() / "wanted").read_text().split():
                if name not in self.tasks:
                    self.states[name] = State(name, since=time.time(), address=PARTS[name].address())
                    self.running[name] = asyncio.Event()
                    self.tasks[name] = asyncio.create_task(self._keep(name))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), 0.2)
        for name in reversed(PARTS):
            if task := self.tasks.get(name):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        (run_folder() / "status.json").unlink(missing_ok=True)
        (run_folder() / "wanted").unlink(missing_ok=True)

    async def _keep(self, name: str) -> None:
        part, state, in_a_row = PARTS[name], self.states[name], 0
        for need in part.needs:
            await self.running[need].wait()
        if part.foreign and state.address and answers(state.address):
            while why := await asyncio.to_thread(refusal, name):
                state.message, state.restarts = why, state.restarts + 1
                await self._now(state, "refused")
                await asyncio.sleep(1)
            await self._now(state, "external")
            await self._serving(name)
            return
        while True:
            started = time.time()
            process: asyncio.subprocess.Process | None = None
            try:
                process = await self._start(name)
                await self._until_it_serves(name, process)
                await self._serving(name)
                await self._now(state, "running")
                code = await process.wait()
                state.message = f"ended with {code}"
            except (Missing, OSError, RuntimeError) as error:
                state.message = str(error)
            except asyncio.CancelledError:
                await asyncio.shield(self._stop(process))
                raise
            await self._stop(process)
            in_a_row = 0 if time.time() - started > STEADY else in_a_row + 1
            pause = min(0.25 if in_a_row < 2 else 2.0 ** (in_a_row - 1), settings().restart_seconds)
            state.restarts += 1
            self.log.warning("%s: %s; again in %.1f s", name, state.message, pause)
            await self._now(state, "restarting")
            await asyncio.sleep(pause)

    async def _start(self, name: str) -> asyncio.subprocess.Process:
        state = self.states[name]
        settings().logs.mkdir(parents=True, exist_ok=True)
        log = settings().logs / f"{name}.log"
        state.log = str(log)
        command = await asyncio.to_thread(PARTS[name].command)
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=_die_with_parent
            )
        state.pid = process.pid
        await self._now(state, "starting")
        return process

    async def _until_it_serves(self, name: str, process: asyncio.subprocess.Process) -> None:
        deadline = time.time() + START
        while not await asyncio.to_thread(serves, PARTS[name], process.pid):
            if process.returncode is not None:
                raise RuntimeError(f"ended with {process.returncode} before it served; see {self.states[name].log}")
            if time.time() > deadline:
                raise RuntimeError(f"does not serve after {START:.0f} s; see {self.states[name].log}")
            await asyncio.sleep(0.1)

    async def _serving(self, name: str) -> None:
        """What has to be there before those who need this part start."""
        if not self.running[name].is_set():
            if name == "kafka":
                await make_topics()
            self.running[name].set()

    async def _stop(self, process: asyncio.subprocess.Process | None) -> None:
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            process.send_signal(signal.SIGCONT)  # a stopped process could not end
            try:
                await asyncio.wait_for(process.wait(), STOP)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _now(self, state: State, what: str) -> None:
        state.state, state.since = what, time.time()
        if what in ("running", "external"):
            state.message = None
        self.log.info("%s is %s", state.part, what)
        lines = [asdict(self.states[name]) for name in PARTS if name in self.states]
        file = run_folder() / "status.json"
        temporary = file.with_suffix(".new")
        temporary.write_bytes(orjson.dumps(lines))
        temporary.replace(file)


def supervise() -> None:
    """Run the supervisor of this home in this process."""
    (run_folder() / "supervisor.pid").write_text(str(os.getpid()))
    try:
        asyncio.run(Supervisor().run())
    finally:
        (run_folder() / "supervisor.pid").unlink(missing_ok=True)
