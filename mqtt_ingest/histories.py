"""The devices' recent receipts, kept over a restart of the bridge, so that it need not learn every clock anew.

A crash loses what came since the last save; a device's offset is then learnt again from its next receipts.
"""

from collections.abc import Mapping
from pathlib import Path

import orjson

from mqtt_ingest.clock_trust import Receipt


def load(path: Path) -> dict[str, list[Receipt]]:
    """The histories in ``path``, by device; none where it is absent or unreadable."""
    try:
        stored = orjson.loads(path.read_bytes())
        return {device: [Receipt(*receipt) for receipt in receipts] for device, receipts in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def save(path: Path, histories: Mapping[str, list[Receipt]]) -> None:
    """Write the histories to ``path``, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_bytes(
        orjson.dumps({device: [list(receipt) for receipt in receipts] for device, receipts in histories.items()})
    )
    temporary.replace(path)
