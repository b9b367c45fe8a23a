"""Where a message came from: an MQTT topic of a device (or of a gateway that publishes for it), or a vendor's cloud."""

from dataclasses import dataclass, replace

VENDOR = "vendor/"


@dataclass(frozen=True, slots=True)
class Address:
    """``device`` is whose measurement it is; ``via`` is the gateway that published for it."""

    topic: str
    institution: str
    device: str
    kind: str
    via: str | None = None

    @property
    def vendor(self) -> str | None:
        """The vendor whose cloud sent it; None for MQTT."""
        return self.kind.removeprefix(VENDOR) if self.kind.startswith(VENDOR) else None

    @property
    def source(self) -> str:
        """The events' source: the same for a device whether it publishes itself or through a gateway."""
        return f"{self.topic}/{self.device}" if self.vendor else f"mqtt/{self.institution}/{self.device}"

    def of(self, device: str, institution: str | None = None) -> "Address":
        """The address of another device, for which this one was published."""
        via = None if self.vendor else self.device
        return replace(self, device=device, institution=institution or self.institution, via=via)


def address(topic: str) -> Address:
    """The parts of ``mailiu/{institution}/{device}/up/{kind}``, or of ``vendor/{name}``, whose readings name devices.

    Raises ``ValueError`` for any other topic.
    """
    parts = topic.split("/")
    if len(parts) == 2 and topic.startswith(VENDOR):
        return Address(topic, "", "", topic)
    if len(parts) != 5 or parts[0] != "mailiu" or parts[3] != "up":
        raise ValueError(f"{topic} is no topic of a device")
    return Address(topic, parts[1], parts[2], parts[4])
