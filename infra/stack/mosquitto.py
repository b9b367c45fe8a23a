"""Eclipse Mosquitto on this machine: persistent, with a password file and topic rights, on loopback.

Persistence is the second line: the receipt that a device gets once Kafka holds its reading is the guarantee.
"""

import getpass
import shutil
import socket
import subprocess
import time
from pathlib import Path

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from infra.clients import mqtt, mqtt_address
from infra.settings import settings
from infra.stack.kafka import Missing

BINARY = ("mosquitto", "/usr/sbin/mosquitto")
TOPICS = "mailiu/+/+/up/+"
#: Users of the broker. A device with an account of its own may only speak and listen as itself.
RIGHTS = """user mailiu
topic readwrite mailiu/#
topic read $SYS/#

user gateway
topic write mailiu/+/+/up/+
topic read mailiu/+/+/down/+

pattern write mailiu/+/%u/up/+
pattern read mailiu/+/%u/down/+
"""


def _binary() -> str:
    for name in BINARY:
        if found := shutil.which(name):
            return found
    raise Missing("no `mosquitto`: run `make setup`, or `apt-get install mosquitto mosquitto-clients`")


def _home() -> Path:
    return settings().home.absolute() / "mosquitto"


def _configure(port: int) -> Path:
    home = _home()
    home.mkdir(parents=True, exist_ok=True)
    passwords = home / "passwords"
    if not passwords.exists():
        passwords.touch(mode=0o600)
        for user in ("mailiu", "gateway"):
            add_user(user, settings().secret(f"mqtt-{user}"))
    rights = home / "rights"
    rights.write_text(RIGHTS)
    rights.chmod(0o600)
    file = home / f"mosquitto-{port}.conf"
    file.write_text(
        f"""listener {port} {mqtt_address()[0]}
user {getpass.getuser()}
allow_anonymous false
password_file {passwords}
acl_file {rights}
persistence true
persistence_location {home}/
autosave_on_changes true
autosave_interval {settings().mqtt_autosave_changes}
max_queued_messages 1000000
max_queued_bytes 0
max_inflight_messages 1000
max_packet_size 1048576
sys_interval 5
log_dest stderr
log_type error
log_type warning
"""
    )
    return file


def add_user(user: str, password: str) -> None:
    """Give ``user`` (a device) an account at the local broker; SIGHUP makes a running one read it."""
    tool = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
    subprocess.run([tool, "-b", str(_home() / "passwords"), user, password], check=True, capture_output=True)


def command() -> list[str]:
    """Prepare the broker (once, with the bridge's session) and return the command that runs it. Raises `Missing`."""
    _, port = mqtt_address()
    config = _configure(port)
    if not (_home() / "mosquitto.db").exists():
        _make_session()
    return [_binary(), "-c", str(config)]


def greet() -> None:
    """Connect to the broker that answers at our address. Raises ``OSError`` where it refuses our password."""
    codes: list[str] = []
    client = mqtt("mailiu-greeting")
    client.on_connect = lambda _c, _u, _f, code, _p: codes.append("" if code == 0 else str(code))
    client.connect(*mqtt_address())
    client.loop_start()
    for _ in range(100):
        if codes:
            break
        time.sleep(0.05)
    client.disconnect()
    client.loop_stop()
    if codes != [""]:
        raise OSError(codes[0] if codes else "no answer")


def _make_session() -> None:
    """Make the bridge's lasting session before any device can publish, so that the first message finds a queue."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    broker = subprocess.Popen([_binary(), "-c", str(_configure(port))], stderr=subprocess.PIPE)
    try:
        _subscribe_as_bridge(port)
    finally:
        broker.terminate()  # on SIGTERM it saves its sessions
        broker.wait(10)
        (_home() / f"mosquitto-{port}.conf").unlink()


def _subscribe_as_bridge(port: int) -> None:
    lasting = Properties(PacketTypes.CONNECT)
    lasting.SessionExpiryInterval = 0xFFFFFFFF
    client = mqtt(settings().mqtt_bridge_id)
    subscribed: list[int] = []
    client.on_subscribe = lambda _c, _u, mid, _codes, _p: subscribed.append(mid)
    for _ in range(50):
        try:
            client.connect(mqtt_address()[0], port, clean_start=False, properties=lasting)
            break
        except OSError:
            time.sleep(0.1)
    client.loop_start()
    client.subscribe(TOPICS, qos=1)
    for _ in range(100):
        if subscribed:
            break
        time.sleep(0.05)
    client.disconnect()
    client.loop_stop()
    if not subscribed:
        raise RuntimeError("the bridge's session could not be made at the MQTT broker")
