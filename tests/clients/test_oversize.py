"""Payloads that are too large: up to the broker's limit a receipt says so, above it the broker ends the connection."""

import queue
from collections.abc import Iterator

import orjson
import paho.mqtt.client as paho
import pytest

from infra.clients import mqtt, mqtt_address
from infra.stack.mosquitto import LARGEST_PACKET
from mqtt_ingest.gate import LARGEST
from tests.devices.wire import Devices, refusals, unique
from tests.stack import Stack

pytestmark = pytest.mark.stack


@pytest.fixture
def seen(stack: Stack) -> Iterator["queue.Queue[int]"]:
    """Sizes of what an observer at the broker sees."""
    sizes: queue.Queue[int] = queue.Queue()
    ready: queue.Queue[int] = queue.Queue()
    observer = mqtt(unique("observer-"))
    observer.on_connect = lambda client, *_: client.subscribe("mailiu/+/+/up/+", qos=1)
    observer.on_subscribe = lambda *_: ready.put(1)
    observer.on_message = lambda _c, _u, message: sizes.put(len(message.payload))
    observer.connect(*mqtt_address())
    observer.loop_start()
    ready.get(timeout=20)
    yield sizes
    observer.disconnect()
    observer.loop_stop()


def test_a_payload_above_the_gates_limit_is_refused_by_a_receipt_and_kept(stack: Stack) -> None:
    device = unique("LARGE")
    with Devices() as devices:
        receipt = devices.ask(device, b"x" * (LARGEST + 1))
    assert (receipt["status"], receipt["reason"]) == ("rejected", "too-large")
    assert refusals([f"mqtt/I01/{device}"])[0]["reason"] == "too-large"
    listed = orjson.loads(stack.mailiu("rejected", "list", "--device", device, "--json").stdout)
    assert [one["reason"] for one in listed] == ["too-large"]


@pytest.mark.parametrize("protocol", [paho.MQTTv311, paho.MQTTv5])
def test_a_packet_above_the_brokers_limit_ends_the_connection_and_the_operator_sees_it(
    stack: Stack, seen: "queue.Queue[int]", protocol: paho.MQTTProtocolVersion
) -> None:
    device, told = unique("HUGE"), queue.Queue[str]()
    word = stack.mailiu("device", "password", device, "--institution", "I01").stdout.strip()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, device, protocol=protocol, reconnect_on_failure=False)
    client.username_pw_set(device, word)
    client.on_connect = lambda _c, _u, _f, _code, about: told.put(str(getattr(about, "MaximumPacketSize", None)))
    client.on_disconnect = lambda _c, _u, _f, code, _p: told.put(str(code))
    client.connect(*mqtt_address())
    client.loop_start()
    limit = told.get(timeout=20)
    client.publish(f"mailiu/I01/{device}/up/json", b"x" * LARGEST_PACKET, qos=1)
    end = told.get(timeout=20)
    client.loop_stop()
    print(f"\nMQTT {protocol}: told {limit} at the beginning, {end!r} at the end")
    assert limit == (str(LARGEST_PACKET) if protocol == paho.MQTTv5 else "None")
    with Devices() as devices:  # what comes after it is seen, and it is not
        devices.publish(device, b"after")
        while (size := seen.get(timeout=20)) != len(b"after"):
            assert size <= LARGEST_PACKET // 2
    rows = orjson.loads(stack.mailiu("status", "--json").stdout)
    remark = next(row["message"] for row in rows if row["part"] == "mosquitto")
    print(remark)
    assert "packets refused above" in remark
    assert f"last of {device}" in remark
    assert refusals([f"mqtt/I01/{device}"])[0]["reason"] != "too-large", "the broker kept nothing of it"


def test_status_shows_until_when_the_certificates_hold(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("soon")
    name = unique("SOON")
    stack.mailiu("certificate", "device", name, "--institution", "I01", "--days", "3", "--out", str(folder))
    assert (folder / f"{name}.key").stat().st_mode & 0o077 == 0, "nobody else reads the key"
    again = stack.mailiu("certificate", "device", name, "--out", str(folder), check=False)
    assert again.returncode == 1
    assert "not overwritten" in again.stderr
    rows = orjson.loads(stack.mailiu("status", "--json").stdout)
    remark = next(row["message"] for row in rows if row["part"] == "mosquitto")
    assert "certificate until" in remark
    assert "ended or ending within 30 days: " in remark
