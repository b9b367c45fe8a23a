"""What every long-running part shares: it says when it serves, and how it logs.

A part calls `ready` once it serves; the supervisor waits for that before it starts the next part.
"""

import logging
import os
from pathlib import Path

from infra.observe.logs import handler
from infra.settings import settings

QUIET = ("aiokafka", "faust", "mode", "uvicorn.access", "clickhouse_connect", "urllib3", "asyncio", "httpx")


def ready_file(name: str) -> Path:
    """The file that says which process serves as part ``name``."""
    return settings().home / "run" / f"{name}.ready"


def ready(name: str) -> None:
    """Say that this process now serves as part ``name``."""
    file = ready_file(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}")
    temporary.write_text(str(os.getpid()))
    temporary.replace(file)
    remark(name, None)
    logging.getLogger("mailiu").info("%s is ready", name)


def serving(name: str, pid: int) -> bool:
    """Whether process ``pid`` said that it serves as part ``name``."""
    try:
        return ready_file(name).read_text() == str(pid)
    except FileNotFoundError:
        return False


def remark(name: str, text: str | None) -> None:
    """Let `mailiu status` say ``text`` beside the part ``name``, or nothing any more."""
    file = settings().home / "run" / f"{name}.remark"
    if text is None:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(file)


def remarked(name: str) -> str | None:
    """What the part ``name`` last let `mailiu status` say."""
    try:
        return (settings().home / "run" / f"{name}.remark").read_text()
    except FileNotFoundError:
        return None


def log_to_stderr() -> logging.Logger:
    """Our logger, on standard error (the supervisor keeps it in ``home/logs``); libraries only from WARNING on."""
    logging.basicConfig(level=settings().log_level, handlers=[handler(settings().log)])
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    return logging.getLogger("mailiu")
