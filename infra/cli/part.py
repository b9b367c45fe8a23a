"""Hidden command: run one part in the foreground, as the supervisor does."""

import importlib

from infra.cli.errors import Refusal
from infra.part import log_to_stderr


def part(name: str) -> None:
    """Run one part of Mailiu in the foreground: clickhouse, writer, worker, bridge, sender or api."""
    from infra.observe.shared import share
    from infra.stack.parts import MODULES

    if name not in MODULES:
        raise Refusal(f"no part is called {name!r}; there are {', '.join(MODULES)}")
    log_to_stderr()
    share(name)
    importlib.import_module(MODULES[name]).run()
