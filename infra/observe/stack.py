"""What is found out when Prometheus asks: which parts run, how far behind they are, how much the stores hold."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from infra.clients import mqtt, mqtt_address
from infra.settings import settings
from infra.stack.status import status
from infra.tls.authority import read

#: Folders of the home that grow.
STORES = ("kafka", "clickhouse", "mosquitto", "store", "vault", "files", "logs")
#: How Mosquitto says what it keeps for those who are away or slow.
STORED = "$SYS/broker/store/messages/count"
MQTT_SECONDS = 2.0


class StackNow(Collector):
    """Gauges of this home's stack as it is now. Asking takes a moment: not in an event loop."""

    def collect(self) -> Iterator[Metric]:
        """The metrics; what cannot be found out is left out, for unknown is not zero."""
        up = GaugeMetricFamily("mailiu_part_up", "Whether the part serves.", labels=["part"])
        restarts = CounterMetricFamily("mailiu_part_restarts", "How often it was started again.", labels=["part"])
        memory = GaugeMetricFamily("mailiu_part_memory_bytes", "Its resident memory.", labels=["part"])
        lag = GaugeMetricFamily("mailiu_part_lag_records", "Records in Kafka that it has not done.", labels=["part"])
        for row in status():
            label = [row["part"]]
            up.add_metric(label, row["state"] in ("running", "external"))
            restarts.add_metric(label, row["restarts"])
            if row["memory"] is not None:
                memory.add_metric(label, row["memory"] << 20)
            if row["lag"] is not None:
                lag.add_metric(label, row["lag"])
        yield from (up, restarts, memory, lag)
        stores = GaugeMetricFamily("mailiu_store_bytes", "Bytes in the home's folder.", labels=["store"])
        for name in STORES:
            if (path := settings().home / name).exists():
                stores.add_metric([name], size(path))
        yield stores
        free = GaugeMetricFamily("mailiu_disk_free_bytes", "Bytes free where the home lies.")
        free.add_metric([], shutil.disk_usage(settings().home).free)
        yield free
        left = GaugeMetricFamily("mailiu_certificate_seconds", "Until it ends.", labels=["certificate"])
        for name in ("ca", "server"):
            if (file := settings().tls / f"{name}.crt").exists():
                left.add_metric([name], read(file).not_valid_after_utc.timestamp() - time.time())
        yield left
        if (count := stored()) is not None:
            waiting = GaugeMetricFamily("mailiu_mqtt_stored_messages", "Messages that the MQTT broker keeps.")
            waiting.add_metric([], count)
            yield waiting


def size(folder: Path) -> int:
    """Bytes that the files in ``folder`` take up on the disk."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name), follow_symlinks=False).st_blocks * 512
            except FileNotFoundError:  # merged or rolled away meanwhile
                continue
    return total


def stored() -> int | None:
    """Messages that Mosquitto keeps; None where the broker does not say."""
    answered, found = threading.Event(), list[int]()

    def on_connect(client: Client, *_: object) -> None:
        client.subscribe(STORED)

    def on_message(_client: Client, _userdata: object, message: MQTTMessage) -> None:
        found.append(int(message.payload))
        answered.set()

    client = mqtt(f"mailiu-metrics-{os.getpid()}")
    client.on_connect = on_connect
    client.on_message = on_message
    try:
        client.connect(*mqtt_address())
    except OSError:
        return None
    client.loop_start()
    answered.wait(MQTT_SECONDS)
    client.disconnect()
    client.loop_stop()
    return found[0] if found else None
