"""`mailiu up`: start the parts that are not already running, each after those it needs."""

import shutil
import subprocess
import sys
import time
from typing import Annotated

import typer

from infra.cli.errors import Refusal


def up(
    parts: Annotated[list[str] | None, typer.Argument(help="Parts to start; all of them by default.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait until everything serves.")] = 180,
    stay: Annotated[
        bool, typer.Option("--stay", help="Stay in the foreground until SIGTERM, as containers want it.")
    ] = False,
) -> None:
    """Start what is not already running, in order, and return once everything serves."""
    from infra.settings import settings

    if (settings().home / "restoring").exists():
        raise Refusal(f"{settings().home} is half restored: end it with `mailiu restore FOLDER` first")
    if stay:
        _supervise(parts)
    else:
        start(parts, timeout)


def _supervise(parts: list[str] | None) -> None:
    """Be the supervisor of ``parts``."""
    from infra.stack.parts import PARTS
    from infra.stack.supervisor import supervise, supervisor_pid, want

    if supervisor_pid() is not None:
        raise Refusal("a supervisor runs in this home already: stop it with `mailiu down`")
    want(parts or list(PARTS))
    supervise()


def start(parts: list[str] | None, timeout: float = 180) -> None:
    """Start ``parts`` (default: all) and what they need. Raises `Refusal` when one does not serve in time."""
    from rich.console import Console

    from infra.stack.parts import PARTS
    from infra.stack.supervisor import read_status, run_folder, supervisor_pid, want

    unknown = [name for name in parts or () if name not in PARTS]
    if unknown:
        raise Refusal(f"no part is called {unknown[0]!r}; there are {', '.join(PARTS)}")
    wanted = want(parts or list(PARTS))
    if supervisor_pid() is None:
        (run_folder() / "status.json").unlink(missing_ok=True)
        shutil.rmtree(run_folder().parent / "metrics", ignore_errors=True)  # a new run counts from 0
        with (run_folder() / "supervisor.log").open("ab") as log:
            subprocess.Popen(
                [sys.executable, "-m", "infra.cli", "supervise"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
    console = Console(stderr=True)
    deadline = time.monotonic() + timeout
    with console.status("starting") as spinner:
        while True:
            states = {s.part: s for s in read_status() if s.part in wanted}
            waiting = [name for name in wanted if name not in states or states[name].state not in SERVING]
            if not waiting:
                break
            failed = next((s for s in states.values() if s.restarts >= 3 and s.state not in SERVING), None)
            if failed or time.monotonic() > deadline:
                name = failed.part if failed else waiting[0]
                why = states[name].message if name in states else "not started"
                raise Refusal(f"{name} does not come up: {why} (log: {run_folder().parent / 'logs' / (name + '.log')})")
            spinner.update(f"starting {waiting[0]} ({len(wanted) - len(waiting)} of {len(wanted)} serve)")
            time.sleep(0.1)
    external = [s.part for s in states.values() if s.state == "external"]
    console.print(f"{len(wanted)} parts serve" + (f"; not started by us: {', '.join(external)}" if external else ""))


SERVING = ("running", "external")
