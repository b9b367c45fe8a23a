"""Eclipse Mosquitto on this machine: persistent, nobody anonymous, each user with rights to its own topics only.

It has three doors. On the loopback interface, without TLS, come Mailiu's own parts and local gateways; there a client
chooses its id. Outside, over TLS, come devices: with a client certificate (8883) or with a password (8884); there the
client's id is the user's name, so that none can take over another's session.

Persistence is the second line: the receipt that a device gets once Kafka holds its reading is the guarantee.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from infra import clients
from infra.clients import mqtt, mqtt_address
from infra.settings import settings
from infra.stack import accounts
from infra.stack.kafka import Missing
from infra.tls.authority import Authority
from mqtt_ingest.topics import UP

BINARY = ("mosquitto", "/usr/sbin/mosquitto")
#: Bytes of the largest packet that the broker takes. It tells MQTT 5 clients so, and ends the connection of who sends
#: more; nothing of that packet is kept. What is smaller, and still too large for a reading, is refused by a receipt.
LARGEST_PACKET = 1 << 20


def _binary() -> str:
    for name in BINARY:
        if found := shutil.which(name):
            return found
    raise Missing("no `mosquitto`: run `make setup`, or `apt-get install mosquitto mosquitto-clients`")


def _configure(port: int, outside: bool = True) -> Path:
    """Write the configuration for a broker on ``port`` of the loopback interface, with the doors for devices or not."""
    home = accounts.folder()
    home.mkdir(parents=True, exist_ok=True)
    for user in sorted(accounts.RESERVED):
        if not accounts.has_password(user):
            accounts.set_password(user, settings().secret(f"mqtt-{user}"))
    file = home / f"mosquitto-{port}.conf"
    file.write_text(
        f"""user {getpass.getuser()}
allow_anonymous false
password_file {home}/passwords
acl_file {accounts.write_rights()}
persistence true
persistence_location {home}/
autosave_on_changes true
autosave_interval {settings().mqtt_autosave_changes}
max_queued_messages 1000000
max_queued_bytes 0
max_inflight_messages 1000
max_packet_size {LARGEST_PACKET}
sys_interval 5
log_dest stderr
log_timestamp_format %Y-%m-%dT%H:%M:%S
log_type error
log_type warning
log_type notice

listener {port} {mqtt_address()[0]}
{_doors() if outside else ""}"""
    )
    return file


def _doors() -> str:
    """The listeners for devices, over TLS; an empty address in the settings closes one."""
    certificates = "require_certificate true\nuse_identity_as_username true\n"
    doors = ((settings().mqtt_tls, certificates), (settings().mqtt_tls_passwords, ""))
    wanted = [(clients.host_and_port(address, 8883), more) for address, more in doors if address]
    if not wanted:
        return ""
    authority = Authority(settings().tls)
    authority.server([name.strip() for name in settings().mqtt_tls_names.split(",")])
    certificate, key = authority.server_files
    return "".join(
        f"""
listener {port} {host}
cafile {authority.certificate_file.absolute()}
crlfile {authority.crl_file.absolute()}
certfile {certificate.absolute()}
keyfile {key.absolute()}
{more}use_username_as_clientid true
"""
        for (host, port), more in wanted
    )


def command() -> list[str]:
    """Prepare the broker (once, with the bridge's session) and return the command that runs it. Raises `Missing`."""
    _, port = mqtt_address()
    config = _configure(port)
    if not (accounts.folder() / "mosquitto.db").exists():
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


def reload() -> bool:
    """Let the running broker of this home read passwords, rights and certificates anew; whether there is one.

    Nobody who may stay is disconnected. But the broker takes the rights of a session that nobody has resumed since it
    started (it no longer knows the password), so that it would queue nothing more for a bridge that is down: that
    session is resumed once.
    """
    from infra.stack.supervisor import read_status, supervisor_pid

    accounts.write_rights()
    states = {state.part: state for state in read_status()} if supervisor_pid() else {}
    broker, bridge = states.get("mosquitto"), states.get("bridge")
    if broker is None or broker.pid is None or broker.state != "running":
        return False
    os.kill(broker.pid, signal.SIGHUP)
    if bridge is None or bridge.state != "running":
        _subscribe_as_bridge(mqtt_address()[1])
    return True


def _make_session() -> None:
    """Make the bridge's lasting session before any device can publish, so that the first message finds a queue."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    broker = subprocess.Popen([_binary(), "-c", str(_configure(port, outside=False))], stderr=subprocess.PIPE)
    try:
        _subscribe_as_bridge(port)
    finally:
        broker.terminate()  # on SIGTERM it saves its sessions
        broker.wait(10)
        (accounts.folder() / f"mosquitto-{port}.conf").unlink()


def _subscribe_as_bridge(port: int) -> None:
    lasting = Properties(PacketTypes.CONNECT)
    lasting.SessionExpiryInterval = 0xFFFFFFFF
    client = mqtt(settings().mqtt_bridge_id, manual_ack=True)  # what waits in the session is the bridge's
    subscribed: list[int] = []
    client.on_subscribe = lambda _c, _u, mid, _codes, _p: subscribed.append(mid)
    for _ in range(50):
        try:
            client.connect(mqtt_address()[0], port, clean_start=False, properties=lasting)
            break
        except OSError:
            time.sleep(0.1)
    client.loop_start()
    client.subscribe(UP, qos=1)
    for _ in range(100):
        if subscribed:
            break
        time.sleep(0.05)
    client.disconnect()
    client.loop_stop()
    if not subscribed:
        raise RuntimeError("the bridge's session could not be made at the MQTT broker")
