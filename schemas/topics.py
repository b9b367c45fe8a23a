"""Names of the Kafka topics, their settings, and how a key finds its partition."""

from dataclasses import dataclass, field

EVENTS = "events"
DERIVED = "derived"
REJECTED = "rejected"
DEVICES = "devices"
AUDIT = "audit"
TIME = "time"

DAY = 24 * 3600 * 1000


@dataclass(frozen=True)
class Topic:
    """A topic with its settings; ``like_events`` has as many partitions as `events`, else 1."""

    name: str
    like_events: bool
    config: dict[str, str] = field(default_factory=dict)


FOR_EVER = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
TOPICS = (
    Topic(EVENTS, True, FOR_EVER),
    Topic(DERIVED, True, FOR_EVER),
    Topic(REJECTED, False, {"retention.ms": str(90 * DAY), "cleanup.policy": "delete"}),
    Topic(DEVICES, False, {"cleanup.policy": "compact"}),
    Topic(AUDIT, False, FOR_EVER),
    # Only the broker's own time stamps in it are of use: gateways compare their clocks with them.
    Topic(TIME, False, {"message.timestamp.type": "LogAppendTime", "retention.ms": str(DAY)}),
)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of ``key``: Kafka's murmur2, positive, modulo the number of partitions."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Kafka's murmur2 hash of ``data``, unsigned 32 bits."""
    mask, m, length = 0xFFFFFFFF, 0x5BD1E995, len(data)
    h = 0x9747B28C ^ length
    for i in range(0, length - 3, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    tail = data[length & ~3 :]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return h ^ (h >> 15)
