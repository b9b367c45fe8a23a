"""Every part counts for itself, in files of `MAILIU_HOME/metrics`; the API's `/metrics` adds them up.

prometheus-client does this for the processes of a web server. Here a file bears the part's name instead of a process
id, so that a part that is started again goes on with its own counts.
"""

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import MultiProcessCollector

from infra.settings import settings


def folder() -> Path:
    """Where the parts of this home count."""
    return settings().home / "metrics"


def share(part: str) -> None:
    """Let this process count as ``part``. To be called before any metric is made."""
    folder().mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder())
    values.ValueClass = values.MultiProcessValue(lambda: part)


def everything() -> CollectorRegistry | None:
    """What all parts of this home have counted; None in a process that counts for itself alone."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return None
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder()))
    return registry
