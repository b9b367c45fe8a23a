"""Clients of Kafka, ClickHouse and the MQTT broker, set up once so that none of our parts uses an unsafe default."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import paho.mqtt.client as paho
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from clickhouse_connect.driver import AsyncClient, Client

from infra.settings import settings
from schemas.topics import partition_of


def partitioner(key: bytes | None, all_partitions: list[int], available: list[int]) -> int:
    """Kafka's own partitioner (murmur2), so that every language finds a resident's partition."""
    return all_partitions[partition_of(key or b"", len(all_partitions))]


def producer(**options: Any) -> AIOKafkaProducer:
    """An idempotent producer whose send is done when all in-sync replicas have the record. Start and stop it."""
    return AIOKafkaProducer(
        bootstrap_servers=settings().kafka, acks="all", enable_idempotence=True, linger_ms=2,
        max_request_size=4 << 20, partitioner=partitioner, **options,
    )  # fmt: skip


def consumer(*topics: str, group: str | None = None, **options: Any) -> AIOKafkaConsumer:
    """A consumer that starts at the beginning of the log and never commits by itself."""
    return AIOKafkaConsumer(
        *topics, bootstrap_servers=settings().kafka, group_id=group, enable_auto_commit=False,
        auto_offset_reset="earliest", max_partition_fetch_bytes=4 << 20, fetch_max_wait_ms=100, **options,
    )  # fmt: skip


def admin() -> AIOKafkaAdminClient:
    """An administration client of Kafka."""
    return AIOKafkaAdminClient(bootstrap_servers=settings().kafka)


@asynccontextmanager
async def started_admin() -> AsyncIterator[AIOKafkaAdminClient]:
    """An administration client that is connected, and closed afterwards."""
    client = admin()
    await client.start()
    try:
        yield client
    finally:
        await client.close()


def _clickhouse_options(user: str, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "dsn": settings().clickhouse,
        "username": user,
        "password": settings().secret(f"clickhouse-{user}"),
        "database": settings().clickhouse_database,
        "autogenerate_session_id": False,
        "settings": {"async_insert": 0} if user == "mailiu" else {},
    } | options


def clickhouse(user: str = "mailiu", **options: Any) -> Client:
    """A synchronous ClickHouse client; one a thread."""
    return clickhouse_connect.get_client(**_clickhouse_options(user, options))


async def async_clickhouse(user: str = "mailiu", **options: Any) -> AsyncClient:
    """An asynchronous ClickHouse client; one a process, closed at the end."""
    return await clickhouse_connect.get_async_client(**_clickhouse_options(user, options))


def host_and_port(address: str, port: int) -> tuple[str, int]:
    """Host and port of ``address`` (host:port); ``port`` where it names none."""
    parts = urlsplit(f"//{address}")
    return parts.hostname or "127.0.0.1", parts.port or port


@cache
def mqtt_address() -> tuple[str, int]:
    """Host and port of the MQTT broker."""
    return host_and_port(settings().mqtt, 1883)


def mqtt(client_id: str, user: str = "mailiu", **options: Any) -> paho.Client:
    """A paho MQTT 5 client with our password for ``user``; connect it to `mqtt_address` yourself."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv5, **options)
    client.username_pw_set(user, settings().secret(f"mqtt-{user}"))
    return client
