"""Devices with real clients at the broker's doors: what is theirs works, and every attempt at more is refused.

Each attempt is made by mosquitto's clients, by Paho and by npm's `mqtt`, in MQTT 3.1.1 and MQTT 5, with a client
certificate and with a password; the attempts and what the client said are printed.
"""

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import paho.mqtt.client as paho
import pytest

from infra.clients import host_and_port, mqtt, mqtt_address
from infra.settings import settings
from infra.tls.authority import Authority, hand_out
from tests.clients.attempt import CLIENTS, Attempt, Outcome
from tests.devices.wire import bound, registered, tell, unique
from tests.stack import Stack, wait_until

pytestmark = pytest.mark.stack
PROTOCOLS = {"3.1.1": 4, "5": 5}
DOORS = ("certificate", "password")
everywhere = pytest.mark.parametrize("client", CLIENTS)
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
each_door = pytest.mark.parametrize("door", DOORS)


class District:
    """Two devices of one institution with certificate and password, and an observer who reads everything."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack, self.folder = stack, folder
        self.device, self.victim = unique("T"), unique("V")
        self.passwords = {name: self.password(name, "--institution", "I01") for name in (self.device, self.victim)}
        stack.mailiu("certificate", "device", self.device, "--out", str(folder / self.device))
        self.seen: queue.Queue[bytes] = queue.Queue()
        subscribed = threading.Event()
        self.observer = mqtt(unique("observer-"))
        self.observer.on_connect = lambda c, *_: c.subscribe("mailiu/#", qos=1)
        self.observer.on_subscribe = lambda *_: subscribed.set()
        self.observer.on_message = lambda _c, _u, m: self.seen.put(bytes(m.payload))
        self.observer.connect(*mqtt_address())
        self.observer.loop_start()
        assert subscribed.wait(20)

    def password(self, name: str, *more: str) -> str:
        return self.stack.mailiu("device", "password", name, *more).stdout.strip()

    def at(self, door: str, protocol: str, **more: object) -> Attempt:
        """An attempt of the device at a door, with what it was given for that door."""
        own = self.folder / self.device
        if door == "certificate":
            port = host_and_port(settings().mqtt_tls, 0)[1]
            given = {"certificate": str(own / f"{self.device}.crt"), "key": str(own / f"{self.device}.key")}
        else:
            port = host_and_port(settings().mqtt_tls_passwords, 0)[1]
            given = {"username": self.device, "password": self.passwords[self.device]}
        return Attempt(port, PROTOCOLS[protocol], ca=str(own / "ca.crt"), **(given | more))  # type: ignore[arg-type]

    def seen_before(self, mark: str) -> list[bytes]:
        """What the observer saw, on any topic, until it saw ``mark``."""
        payloads = []
        while (payload := self.seen.get(timeout=20)) != mark.encode():
            payloads.append(payload)
        return payloads


@pytest.fixture(scope="module")
def district(stack: Stack, npm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[District]:
    made = District(stack, tmp_path_factory.mktemp("devices"))
    tell(registered(made.device), bound(made.device, unique("R")))
    yield made
    made.observer.disconnect()
    made.observer.loop_stop()


def told(what: str, client: str, protocol: str, door: str, outcome: Outcome) -> None:
    said = outcome.error or outcome.published
    print(f"\n{what} | {client} | MQTT {protocol} | {door} | connected {outcome.connected} | {said}", end="")


@everywhere
@each_protocol
@each_door
def test_a_reading_gets_its_receipt(district: District, client: str, protocol: str, door: str) -> None:
    base, id = f"mailiu/I01/{district.device}", unique("reading-")
    body = orjson.dumps({"id": id, "systolic": 128, "diastolic": 80, "pulse": 66}).decode()

    def ask() -> Outcome:
        return CLIENTS[client](
            district.at(door, protocol, subscribe=[f"{base}/down/receipt"], publish=(f"{base}/up/json", body), expect=1)
        )

    outcome = ask()
    while orjson.loads(outcome.received[0][1])["reason"] in ("unknown-device", "unbound-device"):
        time.sleep(0.2)  # the bridge has not heard of the device yet
        outcome = ask()
    told("publish, receipt", client, protocol, door, outcome)
    topic, text = outcome.received[0]
    receipt = orjson.loads(text)
    assert topic == f"{base}/down/receipt"
    assert (receipt["id"], receipt["status"]) == (id, "accepted")


@everywhere
@each_protocol
@each_door
def test_nobody_publishes_as_another(district: District, client: str, protocol: str, door: str) -> None:
    own, mark = f"mailiu/I01/{district.device}", unique("mark-")
    forbidden = (
        f"mailiu/I01/{district.victim}/up/json", f"mailiu/I02/{district.device}/up/json", f"{own}/down/receipt",
        f"{own}/up/json/deeper", "mailiu/all",
    )  # fmt: skip
    for topic in forbidden:
        outcome = CLIENTS[client](district.at(door, protocol, publish=(topic, "forged")))
        told(f"publish on {topic}", client, protocol, door, outcome)
        if protocol == "5":
            assert "not authorized" in (outcome.published or "").lower()
    CLIENTS[client](district.at(door, protocol, publish=(f"{own}/up/json", mark)))
    assert b"forged" not in district.seen_before(mark)


@everywhere
@each_protocol
@each_door
def test_nobody_reads_what_is_anothers(district: District, client: str, protocol: str, door: str) -> None:
    down, other = f"mailiu/I01/{district.device}/down/", f"mailiu/I01/{district.victim}"
    topics = [f"{down}#", "#", "mailiu/#", f"{other}/#", f"{other}/up/json", "$SYS/#", "$share/mailiu/mailiu/+/+/up/+"]
    over = threading.Event()

    def speak() -> None:
        while not over.wait(0.05):
            for topic in (f"{other}/up/json", f"{other}/down/receipt", "mailiu/I02/X/up/json", f"{down}note"):
                district.observer.publish(topic, topic, qos=1)

    speaking = threading.Thread(target=speak)
    speaking.start()
    try:
        outcome = CLIENTS[client](district.at(door, protocol, subscribe=topics, expect=9))
    finally:
        over.set()
        speaking.join()
    told("subscribe to all", client, protocol, door, outcome)
    assert all(topic.startswith(down) for topic, _ in outcome.received)
    assert [f"{down}note", f"{down}note"] in outcome.received, "what was said to others came before this"


@pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")  # paho leaves it open
@everywhere
@each_protocol
def test_who_is_not_known_does_not_come_in(district: District, client: str, protocol: str, tmp_path: Path) -> None:
    strange = Authority(tmp_path / "strange")
    hand_out(strange, district.device, tmp_path / "foreign")
    hand_out(Authority(settings().tls), district.device, tmp_path / "expired", timedelta(seconds=-60))
    right = district.at("certificate", protocol)

    def with_files(folder: str) -> Attempt:
        own = tmp_path / folder / district.device
        return replace(right, certificate=f"{own}.crt", key=f"{own}.key")

    password = district.at("password", protocol)
    topic = f"mailiu/I01/{district.device}/up/json"
    attempts = {
        "a broker that another authority vouches for": replace(right, ca=str(tmp_path / "foreign" / "ca.crt")),
        "a certificate of another authority": with_files("foreign"),
        "an expired certificate": with_files("expired"),
        "no certificate": replace(right, certificate=None, key=None),
        "a password instead of a certificate": replace(password, port=right.port),
        "a wrong password": replace(password, password="wrong"),
        "another's password": replace(password, password=district.passwords[district.victim]),
        "no password": replace(password, username=None, password=None),
        "a certificate instead of a password": replace(right, port=password.port),
        "a name that nobody has": replace(password, username="nobody"),
        "no TLS at the door for passwords": replace(password, ca=None),
        "nobody on the loopback door": Attempt(mqtt_address()[1], PROTOCOLS[protocol], host=mqtt_address()[0]),
    }  # fmt: skip
    for what, attempt in attempts.items():
        outcome = CLIENTS[client](replace(attempt, publish=(topic, "intruder")))
        told(what, client, protocol, "-", outcome)
        assert not outcome.connected, what
        assert outcome.published is None
        assert outcome.error
    mark = unique("mark-")
    CLIENTS[client](district.at("certificate", protocol, publish=(topic, mark)))
    assert b"intruder" not in district.seen_before(mark)


@each_door
def test_nobody_takes_over_anothers_session(district: District, door: str) -> None:
    """The bridge's session holds what everybody sent; at the outer doors a client's id is its user's name."""
    before = district.stack.status("bridge")["pid"]
    lost: list[object] = []
    district.observer.on_disconnect = lambda *about: lost.append(about)
    for client_id in (settings().mqtt_bridge_id, district.observer._client_id.decode(), district.victim):
        topic = f"mailiu/I01/{district.device}/down/note"
        attempt = district.at(door, "5", client_id=client_id, subscribe=["mailiu/#"], publish=None)
        assert CLIENTS["paho"](attempt).connected
        district.observer.publish(topic, "still here", qos=1).wait_for_publish(20)
    assert not lost
    log = (settings().logs / "bridge.log").read_text()
    assert "Session taken over" not in log
    assert district.stack.status("bridge")["pid"] == before


