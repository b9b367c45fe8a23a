"""Stacks for tests: see `infra.stack.scratch`."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.stack.scratch import ROOT, Stack, free_port, wait_until

__all__ = ["ROOT", "Stack", "free_port", "own_stack", "wait_until"]


@contextmanager
def own_stack(name: str, **variables: str) -> Iterator[Stack]:
    """A stack for some tests alone, to which this process' settings point meanwhile; nothing of it is started yet.

    ``MAILIU_TEST_KEEP=1`` keeps its home, with its logs.
    """
    home = Path(tempfile.mkdtemp(prefix=f"mailiu-{name}-"))
    stack = Stack(home, **variables)
    try:
        with stack.in_force():
            try:
                yield stack
            finally:
                stack.down()
    finally:
        if os.environ.get("MAILIU_TEST_KEEP"):
            print(f"kept {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
