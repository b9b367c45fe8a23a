"""One attempt of a device at the broker, by three clients that devices really use: mosquitto's, paho's and npm's."""

import json
import queue
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho

HERE = Path(__file__).parent
SECONDS = 30  #: after which an attempt that nothing ends is an error of the test


@dataclass(frozen=True)
class Attempt:
    """Connect, subscribe, publish with quality of service 1, and wait for ``expect`` messages."""

    port: int
    protocol: int  #: 4 is MQTT 3.1.1, 5 is MQTT 5
    host: str = "localhost"
    client_id: str = "device"
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    username: str | None = None
    password: str | None = None
    subscribe: list[str] = field(default_factory=list)
    publish: tuple[str, str] | None = None
    expect: int = 0


@dataclass
class Outcome:
    """What became of it; ``published`` and ``error`` are in the client's own words."""

    connected: bool = False
    published: str | None = None
    received: list[list[str]] = field(default_factory=list)
    error: str | None = None


def by_npm(attempt: Attempt) -> Outcome:
    """npm's `mqtt`."""
    done = subprocess.run(
        ["node", str(HERE / "device.mjs"), json.dumps(asdict(attempt))],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Outcome(**json.loads(done.stdout))


def by_paho(attempt: Attempt) -> Outcome:
    """Eclipse Paho for Python."""
    outcome, ended = Outcome(), queue.Queue[str | None]()
    protocol = paho.MQTTProtocolVersion(attempt.protocol)
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, attempt.client_id, protocol=protocol)
    if attempt.ca:
        client.tls_set(attempt.ca, attempt.certificate, attempt.key)
    if attempt.username:
        client.username_pw_set(attempt.username, attempt.password)

    def publish() -> None:
        if attempt.publish:
            client.publish(*attempt.publish, qos=1)
        elif not attempt.expect:
            ended.put(None)

    def on_connect(_c: object, _u: object, _f: object, code: Any, _p: object) -> None:
        if code.is_failure:
            ended.put(str(code))
            return
        outcome.connected = True
        if attempt.subscribe:
            client.subscribe([(topic, 1) for topic in attempt.subscribe])
        else:
            publish()

    def on_publish(_c: object, _u: object, _mid: int, code: Any, _p: object) -> None:
        outcome.published = "acknowledged" if not code.is_failure else str(code)
        if not attempt.expect:
            ended.put(None)

    def on_message(_c: object, _u: object, message: paho.MQTTMessage) -> None:
        outcome.received.append([message.topic, message.payload.decode()])
        if len(outcome.received) >= attempt.expect:
            ended.put(None)

    client.on_connect, client.on_publish, client.on_message = on_connect, on_publish, on_message
    client.on_subscribe = lambda *_: publish()
    client.on_disconnect = lambda _c, _u, _f, code, _p: ended.put(str(code))
    try:
        client.connect(attempt.host, attempt.port)
        client.loop_start()
        outcome.error = ended.get(timeout=SECONDS)
    except (OSError, ssl.SSLError) as error:
        outcome.error = str(error)
    client.disconnect()
    client.loop_stop()
    return outcome


def by_mosquitto(attempt: Attempt) -> Outcome:
    """mosquitto_pub, mosquitto_sub, or mosquitto_rr, which does both over one connection."""
    both, publishes = attempt.publish and attempt.subscribe, attempt.publish
    tool = "mosquitto_rr" if both else "mosquitto_pub" if publishes else "mosquitto_sub"
    command = [tool, "-h", attempt.host, "-p", str(attempt.port), "-V", "5" if attempt.protocol == 5 else "311"]
    command += ["-i", attempt.client_id, "-q", "1"]
    for option, value in (
        ("--cafile", attempt.ca), ("--cert", attempt.certificate), ("--key", attempt.key), ("-u", attempt.username),
        ("-P", attempt.password),
    ):  # fmt: skip
        command += [option, value] if value else []
    if attempt.publish:
        command += ["-t", attempt.publish[0], "-m", attempt.publish[1]]
    if tool == "mosquitto_rr":
        command += ["-e", attempt.subscribe[0]]
    if tool == "mosquitto_sub":
        command += ["-C", str(attempt.expect), *(word for topic in attempt.subscribe for word in ("-t", topic))]
    if attempt.subscribe:
        command += ["-F", "%t %p", "-W", str(SECONDS - 5)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    said = done.stderr.strip()
    refused = "Publish" in said and "failed" in said
    accepted = "acknowledged" if attempt.publish and done.returncode == 0 else None
    return Outcome(
        connected=done.returncode == 0 or refused,
        published=said if refused else accepted,
        received=[line.split(" ", 1) for line in done.stdout.splitlines()],
        error=None if done.returncode == 0 else said or f"exit code {done.returncode}",
    )


CLIENTS: dict[str, Callable[[Attempt], Outcome]] = {"mosquitto": by_mosquitto, "paho": by_paho, "npm": by_npm}
