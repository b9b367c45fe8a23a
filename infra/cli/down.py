"""`mailiu down`: stop what `mailiu up` started."""

import os
import signal
import time

from infra.cli.errors import Refusal


def down() -> None:
    """Stop what `mailiu up` started in this home, last part first. Parts that were already there go on."""
    from rich.console import Console

    from infra.stack.supervisor import supervisor_pid

    console = Console(stderr=True)
    pid = supervisor_pid()
    if pid is None:
        console.print("nothing runs here")
        return
    os.kill(pid, signal.SIGTERM)
    with console.status("stopping"):
        for _ in range(1200):
            if supervisor_pid() is None:
                console.print("stopped")
                return
            time.sleep(0.1)
    raise Refusal(f"the supervisor (process {pid}) does not end")