def test_accounts_change_while_others_stay_connected(district: District, tmp_path: Path) -> None:
    ends: dict[str, list[str]] = {"stays": [], "goes": []}
    names = {"stays": unique("S"), "goes": unique("G")}
    clients = []
    for who, name in names.items():
        district.stack.mailiu("certificate", "device", name, "--institution", "I01", "--out", str(tmp_path / name))
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, name, protocol=paho.MQTTv5, reconnect_on_failure=False)
        files = tmp_path / name
        client.tls_set(str(files / "ca.crt"), str(files / f"{name}.crt"), str(files / f"{name}.key"))
        client.on_disconnect = lambda _c, _u, _f, code, _p, who=who: ends[who].append(str(code))
        client.connect("localhost", host_and_port(settings().mqtt_tls, 0)[1])
        client.loop_start()
        wait_until(client.is_connected, f"{who} is connected")
        clients.append(client)
    old = district.passwords[district.victim]
    fresh = district.passwords[district.victim] = district.password(district.victim)
    own = f"mailiu/I01/{district.victim}/up/json"
    right = replace(district.at("password", "5", publish=(own, "x")), username=district.victim)
    assert CLIENTS["paho"](replace(right, password=fresh)).published == "acknowledged"
    assert "Not authorized" in str(CLIENTS["paho"](replace(right, password=old)).error)

    district.stack.mailiu("certificate", "revoke", names["goes"])
    blocked = replace(
        district.at("certificate", "5"), certificate=str(tmp_path / names["goes"] / f"{names['goes']}.crt"),
        key=str(tmp_path / names["goes"] / f"{names['goes']}.key"),
    )  # fmt: skip
    wait_until(lambda: not CLIENTS["paho"](blocked).connected, "a revoked certificate is refused")
    district.stack.mailiu("device", "block", district.victim)
    wait_until(lambda: not CLIENTS["paho"](replace(right, password=fresh)).connected, "a blocked device is refused")
    assert district.stack.mailiu("certificate", "server").stdout.startswith("the broker's certificate is valid until")
    assert CLIENTS["paho"](district.at("certificate", "5")).connected, "the renewed certificate is taken"
    assert not ends["stays"], "nobody else was disconnected"
    for client in clients:
        client.disconnect()
        client.loop_stop()


def test_a_gateway_publishes_for_its_institution_only(district: District) -> None:
    name = unique("GW")
    word = district.password(name, "--institution", "I01", "--gateway")
    for topic, refused in (
        (f"mailiu/I01/{district.device}/up/json", False),
        (f"mailiu/I02/{district.device}/up/json", True),
        (f"mailiu/I01/{district.device}/down/receipt", True),
    ):
        attempt = replace(district.at("password", "5", publish=(topic, "{}")), username=name, password=word)
        assert ("Not authorized" in str(CLIENTS["paho"](attempt).published)) is refused
