"""What `mailiu status` says beside the MQTT broker: until when certificates hold, and whose packets were too large.

A packet above the broker's limit never reaches the bridge, so that no receipt and no record on `rejected` can speak of
it: the broker ends the connection and writes a line, which is read here.
"""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from infra.settings import settings
from infra.stack.mosquitto import LARGEST_PACKET
from infra.tls.authority import SOON, Authority, common_name, read

TAIL = 1 << 20  #: bytes at the end of the broker's log that are looked through
CONNECTED = re.compile(r"New client connected from \S+ as (?P<client>.+) \(p\d.*u'(?P<user>[^']*)'\)\.$")
OVERSIZE = re.compile(r"^(?P<time>\S+): Client (?P<client>.+) disconnected due to oversize packet\.$")


class TooLarge(NamedTuple):
    """A packet that the broker refused for its size."""

    user: str  #: the device or gateway, by its account
    time: str  #: when, as the broker's log has it


def too_large(log: Path) -> list[TooLarge]:
    """The packets refused for their size, oldest first, as the end of the broker's log tells."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL))
        lines = file.read().decode(errors="replace").splitlines()
    users: dict[str, str] = {}
    found = []
    for line in lines:
        if match := CONNECTED.search(line):
            users[match["client"]] = match["user"]
        elif match := OVERSIZE.search(line):
            found.append(TooLarge(users.get(match["client"], match["client"]), match["time"]))
    return found


def remark() -> str | None:
    """One line; None where there is nothing to say."""
    parts = []
    if (certificate := settings().tls / "server.crt").exists():
        parts.append(f"certificate until {read(certificate).not_valid_after_utc:%Y-%m-%d}")
        soon = datetime.now(UTC) + SOON
        ending = [common_name(one) for one in Authority(settings().tls).issued() if one.not_valid_after_utc < soon]
        if ending:
            parts.append(f"ended or ending within {SOON.days} days: {len(ending)} of devices, first {ending[0]}")
    if refused := too_large(settings().logs / "mosquitto.log"):
        user, time = refused[-1]
        parts.append(f"packets refused above {LARGEST_PACKET:,} bytes: {len(refused)}, last of {user} at {time}")
    return "; ".join(parts) or None
