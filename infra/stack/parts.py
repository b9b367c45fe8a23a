"""The parts of Mailiu in the order in which they start, how each is started, and how one sees that it serves."""

import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from clickhouse_connect.driver.exceptions import ClickHouseError

from infra import clients, part
from infra.settings import settings
from infra.stack import kafka, mosquitto


@dataclass(frozen=True)
class Part:
    """One long-running process. ``address`` is None for a part that only speaks to others.

    ``ours`` says whether `mailiu up` starts it: what already answers at its address is used as it is.
    """

    name: str
    command: Callable[[], list[str]]
    address: Callable[[], str | None]
    needs: tuple[str, ...] = ()
    foreign: bool = False  #: may be somebody else's (a cluster)
    ready_by: str = "file"  #: "file": the part says so itself; "port": its port answers


def own(name: str) -> Callable[[], list[str]]:
    """The command of a part that is written in this project."""
    return lambda: [sys.executable, "-m", "infra.cli", "part", name]


def nowhere() -> None:
    """The address of a part that does not listen."""
    return


PARTS: dict[str, Part] = {
    p.name: p
    for p in (
        Part("kafka", kafka.command, lambda: settings().kafka.split(",")[0], foreign=True, ready_by="port"),
        Part("clickhouse", own("clickhouse"), lambda: urlsplit(settings().clickhouse).netloc, foreign=True),
        Part("mosquitto", mosquitto.command, lambda: settings().mqtt, foreign=True, ready_by="port"),
        Part("writer", own("writer"), nowhere, needs=("kafka", "clickhouse")),
        Part("worker", own("worker"), nowhere, needs=("kafka",)),
        Part("carrier", own("carrier"), nowhere, needs=("kafka",)),
        Part("bridge", own("bridge"), nowhere, needs=("kafka", "mosquitto")),
        Part("sender", own("sender"), nowhere, needs=("kafka", "mosquitto")),
        Part("api", own("api"), lambda: settings().api, needs=("kafka", "clickhouse")),
    )
}

#: Module of each part of ours; it has a function ``run()``.
MODULES = {
    "clickhouse": "infra.clickhouse.server",
    "writer": "projections.writer",
    "worker": "streams.worker",
    "carrier": "streams.carrier",
    "bridge": "mqtt_ingest.bridge",
    "sender": "streams.sender",
    "api": "api.main",
}


def with_needs(names: list[str]) -> list[str]:
    """``names`` and what they need, in the order of starting. Raises ``KeyError`` for a name that is no part."""
    wanted: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in wanted:
            wanted.add(name)
            todo += PARTS[name].needs
    return [name for name in PARTS if name in wanted]


def answers(address: str) -> bool:
    """Whether something listens at ``address`` (host:port)."""
    url = urlsplit(f"//{address}")
    try:
        with socket.create_connection((url.hostname or "127.0.0.1", url.port or 80), timeout=1):
            return True
    except OSError:
        return False


def refusal(name: str) -> str | None:
    """Why what already answers at the address of part ``name`` is of no use to us; None where it takes our password."""
    try:
        if name == "clickhouse":
            clients.clickhouse(database="default").close()
        elif name == "mosquitto":
            mosquitto.greet()
    except (ClickHouseError, OSError) as error:
        variable = {"clickhouse": "CLICKHOUSE", "mosquitto": "MQTT"}[name]
        why = str(error).splitlines()[0][:160]
        return f"something else answers there and refuses us ({why}); stop it or set MAILIU_{variable}"
    return None


def serves(p: Part, pid: int) -> bool:
    """Whether process ``pid`` serves as part ``p``."""
    if p.ready_by == "file":
        return part.serving(p.name, pid)
    address = p.address()
    return address is not None and answers(address)
