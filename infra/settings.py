"""Every setting of Mailiu, with a default that works on one machine.

A setting is read from the environment variable ``MAILIU_<NAME>`` once, at start. ``docs/settings.md`` is generated
from the descriptions below.
"""

import secrets
from functools import cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Name, type, default and meaning of each setting."""

    model_config = SettingsConfigDict(env_prefix="MAILIU_", frozen=True)

    home: Path = Field(Path(".mailiu"), description="Folder that holds all local state, logs and secrets.")
    kafka: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, host:port, comma separated.")
    kafka_replication: int = Field(1, ge=1, description="Replication factor of the topics that Mailiu makes.")
    partitions: int = Field(12, ge=1, le=1024, description="Partitions of `events`; fixed for a log's life.")
    kafka_jars: Path = Field(Path(".kafka"), description="Folder of the Kafka broker's jars (`make setup` fills it).")
    mqtt: str = Field("127.0.0.1:1883", description="MQTT broker, host:port.")
    mqtt_tls: str = Field(
        "127.0.0.1:8883",
        description="Where the local MQTT broker serves devices with a client certificate over TLS; empty: nowhere.",
    )
    mqtt_tls_passwords: str = Field(
        "127.0.0.1:8884", description="Where it serves devices over TLS that log in by a password; empty: nowhere."
    )
    mqtt_tls_names: str = Field(
        "localhost,127.0.0.1",
        description="Host names and addresses by which devices reach the broker: its certificate is valid for them.",
    )
    mqtt_bridge_id: str = Field("mailiu-bridge", description="MQTT client id of the bridge's lasting session.")
    mqtt_bridges: int = Field(
        1, ge=1, description="Bridges that share the devices; above 1 each needs a MAILIU_MQTT_BRIDGE_ID of its own."
    )
    mqtt_autosave_changes: int = Field(
        1000, ge=1, description="The local MQTT broker saves its queues after so many changes."
    )
    clickhouse: str = Field("http://127.0.0.1:8123", description="URL of ClickHouse's HTTP interface.")
    clickhouse_database: str = Field("mailiu", pattern=r"^[a-z][a-z0-9_]*$", description="Database of our tables.")
    api: str = Field("127.0.0.1:8000", description="Address on which the API listens, host:port.")
    clock: str = Field("real", description="`real`, or a start instant and a speed: `2019-04-01T00:00:00Z@600`.")
    timezone: str = Field("Asia/Shanghai", description="Zone of local days, months and working hours.")
    tick_seconds: float = Field(60, gt=0, description="Seconds (of Mailiu's clock) between two `clock.ticked` events.")
    worker: str = Field("w1", pattern=r"^[\w-]+$", description="Stable name of this stream worker.")
    token_issuer: str = Field("mailiu", description="Issuer and audience of the bearer tokens.")
    notice_webhook: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="URL of the message service that gets signed notices; empty: the outbox (`mailiu outbox`).",
    )
    rate_token: str = Field("12000/minute", description="Requests of one token to an API process; empty: no limit.")
    rate_address: str = Field("60000/minute", description="Requests of one address to an API process; empty: no limit.")
    rate_refused: str = Field("600/minute", description="Refused tokens (401) of one address; then 429 for a while.")
    rate_lookup: str = Field("60/minute", description="Look-ups of residents by ID number or phone, one actor's.")
    cors_origins: str = Field("", description="Origins whose pages may call the API, comma separated; empty: none.")
    trusted_proxies: str = Field(
        "", description="Addresses whose X-Forwarded-For and -Proto the API believes, comma separated; empty: none."
    )
    restart_seconds: float = Field(
        30, gt=0, description="Longest pause before a part that keeps dying is started again; the first are shorter."
    )
    log_level: str = Field("INFO", description="Level of our own log lines.")
    log: Literal["text", "json"] = Field("text", description="Form of our own log lines; `json`: an object a line.")

    @property
    def logs(self) -> Path:
        """Folder of the parts' log files."""
        return self.home / "logs"

    @property
    def tls(self) -> Path:
        """Folder of the certificate authority."""
        return self.home / "tls"

    @property
    def zone(self) -> ZoneInfo:
        """The zone of local days and months."""
        return ZoneInfo(self.timezone)

    def secret(self, name: str) -> str:
        """The secret ``name``, made on first use, readable by this user only, kept in ``home/secrets``."""
        return write_once(self.home / "secrets" / name, secrets.token_urlsafe(32))


def write_once(path: Path, text: str) -> str:
    """Write ``text`` to ``path`` unless it exists; of several processes the first wins, whole. What the file holds."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        temporary.touch(mode=0o600)
        temporary.write_text(text)
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_text().strip()


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
