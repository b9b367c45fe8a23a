"""ClickHouse as the API reads it: one asynchronous client a process, every parameter bound by the server.

The client is made on first use, so that the API starts and appends events while ClickHouse is away; a query then is a
503, never a 500.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import aiohttp
from clickhouse_connect.driver import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

from api.problem import Problem
from infra.clients import async_clickhouse

Row = dict[str, Any]

SECONDS = 10  # a query of the API that takes longer is stopped
#: Codes that say "not now" rather than "wrong": timeout, too many queries, memory, tables not made yet.
NOT_NOW = frozenset({60, 81, 159, 202, 209, 210, 241, 243})


class Tables:
    """Runs queries of the API."""

    def __init__(self) -> None:
        self._client: AsyncClient | None = None
        self._lock = asyncio.Lock()

    async def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """The rows of ``sql`` as dicts; instants are aware. A `Problem` 503 when ClickHouse can't answer now."""
        bound = {name: _bind(value) for name, value in (parameters or {}).items()}
        try:
            async with asyncio.timeout(SECONDS + 2):
                client = await self._connected()
                result = await client.query(sql, parameters=bound, settings={"max_execution_time": SECONDS})
            return list(result.named_results())
        except DatabaseError as error:
            if error.code in NOT_NOW or (error.code is None and isinstance(error, OperationalError)):
                raise unavailable() from error
            raise
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise unavailable() from error

    async def close(self) -> None:
        """Close the client."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    async def _connected(self) -> AsyncClient:
        async with self._lock:
            if self._client is None:
                self._client = await async_clickhouse(
                    tz_mode="aware", connect_timeout=3, query_retries=0, form_encode_query_params=True
                )
            return self._client


def unavailable() -> Problem:
    """A 503: the tables can't be read now."""
    return Problem(503, "the tables cannot be read now", {"Retry-After": "2"})


def _bind(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return value
