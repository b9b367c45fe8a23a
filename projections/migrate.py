"""Bring ClickHouse to what is declared in `sql/`: make what is missing, rebuild what changed, leave the rest alone.

A second call is a no-op. A projection whose definition changed is built anew beside the old one and swapped in
(`projections.rebuild`), so that readers never see it half full.
"""

import logging
import re

import orjson
from clickhouse_connect.driver import Client

from infra.clients import clickhouse
from infra.settings import settings
from projections import rebuild
from projections.schema import Projection, declared
from projections.serve import served
from schemas.registry import UPCASTERS, upcast

logger = logging.getLogger("mailiu.projections")


def apply() -> list[str]:
    """Make the database and everything declared in it. What was done, a line each; empty if nothing had to be."""
    database = settings().clickhouse_database
    done: list[str] = []
    with clickhouse(database="default") as client:
        if not client.query("SELECT 1 FROM system.databases WHERE name = {d:String}", {"d": database}).result_rows:
            client.command(f"CREATE DATABASE IF NOT EXISTS {database}")
            done.append(f"database {database}")
    with clickhouse() as client:
        projections = declared()
        for each in projections:
            done += _fixed(client, each)
        done += reupcast(client)
        for each in projections:
            done += _apply(client, each)
    for line in done:
        logger.info("projections: %s", line)
    return done


def _fixed(client: Client, projection: Projection) -> list[str]:
    """Functions, and tables and views without a version."""
    done = []
    for function in projection.functions:
        here = client.query("SELECT create_query FROM system.functions WHERE name = {n:String}", {"n": function.name})
        if not here.result_rows or _bare(here.result_rows[0][0]) != _formatted(client, function.text):
            client.command(function.text)
            done.append(f"function {function.name}")
    for each in projection.fixed + projection.passing:
        if not _exists(client, each.name):
            client.command(each.text)
            done.append(f"{each.kind.lower()} {each.name}")
    return done


def _apply(client: Client, projection: Projection) -> list[str]:
    done = []
    version = rebuild.live(client, projection)
    if projection.tables and (
        version is None or rebuild.definition(client, projection, version) != projection.definition
    ):
        version = rebuild.rebuild(client, projection).version
        done.append(f"{projection.name} built as version {version}")
    for view in projection.served:
        if served(client, projection, view, version or 1):
            done.append(f"view {view.name}")
    return done


def reupcast(client: Client) -> list[str]:
    """Lift stored rows of old types to the newest version, where a newer one was published since they were written.

    The rows are inserted again, so that every projection sees their current form; nothing else about them changes. Then
    `log` is merged: who fills a table from it meets no older form beside the newer.
    """
    columns = [
        "topic",
        "partition",
        "offset",
        "key",
        "type",
        "identity",
        "recordedtime",
        "knowntime",
        "value",
        "upcast",
    ]
    lifted = 0
    for old in UPCASTERS:
        newest, _ = upcast(old, {})
        stale = (
            "type = {old:String} AND topic = 'events' AND isValidJSON(value)"
            " AND ifNull(JSONExtractString(upcast, 'type'), '') != {new:String}"
        )
        while rows := client.query(
            f"SELECT {', '.join(columns)} FROM log FINAL WHERE {stale} ORDER BY partition, offset LIMIT 20000",
            {"old": old, "new": newest},
        ).result_rows:
            client.insert("log", [[*row[:-1], lift(row[-2])] for row in rows], column_names=columns)
            lifted += len(rows)
    if lifted:
        client.command("OPTIMIZE TABLE log FINAL")
    return [f"{lifted} stored events lifted to their newest version"] if lifted else []


def lift(value: str | bytes) -> bytes:
    """The event ``value`` in its newest version."""
    event = orjson.loads(value)
    event["type"], event["data"] = upcast(event["type"], event["data"])
    return orjson.dumps(event)


def _exists(client: Client, table: str) -> bool:
    return bool(client.command(f"EXISTS TABLE {table}"))


def _formatted(client: Client, text: str) -> str:
    [(formatted,)] = client.query("SELECT formatQuerySingleLine({q:String})", {"q": text}).result_rows
    return _bare(formatted)


def _bare(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("OR REPLACE ", "")).strip()
